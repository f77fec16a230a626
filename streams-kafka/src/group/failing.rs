//! The way out of the group after an error.

use streams_core::membership::{Action, MemberEvent};
use tokio::sync::mpsc::Receiver;

use super::{Group, Input, Life};
use crate::error::StreamsError;

impl Group {
    /// Tells the error and leaves, so that others get the tasks at once and need not wait for the
    /// session to end. The workers stop without a commit: what they did since the last one is done
    /// again.
    pub(super) async fn fail(&mut self, error: StreamsError, receiver: &mut Receiver<Input>) {
        let is_member = !matches!(error, StreamsError::Group(_));
        self.parts.shared.fail(error);
        self.parts.workers.clear();
        if is_member {
            self.leave_after_failure(receiver).await;
        }
    }

    async fn leave_after_failure(&mut self, receiver: &mut Receiver<Input>) {
        self.membership.leave(self.now());
        while self.life != Life::Over {
            while let Some(action) = self.membership.poll(self.now()) {
                if self.act_leaving(action).is_err() {
                    return;
                }
            }
            let until = self.next_deadline();
            tokio::select! {
                input = receiver.recv() => match input {
                    Some(input @ Input::Net(..)) => drop(self.handle(input)),
                    Some(_) => {}
                    None => return,
                },
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Only the way out counts: an assignment that comes now is not taken.
    fn act_leaving(&mut self, action: Action) -> Result<(), StreamsError> {
        match action {
            Action::Event(event @ (MemberEvent::Left | MemberEvent::Failed(_))) => {
                self.on_member_event(event)
            }
            Action::Event(_) => Ok(()),
            action => self.act(action),
        }
    }
}
