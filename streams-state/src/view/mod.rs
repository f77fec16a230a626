//! Views: the typed stores that processors hold.

mod codec;
mod key_value;
mod list;
mod owner;
mod session;
mod timestamped;
mod timestamped_serde;
mod window;
mod windowed;

pub(crate) use self::codec::Codec;
pub use self::key_value::{Entries, KeyValueStore};
pub use self::list::{ListEntries, ListStore};
pub use self::session::SessionStore;
pub use self::timestamped::{
    Flushed, OldValues, Timestamped, TimestampedEntries, TimestampedKeyValueStore, Update,
};
pub(crate) use self::timestamped_serde::TimestampedSerde;
pub use self::window::{EncodedRow, TimestampedWindowStore, WindowStore};
pub(crate) use self::windowed::WindowedCodec;
pub use self::windowed::{WindowEntries, WindowedEntries};
