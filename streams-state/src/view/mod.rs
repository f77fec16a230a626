//! Views: the typed stores that processors hold.

mod codec;
mod key_value;
mod timestamped;

pub(crate) use self::codec::Codec;
pub use self::key_value::{Entries, KeyValueStore};
pub use self::timestamped::{
    Flushed, OldValues, Timestamped, TimestampedEntries, TimestampedKeyValueStore, Update,
};
