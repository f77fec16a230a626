//! What has a text of its own, as this text.

use std::any::type_name;
use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use super::{Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;

/// A value as its text in UTF-8: written by `Display`, read by `FromStr`. With `uuid::Uuid` its bytes
/// are those of Kafka's `UUIDSerde`; which other texts are read is up to the type.
///
/// ```
/// use std::net::IpAddr;
/// use streams_core::serde::{Parsed, Serde};
///
/// let (serde, topic) = (Parsed::<IpAddr>::new(), "clients".into());
/// let mut bytes = Vec::new();
/// serde.encode(&topic, &IpAddr::from([127, 0, 0, 1]), &mut bytes)?;
/// assert_eq!(bytes, b"127.0.0.1");
/// assert_eq!(serde.decode(&topic, Some(b"::1"))?.to_string(), "::1");
/// assert!(serde.decode(&topic, Some(b"localhost")).is_err());
/// # Ok::<(), streams_core::serde::SerdeError>(())
/// ```
pub struct Parsed<T>(PhantomData<fn() -> T>);

impl<T> Parsed<T> {
    /// The serde of `T` by its text.
    ///
    /// ```
    /// # use streams_core::serde::{Parsed, Serde};
    /// let serde = Parsed::<char>::new();
    /// assert_eq!(serde.decode(&"letters".into(), Some(b"a"))?, 'a');
    /// # Ok::<(), streams_core::serde::SerdeError>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// The same, to be used at several places.
    ///
    /// ```
    /// # use streams_core::serde::{ListSerde, Parsed, Serde};
    /// let serde = ListSerde::new(Parsed::<char>::shared());
    /// assert_eq!(serde.decode(&"letters".into(), Some(b"\x01\0\0\0\x01\0\0\0\x01a"))?, ['a']);
    /// # Ok::<(), streams_core::serde::SerdeError>(())
    /// ```
    #[must_use]
    pub fn shared() -> SharedSerde<T>
    where
        T: Display + FromStr<Err: Error + Send + Sync + 'static> + 'static,
    {
        Arc::new(Self::new())
    }
}

impl<T> Default for Parsed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Parsed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsed")
    }
}

impl<T> Serde<T> for Parsed<T>
where
    T: Display + FromStr<Err: Error + Send + Sync + 'static> + 'static,
{
    fn encode(&self, _: &TopicName, value: &T, out: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        write!(Appended(out), "{value}").map_err(invalid::<T>)?;
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<T, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: type_name::<T>() })?;
        let text = std::str::from_utf8(bytes).map_err(invalid::<T>)?;
        text.parse::<T>().map_err(invalid::<T>)
    }
}

fn invalid<T>(source: impl Error + Send + Sync + 'static) -> SerdeError {
    SerdeError::Invalid { expected: type_name::<T>(), source: Box::new(source) }
}

/// Text that is written is appended. `Vec` writes text itself, but panics when a `Display` fails.
struct Appended<'a>(&'a mut Vec<u8>);

impl fmt::Write for Appended<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn bytes_of<T>(value: &T) -> Result<Vec<u8>, SerdeError>
    where
        T: Display + FromStr<Err: Error + Send + Sync + 'static> + 'static,
    {
        let mut out = Vec::new();
        Parsed::new().encode(&"t".into(), value, &mut out)?;
        Ok(out)
    }

    fn read(bytes: Option<&[u8]>) -> Result<IpAddr, SerdeError> {
        Parsed::new().decode(&"t".into(), bytes)
    }

    #[test]
    fn what_is_not_its_text_is_an_error_with_its_source() {
        let null = read(None).unwrap_err();
        assert!(matches!(null, SerdeError::Null { .. }));
        assert!(null.to_string().contains("IpAddr"));
        for bytes in [&b"localhost"[..], b"", b"\xff"] {
            let error = read(Some(bytes)).unwrap_err();
            assert!(matches!(error, SerdeError::Invalid { .. }));
            assert!(error.to_string().starts_with("not a "));
            assert!(error.source().is_some());
        }
    }

    /// Has no text.
    struct Mute;

    impl Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    impl FromStr for Mute {
        type Err = Infallible;

        fn from_str(_: &str) -> Result<Self, Infallible> {
            Ok(Self)
        }
    }

    #[test]
    fn a_display_that_fails_is_an_error() {
        assert!(matches!(bytes_of(&Mute), Err(SerdeError::Invalid { .. })));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(address: IpAddr) {
            prop_assert_eq!(read(Some(&bytes_of(&address).unwrap())).unwrap(), address);
        }

        #[test]
        fn damaged_text_is_refused_or_read_as_what_comes_back(
            bytes in rubbish(vec![b"127.0.0.1".to_vec(), b"2001:db8::1".to_vec()]),
        ) {
            if let Ok(address) = read(Some(&bytes)) {
                prop_assert_eq!(read(Some(&bytes_of(&address).unwrap())).unwrap(), address);
            }
        }
    }
}
