//! The right to commit.

use super::names::{Generation, GroupId, InstanceId, MemberId};

/// The right to commit what an assignment gave.
///
/// A broker checks the member and generation of a commit, but not whether the member owns the
/// partitions. So the pair must be the one of the assignment that confirmed the tasks, never one
/// read at the time of the commit: a member that was fenced and has joined again would else commit
/// tasks that it has lost. A token is therefore made only where an assignment is adopted, comes
/// with it, and cannot be copied.
#[derive(Debug, PartialEq, Eq)]
pub struct CommitToken {
    pub(super) group: GroupId,
    pub(super) member: MemberId,
    pub(super) generation: Generation,
    pub(super) instance: Option<InstanceId>,
}

impl CommitToken {
    /// The group.
    #[must_use]
    pub const fn group(&self) -> &GroupId {
        &self.group
    }

    /// The member.
    #[must_use]
    pub const fn member(&self) -> &MemberId {
        &self.member
    }

    /// The generation.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The member's lasting name.
    #[must_use]
    pub const fn instance(&self) -> Option<&InstanceId> {
        self.instance.as_ref()
    }
}
