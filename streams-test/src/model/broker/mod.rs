//! The model as brokers of the classic group protocol: bytes in, bytes out, no socket.

mod answer;
mod cluster;
mod connection;
mod group;
mod member;
mod refuse;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use streams_core::membership::wire::{
    DecodeError, ErrorCode, FrameBuffer, Request, Version, encode_response,
};
use streams_core::membership::{GroupId, MemberId, Moment};
use streams_core::names::TopicPartition;

use self::answer::answer;
pub use self::connection::ModelConnection;
pub(super) use self::connection::broker_at;
use self::group::Group;
use super::Dice;
use super::faults::Fate;
use super::link::{Links, Path};

/// Where the answer to a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ReplyTo {
    connection: u64,
    version: Version,
    correlation: i32,
}

/// The connection of nobody: answers to requests that came twice.
const NOBODY: u64 = 0;

/// A commit that the model has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedCommit {
    /// The member that it was committed for.
    pub member: MemberId,
    /// The generation.
    pub generation: i32,
    /// What was committed: the next offset to read.
    pub offsets: Vec<(TopicPartition, i64)>,
}

/// The groups of the model, and its connections.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<GroupId, Group>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    now: Moment,
    initial_delay: Duration,
    /// Requests that come once more.
    late: Vec<(Moment, Vec<u8>)>,
    accepted: Option<Vec<AcceptedCommit>>,
}

/// A request that waits to be worked on.
struct Waiting {
    due: Moment,
    fate: Fate,
    frame: Vec<u8>,
}

/// One request at a time is worked on, as brokers do it.
#[derive(Default)]
struct Connection {
    path: Path,
    input: FrameBuffer,
    waiting: VecDeque<Waiting>,
    state: Line,
    output: Vec<u8>,
}

impl Connection {
    /// Whether what the client says arrives.
    fn is_heard(&self, links: &Links, now: Moment) -> bool {
        links.carries_requests(self.path.route, now) && !links.is_silent(self.path, now)
    }

    /// Whether the client hears what is said.
    fn hears(&self, links: &Links, now: Moment) -> bool {
        links.carries_answers(self.path.route, now) && !links.is_silent(self.path, now)
    }
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    /// It waits for a request.
    #[default]
    Free,
    /// A request is worked on.
    Busy,
    /// A request is worked on, and its answer will be lost with the connection.
    Failing,
    /// A request is worked on, and of its answer a part will be missing.
    Garbling,
    Closed,
}

impl Groups {
    pub(super) const fn now(&self) -> Moment {
        self.now
    }

    fn reply<R: Request>(&mut self, to: ReplyTo, response: &R::Response) {
        let Some(connection) = self.connections.get_mut(&to.connection) else { return };
        if matches!(connection.state, Line::Failing | Line::Closed) {
            connection.state = Line::Closed;
            return;
        }
        let is_garbled = std::mem::take(&mut connection.state) == Line::Garbling;
        // What the model answers always fits a frame.
        if let Ok(mut bytes) = encode_response::<R>(response, to.version, to.correlation) {
            if is_garbled {
                cut(&mut bytes);
            }
            connection.output.extend(bytes);
        }
    }

    fn group(&mut self, group: &GroupId) -> &mut Group {
        let delay = self.initial_delay;
        self.groups.entry(group.clone()).or_insert_with(|| Group::new(delay))
    }

    /// Ends what is over by `now`: sessions, and rebalances that waited long enough.
    fn advance(&mut self, now: Moment) {
        self.now = self.now.max(now);
        let now = self.now;
        for group in self.groups.values_mut() {
            group.expire(now);
        }
        self.send_replies();
    }

    fn send_replies(&mut self) {
        let replies = self.groups.values_mut().flat_map(Group::take_replies);
        for (to, reply) in replies.collect::<Vec<_>>() {
            reply.send(self, to);
        }
    }

    /// A request that can be worked on now.
    fn next_ready(&mut self, links: &Links) -> Option<(u64, i32, Waiting)> {
        let now = self.now;
        self.connections.iter_mut().find_map(|(number, connection)| {
            let is_free = connection.state == Line::Free && connection.is_heard(links, now);
            let next = connection.waiting.pop_front_if(|next| is_free && next.due <= now)?;
            connection.state = Line::Busy;
            Some((*number, connection.path.route.broker, next))
        })
    }
}

impl super::State {
    /// Answers requests until each connection waits for an answer or has none.
    fn work(&mut self) -> Result<(), DecodeError> {
        loop {
            self.groups.send_replies();
            let Some((connection, broker, next)) = self.groups.next_ready(&self.links) else {
                break;
            };
            match next.fate {
                Fate::Answered => answer(self, (connection, broker), &next.frame)?,
                Fate::LostRequest => self.close(connection),
                Fate::LostReply | Fate::BrokenReply => {
                    if let Some(connection) = self.groups.connections.get_mut(&connection) {
                        let is_lost = next.fate == Fate::LostReply;
                        connection.state = if is_lost { Line::Failing } else { Line::Garbling };
                    }
                    answer(self, (connection, broker), &next.frame)?;
                }
                Fate::Repeated => {
                    let again = self.groups.now.after(self.network.long_delay());
                    self.groups.late.push((again, next.frame.clone()));
                    answer(self, (connection, broker), &next.frame)?;
                }
                Fate::Refused => refuse::for_now(self, (connection, broker), &next.frame)?,
            }
        }
        self.work_late()
    }

    fn work_late(&mut self) -> Result<(), DecodeError> {
        let now = self.groups.now;
        let late = std::mem::take(&mut self.groups.late);
        let (due, later): (Vec<_>, Vec<_>) = late.into_iter().partition(|(at, _)| *at <= now);
        self.groups.late = later;
        for (_, frame) in due {
            answer(self, (NOBODY, self.network.coordinator()), &frame)?;
        }
        self.groups.send_replies();
        Ok(())
    }

    fn close(&mut self, connection: u64) {
        if let Some(connection) = self.groups.connections.get_mut(&connection) {
            connection.state = Line::Closed;
            connection.waiting.clear();
        }
    }
}

/// Takes the last byte of a frame.
fn cut(frame: &mut Vec<u8>) {
    frame.pop();
    let length = u32::try_from(frame.len()).unwrap_or_default().saturating_sub(4);
    if let Some(prefix) = frame.first_chunk_mut() {
        *prefix = length.to_be_bytes();
    }
}

/// An error that passes, as a broker may give it to this request.
fn passing(dice: &mut Dice) -> ErrorCode {
    use ErrorCode as E;
    let codes = [E::CoordinatorLoadInProgress, E::CoordinatorNotAvailable, E::NotCoordinator];
    codes.get(dice.index(codes.len())).copied().unwrap_or(E::CoordinatorNotAvailable)
}
