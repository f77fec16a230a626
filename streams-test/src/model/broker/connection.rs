//! Connections of clients of the group protocol.

use streams_core::membership::Moment;
use streams_core::membership::wire::DecodeError;

use super::{Connection, Line, Waiting};
use crate::model::KafkaModel;
use crate::model::link::{Path, Route};

/// The port of the first broker; the next ones follow.
pub(super) const PORT: u16 = 9092;

/// The broker at a port.
pub(in crate::model) fn broker_at(port: u16) -> i32 {
    i32::from(port) - i32::from(PORT)
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
/// assert!(!connection.is_closed());
/// # Ok::<(), streams_core::membership::wire::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct ModelConnection {
    model: KafkaModel,
    number: u64,
}

impl KafkaModel {
    /// Connects a client of the group protocol to the first broker, which is the only one unless
    /// there are [more](Self::set_brokers).
    #[must_use]
    pub fn connect(&self) -> ModelConnection {
        self.connect_broker(0)
    }

    /// Connects to the broker at this port, the first being at 9092; `None` when it is down.
    #[must_use]
    pub fn connect_to(&self, port: u16) -> Option<ModelConnection> {
        let broker = broker_at(port);
        let is_up = self.state().network.is_up(broker);
        is_up.then(|| self.connect_broker(broker))
    }

    fn connect_broker(&self, broker: i32) -> ModelConnection {
        let mut state = self.state();
        state.groups.next_connection += 1;
        let number = state.groups.next_connection;
        let route = Route { machine: self.machine, broker };
        let path = Path { route, since: state.groups.now };
        let connection = Connection { path, ..Connection::default() };
        state.groups.connections.insert(number, connection);
        ModelConnection { model: self.clone(), number }
    }
}

impl ModelConnection {
    /// Takes bytes of the client, and works on the requests that are whole.
    ///
    /// # Errors
    /// When the bytes are no request of the group protocol; the client should be hung up on.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) -> Result<(), DecodeError> {
        let mut state = self.model.state();
        let state = &mut *state;
        state.groups.advance(now);
        let now = state.groups.now;
        if let Some(connection) = state.groups.connections.get_mut(&self.number) {
            connection.input.push(bytes);
            while let Some(frame) = connection.input.next_frame()? {
                let late = state.links.delay(connection.path.route, now);
                let due = now.after(state.network.delay()).after(late);
                let fate = state.network.fate();
                connection.waiting.push_back(Waiting { due, fate, frame });
            }
        }
        state.work()
    }

    /// Takes the bytes that the client is to get.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        let mut state = self.model.state();
        let state = &mut *state;
        let (now, links) = (state.groups.now, &state.links);
        let connection = state.groups.connections.get_mut(&self.number);
        let connection = connection.filter(|connection| connection.hears(links, now));
        connection.map(|connection| std::mem::take(&mut connection.output)).unwrap_or_default()
    }

    /// Whether the broker has closed it, and the client heard of that; nothing comes any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let state = self.model.state();
        let (now, links) = (state.groups.now, &state.links);
        let connection = state.groups.connections.get(&self.number);
        connection.is_none_or(|one| one.state == Line::Closed && one.hears(links, now))
    }
}

impl Drop for ModelConnection {
    /// The coordinator learns nothing of it: a member that waits goes on to. Of requests that did not
    /// get through, some may have left: they arrive when the network carries them again.
    fn drop(&mut self) {
        let mut state = self.model.state();
        let now = state.groups.now;
        let Some(gone) = state.groups.connections.remove(&self.number) else { return };
        let route = gone.path.route;
        if state.links.carries_requests(route, now) || state.links.is_silent(gone.path, now) {
            return;
        }
        let left = state.network.dice.index(gone.waiting.len() + 1);
        let over = state.links.over_at(route, now).after(state.network.long_delay());
        let late = gone.waiting.into_iter().take(left).map(|waiting| (over, waiting.frame));
        state.groups.late.extend(late);
    }
}
