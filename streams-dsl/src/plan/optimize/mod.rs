//! Rules that change a plan before it becomes a topology, one file each.

mod drop_null_keys;
mod merge_repartition_topics;
mod merge_sources;
mod reuse_source_topics;
mod single_store_self_join;

pub(super) use self::drop_null_keys::drop_null_keys;
pub(super) use self::merge_repartition_topics::merge_repartition_topics;
pub(super) use self::merge_sources::merge_sources;
pub(super) use self::reuse_source_topics::reuse_source_topics;
pub(super) use self::single_store_self_join::single_store_self_join;
