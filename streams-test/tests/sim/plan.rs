//! What a seed makes of a run, before it begins.

use std::collections::BTreeSet;
use std::time::Duration;

use streams_core::assign::PlacementPolicy;
use streams_core::membership::user_data::USER_DATA_VERSION;
use streams_test::model::{Dice, FaultRates};

use super::defects::Trial;

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

/// What goes wrong beside crashes. A run has some of it, never all, and many have little: where much
/// happens at once, one thing hides or ends what another would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Calls are lost, late, repeated, refused, and answered by half.
    Calls,
    /// Processes are paused.
    Pauses,
    /// Workers do nothing for a while.
    Stalls,
    /// Group threads are busy, and hear some seconds late what workers say.
    LateNews,
    /// Threads of workers end.
    Threads,
    /// Brokers go, and coordinators move.
    Brokers,
    /// Processes start by the names of others.
    Namesakes,
    /// Clocks are set.
    Clocks,
    /// Disks are full.
    FullDisks,
    /// Networks of machines fail: one way or both, to one broker or all.
    Networks,
    /// Stores are damaged.
    Damages,
    /// Changelogs are cut, deleted and made anew.
    Changelogs,
    /// Nobody can read some of the input.
    Poison,
    /// The application's code fails.
    Errors,
    /// The application's code panics.
    Panics,
    /// Questions about topics and offsets are late, lost, or done without an answer.
    Questions,
}

impl Fault {
    /// All that are drawn by the same dice.
    const DRAWN: [Self; 15] = [
        Self::Calls,
        Self::Pauses,
        Self::Stalls,
        Self::LateNews,
        Self::Threads,
        Self::Brokers,
        Self::Namesakes,
        Self::Clocks,
        Self::FullDisks,
        Self::Networks,
        Self::Damages,
        Self::Changelogs,
        Self::Poison,
        Self::Errors,
        Self::Panics,
    ];

    const fn happens_in(self, weather: Weather) -> bool {
        match self {
            Self::Poison => true,
            Self::Pauses | Self::Namesakes => matches!(weather, Weather::Wild),
            _ => !matches!(weather, Weather::Calm),
        }
    }

    /// Whether it happens now and then; others do wherever brokers, processes or the code are called.
    pub(crate) const fn is_an_event(self) -> bool {
        !matches!(
            self,
            Self::Calls | Self::LateNews | Self::Errors | Self::Panics | Self::Questions
        )
    }

    /// Each kind is in one run of two to four.
    fn drawn(dice: &mut Dice, weather: Weather, trial: Trial) -> BTreeSet<Self> {
        let of = 2 + dice.below(3);
        let drawn = Self::DRAWN.into_iter().filter(|_| dice.one_in(of));
        let mut drawn: BTreeSet<Self> = drawn.collect();
        drawn.retain(|fault| fault.happens_in(weather) && trial.has(*fault));
        drawn
    }
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
    /// Nothing lies there: the stores are in memory.
    Unused,
}

/// What programs do to their processes while these run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    LetsRun,
    /// It adds and removes workers, pauses and resumes.
    Intervenes,
}

/// The setting of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    pub(crate) faults: BTreeSet<Fault>,
    /// At least one a partition: those beyond lead none, and may coordinate the groups.
    pub(crate) brokers: u16,
    /// How often the groups have moved before the run begins.
    pub(crate) moves: u64,
    pub(crate) workers: usize,
    pub(crate) program: Program,
    /// The oldest version of what members tell each other among the processes.
    pub(crate) oldest_version: i16,
    pub(crate) names: Names,
    pub(crate) disks: Disks,
    /// What the caches before the stores of a worker may hold. There are none without any.
    pub(crate) cache_bytes: usize,
    pub(crate) uncaught: Uncaught,
    /// Where the application's code fails or panics, it does so once in so many passes.
    pub(crate) flaw_once_in: u64,
    pub(crate) initial_delay: Duration,
    /// How long commits may take, and fetching what was committed.
    pub(crate) offsets_timeout: Duration,
    pub(crate) commit_interval: Duration,
    pub(crate) turn_records: usize,
    /// Fewer records come at once. Where they are few, a row that one process has changed is not soon
    /// changed by another that has lost the task.
    pub(crate) arrivals: u64,
    pub(crate) placement: PlacementPolicy,
    pub(crate) rates: FaultRates,
    pub(crate) steps: u64,
    /// Records come in so many of them. In the others tasks do what the clock calls them for, alone.
    pub(crate) flowing_steps: u64,
}

impl Plan {
    pub(crate) fn new(dice: &mut Dice, trial: Trial) -> Self {
        let weather = match dice.below(8) {
            0 => Weather::Calm,
            1..4 => Weather::Rough,
            _ => Weather::Wild,
        };
        let faults = Fault::drawn(dice, weather, trial);
        let has_calls = faults.contains(&Fault::Calls);
        let mut of =
            |most: u64| if has_calls { u32::try_from(dice.below(most + 1)).unwrap() } else { 0 };
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
            faults,
            brokers: 3 + u16::try_from(dice.below(3)).unwrap(),
            moves: dice.below(5),
            workers: 1 + dice.index(2),
            program: Program::LetsRun,
            oldest_version: USER_DATA_VERSION,
            names: if dice.one_in(3) { Names::Lasting } else { Names::Given },
            disks: if dice.one_in(4) { Disks::Lost } else { Disks::Kept },
            cache_bytes: 0,
            uncaught: match dice.below(8) {
                0 => Uncaught::ShutDownAll,
                1 | 2 => Uncaught::ShutDown,
                _ => Uncaught::Replace,
            },
            flaw_once_in: 40 + dice.below(400),
            initial_delay: Duration::from_secs(3 * dice.below(2)),
            offsets_timeout: Duration::from_secs(3 + dice.below(6)),
            commit_interval: Duration::from_millis(100 + dice.below(1500)),
            turn_records: 1 + dice.index(16),
            arrivals: [2, 4, 12][dice.index(3)],
            placement,
            rates: FaultRates { delay_max: Duration::from_millis(20 + dice.below(400)), ..rates },
            steps: 60 + dice.below(60),
            flowing_steps: u64::MAX,
        }
    }

    /// In one run of three no records come any more after a while. By dice of their own, as those of
    /// questions.
    pub(crate) fn with_rests(mut self, dice: &mut Dice) -> Self {
        if dice.one_in(3) {
            self.flowing_steps = self.steps / 4;
        }
        self
    }

    /// In one run of three there are caches, too small for all rows or not; in one of six the stores
    /// are in memory. By the same dice as rests.
    pub(crate) fn with_other_stores(mut self, dice: &mut Dice) -> Self {
        if dice.one_in(3) {
            self.cache_bytes = [400, 100_000][dice.index(2)];
        }
        if dice.one_in(6) {
            self.disks = Disks::Unused;
        }
        self
    }

    /// In one run of three programs do something to their processes. By the same dice.
    pub(crate) fn with_program(mut self, dice: &mut Dice) -> Self {
        if dice.one_in(3) {
            self.program = Program::Intervenes;
        }
        self
    }

    /// In one run of five some processes are of older versions, but for those in which all are to close:
    /// the first ones cannot say that. By the same dice.
    pub(crate) fn with_versions(mut self, dice: &mut Dice) -> Self {
        if dice.one_in(5) && self.uncaught != Uncaught::ShutDownAll {
            self.oldest_version = 1;
        }
        self
    }

    /// The version of a process.
    pub(crate) fn version_of(&self, number: u64, name: usize) -> i16 {
        let versions = 1 + (USER_DATA_VERSION - self.oldest_version).unsigned_abs();
        // Who comes back by its name is what it was.
        let which = if self.names == Names::Lasting { name as u64 } else { number };
        let newer = i16::try_from(which % u64::from(versions)).unwrap();
        self.oldest_version + newer
    }

    /// In one run of three questions fail. By dice of their own, so that all else in it is as without.
    pub(crate) fn with_questions(mut self, dice: &mut Dice, trial: Trial) -> Self {
        let fault = Fault::Questions;
        if dice.one_in(3) && fault.happens_in(self.weather) && trial.has(fault) {
            self.faults.insert(fault);
        }
        self
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
