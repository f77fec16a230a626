//! Where the application's code fails: by an error, by a panic, or because it finds its store
//! damaged.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use streams_core::error::{ProcessorError, StoreError};
use streams_core::names::{StoreName, TaskId, TopicName};
use streams_core::processor::{Extraction, TimestampExtractor};
use streams_core::serde::{Payload, Serde, SerdeError, SharedSerde, Utf8};
use streams_test::model::Dice;

use super::plan::{Fault, Plan};

/// Reads find so many times fewer damages than the code fails.
const DAMAGES_ONE_IN: u64 = 4;

/// Where the code of the application fails, until it is mended. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Flaws(Arc<Mutex<Frailty>>);

#[derive(Debug)]
struct Frailty {
    dice: Dice,
    /// It fails once in so many passes, if at all.
    once_in: u64,
    /// What goes wrong.
    faults: BTreeSet<Fault>,
    failed: Failures,
    /// Tasks whose stores were found damaged.
    damaged: BTreeSet<TaskId>,
}

/// How often the code has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) errors: u64,
    pub(crate) panics: u64,
    /// Stores that were found damaged when they were read.
    pub(crate) damages: u64,
}

impl Frailty {
    fn fails(&mut self, fault: Fault, times_rarer: u64) -> bool {
        self.faults.contains(&fault) && self.dice.one_in(self.once_in * times_rarer)
    }
}

/// Without the hook, which would print each.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a flaw in the code"))
}

impl Flaws {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Self {
        let (dice, failed, damaged) = (Dice::new(seed), Failures::default(), BTreeSet::new());
        let (once_in, faults) = (plan.flaw_once_in, plan.faults.clone());
        Self(Arc::new(Mutex::new(Frailty { dice, once_in, faults, failed, damaged })))
    }

    fn with<T>(&self, of: impl FnOnce(&mut Frailty) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn mend(&self) {
        self.with(|frailty| frailty.faults.clear());
    }

    pub(crate) fn failed(&self) -> Failures {
        self.with(|frailty| frailty.failed)
    }

    /// A place where the code may fail.
    pub(crate) fn pass(&self) -> Result<(), ProcessorError> {
        self.pass_or_panic(1);
        let fails = self.with(|frailty| {
            let fails = frailty.fails(Fault::Errors, 1);
            frailty.failed.errors += u64::from(fails);
            fails
        });
        if fails { Err("a flaw in the code".into()) } else { Ok(()) }
    }

    /// A place where the code can only panic, and does so more rarely.
    pub(crate) fn pass_or_panic(&self, times_rarer: u64) {
        let panics = self.with(|frailty| {
            let panics = frailty.fails(Fault::Panics, times_rarer);
            frailty.failed.panics += u64::from(panics);
            panics
        });
        if panics {
            panic();
        }
    }

    /// The store of a task is read, and may be found damaged.
    pub(crate) fn read(&self, task: TaskId, store: &StoreName) -> Result<(), StoreError> {
        let is_damaged = self.with(|frailty| {
            let is_damaged = frailty.fails(Fault::Damages, DAMAGES_ONE_IN);
            if is_damaged {
                frailty.failed.damages += 1;
                frailty.damaged.insert(task);
            }
            is_damaged
        });
        if is_damaged {
            let detail = "a block does not have its checksum".to_owned();
            return Err(StoreError::Corrupted { store: store.clone(), detail });
        }
        Ok(())
    }

    /// Whether the store of a task was ever found damaged when it was read.
    pub(crate) fn has_damaged(&self, task: TaskId) -> bool {
        self.with(|frailty| frailty.damaged.contains(&task))
    }

    /// A serde for text that panics.
    pub(crate) fn serde(&self) -> SharedSerde<String> {
        Arc::new(Frail(self.clone()))
    }

    /// An extractor of Kafka's timestamp that panics.
    pub(crate) fn timestamps(&self) -> TimestampExtractor<String, String> {
        let flaws = self.clone();
        TimestampExtractor::By(Arc::new(move |record: &Extraction<'_, String, String>| {
            flaws.pass_or_panic(4);
            record.timestamp
        }))
    }
}

#[derive(Debug)]
struct Frail(Flaws);

impl Serde<String> for Frail {
    fn encode(
        &self,
        topic: &TopicName,
        value: &String,
        out: &mut Vec<u8>,
    ) -> Result<Payload, SerdeError> {
        self.0.pass_or_panic(4);
        Utf8.encode(topic, value, out)
    }

    fn decode(&self, topic: &TopicName, bytes: Option<&[u8]>) -> Result<String, SerdeError> {
        self.0.pass_or_panic(4);
        Utf8.decode(topic, bytes)
    }
}
