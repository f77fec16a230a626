//! Text as Java has it, of UTF-16 units. Half of a surrogate pair, which Rust's text cannot hold, is
//! a character of the last private plane, and a question mark among bytes.

use std::sync::Arc;

use millstream::TopicName;
use millstream::serde::{OptionSerde, Payload, Serde, SerdeError, SharedSerde};

const PLANE: u32 = 0x10_0000;

fn half(unit: u16) -> char {
    char::from_u32(PLANE + u32::from(unit)).unwrap_or('?')
}

pub(crate) fn units(text: &str) -> impl Iterator<Item = u16> {
    text.chars().flat_map(|char| {
        let half =
            u32::from(char).checked_sub(PLANE).filter(|half| (0xD800..0xE000).contains(half));
        let half = half.and_then(|half| u16::try_from(half).ok());
        half.map_or_else(|| char.encode_utf16(&mut [0; 2]).to_vec(), |half| vec![half])
    })
}

pub(crate) fn first_unit(text: &str) -> Option<String> {
    let first = char::decode_utf16(units(text).take(1)).next()?;
    Some(first.unwrap_or_else(|error| half(error.unpaired_surrogate())).to_string())
}

/// The text as bytes show it.
pub(crate) fn shown(text: &str) -> String {
    char::decode_utf16(units(text)).map(|char| char.unwrap_or('?')).collect()
}

/// JSON whose escapes of halves, which Java takes, are those characters.
pub(crate) fn without_halves(json: &str) -> String {
    let (mut whole, mut rest) = (String::new(), json);
    while let Some((before, after)) = rest.split_once("\\") {
        let unit = |at: usize| {
            let hex = after.get(at..)?.strip_prefix('u')?.get(..4)?;
            u16::from_str_radix(hex, 16).ok()
        };
        let second = unit(6).filter(|_| after.get(5..6) == Some("\\"));
        let (length, other) = match (unit(0), second) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => (11, None),
            (Some(one @ 0xD800..0xE000), _) => (5, Some(half(one))),
            _ => (1, None),
        };
        let (escape, after) = after.split_at_checked(length).unwrap_or((after, ""));
        whole += before;
        whole += &other.map_or_else(|| format!("\\{escape}"), String::from);
        rest = after;
    }
    whole + rest
}

/// Bytes that are not UTF-8 are replaced, as in Kafka; the library's serde refuses them.
struct TextSerde;

impl Serde<String> for TextSerde {
    fn encode(
        &self,
        _: &TopicName,
        text: &String,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        out.extend(shown(text).bytes());
        Ok(Payload::Bytes)
    }

    fn decode(&self, _: &TopicName, bytes: Option<&[u8]>) -> Result<String, SerdeError> {
        let bytes = bytes.ok_or(SerdeError::Null { expected: "text" })?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

pub(crate) fn serde() -> SharedSerde<String> {
    Arc::new(TextSerde)
}

pub(crate) fn nullable() -> SharedSerde<Option<String>> {
    Arc::new(OptionSerde::new(serde()))
}
