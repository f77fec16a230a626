//! A coordinator that is asked: a broker over sockets, or the model.

use std::cell::Cell;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use streams_core::membership::Moment;
use streams_core::membership::wire::find_coordinator::FindCoordinatorRequest;
use streams_core::membership::wire::{
    ErrorCode, FrameBuffer, Request, decode_response, encode_request,
};
use streams_test::KafkaModel;
use streams_test::model::ModelConnection;

use crate::support::wait::let_live;

const CLIENT: &str = "model-test";
/// How long a broker may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How long a broker is given to answer what the model does not answer yet.
const SILENCE: Duration = Duration::from_millis(40);
/// How long the topic of offsets may take to come into being.
const READY_MAX: Duration = Duration::from_secs(60);

/// What passes from the beginning of a round of requests to that of the next.
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// In how much of a round its requests are answered, so that nothing is due meanwhile.
const ASKED_WITHIN: Duration = Duration::from_millis(1500);

/// One coordinator, and its clock.
pub(super) trait Side {
    type Line: Line;
    fn line(&self) -> Self::Line;

    /// Lets time pass until this round begins; the first has the number 0.
    fn begin(&mut self, round: u32);

    /// Lets what is due at once be done: a broker answers first.
    fn settle(&self);
}

/// How an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is certain to come.
    ForIt,
    /// It should not come.
    ForNone,
}

/// A connection, on which requests are answered in order.
pub(super) trait Line {
    fn send(&mut self, frame: &[u8]);

    /// The next answer.
    fn answer(&mut self, wait: Wait) -> Option<Vec<u8>>;
}

/// The request as bytes.
pub(super) fn encode<R: Request>(request: &R, correlation: i32) -> Vec<u8> {
    encode_request(request, R::API.best(), correlation, CLIENT).unwrap()
}

pub(super) fn decode<R: Request>(frame: &[u8], correlation: i32) -> R::Response {
    decode_response::<R>(frame, R::API.best(), correlation).unwrap()
}

pub(super) struct OnBroker {
    address: String,
    began: Instant,
}

impl OnBroker {
    /// The broker that coordinates a group, once it does.
    pub(super) fn coordinator(servers: &str, group: &str) -> Self {
        let server = servers.split(',').next().unwrap();
        let began = Instant::now();
        loop {
            let mut line = SocketLine::connect(server);
            line.send(&encode(&FindCoordinatorRequest { group: group.into() }, 0));
            let answer = line.answer(Wait::ForIt).unwrap();
            let found = decode::<FindCoordinatorRequest>(&answer, 0);
            if found.error == ErrorCode::None {
                let address = format!("{}:{}", found.host, found.port);
                return Self { address, began: Instant::now() };
            }
            assert!(began.elapsed() < READY_MAX, "no coordinator: {}", found.error);
        }
    }

    /// Whether the machine was too slow for what is due to lie between the rounds.
    pub(super) fn is_late(&self, round: u32) -> bool {
        self.began.elapsed() > round * ROUND + ASKED_WITHIN
    }
}

impl Side for OnBroker {
    type Line = SocketLine;

    fn line(&self) -> SocketLine {
        SocketLine::connect(&self.address)
    }

    fn settle(&self) {
        let_live(SILENCE);
    }

    /// Time itself is waited for.
    fn begin(&mut self, round: u32) {
        let_live((round * ROUND).saturating_sub(self.began.elapsed()));
    }
}

pub(super) struct SocketLine {
    socket: TcpStream,
    input: FrameBuffer,
}

impl SocketLine {
    fn connect(address: &str) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, input: FrameBuffer::new() }
    }
}

impl Line for SocketLine {
    fn send(&mut self, frame: &[u8]) {
        self.socket.write_all(frame).unwrap();
    }

    fn answer(&mut self, wait: Wait) -> Option<Vec<u8>> {
        let most = if wait == Wait::ForIt { ANSWER_MAX } else { SILENCE };
        self.socket.set_read_timeout(Some(most)).unwrap();
        let mut bytes = [0; 4096];
        loop {
            if let Some(frame) = self.input.next_frame().unwrap() {
                return Some(frame);
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => panic!("the broker closed the connection"),
                Ok(count) => self.input.push(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock && wait == Wait::ForNone => {
                    return None;
                }
                Err(error) => panic!("no answer from the broker: {error}"),
            }
        }
    }
}

pub(super) struct InModel {
    kafka: KafkaModel,
    now: Rc<Cell<Moment>>,
}

impl InModel {
    pub(super) fn new(kafka: &KafkaModel) -> Self {
        Self { kafka: kafka.clone(), now: Rc::default() }
    }
}

impl Side for InModel {
    type Line = ModelLine;

    fn line(&self) -> ModelLine {
        let now = Rc::clone(&self.now);
        ModelLine { connection: self.kafka.connect(), input: FrameBuffer::new(), now }
    }

    fn begin(&mut self, round: u32) {
        let now = Moment::default().after(round * ROUND);
        while let Some(due) = self.kafka.group_deadline().filter(|due| *due <= now) {
            self.kafka.advance_groups(due);
        }
        self.kafka.advance_groups(now);
        self.now.set(now);
    }

    fn settle(&self) {
        self.kafka.advance_groups(self.now.get());
    }
}

pub(super) struct ModelLine {
    connection: ModelConnection,
    input: FrameBuffer,
    now: Rc<Cell<Moment>>,
}

impl Line for ModelLine {
    fn send(&mut self, frame: &[u8]) {
        self.connection.receive(frame, self.now.get()).unwrap();
    }

    fn answer(&mut self, _: Wait) -> Option<Vec<u8>> {
        self.input.push(&self.connection.take_output());
        self.input.next_frame().unwrap()
    }
}
