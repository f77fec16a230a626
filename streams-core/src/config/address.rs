//! Addresses of brokers.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Reads `host:port`; the host of an IPv6 address is in brackets. A listener name in front, as
    /// in `SSL://host:port`, is understood and dropped, as in Kafka.
    ///
    /// ```
    /// # use streams_core::config::HostPort;
    /// let address = HostPort::parse("SSL://[::1]:9093").expect("an address");
    /// assert_eq!((address.host(), address.port()), ("::1", 9093));
    /// assert!(HostPort::parse("localhost").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let address = match text.trim().split_once("://") {
            Some((_, rest)) => rest,
            None => text.trim(),
        };
        let (host, port) = address.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '%');
        let host_is_valid = match bare {
            Some(inner) => inner.chars().all(|c| allowed(c) || c == ':'),
            None => host.chars().all(allowed),
        };
        let host = bare.unwrap_or(host);
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0)?;
        (host_is_valid && !host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }

    /// Reads a list separated by commas; none if it is empty or names an address twice.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        let mut list: Vec<Self> = Vec::new();
        for part in text.split(',') {
            let address = Self::parse(part)?;
            if list.contains(&address) {
                return None;
            }
            list.push(address);
        }
        Some(list)
    }

    /// The host, without the brackets of an IPv6 address.
    ///
    /// ```
    /// # use streams_core::config::HostPort;
    /// let address = HostPort::parse("localhost:9092").expect("an address");
    /// assert_eq!(address.host(), "localhost");
    /// ```
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    ///
    /// ```
    /// # use streams_core::config::HostPort;
    /// let address = HostPort::parse("localhost:9092").expect("an address");
    /// assert_eq!(address.port(), 9092);
    /// ```
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
