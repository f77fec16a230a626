//! A consumer that has nothing to do with Millstream, and shows what any consumer has to wait for:
//! a writer or a broker that rests, and a machine that does much else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::message::Message;

use super::flow::beside;
use super::place::Place;
use super::watch::clock;

/// Shorter waits are not kept: records do not come more often.
const WAIT_MIN: Duration = Duration::from_millis(30);
/// How far apart the two may see the same record.
const APART_MAX: Duration = Duration::from_millis(20);
const POLL: Duration = Duration::from_millis(50);

/// From one record to the next.
type Wait = (Duration, Duration);

/// By partition of the input, the times in which it had no record to read, on [`clock`].
#[derive(Debug, Default)]
pub(crate) struct Bystander(BTreeMap<i32, Vec<Wait>>);

impl Bystander {
    /// Reads the input while `act` runs.
    pub(crate) fn beside<T>(place: &Place, act: impl FnOnce() -> T) -> (T, Self) {
        beside(|stop| Self::read(place, stop), act)
    }

    fn read(place: &Place, stop: &AtomicBool) -> Self {
        let consumer = place.cluster.follower(&place.input);
        let (mut last, mut waits) = (BTreeMap::new(), BTreeMap::<i32, Vec<Wait>>::new());
        while !stop.load(Ordering::Relaxed) {
            // It says so when brokers are away, and goes on.
            let Some(Ok(read)) = consumer.poll(POLL) else { continue };
            let (partition, now) = (read.partition(), clock());
            let before = last.insert(partition, now).unwrap_or(now);
            if now.saturating_sub(before) >= WAIT_MIN {
                waits.entry(partition).or_default().push((before, now));
            }
        }
        Self(waits)
    }

    /// When a record was there for one who had read up to this moment.
    pub(crate) fn there_at(&self, partition: i32, from: Duration) -> Duration {
        let mut waits = self.0.get(&partition).into_iter().flatten();
        let same = from + APART_MAX;
        let wait = waits.find(|(began, over)| *began <= same && *over > same);
        wait.map_or(from, |(_, over)| *over)
    }
}
