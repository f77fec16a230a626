//! Connections of clients of the group protocol.

use streams_core::membership::Moment;
use streams_core::membership::wire::DecodeError;

use super::{Connection, Line, Waiting};
use crate::model::KafkaModel;

/// The port of the first broker; the next ones follow.
pub(super) const PORT: u16 = 9092;

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
        let broker = i32::from(port) - i32::from(PORT);
        let is_up = self.state().network.is_up(broker);
        is_up.then(|| self.connect_broker(broker))
    }

    fn connect_broker(&self, broker: i32) -> ModelConnection {
        let mut state = self.state();
        state.groups.next_connection += 1;
        let number = state.groups.next_connection;
        let connection = Connection { broker, ..Connection::default() };
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
                let (due, fate) = (now.after(state.network.delay()), state.network.fate());
                connection.waiting.push_back(Waiting { due, fate, frame });
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

    /// Whether the broker has closed it; nothing comes any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let state = self.model.state();
        let connection = state.groups.connections.get(&self.number);
        connection.is_none_or(|connection| connection.state == Line::Closed)
    }
}

impl Drop for ModelConnection {
    /// The coordinator learns nothing of it: a member that waits goes on to.
    fn drop(&mut self) {
        self.model.state().groups.connections.remove(&self.number);
    }
}
