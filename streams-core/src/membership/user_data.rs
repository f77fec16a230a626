//! What members tell each other: the user data of subscription and assignment.
//!
//! Both begin with a version. A reader takes the fields of the versions it knows and passes over
//! whatever follows, so that a later version may only append. Version 2 added standby tasks and
//! probing rebalances, version 3 the shutdown of the whole application.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::names::ProcessId;
use super::wire::{DecodeError, EncodeError, Encoding, Reader, Version, Writer};
use crate::assign::TaskId;

/// The version that this library writes at most and understands in full.
pub const USER_DATA_VERSION: i16 = 3;

/// The first version with standby tasks: with an older member in the group there are none.
pub const STANDBY_VERSION: i16 = 2;

/// The first version in which a member can ask all to shut down: with an older member in the group
/// nobody is told.
pub const ORDER_VERSION: i16 = 3;

/// The largest user data that is written or read, in bytes. The whole group is one record of
/// `__consumer_offsets`, and a broker's default limit for one is about a mebibyte.
pub const USER_DATA_BYTES_MAX: usize = 256 * 1024;

const LAYOUT: Version = Version { number: USER_DATA_VERSION, encoding: Encoding::Classic };

/// Bytes of everything but the lists, with their lengths.
const FIXED_BYTES: usize = 2 + 16 + 4 + 2 + 4 + 4 + 4 + 4 + 1;
const TASK_BYTES: usize = 8;
const POSITION_BYTES: usize = 16;
/// Stands for [`StatePosition::Running`], as in Kafka (`LATEST_OFFSET`).
const RUNNING: i64 = -2;
/// In place of milliseconds: no probing rebalance.
const NO_PROBE: i64 = -1;

/// How far a member's state of a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatePosition {
    /// The sum of the changelog offsets up to which it is there.
    UpTo(i64),
    /// The task runs: nothing is ahead of it.
    Running,
}

/// What all members of the application shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Order {
    /// Go on.
    #[default]
    GoOn,
    /// Close: Kafka's `SHUTDOWN_REQUESTED`.
    ShutDown,
}

impl Order {
    /// As Kafka's `AssignorError` numbers it.
    const fn code(self) -> i8 {
        match self {
            Self::GoOn => 0,
            Self::ShutDown => 4,
        }
    }

    /// What is not known is no order.
    const fn of_code(code: i8) -> Self {
        if code == Self::ShutDown.code() { Self::ShutDown } else { Self::GoOn }
    }
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberData {
    /// The process, by the id that lies beside its state.
    pub process: ProcessId,
    /// The application's own version.
    pub application_version: i32,
    /// Threads that run tasks.
    pub workers: u16,
    /// For each task with local state, how far it is.
    pub positions: BTreeMap<TaskId, StatePosition>,
    /// Tasks whose state it keeps warm. From version 2 on.
    pub standby: BTreeSet<TaskId>,
}

/// A member's data as they travel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionData {
    /// The version that the member understands.
    pub version: i16,
    /// A number that grows when the member wants a rebalance: the coordinator starts none for a
    /// subscription that has not changed.
    pub sequence: i32,
    /// What it says of itself.
    pub member: MemberData,
    /// Tasks that it runs or has not yet released.
    pub owned: BTreeSet<TaskId>,
    /// What all members shall do, as it wants or was told. From version 3 on.
    pub order: Order,
}

/// What the leader tells a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssignmentData {
    /// The lowest version in the group, which is the one that this is written in.
    pub version: i16,
    /// Tasks to run.
    pub active: BTreeSet<TaskId>,
    /// Tasks whose state to keep warm.
    pub standby: BTreeSet<TaskId>,
    /// Whether another rebalance follows: tasks are withheld until their owners release them, or
    /// members have not heard of the order.
    pub follow_up: bool,
    /// After how long, in whole milliseconds, this member begins another rebalance to see whether
    /// copies have caught up. From version 2 on.
    pub probe_after: Option<Duration>,
    /// What all members shall do. From version 3 on.
    pub order: Order,
}

impl SubscriptionData {
    /// The data's bytes, in the version that they say. Positions that would take it over
    /// [`USER_DATA_BYTES_MAX`] are left out, the lowest first; they only guide the assignment.
    ///
    /// # Errors
    /// [`EncodeError`] if the tasks alone are over the limit.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let version = self.version.clamp(1, USER_DATA_VERSION);
        let tasks = self.owned.len() + self.member.standby.len();
        let used = FIXED_BYTES + tasks * TASK_BYTES;
        let Some(left) = USER_DATA_BYTES_MAX.checked_sub(used) else {
            return Err(EncodeError::TooLong { length: used, max: USER_DATA_BYTES_MAX });
        };
        let mut positions: Vec<(StatePosition, TaskId)> =
            self.member.positions.iter().map(|(task, position)| (*position, *task)).collect();
        positions.sort_unstable_by(|a, b| b.cmp(a));
        positions.truncate(left / POSITION_BYTES);
        let mut out = Writer::new(Vec::new(), LAYOUT);
        out.i16(version);
        out.raw(&self.member.process.0);
        out.i32(self.member.application_version);
        out.i16(self.member.workers.min(i16::MAX.unsigned_abs()).cast_signed());
        out.i32(self.sequence);
        write_tasks(&mut out, &self.owned);
        out.list(&positions, |out, (position, task)| {
            write_task(out, *task);
            out.i64(match position {
                StatePosition::Running => RUNNING,
                StatePosition::UpTo(offset) => *offset,
            });
        });
        if version >= STANDBY_VERSION {
            write_tasks(&mut out, &self.member.standby);
        }
        if version >= ORDER_VERSION {
            out.i8(self.order.code());
        }
        out.finish()
    }

    /// Reads a member's data.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are too many or no such data.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = versioned(bytes)?;
        let version = input.i16()?;
        let process = ProcessId(input.uuid()?);
        let application_version = input.i32()?;
        let workers = input.i16()?.max(0).unsigned_abs();
        let sequence = input.i32()?;
        let owned = read_tasks(&mut input)?;
        let positions = read_positions(&mut input)?;
        let standby = match version {
            STANDBY_VERSION.. => read_tasks(&mut input)?,
            _ => BTreeSet::new(),
        };
        let order = match version {
            ORDER_VERSION.. => Order::of_code(input.i8()?),
            _ => Order::GoOn,
        };
        let member = MemberData { process, application_version, workers, positions, standby };
        Ok(Self { version, sequence, member, owned, order })
    }
}

impl AssignmentData {
    /// The data's bytes, in the version that they say.
    ///
    /// # Errors
    /// [`EncodeError`] if they are over [`USER_DATA_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new(Vec::new(), LAYOUT);
        out.i16(self.version);
        write_tasks(&mut out, &self.active);
        write_tasks(&mut out, &self.standby);
        out.i8(i8::from(self.follow_up));
        if self.version >= STANDBY_VERSION {
            let millis = self
                .probe_after
                .map_or(NO_PROBE, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
            out.i64(millis);
        }
        if self.version >= ORDER_VERSION {
            out.i8(self.order.code());
        }
        let bytes = out.finish()?;
        if bytes.len() > USER_DATA_BYTES_MAX {
            return Err(EncodeError::TooLong { length: bytes.len(), max: USER_DATA_BYTES_MAX });
        }
        Ok(bytes)
    }

    /// Reads what the leader told; no bytes at all mean no tasks.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are too many or no such data.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self { version: USER_DATA_VERSION, ..Self::default() });
        }
        let mut input = versioned(bytes)?;
        let version = input.i16()?;
        let (active, standby) = (read_tasks(&mut input)?, read_tasks(&mut input)?);
        let follow_up = input.boolean()?;
        let probe_after = match version {
            STANDBY_VERSION.. => u64::try_from(input.i64()?).ok().map(Duration::from_millis),
            _ => None,
        };
        let order = match version {
            ORDER_VERSION.. => Order::of_code(input.i8()?),
            _ => Order::GoOn,
        };
        Ok(Self { version, active, standby, follow_up, probe_after, order })
    }
}

fn versioned(bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    if bytes.len() > USER_DATA_BYTES_MAX {
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        return Err(DecodeError::FrameLength { length, max: USER_DATA_BYTES_MAX });
    }
    let version = Reader::new(bytes, LAYOUT).i16()?;
    if version < 1 {
        return Err(DecodeError::InvalidValue { field: "version", value: version.into() });
    }
    Ok(Reader::new(bytes, LAYOUT))
}

fn write_task(out: &mut Writer, task: TaskId) {
    out.i32(task.subtopology.0.cast_signed());
    out.i32(task.partition);
}

fn write_tasks(out: &mut Writer, tasks: &BTreeSet<TaskId>) {
    let tasks: Vec<TaskId> = tasks.iter().copied().collect();
    out.list(&tasks, |out, task| write_task(out, *task));
}

fn read_task(input: &mut Reader<'_>) -> Result<TaskId, DecodeError> {
    Ok(TaskId::new(input.i32()?.cast_unsigned(), input.i32()?))
}

fn read_tasks(input: &mut Reader<'_>) -> Result<BTreeSet<TaskId>, DecodeError> {
    let mut tasks = BTreeSet::new();
    input.each(TASK_BYTES, |input| {
        tasks.insert(read_task(input)?);
        Ok(())
    })?;
    Ok(tasks)
}

fn read_positions(input: &mut Reader<'_>) -> Result<BTreeMap<TaskId, StatePosition>, DecodeError> {
    let mut positions = BTreeMap::new();
    input.each(POSITION_BYTES, |input| {
        let (task, offset) = (read_task(input)?, input.i64()?);
        let position = match offset {
            RUNNING => StatePosition::Running,
            0.. => StatePosition::UpTo(offset),
            _ => return Ok(()),
        };
        positions.insert(task, position);
        Ok(())
    })?;
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    fn subscription(version: i16) -> SubscriptionData {
        let running = (TaskId::new(0, 1), StatePosition::Running);
        let positions = [running, (TaskId::new(2, 0), StatePosition::UpTo(77))].into();
        let standby = match version {
            1 => BTreeSet::new(),
            _ => [TaskId::new(2, 0)].into(),
        };
        let process = ProcessId(*b"0123456789abcdef");
        let (application_version, workers) = (4, 3);
        let member = MemberData { process, application_version, workers, positions, standby };
        let (owned, order) = ([TaskId::new(0, 1)].into(), order(version));
        SubscriptionData { version, sequence: 9, member, owned, order }
    }

    fn order(version: i16) -> Order {
        if version < ORDER_VERSION { Order::GoOn } else { Order::ShutDown }
    }

    fn assignment(version: i16) -> AssignmentData {
        AssignmentData {
            version,
            active: [TaskId::new(0, 0), TaskId::new(1, 5)].into(),
            standby: BTreeSet::new(),
            follow_up: true,
            probe_after: (version > 1).then_some(Duration::from_mins(10)),
            order: order(version),
        }
    }

    #[test]
    fn a_subscription_of_each_version_comes_back() {
        for version in 1..=USER_DATA_VERSION {
            let bytes = subscription(version).encode().unwrap();
            assert_eq!(SubscriptionData::decode(&bytes).unwrap(), subscription(version));
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay() {
        let bytes = subscription(1).encode().unwrap();
        let mut expected = b"\0\x01\
            0123456789abcdef\
            \0\0\0\x04\0\x03\0\0\0\x09\
            \0\0\0\x01\0\0\0\0\0\0\0\x01\
            \0\0\0\x02"
            .to_vec();
        expected.extend(b"\0\0\0\0\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xfe");
        expected.extend(b"\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x4d");
        assert_eq!(bytes, expected);
        let bytes = assignment(1).encode().unwrap();
        let expected = b"\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0\0\x01";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_known() {
        let mut bytes = subscription(3).encode().unwrap();
        bytes[1] = 5;
        bytes.extend([1, 2, 3]);
        let decoded = SubscriptionData::decode(&bytes).unwrap();
        assert_eq!(decoded, SubscriptionData { version: 5, ..subscription(3) });
    }

    #[test]
    fn an_assignment_of_each_version_comes_back() {
        for version in 1..=USER_DATA_VERSION {
            let mut bytes = assignment(version).encode().unwrap();
            bytes.push(1);
            assert_eq!(AssignmentData::decode(&bytes).unwrap(), assignment(version));
        }
    }

    #[test]
    fn too_many_positions_are_cut_to_the_furthest() {
        let mut data = subscription(2);
        let tasks = (0..40_000).map(|at| (TaskId::new(0, at), StatePosition::UpTo(i64::from(at))));
        data.member.positions = tasks.collect();
        let bytes = data.encode().unwrap();
        assert!(bytes.len() <= USER_DATA_BYTES_MAX);
        let positions = SubscriptionData::decode(&bytes).unwrap().member.positions;
        assert!(positions.contains_key(&TaskId::new(0, 39_999)));
        assert!(!positions.contains_key(&TaskId::new(0, 0)));
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let bytes = subscription(3).encode().unwrap();
        for end in 0..bytes.len() {
            assert!(SubscriptionData::decode(&bytes[..end]).is_err());
        }
        let bytes = assignment(3).encode().unwrap();
        for end in 1..bytes.len() {
            assert!(AssignmentData::decode(&bytes[..end]).is_err());
        }
        assert!(SubscriptionData::decode(&vec![1; USER_DATA_BYTES_MAX + 1]).is_err());
    }

    fn of_each_version(encode: impl Fn(i16) -> Result<Vec<u8>, EncodeError>) -> Vec<Vec<u8>> {
        (1..=USER_DATA_VERSION).map(|version| encode(version).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn damaged_subscriptions_are_refused_or_come_back_as_they_were_read(
            bytes in rubbish(of_each_version(|version| subscription(version).encode())),
        ) {
            if let Ok(read) = SubscriptionData::decode(&bytes) {
                // No later version is written than is known.
                let version = read.version.min(USER_DATA_VERSION);
                let known = SubscriptionData { version, ..read };
                let written = known.encode().unwrap();
                prop_assert_eq!(SubscriptionData::decode(&written), Ok(known));
            }
        }

        #[test]
        fn damaged_assignments_are_refused_or_come_back_as_they_were_read(
            bytes in rubbish(of_each_version(|version| assignment(version).encode())),
        ) {
            if let Ok(read) = AssignmentData::decode(&bytes) {
                let written = read.encode().unwrap();
                prop_assert_eq!(AssignmentData::decode(&written), Ok(read));
            }
        }
    }
}
