//! What operators take besides closures: names, serdes, stores, partitions.

mod branched;
mod consumed;
mod derived;
mod grouped;
mod joined;
mod materialized;
mod named;
mod placement;
mod printed;
mod processor_stores;
mod produced;
mod repartitioned;
mod serdes;
mod stream_joined;
mod suppressed;
mod table_joined;
mod topics;

pub use self::branched::Branched;
pub use self::consumed::Consumed;
pub use self::derived::Derived;
pub use self::grouped::Grouped;
pub use self::joined::Joined;
pub use self::materialized::Materialized;
pub(crate) use self::materialized::StoreIndex;
pub use self::named::Named;
pub(crate) use self::placement::{Medium, Placement};
pub use self::printed::Printed;
pub(crate) use self::printed::{Line, Printer};
pub use self::processor_stores::ProcessorStores;
pub use self::produced::{DynamicProduced, Produced};
pub use self::repartitioned::Repartitioned;
pub(crate) use self::serdes::Serdes;
pub use self::stream_joined::StreamJoined;
pub(crate) use self::suppressed::{Bounds, Full, KeySerde, Until};
pub use self::suppressed::{
    BufferConfig, EagerBufferConfig, EmitEarly, ShutDown, StrictBufferConfig, Suppressed, WhenFull,
};
pub(crate) use self::table_joined::KeyPartitioner;
pub use self::table_joined::TableJoined;
pub use self::topics::Topics;
