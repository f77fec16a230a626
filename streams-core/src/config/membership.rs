//! The process as a member of its group.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::names::GroupInstanceId;
use super::reader::{MEMBER, Reader};
pub use crate::topology::OffsetReset;

/// The words of `auto.offset.reset`.
impl OffsetReset {
    pub(crate) const RULE: &str =
        "'earliest', 'latest', 'none' or 'by_duration:' and an ISO 8601 duration such as PT1H";

    /// Reads Kafka's words, and librdkafka's for the same.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let word = text.trim().to_ascii_lowercase();
        match word.as_str() {
            "earliest" | "smallest" | "beginning" => Some(Self::Earliest),
            "latest" | "largest" | "end" => Some(Self::Latest),
            "none" | "error" => Some(Self::Fail),
            _ => iso_duration(word.strip_prefix("by_duration:")?).map(Self::By),
        }
    }
}

impl fmt::Display for OffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Fail => f.write_str("none"),
            Self::By(age) => {
                let (seconds, millis) = (age.as_secs(), age.subsec_millis());
                match millis {
                    0 => write!(f, "by_duration:PT{seconds}S"),
                    _ => write!(f, "by_duration:PT{seconds}.{millis:03}S"),
                }
            }
        }
    }
}

impl FromStr for OffsetReset {
    type Err = UnknownOffsetReset;

    fn from_str(text: &str) -> Result<Self, UnknownOffsetReset> {
        Self::parse(text).ok_or(UnknownOffsetReset)
    }
}

/// A text is not one of the words of `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an offset reset must be {}", OffsetReset::RULE)]
pub struct UnknownOffsetReset;

/// `PnDTnHnMn.nS` in lower case, to the millisecond, not negative.
fn iso_duration(text: &str) -> Option<Duration> {
    let (days, clock) = match text.strip_prefix('p')?.split_once('t') {
        Some((days, clock)) if !clock.is_empty() => (days, clock),
        Some(_) => return None,
        None => (text.strip_prefix('p')?, ""),
    };
    let mut millis = 0_u64;
    let mut seen = false;
    for (part, units) in [(days, &[('d', 86_400_000)][..]), (clock, &CLOCK_UNITS[..])] {
        let mut rest = part;
        for (letter, unit_millis) in units {
            let Some((number, after)) = rest.split_once(*letter) else { continue };
            millis = millis.checked_add(amount(number, *unit_millis)?)?;
            rest = after;
            seen = true;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    // Kafka reckons with milliseconds in 64 bits with a sign.
    (seen && i64::try_from(millis).is_ok()).then(|| Duration::from_millis(millis))
}

const CLOCK_UNITS: [(char, u64); 3] = [('h', 3_600_000), ('m', 60_000), ('s', 1_000)];

fn amount(number: &str, unit_millis: u64) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if unit_millis == 1_000 && fraction.len() <= 9 => (whole, fraction),
        Some(_) => return None,
        None => (number, "0"),
    };
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
    let below_one = if unit_millis == 1_000 { thousandths.parse().ok()? } else { 0 };
    whole.parse::<u64>().ok()?.checked_mul(unit_millis)?.checked_add(below_one)
}

/// The process as a member of its group, under the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// `group.instance.id`, none by default. DIFFERENCE(instance-id): Kafka appends the number of
    /// the thread, each being a member; here the process is one member and bears the id as it is.
    pub instance_id: Option<GroupInstanceId>,
    /// `session.timeout.ms`: a member that is silent so long is expelled, 45 s by default.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`, 3 s by default.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a worker busy for longer makes the process leave, or with an
    /// `instance_id` fall silent, and the time members are given to rejoin; 5 minutes by default.
    pub max_poll_interval: Duration,
    /// `default.api.timeout.ms` of the main consumer: how long a commit or a look-up of offsets is
    /// tried, 60 s by default.
    pub offsets_timeout: Duration,
    /// `auto.offset.reset`, earliest by default.
    pub offset_reset: OffsetReset,
}

impl Membership {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        // Says that it is the classic one; no other passes the check.
        reader.text("group.protocol");
        Self {
            instance_id: reader.client_parsed("group.instance.id", &MEMBER),
            session_timeout: reader.client_millis("session.timeout.ms", &MEMBER),
            heartbeat_interval: reader.client_millis("heartbeat.interval.ms", &MEMBER),
            max_poll_interval: reader.client_millis("max.poll.interval.ms", &MEMBER),
            offsets_timeout: reader.client_millis("default.api.timeout.ms", &MEMBER),
            offset_reset: reader
                .client_parsed("auto.offset.reset", &MEMBER)
                .unwrap_or(OffsetReset::Earliest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        let good = [
            ("p1d", 86_400_000),
            ("pt1h", 3_600_000),
            ("pt90m", 5_400_000),
            ("pt0.5s", 500),
            ("pt1.0009s", 1_000),
            ("p2dt3h4m5s", 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000 + 5_000),
        ];
        for (text, millis) in good {
            assert_eq!(iso_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        let bad = [
            "",
            "p",
            "pt",
            "1h",
            "pth",
            "pt-1s",
            "p1dt",
            "pt1m1h",
            "pt1.5h",
            "p99999999999999999d",
        ];
        for text in bad {
            assert_eq!(iso_duration(text), None, "{text}");
        }
    }

    #[test]
    fn resets_are_written_as_they_are_read() {
        for text in ["earliest", "latest", "none", "by_duration:PT90S", "by_duration:PT1.250S"] {
            assert_eq!(OffsetReset::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(OffsetReset::parse("smallest"), Some(OffsetReset::Earliest));
    }
}
