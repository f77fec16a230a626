//! From bytes to the answer that they are.

use super::Membership;
use super::links::Link;
use crate::membership::connection::{Call, InFlight};
use crate::membership::error::TlsFault;
use crate::membership::event::ConnectionId;
use crate::membership::wire::api_versions::ApiVersionsRequest;
use crate::membership::wire::find_coordinator::FindCoordinatorRequest;
use crate::membership::wire::heartbeat::HeartbeatRequest;
use crate::membership::wire::join_group::JoinGroupRequest;
use crate::membership::wire::leave_group::LeaveGroupRequest;
use crate::membership::wire::metadata::MetadataRequest;
use crate::membership::wire::offset_commit::OffsetCommitRequest;
use crate::membership::wire::offset_fetch::OffsetFetchRequest;
use crate::membership::wire::sasl_authenticate::SaslAuthenticateRequest;
use crate::membership::wire::sasl_handshake::SaslHandshakeRequest;
use crate::membership::wire::sync_group::SyncGroupRequest;
use crate::membership::wire::{DecodeError, Request, decode_response};
use crate::time::Moment;

impl Membership {
    pub(super) fn receive(&mut self, id: ConnectionId, bytes: &[u8], now: Moment) {
        if let Some(link) = self.which(id)
            && let Some(connection) = self.link_mut(link)
        {
            connection.push(bytes);
        }
        // An answer may close its connection, so that it is looked up anew for each frame.
        while let Some(link) = self.which(id) {
            let Some(connection) = self.link_mut(link) else { return };
            let routed = match connection.next_answer() {
                Ok(None) => return,
                Ok(Some((request, frame))) => self.route(link, request, &frame, now),
                Err(error) => Err(error),
            };
            match routed {
                Ok(()) => {}
                Err(DecodeError::Tls) => self.on_insecure(id, TlsFault::OnlyTls),
                Err(error) => self.hang_up(link, &error.to_string(), now),
            }
        }
    }

    fn route(
        &mut self,
        link: Link,
        request: InFlight,
        frame: &[u8],
        now: Moment,
    ) -> Result<(), DecodeError> {
        match request.call {
            Call::Versions => {
                let answer = read::<ApiVersionsRequest>(request, frame)?;
                self.on_versions(link, &answer, now);
            }
            Call::SaslHandshake => {
                let answer = read::<SaslHandshakeRequest>(request, frame)?;
                self.on_handshake(link, answer);
            }
            Call::SaslAuthenticate => {
                let answer = read::<SaslAuthenticateRequest>(request, frame)?;
                self.on_authenticated(link, answer, now);
            }
            Call::FindCoordinator => {
                let answer = read::<FindCoordinatorRequest>(request, frame)?;
                self.on_coordinator(&answer, now);
            }
            Call::CheckCoordinator => {
                let answer = read::<FindCoordinatorRequest>(request, frame)?;
                self.on_check(&answer, now);
            }
            Call::Metadata => {
                let answer = read::<MetadataRequest>(request, frame)?;
                self.on_metadata(answer, now);
            }
            Call::Brokers => {
                let answer = read::<MetadataRequest>(request, frame)?;
                self.learn_brokers(&answer, now);
            }
            Call::Join => {
                let answer = read::<JoinGroupRequest>(request, frame)?;
                self.on_join(answer, now);
            }
            Call::Sync(generation) => {
                let answer = read::<SyncGroupRequest>(request, frame)?;
                self.on_sync(generation, &answer, now);
            }
            Call::Heartbeat(generation) => {
                let answer = read::<HeartbeatRequest>(request, frame)?;
                self.on_heartbeat(generation, answer.error, request.sent, now);
            }
            Call::Leave => {
                let answer = read::<LeaveGroupRequest>(request, frame)?;
                self.on_left(&answer, now);
            }
            Call::LeaveDead => {
                let answer = read::<LeaveGroupRequest>(request, frame)?;
                self.on_dead_left(answer.error, now);
            }
            Call::Commit => {
                let answer = read::<OffsetCommitRequest>(request, frame)?;
                self.on_commit(&answer, request.sent, now);
            }
            Call::Claim => {
                let answer = read::<HeartbeatRequest>(request, frame)?;
                self.on_claim(answer.error, request.sent, now);
            }
            Call::Fetch => {
                let answer = read::<OffsetFetchRequest>(request, frame)?;
                self.on_fetch(answer, now);
            }
        }
        Ok(())
    }
}

fn read<R: Request>(request: InFlight, frame: &[u8]) -> Result<R::Response, DecodeError> {
    decode_response::<R>(frame, request.version, request.correlation)
}
