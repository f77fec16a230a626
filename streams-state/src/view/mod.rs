//! Views: the typed stores that processors hold.

mod codec;
mod key_value;
mod list;
mod owner;
mod session;
mod timestamped;
mod timestamped_serde;
mod versioned;
mod window;
mod windowed;
mod with_headers;

pub(crate) use self::codec::{Base, Codec};
pub use self::key_value::{Entries, KeyValueStore};
pub use self::list::{ListEntries, ListStore};
pub use self::session::SessionStore;
pub use self::timestamped::{
    Flushed, OldValues, Timestamped, TimestampedEntries, TimestampedKeyValueStore, Update,
};
pub(crate) use self::timestamped_serde::TimestampedSerde;
pub use self::versioned::{PutVersion, VersionedKeyValueStore};
pub use self::window::{EncodedRow, TimestampedWindowStore, WindowStore};
pub(crate) use self::windowed::WindowedCodec;
pub use self::windowed::{WindowEntries, WindowedEntries};
pub(crate) use self::with_headers::WithHeadersSerde;
pub use self::with_headers::{
    SessionStoreWithHeaders, TimestampedKeyValueStoreWithHeaders,
    TimestampedWindowStoreWithHeaders, WithHeaders,
};

/// Views whose stores can have a record cache. A cache would hold the versions of a key back.
pub trait Cached {}

impl<K, V> Cached for KeyValueStore<K, V> {}
impl<K, V> Cached for TimestampedKeyValueStore<K, V> {}
impl<K, V> Cached for WindowStore<K, V> {}
impl<K, V> Cached for SessionStore<K, V> {}

/// Views whose stores can be bounded by a number of rows. Windows and versions expire instead.
pub trait Bounded {}

impl<K, V> Bounded for KeyValueStore<K, V> {}
impl<K, V> Bounded for TimestampedKeyValueStore<K, V> {}
