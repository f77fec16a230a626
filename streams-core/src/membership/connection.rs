//! One connection: frames in order, and what each answer is for.

use std::collections::{BTreeMap, VecDeque};

use super::event::ConnectionId;
use super::names::{Address, Generation};
use super::wire::{Api, DecodeError, FrameBuffer, Version};
use crate::time::Moment;

/// What an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Versions,
    SaslHandshake,
    SaslAuthenticate,
    FindCoordinator,
    CheckCoordinator,
    Metadata,
    Brokers,
    Join,
    Sync(Generation),
    Heartbeat(Generation),
    Leave,
    LeaveDead,
    Commit,
    /// In place of a commit without offsets.
    Claim,
    Fetch,
}

impl Call {
    /// Whether other members must speak before it is answered.
    pub(super) const fn waits_for_others(self) -> bool {
        matches!(self, Self::Join | Self::Sync(_))
    }
}

/// A request that has not been answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) call: Call,
    pub(super) version: Version,
    pub(super) correlation: i32,
    pub(super) sent: Moment,
    deadline: Moment,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// TCP is being set up, or versions or SASL are being exchanged, until then.
    Opening { deadline: Moment },
    /// Requests may be sent; it is replaced when idle after `renew`.
    Ready { renew: Option<Moment> },
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) address: Address,
    pub(super) stage: Stage,
    /// When the broker's SASL session makes it replace itself, once ready.
    pub(super) renewal: Option<Moment>,
    versions: BTreeMap<Api, Version>,
    inbound: FrameBuffer,
    in_flight: VecDeque<InFlight>,
    correlation: i32,
}

impl Connection {
    pub(super) const fn new(id: ConnectionId, address: Address, deadline: Moment) -> Self {
        Self {
            id,
            address,
            stage: Stage::Opening { deadline },
            renewal: None,
            versions: BTreeMap::new(),
            inbound: FrameBuffer::new(),
            in_flight: VecDeque::new(),
            correlation: 0,
        }
    }

    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    pub(super) fn awaits(&self, wanted: impl Fn(Call) -> bool) -> bool {
        self.in_flight.iter().any(|request| wanted(request.call))
    }

    /// When the first request of these was sent.
    pub(super) fn awaited_since(&self, wanted: impl Fn(Call) -> bool) -> Option<Moment> {
        self.in_flight.iter().find(|request| wanted(request.call)).map(|request| request.sent)
    }

    pub(super) fn agree(&mut self, api: Api, version: Version) {
        self.versions.insert(api, version);
    }

    pub(super) fn version(&self, api: Api) -> Version {
        self.versions.get(&api).copied().unwrap_or_else(|| api.best())
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> usize {
        let sent = usize::try_from(self.correlation).unwrap_or(usize::MAX);
        sent - self.in_flight.len().min(sent)
    }

    pub(super) const fn next_correlation(&self) -> i32 {
        self.correlation
    }

    pub(super) fn sent(&mut self, call: Call, version: Version, now: Moment, deadline: Moment) {
        let correlation = self.correlation;
        self.correlation = self.correlation.wrapping_add(1);
        self.in_flight.push_back(InFlight { call, version, correlation, sent: now, deadline });
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.inbound.push(bytes);
    }

    /// The next whole answer and the oldest request, which it is for.
    pub(super) fn next_answer(&mut self) -> Result<Option<(InFlight, Vec<u8>)>, DecodeError> {
        let Some(frame) = self.inbound.next_frame()? else { return Ok(None) };
        match self.in_flight.pop_front() {
            Some(request) => Ok(Some((request, frame))),
            None => Err(DecodeError::TrailingBytes { count: frame.len() }),
        }
    }

    /// When the connection must be given up or replaced, as things stand.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let renewed = match self.stage {
            Stage::Opening { deadline } => Some(deadline),
            Stage::Ready { renew } => renew.filter(|_| self.in_flight.is_empty()),
        };
        self.in_flight.iter().map(|request| request.deadline).chain(renewed).min()
    }
}
