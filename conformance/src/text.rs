//! Keys and values: text as Java has it, of UTF-16 units, or a number, which is text in memory. The
//! first half of a surrogate pair, which Rust's text cannot hold, is a character of the last private
//! plane, and a question mark among bytes.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use millstream::serde::{DefaultSerde, OptionSerde, Payload, Serde, SerdeError};
use millstream::{TopicName, Windowed};

/// A key or a value of a stream; `None` is null.
pub(crate) type Text = Option<String>;

/// A value of a table: text, or what `count` gives.
pub(crate) trait Row: Clone + ToString + FromStr + 'static {}

impl<V: Clone + ToString + FromStr + 'static> Row for V {}

/// How text is written: as UTF-8, or as the eight bytes of the number that it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Long,
}

/// How keys are written.
pub(crate) const KEY: Kind = Kind::Text;

/// Kafka's serdes. They replace what is not UTF-8; the library's refuses it.
impl<V: Row> Serde<V> for Kind {
    fn encode(&self, _: &TopicName, value: &V, out: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let text = value.to_string();
        match self {
            Self::Text => out.extend(shown(&text).bytes()),
            Self::Long => out.extend(text.parse::<i64>().map_err(unfit)?.to_be_bytes()),
        }
        Ok(Payload::Bytes)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<V, SerdeError> {
        let text = match self {
            Self::Text => String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned(),
            Self::Long => i64::serde().decode(topic, bytes)?.to_string(),
        };
        text.parse().map_err(unfit)
    }
}

fn unfit<E>(_: E) -> SerdeError {
    SerdeError::Invalid { expected: "number", source: "it is text".into() }
}

pub(crate) fn nullable(kind: Kind) -> OptionSerde<String> {
    OptionSerde::new(Arc::new(kind))
}

/// A key in a window, as the reference prints it.
pub(crate) fn in_window(Windowed { key, window }: Windowed<String>) -> String {
    format!("{key}@{}/{}", window.start, window.end)
}

/// What stands for halves.
const HALVES: RangeInclusive<char> = '\u{10D800}'..='\u{10DFFF}';

pub(crate) fn units(text: &str) -> impl Iterator<Item = u16> {
    text.chars().flat_map(|char| match u32::from(char) {
        half if HALVES.contains(&char) => vec![half as u16],
        _ => char.encode_utf16(&mut [0; 2]).to_vec(),
    })
}

pub(crate) fn first_unit(text: &str) -> String {
    let first = units(text).next().map(u32::from);
    String::from_iter(first.and_then(|one| char::from_u32(one).or(char::from_u32(0x10_0000 | one))))
}

/// The text as bytes show it.
pub(crate) fn shown(text: &str) -> String {
    text.replace(|char: char| HALVES.contains(&char), "?")
}
