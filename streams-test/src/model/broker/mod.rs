//! The model as a broker of the classic group protocol: bytes in, bytes out, no socket.

mod answer;
mod group;
mod member;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use streams_core::membership::wire::{DecodeError, FrameBuffer, Request, Version, encode_response};
use streams_core::membership::{GroupId, Moment};

use self::answer::answer;
use self::group::Group;
use super::KafkaModel;

/// Where the answer to a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ReplyTo {
    connection: u64,
    version: Version,
    correlation: i32,
}

/// The groups of the model, and its connections.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<GroupId, Group>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    now: Moment,
}

/// One request at a time is worked on, as brokers do it.
#[derive(Default)]
struct Connection {
    input: FrameBuffer,
    waiting: VecDeque<Vec<u8>>,
    is_busy: bool,
    output: Vec<u8>,
}

impl Groups {
    fn reply<R: Request>(&mut self, to: ReplyTo, response: &R::Response) {
        let Some(connection) = self.connections.get_mut(&to.connection) else { return };
        connection.is_busy = false;
        // What the model answers always fits a frame.
        if let Ok(bytes) = encode_response::<R>(response, to.version, to.correlation) {
            connection.output.extend(bytes);
        }
    }

    fn group(&mut self, group: &GroupId) -> &mut Group {
        self.groups.entry(group.clone()).or_default()
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
}

/// A connection of one client to the model as to a broker. Dropping it hangs up.
///
/// ```
/// use streams_core::membership::Moment;
/// use streams_test::KafkaModel;
///
/// let kafka = KafkaModel::new();
/// let mut connection = kafka.connect();
/// // A driver of `Membership` moves the bytes of its `Send` actions here, and back.
/// connection.receive(&[], Moment::from_millis(0))?;
/// assert!(connection.take_output().is_empty());
/// # Ok::<(), streams_core::membership::wire::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct ModelConnection {
    model: KafkaModel,
    number: u64,
}

impl KafkaModel {
    /// Connects a client of the group protocol. Any address will do: the model is the only broker,
    /// and coordinates every group.
    #[must_use]
    pub fn connect(&self) -> ModelConnection {
        let mut state = self.state();
        state.groups.next_connection += 1;
        let number = state.groups.next_connection;
        state.groups.connections.insert(number, Connection::default());
        ModelConnection { model: self.clone(), number }
    }

    /// Lets the time of the groups pass: members that were silent for too long are taken out, and
    /// rebalances that nobody joins any more are ended. This clock never goes back.
    pub fn advance_groups(&self, now: Moment) {
        let mut state = self.state();
        state.groups.advance(now);
        // What cannot be read was reported to the connection that sent it.
        let _ = state.work();
    }

    /// When [`advance_groups`](Self::advance_groups) will have something to do.
    #[must_use]
    pub fn group_deadline(&self) -> Option<Moment> {
        self.state().groups.groups.values().filter_map(Group::deadline).min()
    }

    /// The ids of a group's members, in order.
    #[must_use]
    pub fn group_members(&self, group: &GroupId) -> Vec<String> {
        let state = self.state();
        state.groups.groups.get(group).map(Group::member_ids).unwrap_or_default()
    }
}

impl ModelConnection {
    /// Takes bytes of the client, and works on the requests that are whole.
    ///
    /// # Errors
    /// When the bytes are no request of the group protocol; the client should be hung up on.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) -> Result<(), DecodeError> {
        let mut state = self.model.state();
        state.groups.advance(now);
        if let Some(connection) = state.groups.connections.get_mut(&self.number) {
            connection.input.push(bytes);
            while let Some(frame) = connection.input.next_frame()? {
                connection.waiting.push_back(frame);
            }
        }
        state.work()
    }

    /// Takes the bytes that the client is to get.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        let mut state = self.model.state();
        let connection = state.groups.connections.get_mut(&self.number);
        connection.map(|connection| std::mem::take(&mut connection.output)).unwrap_or_default()
    }
}

impl Drop for ModelConnection {
    fn drop(&mut self) {
        let mut state = self.model.state();
        let now = state.groups.now;
        state.groups.connections.remove(&self.number);
        for group in state.groups.groups.values_mut() {
            group.hang_up(self.number, now);
        }
    }
}

impl super::State {
    /// Answers requests until each connection waits for an answer or has none.
    fn work(&mut self) -> Result<(), DecodeError> {
        loop {
            self.groups.send_replies();
            let ready = self.groups.connections.iter_mut().find_map(|(number, connection)| {
                let frame = connection.waiting.pop_front_if(|_| !connection.is_busy)?;
                connection.is_busy = true;
                Some((*number, frame))
            });
            let Some((connection, frame)) = ready else { return Ok(()) };
            answer(self, connection, &frame)?;
        }
    }
}
