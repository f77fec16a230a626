//! What becomes of questions to brokers beside the group protocol: which topics there are and where
//! they end, to make some, to delete records.

use std::sync::{Arc, Mutex, PoisonError};

use streams_test::model::Dice;

use super::plan::{Fault, Plan};

/// Where questions fail, one in so many does, and of the others one in so many is late.
const FAILS_ONE_IN: u64 = 6;
const LATE_ONE_IN: u64 = 4;
/// How much longer a question takes at most that is late, or fails. To a session this is as
/// `default.api.timeout.ms` of the admin client is by default.
const LATE_MS_MAX: u64 = 2_000;

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It arrives nowhere.
    Lost,
    /// What it asks for is done, and nobody hears of it.
    Unheard,
}

/// What becomes of the questions of a run. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Arc<Mutex<Luck>>);

#[derive(Debug)]
struct Luck {
    dice: Dice,
    is_bad: bool,
    /// How many questions have failed.
    failed: u64,
}

impl Luck {
    fn fails(&mut self) -> bool {
        let fails = self.is_bad && self.dice.one_in(FAILS_ONE_IN);
        self.failed += u64::from(fails);
        fails
    }
}

impl Answers {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let (dice, is_bad) = (Dice::new(seed), plan.has(Fault::Questions));
        Self(Arc::new(Mutex::new(Luck { dice, is_bad, failed: 0 })))
    }

    fn with<T>(&self, of: impl FnOnce(&mut Luck) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on all questions are answered.
    pub(crate) fn mend(&self) {
        self.with(|luck| luck.is_bad = false);
    }

    pub(crate) fn failed(&self) -> u64 {
        self.with(|luck| luck.failed)
    }

    /// What becomes of the next question, and how many milliseconds late that is.
    pub(crate) fn drawn(&self) -> (Fate, u64) {
        self.with(|luck| {
            let fate = match luck.fails() {
                false => Fate::Answered,
                true if luck.dice.one_in(2) => Fate::Lost,
                true => Fate::Unheard,
            };
            let is_late = luck.is_bad && (fate != Fate::Answered || luck.dice.one_in(LATE_ONE_IN));
            let late = if is_late { luck.dice.below(LATE_MS_MAX) } else { 0 };
            (fate, late)
        })
    }

    /// Whether brokers do not say where partitions end, though they answer all else.
    pub(crate) fn hide_ends(&self) -> bool {
        self.with(Luck::fails)
    }
}
