//! Keys within windows, as Kafka writes them to topics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Payload, Serde, SerdeError, SharedSerde};
use crate::names::TopicName;
use crate::time::Timestamp;
use crate::window::{Window, Windowed};

const TIME_BYTES: usize = size_of::<i64>();
const SEQUENCE_NUMBER_BYTES: usize = size_of::<i32>();

/// A key within a tumbling, hopping or sliding window: the key's bytes, then the start of the
/// window in 8. Answers to Kafka's `TimeWindowedSerde`.
///
/// The end is not written; it is the start and the size. For sliding windows the size is their time
/// difference.
///
/// ```
/// use std::time::Duration;
/// use streams_core::serde::{DefaultSerde, Serde, TimeWindowedSerde};
/// use streams_core::time::Timestamp;
/// use streams_core::window::{Window, Windowed};
///
/// let serde = TimeWindowedSerde::new(String::serde(), Duration::from_millis(10));
/// let key = Windowed::new("a".to_owned(), Window::of_size(Timestamp::from_millis(258), 10));
/// let mut bytes = Vec::new();
/// serde.encode(&"topic".into(), &key, &mut bytes)?;
/// assert_eq!(bytes, b"a\0\0\0\0\0\0\x01\x02");
/// assert_eq!(serde.decode(&"topic".into(), Some(&bytes))?, key);
/// # Ok::<(), streams_core::serde::SerdeError>(())
/// ```
pub struct TimeWindowedSerde<K> {
    key: SharedSerde<K>,
    size_ms: i64,
    read_from: ReadFrom,
}

/// Where the keys that are read come from.
#[derive(Debug, Clone, Copy)]
enum ReadFrom {
    Topic,
    /// A number that tells records of one time apart is behind the time.
    Changelog,
}

impl<K> TimeWindowedSerde<K> {
    /// Keys as `key` writes them, within windows of this size.
    #[must_use]
    pub fn new(key: SharedSerde<K>, size: Duration) -> Self {
        let size_ms = i64::try_from(size.as_millis()).unwrap_or(i64::MAX);
        Self { key, size_ms, read_from: ReadFrom::Topic }
    }

    /// The same, to be used at several places.
    #[must_use]
    pub fn shared(key: SharedSerde<K>, size: Duration) -> SharedSerde<Windowed<K>>
    where
        K: 'static,
    {
        Arc::new(Self::new(key, size))
    }

    /// Reads the keys in the changelog of a window store: the key's bytes, the start of the window
    /// in 8, and a sequence number in 4, which is dropped. Writes keys without that number still,
    /// for other topics, as Kafka's `forChangelog(true)` does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::serde::{DefaultSerde, Serde, TimeWindowedSerde};
    /// let serde = TimeWindowedSerde::new(String::serde(), Duration::from_millis(10)).for_changelog();
    /// let bytes = b"a\0\0\0\0\0\0\x01\x02\0\0\0\x05";
    /// let key = serde.decode(&"app-counts-changelog".into(), Some(bytes))?;
    /// assert_eq!(key.to_string(), "[a@258/268]");
    /// # Ok::<(), streams_core::serde::SerdeError>(())
    /// ```
    #[must_use]
    pub fn for_changelog(self) -> Self {
        Self { read_from: ReadFrom::Changelog, ..self }
    }
}

impl<K> fmt::Debug for TimeWindowedSerde<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeWindowedSerde")
            .field("size_ms", &self.size_ms)
            .field("read_from", &self.read_from)
            .finish_non_exhaustive()
    }
}

/// A key within a session: the key's bytes, then the session's end and its start, each in 8.
/// Answers to Kafka's `SessionWindowedSerde`.
///
/// ```
/// use streams_core::serde::{DefaultSerde, Serde, SessionWindowedSerde};
/// use streams_core::time::Timestamp;
/// use streams_core::window::{Window, Windowed};
///
/// let serde = SessionWindowedSerde::new(String::serde());
/// let session = Window::new(Timestamp::from_millis(1), Timestamp::from_millis(2));
/// let key = Windowed::new("a".to_owned(), session);
/// let mut bytes = Vec::new();
/// serde.encode(&"topic".into(), &key, &mut bytes)?;
/// assert_eq!(bytes, b"a\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01");
/// assert_eq!(serde.decode(&"topic".into(), Some(&bytes))?, key);
/// # Ok::<(), streams_core::serde::SerdeError>(())
/// ```
pub struct SessionWindowedSerde<K>(SharedSerde<K>);

impl<K> SessionWindowedSerde<K> {
    /// Keys as `key` writes them, within sessions.
    #[must_use]
    pub const fn new(key: SharedSerde<K>) -> Self {
        Self(key)
    }

    /// The same, to be used at several places.
    #[must_use]
    pub fn shared(key: SharedSerde<K>) -> SharedSerde<Windowed<K>>
    where
        K: 'static,
    {
        Arc::new(Self::new(key))
    }
}

impl<K> fmt::Debug for SessionWindowedSerde<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionWindowedSerde")
    }
}

fn encode_with<K: 'static, const N: usize>(
    key: &SharedSerde<K>,
    topic: &TopicName,
    windowed: &Windowed<K>,
    (times, out): ([Timestamp; N], &mut Vec<u8>),
) -> Result<Payload, SerdeError> {
    match key.encode(topic, &windowed.key, out)? {
        Payload::Null => Err(SerdeError::Null { expected: "key within a window" }),
        Payload::Bytes => {
            times.iter().for_each(|time| out.extend_from_slice(&time.millis().to_be_bytes()));
            Ok(Payload::Bytes)
        }
    }
}

/// The bytes before the times, and the times; so many bytes are behind them.
fn split<const N: usize>(
    bytes: Option<&[u8]>,
    behind: usize,
) -> Result<(&[u8], [Timestamp; N]), SerdeError> {
    let expected = "key within a window";
    let bytes = bytes.ok_or(SerdeError::Null { expected })?;
    let width = N * TIME_BYTES + behind;
    let too_short = || SerdeError::Width { expected, width, actual: bytes.len() };
    let end = bytes.len().checked_sub(behind).ok_or_else(too_short)?;
    let mut rest = &bytes[..end];
    let mut times = [Timestamp::UNKNOWN; N];
    for time in times.iter_mut().rev() {
        let (before, last) = rest.split_last_chunk::<TIME_BYTES>().ok_or_else(too_short)?;
        *time = Timestamp::from_millis(i64::from_be_bytes(*last));
        rest = before;
    }
    Ok((rest, times))
}

impl<K: 'static> Serde<Windowed<K>> for TimeWindowedSerde<K> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Windowed<K>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        encode_with(&self.key, topic, value, ([value.window.start], out))
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Windowed<K>, SerdeError> {
        let behind = match self.read_from {
            ReadFrom::Topic => 0,
            ReadFrom::Changelog => SEQUENCE_NUMBER_BYTES,
        };
        let (key, [start]) = split(bytes, behind)?;
        let key = self.key.decode(topic, Some(key))?;
        Ok(Windowed::new(key, Window::of_size(start, self.size_ms)))
    }

    fn window_bytes(&self) -> usize {
        TIME_BYTES
    }
}

impl<K: 'static> Serde<Windowed<K>> for SessionWindowedSerde<K> {
    fn encode(
        &self,
        topic: &TopicName,
        value: &Windowed<K>,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        let Window { start, end } = value.window;
        encode_with(&self.0, topic, value, ([end, start], out))
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<Windowed<K>, SerdeError> {
        let (key, [end, start]) = split(bytes, 0)?;
        Ok(Windowed::new(self.0.decode(topic, Some(key))?, Window::new(start, end)))
    }

    fn window_bytes(&self) -> usize {
        2 * TIME_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{DefaultSerde, OptionSerde};
    use super::*;
    use crate::damage::rubbish;

    #[test]
    fn what_is_too_short_or_null_is_refused() {
        let time = TimeWindowedSerde::new(String::serde(), Duration::from_millis(5));
        let session = SessionWindowedSerde::new(String::serde());
        let topic = "t".into();
        for bytes in [None, Some(&[0; 7][..])] {
            assert!(time.decode(&topic, bytes).is_err());
            assert!(session.decode(&topic, bytes).is_err());
        }
        assert!(session.decode(&topic, Some(&[0; 15])).is_err());
        assert!(time.decode(&topic, Some(&[0; 8])).is_ok_and(|key| key.key.is_empty()));
    }

    #[test]
    fn keys_of_a_changelog_are_read_and_those_of_topics_written() {
        let serde = TimeWindowedSerde::new(String::serde(), Duration::from_millis(5));
        let (serde, topic) = (serde.for_changelog(), "t".into());
        let key = serde.decode(&topic, Some(b"a\0\0\0\0\0\0\x01\x02\0\0\0\x07")).unwrap();
        let window = Window::of_size(Timestamp::from_millis(258), 5);
        assert_eq!(key, Windowed::new("a".to_owned(), window));
        let mut written = Vec::new();
        serde.encode(&topic, &key, &mut written).unwrap();
        assert_eq!(written, b"a\0\0\0\0\0\0\x01\x02");
        assert_eq!(serde.window_bytes(), 8);
        for short in [0, 3, 11] {
            let error = serde.decode(&topic, Some(&[0; 12][..short])).unwrap_err().to_string();
            assert_eq!(error, format!("{short} bytes where a key within a window takes 12"));
        }
        assert!(serde.decode(&topic, Some(&[0; 12])).is_ok_and(|key| key.key.is_empty()));
    }

    #[test]
    fn a_nullable_key_within_a_window_knows_its_windows_bytes() {
        let inner = TimeWindowedSerde::shared(String::serde(), Duration::from_millis(5));
        assert_eq!(OptionSerde::new(inner).window_bytes(), 8);
        assert_eq!(String::serde().window_bytes(), 0);
    }

    /// What is read of these bytes is written as these bytes.
    fn comes_back(serde: &impl Serde<Windowed<String>>, bytes: &[u8]) -> Result<(), TestCaseError> {
        let topic = "t".into();
        if let Ok(key) = serde.decode(&topic, Some(bytes)) {
            let mut written = Vec::new();
            serde.encode(&topic, &key, &mut written).unwrap();
            prop_assert_eq!(&written[..], bytes);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn damaged_keys_are_refused_or_come_back(
            bytes in rubbish(vec![b"a\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01".to_vec()]),
        ) {
            let size = Duration::from_millis(10);
            comes_back(&TimeWindowedSerde::new(String::serde(), size), &bytes)?;
            comes_back(&SessionWindowedSerde::new(String::serde()), &bytes)?;
            let of_changelog = TimeWindowedSerde::new(String::serde(), size).for_changelog();
            if let Ok(key) = of_changelog.decode(&"t".into(), Some(&bytes)) {
                let mut written = Vec::new();
                of_changelog.encode(&"t".into(), &key, &mut written).unwrap();
                prop_assert_eq!(&written[..], &bytes[..bytes.len() - SEQUENCE_NUMBER_BYTES]);
            }
        }
    }
}
