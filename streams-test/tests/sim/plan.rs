//! What a seed makes of a run, before it begins.

use std::time::Duration;

use streams_core::assign::PlacementPolicy;
use streams_test::model::{Dice, FaultRates};

/// How rough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Processes come and go in good order, and all calls are answered: every record counts once.
    Calm,
    /// Calls fail and processes crash; none goes on after the group has given it up.
    Rough,
    /// So do some that were paused for longer than their session.
    Wild,
}

/// How members are known to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Given,
    /// By `group.instance.id`.
    Lasting,
}

/// What the application's handler of uncaught errors says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncaught {
    /// What failed is made anew: a task, or a worker with all of its tasks.
    Replace,
    /// The process closes.
    ShutDown,
    /// All processes close.
    ShutDownAll,
}

/// What becomes of a machine's disk when its process crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disks {
    Kept,
    Lost,
}

/// The setting of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    pub(crate) brokers: u16,
    pub(crate) workers: usize,
    pub(crate) names: Names,
    pub(crate) disks: Disks,
    pub(crate) uncaught: Uncaught,
    /// The application's code fails once in so many passes; never if that is 0.
    pub(crate) flaw_once_in: u64,
    pub(crate) initial_delay: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) turn_records: usize,
    pub(crate) placement: PlacementPolicy,
    pub(crate) rates: FaultRates,
    pub(crate) steps: u64,
}

impl Plan {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let weather = match dice.below(8) {
            0 => Weather::Calm,
            1..4 => Weather::Rough,
            _ => Weather::Wild,
        };
        let is_calm = weather == Weather::Calm;
        let mut of =
            |most: u64| if is_calm { 0 } else { u32::try_from(dice.below(most + 1)).unwrap() };
        let rates = FaultRates {
            delayed: 300,
            lost_request: of(15),
            lost_reply: of(15),
            broken_reply: of(5),
            repeated: of(10),
            refused: of(15),
            undelivered: of(2) / 2,
            unread: of(100),
            delay_max: Duration::ZERO,
        };
        let placement = PlacementPolicy {
            standby_replicas: dice.index(3),
            acceptable_recovery_lag: 5,
            warmup_replicas_max: 1 + dice.index(2),
        };
        Self {
            weather,
            brokers: 3,
            workers: 1 + dice.index(2),
            names: if dice.one_in(3) { Names::Lasting } else { Names::Given },
            disks: if dice.one_in(4) { Disks::Lost } else { Disks::Kept },
            uncaught: match dice.below(8) {
                0 => Uncaught::ShutDownAll,
                1 | 2 => Uncaught::ShutDown,
                _ => Uncaught::Replace,
            },
            flaw_once_in: if is_calm || dice.one_in(3) { 0 } else { 40 + dice.below(400) },
            initial_delay: Duration::from_secs(3 * dice.below(2)),
            commit_interval: Duration::from_millis(100 + dice.below(1500)),
            turn_records: 1 + dice.index(16),
            placement,
            rates: FaultRates { delay_max: Duration::from_millis(20 + dice.below(400)), ..rates },
            steps: 40 + dice.below(40),
        }
    }
}
