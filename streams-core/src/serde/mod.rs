//! Serdes: how keys and values become bytes and come back.
//!
//! A serde is a value behind one object-safe trait. A type that has an obvious encoding names it by
//! [`DefaultSerde`]; another can be given wherever bytes are made. The encodings of the built-in
//! serdes are those of Kafka's own, so that Java programs read what these write.

mod bytes;
#[cfg(feature = "json")]
mod json;
mod list;
mod number;
mod option;
mod parsed;
mod text;
mod unit;
mod windowed;

use std::sync::Arc;

pub use self::bytes::{ByteVecSerde, BytesSerde};
#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::list::ListSerde;
pub use self::number::Number;
pub use self::option::OptionSerde;
pub use self::parsed::Parsed;
pub use self::text::Utf8;
pub use self::unit::UnitSerde;
pub use self::windowed::{SessionWindowedSerde, TimeWindowedSerde};
use crate::names::TopicName;

/// Whether encoding gave bytes or null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The bytes that were appended to the buffer, possibly none.
    Bytes,
    /// Kafka's null: nothing was appended.
    Null,
}

/// Turns values of type `T` into bytes and back. Answers to Kafka's `Serde`.
pub trait Serde<T>: Send + Sync + 'static {
    /// Appends the encoding of `value` to `out`, or says that it is null. `topic` is where the
    /// bytes go (for a store: its changelog topic).
    ///
    /// # Errors
    /// When the value has no encoding.
    fn encode(
        &self,
        topic: &TopicName,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError>;

    /// Reads a value. `bytes` is `None` for Kafka's null.
    ///
    /// # Errors
    /// [`SerdeError::Null`] when the type has no null; another when the bytes are not an encoding.
    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<T, SerdeError>;

    /// How many bytes at the end of an encoding tell a key's window. A sink chooses the partition
    /// by the bytes before them, so that all windows of a key share one. 0 but for the windowed
    /// serdes.
    fn window_bytes(&self) -> usize {
        0
    }
}

/// A serde shared by the tasks that use it.
pub type SharedSerde<T> = Arc<dyn Serde<T>>;

/// Types that have one obvious encoding.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default serde",
    label = "no serde is known for `{Self}`",
    note = "pass one where bytes are made: a source, a sink, a grouping or a materialisation"
)]
pub trait DefaultSerde: Sized + 'static {
    /// The serde used where none is given.
    fn serde() -> SharedSerde<Self>;
}

/// Why a value could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SerdeError {
    /// A null where the type has none.
    #[error("null where a {expected} is expected; use Option<..> for what may be null")]
    Null {
        /// What the serde reads.
        expected: &'static str,
    },
    /// A fixed-width type met another number of bytes.
    #[error("{actual} bytes where a {expected} takes {width}")]
    Width {
        /// What the serde reads.
        expected: &'static str,
        /// How many bytes it takes.
        width: usize,
        /// How many there were.
        actual: usize,
    },
    /// The bytes are not what the serde reads, or the value has no encoding.
    #[error("not a {expected}")]
    Invalid {
        /// What the serde reads or writes.
        expected: &'static str,
        /// What the decoder or encoder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
