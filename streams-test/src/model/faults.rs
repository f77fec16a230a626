//! What goes wrong between the model and its clients, under a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::membership::Moment;

use super::Dice;

/// How often calls fail, in parts of 1,000 of all calls, and for how long.
///
/// ```
/// use std::time::Duration;
/// use streams_test::KafkaModel;
/// use streams_test::model::FaultRates;
///
/// let kafka = KafkaModel::new();
/// let rates = FaultRates { lost_reply: 20, ..FaultRates::NONE };
/// kafka.set_faults(7, rates);
/// # assert_eq!(rates.delay_max, Duration::ZERO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRates {
    /// A request of the group protocol, or a record on its way to the log, takes its time.
    pub delayed: u32,
    /// Up to so much.
    pub delay_max: Duration,
    /// A request is lost, and its connection with it.
    pub lost_request: u32,
    /// A request is worked on, and its answer lost with the connection.
    pub lost_reply: u32,
    /// A request is worked on, and its answer is no answer: its end is missing.
    pub broken_reply: u32,
    /// A request is worked on, and once more later.
    pub repeated: u32,
    /// A request is refused with an error that passes.
    pub refused: u32,
    /// A record is not acknowledged in time, whether it was appended or not, nor is what its
    /// producer sent behind it, which then has to be made anew.
    pub undelivered: u32,
    /// A fetch fails with an error that passes.
    pub unread: u32,
}

impl FaultRates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        delayed: 0,
        delay_max: Duration::ZERO,
        lost_request: 0,
        lost_reply: 0,
        broken_reply: 0,
        repeated: 0,
        refused: 0,
        undelivered: 0,
        unread: 0,
    };
}

/// What becomes of a request of the group protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    LostRequest,
    LostReply,
    BrokenReply,
    Repeated,
    Refused,
}

/// The brokers, and what goes wrong.
#[derive(Debug)]
pub(super) struct Network {
    rates: FaultRates,
    is_faulty: bool,
    pub(super) dice: Dice,
    /// By broker: until when the partitions that it led have no leader, or that it is down.
    down: BTreeMap<i32, Moment>,
    brokers: i32,
    coordinator: i32,
    pub(super) loading_until: Moment,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            rates: FaultRates::NONE,
            is_faulty: false,
            dice: Dice::new(0),
            down: BTreeMap::new(),
            brokers: 1,
            coordinator: 0,
            loading_until: Moment::default(),
        }
    }
}

impl Network {
    /// Whether calls fail, or did, so that records are on their way for a while.
    pub(super) const fn is_faulty(&self) -> bool {
        self.is_faulty
    }

    pub(super) const fn set_rates(&mut self, seed: u64, rates: FaultRates) {
        (self.dice, self.rates, self.is_faulty) = (Dice::new(seed), rates, true);
    }

    pub(super) const fn brokers(&self) -> i32 {
        self.brokers
    }

    pub(super) fn set_brokers(&mut self, brokers: i32) {
        self.brokers = brokers.max(1);
    }

    pub(super) const fn coordinator(&self) -> i32 {
        self.coordinator
    }

    pub(super) const fn set_coordinator(&mut self, broker: i32, loading_until: Moment) {
        (self.coordinator, self.loading_until) = (broker, loading_until);
    }

    /// A broker goes, and comes back when it is started; its partitions have leaders again by then.
    pub(super) fn stop(&mut self, broker: i32, leaderless_until: Moment) {
        self.down.insert(broker, leaderless_until);
    }

    pub(super) fn heal(&mut self) {
        self.rates = FaultRates::NONE;
        self.down.clear();
    }

    pub(super) fn start(&mut self, broker: i32) {
        self.down.remove(&broker);
    }

    pub(super) fn is_up(&self, broker: i32) -> bool {
        (0..self.brokers).contains(&broker) && !self.down.contains_key(&broker)
    }

    /// The next broker that is up, after this one.
    pub(super) fn up_after(&self, broker: i32) -> Option<i32> {
        let mut others = (1..=self.brokers).map(|step| (broker + step) % self.brokers);
        others.find(|broker| self.is_up(*broker))
    }

    /// Which broker leads a partition, or will as soon as any does.
    pub(super) fn leader(&self, partition: i32) -> i32 {
        let first = partition.rem_euclid(self.brokers);
        if self.is_up(first) { first } else { self.up_after(first).unwrap_or(first) }
    }

    /// Whether a partition can be read and written now.
    pub(super) fn has_leader(&self, partition: i32, now: Moment) -> bool {
        let leader = partition.rem_euclid(self.brokers);
        self.down.get(&leader).is_none_or(|until| *until <= now)
    }

    pub(super) fn fate(&mut self) -> Fate {
        let rates = self.rates;
        let mut left = self.dice.below(1000);
        for (rate, fate) in [
            (rates.lost_request, Fate::LostRequest),
            (rates.lost_reply, Fate::LostReply),
            (rates.broken_reply, Fate::BrokenReply),
            (rates.repeated, Fate::Repeated),
            (rates.refused, Fate::Refused),
        ] {
            if left < u64::from(rate) {
                return fate;
            }
            left -= u64::from(rate);
        }
        Fate::Answered
    }

    pub(super) fn delay(&mut self) -> Duration {
        if hits(&mut self.dice, self.rates.delayed) { self.long_delay() } else { Duration::ZERO }
    }

    /// What is late comes within twice the longest delay.
    pub(super) fn long_delay(&mut self) -> Duration {
        let most = u64::try_from(self.rates.delay_max.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.dice.below(most.saturating_add(1)))
    }

    pub(super) fn loses_delivery(&mut self) -> bool {
        hits(&mut self.dice, self.rates.undelivered)
    }

    pub(super) fn fails_fetch(&mut self) -> bool {
        hits(&mut self.dice, self.rates.unread)
    }
}

fn hits(dice: &mut Dice, of_1000: u32) -> bool {
    of_1000 > 0 && dice.below(1000) < u64::from(of_1000)
}
