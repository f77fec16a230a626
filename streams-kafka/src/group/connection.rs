//! Connections to brokers for the membership client: bytes both ways, nothing else.

use std::collections::BTreeMap;

use streams_core::membership::{Address, ConnectionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;

use super::Input;

/// Frames that may wait for a connection; the membership client asks one thing at a time.
const FRAMES_MAX: usize = 64;
const READ_BYTES: usize = 16 << 10;

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum NetEvent {
    Connected,
    Received(Vec<u8>),
    Closed(String),
}

/// The open connections, by the ids that the membership client gave them.
#[derive(Debug)]
pub(super) struct Connections {
    inputs: Sender<Input>,
    open: BTreeMap<ConnectionId, (Sender<Vec<u8>>, AbortHandle)>,
}

impl Connections {
    pub(super) const fn new(inputs: Sender<Input>) -> Self {
        Self { inputs, open: BTreeMap::new() }
    }

    pub(super) fn connect(&mut self, id: ConnectionId, address: Address) {
        let (frames, to_send) = channel(FRAMES_MAX);
        let inputs = self.inputs.clone();
        let running = tokio::spawn(async move {
            let reason = match run(id, &address, &inputs, to_send).await {
                Ok(()) => "closed by the broker".to_owned(),
                Err(error) => error.to_string(),
            };
            let _ = inputs.send(Input::Net(id, NetEvent::Closed(reason))).await;
        });
        self.open.insert(id, (frames, running.abort_handle()));
    }

    /// A full or closed connection drops the frame; its end is told as an event.
    pub(super) fn send(&self, id: ConnectionId, bytes: Vec<u8>) {
        if let Some((frames, running)) = self.open.get(&id)
            && frames.try_send(bytes).is_err()
        {
            running.abort();
        }
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        if let Some((_, running)) = self.open.remove(&id) {
            running.abort();
        }
    }

    pub(super) fn closed(&mut self, id: ConnectionId) {
        self.open.remove(&id);
    }
}

async fn run(
    id: ConnectionId,
    address: &Address,
    inputs: &Sender<Input>,
    mut to_send: Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let _ = inputs.send(Input::Net(id, NetEvent::Connected)).await;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        tokio::select! {
            frame = to_send.recv() => match frame {
                Some(frame) => writer.write_all(&frame).await?,
                None => return Ok(()),
            },
            read = reader.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                let bytes = buffer.get(..read).unwrap_or_default().to_vec();
                let _ = inputs.send(Input::Net(id, NetEvent::Received(bytes))).await;
            }
        }
    }
}
