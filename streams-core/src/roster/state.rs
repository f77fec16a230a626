//! What a process has of the tasks' states.

use std::collections::{BTreeMap, BTreeSet};

use crate::membership::{MemberData, StatePosition};
use crate::names::TaskId;
use crate::worker::{HeldPhase, HeldState};

/// What a process has of states, to be told to the group and kept beside them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// How far each state is.
    pub positions: BTreeMap<TaskId, StatePosition>,
    /// Tasks whose state is kept warm.
    pub standby: BTreeSet<TaskId>,
    /// How far the states are that a restart finds on disk. Only a hint: the stores know better.
    pub on_disk: BTreeMap<TaskId, i64>,
}

impl Held {
    /// The same as a member says it of itself.
    #[must_use]
    pub fn with(&self, data: MemberData) -> MemberData {
        MemberData { positions: self.positions.clone(), standby: self.standby.clone(), ..data }
    }
}

/// States in use, and those that only lie on disk.
#[derive(Debug)]
pub(super) struct Holdings {
    open: BTreeMap<TaskId, HeldState>,
    on_disk: BTreeMap<TaskId, i64>,
    told: Option<Held>,
}

impl Holdings {
    pub(super) const fn new(on_disk: BTreeMap<TaskId, i64>) -> Self {
        Self { open: BTreeMap::new(), on_disk, told: None }
    }

    pub(super) fn holds(&mut self, held: HeldState) {
        self.lies(held.task, held.on_disk);
        self.open.insert(held.task, held);
    }

    /// So much of a state is on disk.
    pub(super) fn lies(&mut self, task: TaskId, on_disk: i64) {
        if on_disk > 0 {
            self.on_disk.insert(task, on_disk);
        } else {
            self.on_disk.remove(&task);
        }
    }

    pub(super) fn closed(&mut self, task: TaskId) {
        self.open.remove(&task);
    }

    pub(super) fn news(&mut self) -> Option<Held> {
        let lying = self.on_disk.iter().map(|(task, at)| (*task, StatePosition::UpTo(*at)));
        let open = self.open.values().filter_map(|held| {
            Some((
                held.task,
                match held.phase {
                    HeldPhase::Running => StatePosition::Running,
                    HeldPhase::Restoring | HeldPhase::Standby if held.position > 0 => {
                        StatePosition::UpTo(held.position)
                    }
                    HeldPhase::Restoring | HeldPhase::Standby => return None,
                },
            ))
        });
        let standby = self.open.values().filter(|held| held.phase == HeldPhase::Standby);
        let held = Held {
            positions: lying.chain(open).collect(),
            standby: standby.map(|held| held.task).collect(),
            on_disk: self.on_disk.clone(),
        };
        (self.told.as_ref() != Some(&held)).then(|| self.told.insert(held).clone())
    }
}
