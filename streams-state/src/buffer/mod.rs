//! Updates that wait: a store in memory, in the order of time, whose changelog is written when the
//! task commits. Kafka's `InMemoryTimeOrderedKeyValueChangeBuffer`.

mod arena;
mod dirty;
mod pages;
mod record;
mod row;
mod rows;
mod spec;
mod store;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use self::spec::BufferFactory;
pub(crate) use self::store::{BUFFER_LOG, BufferParts, BufferStore};
pub use self::view::{Buffered, SuppressionBuffer};
