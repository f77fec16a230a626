//! The operators, one file each: what happens to key, value, time and nulls, and the node that does
//! it. `stream.rs`, `table.rs` and `grouped.rs` put them into a plan.

pub(crate) mod branch;
pub(crate) mod filter;
pub(crate) mod flat_map;
pub(crate) mod flat_map_values;
pub(crate) mod fold;
pub(crate) mod for_each;
pub(crate) mod foreign_key;
pub(crate) mod join_buffer;
pub(crate) mod map;
pub(crate) mod map_values;
pub(crate) mod pass_through;
pub(crate) mod peek;
mod place;
pub(crate) mod print;
pub(crate) mod repartition;
mod session_aggregate;
mod sliding_aggregate;
pub(crate) mod stream_aggregate;
pub(crate) mod stream_join;
pub(crate) mod suppress;
pub(crate) mod table_aggregate;
pub(crate) mod table_filter;
pub(crate) mod table_join;
pub(crate) mod table_join_merge;
pub(crate) mod table_map_values;
mod table_output;
pub(crate) mod table_select;
pub(crate) mod table_source;
pub(crate) mod table_transform_values;
pub(crate) mod to_stream;
mod window_aggregate;
mod window_close;
pub(crate) mod window_join;
pub(crate) mod window_node;
mod window_output;

use self::place::Place;
