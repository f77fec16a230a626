//! As in Kafka, the group is joined once the global stores are filled.
//!
//! DIFFERENCE(global-start): in Kafka `start()` waits for that.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::{Group, Input, Life, TOPICS_RETRY};
use crate::app::State;
use crate::app::uncaught::UncaughtErrorResponse;
use crate::error::StreamsError;

impl Group {
    /// Waits until the global stores are filled, if there are any. Whether that is so; else the
    /// application ends.
    pub(super) async fn wait_for_globals(&mut self, receiver: &mut Receiver<Input>) -> bool {
        let Some(mut filled) = self.parts.globals_filled.take() else { return true };
        let closing = Arc::clone(&self.parts.closing);
        let mut filled = Box::pin(async move {
            if (&mut filled).await.is_err() {
                // The thread has ended, and told why beside.
                pending::<()>().await;
            }
        });
        loop {
            tokio::select! {
                () = &mut filled => return true,
                () = closing.notified() => return false,
                input = receiver.recv() => match input {
                    Some(Input::GlobalEnded(error)) => {
                        // As in Kafka, whoever starts is told, and no handler.
                        self.parts.shared.fail(error);
                        return false;
                    }
                    Some(Input::WorkerEnded(worker, error)) => self.worker_ended(worker, error),
                    Some(_) => {}
                    None => return false,
                },
                () = tokio::time::sleep(TOPICS_RETRY) => self.parts.clients.poll(),
            }
            if self.life != Life::Member {
                return false;
            }
        }
    }

    /// There are no tasks, and so no group to be in: the application runs until it is closed, or its
    /// global stores are not kept up to date any more.
    pub(super) async fn stay_for_globals(&mut self, receiver: &mut Receiver<Input>) {
        let (closing, shared) = (Arc::clone(&self.parts.closing), Arc::clone(&self.parts.shared));
        shared.become_state(State::Running);
        loop {
            tokio::select! {
                () = closing.notified() => return,
                () = shared.crew_changed() => {
                    // Workers that were added have nothing to do, and are no threads.
                    let [_, leaving] = shared.crew();
                    leaving.into_iter().for_each(|number| shared.worker_gone(number));
                }
                input = receiver.recv() => match input {
                    Some(Input::GlobalEnded(error)) => {
                        shared.respond(&error);
                        shared.fail(error);
                        return;
                    }
                    Some(_) => {}
                    None => return,
                },
                () = tokio::time::sleep(TOPICS_RETRY) => self.parts.clients.poll(),
            }
        }
    }

    /// The global stores are not kept up to date any more. Their thread cannot be replaced: as in
    /// Kafka, the process ends at least.
    pub(super) fn global_ended(&mut self, error: StreamsError) {
        if self.life == Life::Leaving {
            return;
        }
        let response = match self.parts.shared.respond(&error) {
            UncaughtErrorResponse::Replace => {
                tracing::warn!("the thread of the global stores cannot be replaced");
                UncaughtErrorResponse::ShutDownClient
            }
            response => response,
        };
        self.fail(error, response);
    }
}
