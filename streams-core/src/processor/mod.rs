//! Processors: the typed graph that a task runs.
//!
//! A record moves by plain calls, depth-first. Types are erased once, while a task is linked.

mod activity;
mod context;
mod edge;
mod link;
mod node;
mod punctuation;
mod sink;
mod source;

use crate::error::ProcessorError;
use crate::record::{FixedKeyRecord, Record};

pub use self::activity::Activity;
pub use self::context::{ContextParts, EmitIntervals, TaskContext};
pub(crate) use self::edge::at_work;
pub use self::edge::{Edge, NodeCell, Push};
pub(crate) use self::link::{Flush, Forwards, Linker, NodePlace, Registry, Takes};
pub use self::link::{
    FlushCache, LinkError, NodeLinks, NodeSupplier, ProcessorTemplate, SinkTemplate,
    SourceTemplate, same_type,
};
pub use self::node::{
    ConnectedStores, Context, FixedKeyContext, FixedKeyNode, InitContext, ProcessorNode,
};
pub use self::punctuation::{Punctuation, PunctuationId, PunctuationType, ScheduleError};
pub use self::sink::{
    ExtractTopic, Partitions, RecordContext, Sink, SinkDestination, StreamPartitioner,
};
pub use self::source::{ExtractTimestamp, Extraction, Nulls, Source, TimestampExtractor};
pub(crate) use self::source::{Loaded, SourceNode};

/// A processor: user code between two nodes of the topology, with stores and timers if it wants.
/// Answers to Kafka's `Processor` (KIP-478); its input types are parameters, its output types are
/// associated.
///
/// One is made per task by its supplier and never leaves the task's thread.
pub trait Processor<K, V>: 'static {
    /// The key of what it forwards.
    type OutKey: Clone + 'static;
    /// The value of what it forwards.
    type OutValue: Clone + 'static;

    /// Called once, when the task's stores are restored and before the first record.
    ///
    /// # Errors
    /// Any error fails the task.
    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        let _ = cx;
        Ok(())
    }

    /// Called for each record, in order for each input partition.
    ///
    /// # Errors
    /// Any error is shown to the processing handler, which fails the task or leaves the record out.
    fn process(
        &mut self,
        record: Record<K, V>,
        cx: &mut Context<'_, Self::OutKey, Self::OutValue>,
    ) -> Result<(), ProcessorError>;

    /// Called when a punctuation that this processor scheduled is due.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut Context<'_, Self::OutKey, Self::OutValue>,
    ) -> Result<(), ProcessorError> {
        let _ = (punctuation, cx);
        Ok(())
    }

    /// Called when the task closes in good order.
    ///
    /// # Errors
    /// Any error is logged.
    fn close(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }
}

/// A processor that cannot change the key, so that no repartitioning follows it. Answers to Kafka's
/// `FixedKeyProcessor` (KIP-820).
pub trait FixedKeyProcessor<K, V>: 'static {
    /// The value of what it forwards.
    type OutValue: Clone + 'static;

    /// Called once, when the task's stores are restored and before the first record.
    ///
    /// # Errors
    /// Any error fails the task.
    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        let _ = cx;
        Ok(())
    }

    /// Called for each record, in order for each input partition.
    ///
    /// # Errors
    /// Any error is shown to the processing handler, which fails the task or leaves the record out.
    fn process(
        &mut self,
        record: FixedKeyRecord<K, V>,
        cx: &mut FixedKeyContext<'_, K, Self::OutValue>,
    ) -> Result<(), ProcessorError>;

    /// Called when a punctuation that this processor scheduled is due. What it forwards has to be
    /// made of a record that it was given, and kept: only such a one has a key of this stream.
    // DIFFERENCE(fixed-key-punctuate): in Kafka it is a closure that is given to `schedule`.
    ///
    /// # Errors
    /// As for [`process`](Self::process).
    fn punctuate(
        &mut self,
        punctuation: Punctuation,
        cx: &mut FixedKeyContext<'_, K, Self::OutValue>,
    ) -> Result<(), ProcessorError> {
        let _ = (punctuation, cx);
        Ok(())
    }

    /// Called when the task closes in good order.
    ///
    /// # Errors
    /// Any error is logged.
    fn close(&mut self) -> Result<(), ProcessorError> {
        Ok(())
    }
}
