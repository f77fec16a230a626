//! The stores of each workload, a task a partition, and their changelogs.

use super::join::Rows;
use super::output::{Output, PARTITIONS};
use super::store::Counts;
use super::windows::WindowCounts;
use super::work::create;
use super::{Arguments, Error, Workload};
use crate::ffi::producer::TopicSlot;

/// A side of a join.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

pub(super) enum State {
    None,
    Counts(TopicSlot, Vec<Counts>),
    Windows(TopicSlot, Vec<WindowCounts>),
    /// The left and the right.
    Join([TopicSlot; 2], Vec<[Rows; 2]>),
}

const WRONG: Error = Error::Data("a partition without a task");

impl State {
    pub(super) fn open(arguments: &Arguments, output: &mut Output) -> Result<Self, Error> {
        let Arguments { workload, bootstrap, app, state, .. } = arguments;
        let mut changelog = |store: &str, policy: &str| {
            let name = format!("{app}-{store}-changelog");
            create(bootstrap, &name, &[("cleanup.policy", policy)])?;
            output.changelog(&name)
        };
        let tasks = 0..PARTITIONS;
        Ok(match workload {
            Workload::Passthrough | Workload::Json => Self::None,
            Workload::Count | Workload::RepartitionCount => {
                let open = |task| Counts::open(&format!("{state}/{task}"));
                Self::Counts(
                    changelog("counts", "compact")?,
                    tasks.map(open).collect::<Result<_, _>>()?,
                )
            }
            Workload::Window => {
                let open = |task| WindowCounts::open(&format!("{state}/{task}"));
                let changelog = changelog("wcounts", "compact,delete")?;
                Self::Windows(changelog, tasks.map(open).collect::<Result<_, _>>()?)
            }
            Workload::StreamJoin => {
                let side = |task, side: &str| Rows::open(&format!("{state}/{task}-{side}"));
                let open = |task| Ok([side(task, "left")?, side(task, "right")?]);
                let left = changelog("j-this-join-store", "delete")?;
                let right = changelog("j-other-join-store", "delete")?;
                Self::Join([left, right], tasks.map(open).collect::<Result<_, Error>>()?)
            }
        })
    }

    pub(super) fn counts(&mut self, task: i32) -> Result<(TopicSlot, &mut Counts), Error> {
        let Self::Counts(changelog, counts) = self else { return Err(WRONG) };
        Ok((*changelog, of_task(counts, task)?))
    }

    pub(super) fn windows(&mut self, task: i32) -> Result<(TopicSlot, &mut WindowCounts), Error> {
        let Self::Windows(changelog, counts) = self else { return Err(WRONG) };
        Ok((*changelog, of_task(counts, task)?))
    }

    /// A side's changelog, the side, and the other one.
    pub(super) fn join(
        &mut self,
        task: usize,
        side: Side,
    ) -> Result<(TopicSlot, &mut Rows, &mut Rows), Error> {
        let Self::Join(changelogs, sides) = self else { return Err(WRONG) };
        let [left, right] = sides.get_mut(task).ok_or(WRONG)?;
        let [this, other] = *changelogs;
        Ok(match side {
            Side::Left => (this, left, right),
            Side::Right => (other, right, left),
        })
    }

    /// Writes what has changed.
    pub(super) fn commit(&mut self, output: &Output) -> Result<(), Error> {
        let told = |changelog, task| output.acknowledged(changelog, task);
        match self {
            Self::None => Ok(()),
            Self::Counts(changelog, counts) => {
                let mut counts = counts.iter_mut().enumerate();
                counts.try_for_each(|(task, counts)| counts.commit(told(*changelog, task)))
            }
            Self::Windows(changelog, counts) => {
                let mut counts = counts.iter_mut().enumerate();
                counts.try_for_each(|(task, counts)| counts.commit(told(*changelog, task)))
            }
            Self::Join([this, other], sides) => {
                let mut sides = sides.iter_mut().enumerate();
                sides.try_for_each(|(task, [left, right])| {
                    left.commit(told(*this, task))?;
                    right.commit(told(*other, task))
                })
            }
        }
    }
}

fn of_task<T>(all: &mut [T], task: i32) -> Result<&mut T, Error> {
    usize::try_from(task).ok().and_then(|task| all.get_mut(task)).ok_or(WRONG)
}
