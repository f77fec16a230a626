//! As in Kafka, the group is joined once the global stores are filled.
//!
//! DIFFERENCE(global-start): in Kafka `start()` waits for that.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::{Group, Input, TOPICS_RETRY};

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
        let failed = loop {
            tokio::select! {
                () = &mut filled => return true,
                () = closing.notified() => break None,
                input = receiver.recv() => match input {
                    Some(Input::Failed(error)) => break Some(error),
                    Some(_) => {}
                    None => break None,
                },
                () = tokio::time::sleep(TOPICS_RETRY) => self.parts.clients.poll(),
            }
        };
        if let Some(error) = failed {
            self.parts.shared.fail(error);
        }
        // The workers end without their handles.
        self.parts.workers.clear();
        false
    }
}
