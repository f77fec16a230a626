//! The text that is committed beside an offset: Kafka's `TopicPartitionMetadata`, version 2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::time::Timestamp;

const VERSION: u8 = 2;

/// Writes the time of a partition, which brings back stream time after a restart.
#[must_use]
pub fn encode(partition_time: Timestamp) -> String {
    let mut bytes = [0; 9];
    bytes[0] = VERSION;
    bytes[1..].copy_from_slice(&partition_time.millis().to_be_bytes());
    STANDARD.encode(bytes)
}

/// Reads the time of a partition. What is no such text, such as that of another tool, gives
/// [`Timestamp::UNKNOWN`].
#[must_use]
pub fn decode(metadata: &str) -> Timestamp {
    let Ok(bytes) = STANDARD.decode(metadata) else { return Timestamp::UNKNOWN };
    match bytes.split_first_chunk::<9>() {
        // Version 2 may go on with metadata of processors.
        Some(([1 | VERSION, time @ ..], _)) => Timestamp::from_millis(i64::from_be_bytes(*time)),
        _ => Timestamp::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        assert_eq!(encode(Timestamp::from_millis(1000)), "AgAAAAAAAAPo");
        assert_eq!(decode("AgAAAAAAAAPo"), Timestamp::from_millis(1000));
        assert_eq!(decode("AQAAAAAAAAPo"), Timestamp::from_millis(1000), "version 1");
    }

    #[test]
    fn garbage_is_no_time() {
        for text in ["", "x", "!!", "AwAAAAAAAAPo", "Ag=="] {
            assert_eq!(decode(text), Timestamp::UNKNOWN, "{text}");
        }
    }
}
