//! The DSL: streams and tables of records, described by what is done to them.
//!
//! A [`StreamsBuilder`] gives streams and tables of topics; each operator gives another one. What
//! was described becomes a topology by [`StreamsBuilder::build`], with the names, internal topics
//! and bytes that Kafka Streams 4.3.1 would have.
//!
//! ```
//! use streams_dsl::{KStream, StreamsBuilder};
//! use streams_test::TopologyTestDriver;
//!
//! let builder = StreamsBuilder::new();
//! let lines: KStream<'_, String, String> = builder.stream("lines");
//! lines
//!     .flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!     .group_by(|_, word| word.clone())
//!     .count()
//!     .to_stream()
//!     .to("counts");
//!
//! let driver = TopologyTestDriver::new(&builder.build()?)?;
//! driver.input::<String, String>("lines").pipe("1", "to be or not to be")?;
//! let counts = driver.output::<String, Option<i64>>("counts").read_map()?;
//! assert_eq!(counts["be"], Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod args;
mod branched;
mod builder;
mod change;
mod cogrouped;
#[cfg(test)]
#[path = "../../streams-core/tests/garbage/damage.rs"]
mod damage;
pub mod foreign_key;
mod global_table;
mod grouped_stream;
mod grouped_table;
mod null;
mod operators;
mod plan;
mod stream;
mod table;
mod view;
mod window;
mod windowed;

pub use streams_core::topology::Topic;
pub use streams_core::window::{Window, Windowed};

pub use self::args::{
    Branched, BufferConfig, Consumed, Derived, DynamicProduced, EagerBufferConfig, EmitEarly,
    Grouped, Joined, Materialized, Named, Printed, ProcessorStores, Produced, Repartitioned,
    ShutDown, StreamJoined, StrictBufferConfig, Suppressed, TableJoined, Topics, WhenFull,
};
pub use self::branched::{BranchedKStream, Branches};
pub use self::builder::StreamsBuilder;
pub use self::cogrouped::{CogroupedKStream, WindowedCogroupedKStream};
pub use self::global_table::GlobalKTable;
pub use self::grouped_stream::KGroupedStream;
pub use self::grouped_table::KGroupedTable;
pub use self::null::OrNull;
pub use self::stream::KStream;
pub use self::table::KTable;
pub use self::window::{
    ClosingWindows, EmitStrategy, FixedWindows, JoinWindows, SessionWindows, SlidingWindows,
    TimeWindows, UnlimitedWindows, Windowing,
};
pub use self::windowed::WindowedKStream;
