//! Joins the rows of a table with those of another whose key is computed from the row: a foreign
//! key. Time is the later of the two rows' when the left one changed, and the right one's when that
//! changed; headers are those of the change.
//!
//! ```text
//! left change -> send -> subscription topic -> receive -> subscription join -> response topic
//! right change -----------------------------> foreign join ----------------> response topic
//! response topic -> resolve -> result
//! ```
//!
//! `receive` keeps the subscriptions in a store, in which `foreign join` finds those that a right
//! change concerns. `subscription join` looks the right row up, `resolve` the left one.
//!
//! A left row subscribes to its foreign key, with a hash of its value. The right side answers at
//! once, and whenever its row changes. An answer whose hash is not that of the left row as it is by
//! then is stale, and dropped and counted: a newer one is on its way. Topics, stores and their bytes
//! are Kafka's.

mod combined_key;
mod foreign_join;
mod murmur3;
mod pseudo_topic;
mod receive;
mod resolve;
mod response;
mod send;
mod subscription;
mod subscription_join;
#[cfg(test)]
mod tests;

pub use self::combined_key::CombinedKey;
pub(crate) use self::combined_key::CombinedKeySerde;
pub(crate) use self::foreign_join::template as foreign_join;
pub(crate) use self::pseudo_topic::PseudoTopic;
pub(crate) use self::receive::template as receive;
pub(crate) use self::resolve::template as resolve;
pub(crate) use self::response::{Response, ResponseSerde};
pub(crate) use self::send::{Sending, template as send};
pub(crate) use self::subscription::SubscriptionSerde;
pub use self::subscription::{Instruction, Subscription};
pub(crate) use self::subscription_join::template as subscription_join;

pub(crate) const STORE_PREFIX: &str = "KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-";
pub(crate) const REGISTRATION_PREFIX: &str = "KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-";
pub(crate) const RESPONSE_PREFIX: &str = "KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-";
pub(crate) const PROCESSOR_PREFIX: &str = "KTABLE-FK-JOIN-SUBSCRIPTION-PROCESSOR-";
pub(crate) const RESOLVER_PREFIX: &str = "KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-";
pub(crate) const OUTPUT_PREFIX: &str = "KTABLE-FK-JOIN-OUTPUT-";

/// What identifies a version of a left row: the hash of its bytes.
pub(crate) type RowHash = [u64; 2];
