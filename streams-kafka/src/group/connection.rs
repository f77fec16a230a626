//! Connections to brokers for the membership client: bytes both ways, in TLS if it is asked for.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use streams_core::membership::{Address, ConnectionId, TlsFault};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;

use super::Input;
use super::addresses::Untried;
use crate::secure::{self, TlsClient};

/// Frames that may wait for a connection; the membership client asks one thing at a time.
const FRAMES_MAX: usize = 64;
const READ_BYTES: usize = 16 << 10;

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum NetEvent {
    Connected,
    Received(Vec<u8>),
    Closed(String),
    /// It cannot be made secure, and will not be by another attempt.
    Insecure(TlsFault),
}

/// The open connections, by the ids that the membership client gave them.
#[derive(Debug)]
pub(super) struct Connections {
    inputs: Sender<Input>,
    tls: Option<TlsClient>,
    untried: Untried,
    open: BTreeMap<ConnectionId, Connection>,
}

#[derive(Debug)]
struct Connection {
    frames: Sender<Vec<u8>>,
    /// Ends it, and the end is told.
    stuck: Arc<Notify>,
    running: AbortHandle,
}

impl Connections {
    pub(super) fn new(inputs: Sender<Input>, tls: Option<TlsClient>) -> Self {
        Self { inputs, tls, untried: Untried::default(), open: BTreeMap::new() }
    }

    pub(super) fn connect(&mut self, id: ConnectionId, address: Address) {
        let (frames, to_send) = channel(FRAMES_MAX);
        let (inputs, stuck) = (self.inputs.clone(), Arc::new(Notify::new()));
        let is_stuck = Arc::clone(&stuck);
        let broker = Broker { id, address, tls: self.tls.clone(), untried: self.untried.clone() };
        let running = tokio::spawn(async move {
            let end = tokio::select! {
                ended = broker.run(&inputs, to_send) => end(ended),
                () = is_stuck.notified() => {
                    NetEvent::Closed(format!("the broker has taken none of {FRAMES_MAX} requests"))
                }
            };
            let _ = inputs.send(Input::Net(id, end)).await;
        });
        self.open.insert(id, Connection { frames, stuck, running: running.abort_handle() });
    }

    /// A full connection drops the frame and ends; one that has ended drops it. Either end is told as
    /// an event.
    pub(super) fn send(&self, id: ConnectionId, bytes: Vec<u8>) {
        if let Some(connection) = self.open.get(&id)
            && let Err(TrySendError::Full(_)) = connection.frames.try_send(bytes)
        {
            connection.stuck.notify_one();
        }
    }

    /// Ends a connection that the membership client wants no more; nothing is told.
    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open.remove(&id) {
            connection.running.abort();
        }
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    Closed,
    /// Before anything came, as a broker does that cannot read what it is sent.
    Unanswered,
}

fn end(ended: io::Result<Ended>) -> NetEvent {
    match ended {
        Ok(Ended::Closed) => NetEvent::Closed("closed by the broker".to_owned()),
        Ok(Ended::Unanswered) => NetEvent::Closed(
            "closed by the broker without an answer; if it stays so, compare 'security.protocol' \
             with the broker's listener"
                .to_owned(),
        ),
        Err(error) => match secure::fault(&error) {
            Some(fault) => NetEvent::Insecure(fault),
            None => NetEvent::Closed(error.to_string()),
        },
    }
}

/// The other end of a connection.
struct Broker {
    id: ConnectionId,
    address: Address,
    tls: Option<TlsClient>,
    untried: Untried,
}

impl Broker {
    async fn run(&self, inputs: &Sender<Input>, to_send: Receiver<Vec<u8>>) -> io::Result<Ended> {
        let stream = self.untried.connect(&self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => self.exchange(stream, inputs, to_send).await,
            Some(tls) => {
                let stream = tls.connect(&self.address.host, stream).await?;
                self.exchange(stream, inputs, to_send).await
            }
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        inputs: &Sender<Input>,
        mut to_send: Receiver<Vec<u8>>,
    ) -> io::Result<Ended> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let _ = inputs.send(Input::Net(self.id, NetEvent::Connected)).await;
        let mut ended = Ended::Unanswered;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            tokio::select! {
                frame = to_send.recv() => match frame {
                    Some(frame) => {
                        let written = async {
                            writer.write_all(&frame).await?;
                            writer.flush().await
                        };
                        if let Err(error) = written.await {
                            return broken(error, ended);
                        }
                    }
                    None => return Ok(ended),
                },
                read = reader.read(&mut buffer) => {
                    let read = match read {
                        Ok(0) => return Ok(ended),
                        Ok(read) => read,
                        Err(error) => return broken(error, ended),
                    };
                    if let Ended::Unanswered = ended {
                        self.untried.answered(&self.address);
                    }
                    ended = Ended::Closed;
                    let bytes = buffer.get(..read).unwrap_or_default().to_vec();
                    let _ = inputs.send(Input::Net(self.id, NetEvent::Received(bytes))).await;
                }
            }
        }
    }
}

/// A broker that closes before it has read everything answers by a reset.
fn broken(error: io::Error, ended: Ended) -> io::Result<Ended> {
    match (error.kind(), ended) {
        (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, Ended::Unanswered) => {
            Ok(ended)
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use streams_core::membership::{Action, MemberData, Membership, MembershipConfig, Moment};

    use super::*;

    /// The first connection that a membership client wants.
    fn wanted(port: u16) -> (ConnectionId, Address) {
        let config = MembershipConfig::new("group", vec![Address::new("127.0.0.1", port)]);
        let mut membership = Membership::new(config, Moment::default());
        membership.subscribe(["topic".into()].into(), MemberData::default(), Moment::default());
        match membership.poll(Moment::default()) {
            Some(Action::Connect { connection, address }) => (connection, address),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_broker_that_closes_unanswered_makes_one_think_of_the_protocol() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let (id, address) = wanted(broker.local_addr().unwrap().port());
        let (inputs, mut told) = channel(8);
        let close = || {
            let (mut taken, _) = broker.accept().unwrap();
            // One byte is read, the others are not, so that it ends by a reset.
            io::Read::read_exact(&mut taken, &mut [0]).unwrap();
        };
        let unanswered = async {
            let mut connections = Connections::new(inputs, None);
            connections.connect(id, address);
            let first = told.recv().await;
            assert!(matches!(first, Some(Input::Net(_, NetEvent::Connected))), "{first:?}");
            connections.send(id, vec![0; 64]);
            match told.recv().await {
                Some(Input::Net(_, NetEvent::Closed(reason))) => {
                    assert!(reason.contains("'security.protocol'"), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(close);
            runtime.block_on(unanswered);
        });
    }

    #[test]
    fn the_end_of_a_full_connection_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let (id, address) = wanted(broker.local_addr().unwrap().port());
        let (inputs, mut told) = channel(8);
        runtime.block_on(async {
            let mut connections = Connections::new(inputs, None);
            connections.connect(id, address);
            let first = told.recv().await;
            assert!(matches!(first, Some(Input::Net(_, NetEvent::Connected))), "{first:?}");
            // This thread runs the connection too, so none of these is written meanwhile.
            (0..=FRAMES_MAX).for_each(|_| connections.send(id, vec![0]));
            let last = told.recv().await;
            assert!(matches!(last, Some(Input::Net(_, NetEvent::Closed(_)))), "{last:?}");
        });
    }
}
