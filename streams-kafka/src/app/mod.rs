//! A running application.

mod builder;
pub(crate) mod metrics;
pub(crate) mod shared;
mod start;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::topology::Topology;
use tokio::sync::mpsc::Sender;

pub use self::builder::KafkaStreamsBuilder;
pub use self::metrics::{Metrics, WorkerMetrics};
use self::shared::Shared;
pub use self::state::State;
use crate::error::StreamsError;
use crate::group::Input;

/// A topology at work on Kafka: Kafka's `KafkaStreams`.
///
/// It joins the consumer group named by `application.id`, gets its share of the tasks, restores
/// their stores and processes records until it is closed. Dropping it closes it and waits.
pub struct KafkaStreams {
    parts: Mutex<Option<start::Parts>>,
    shared: Arc<Shared>,
    running: Mutex<Option<RunningApp>>,
}

/// The threads of a started application.
struct RunningApp {
    inputs: Sender<Input>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for KafkaStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStreams").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The application did not get where it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the application is still {state} after {} ms", waited.as_millis())]
pub struct StillIn {
    /// The state that it is in.
    pub state: State,
    /// How long it was waited for.
    pub waited: Duration,
}

impl KafkaStreams {
    /// An application of this topology and configuration, not started yet.
    #[must_use]
    pub fn new(topology: Topology, config: StreamsConfig) -> Self {
        Self::builder(topology, config).build()
    }

    /// An application with listeners or handlers.
    #[must_use]
    pub fn builder(topology: Topology, config: StreamsConfig) -> KafkaStreamsBuilder {
        KafkaStreamsBuilder::new(topology, config)
    }

    /// Locks the state directory, starts the threads and returns; the group is joined behind it. A
    /// broker that cannot be reached is waited for.
    ///
    /// # Errors
    /// When a setting is not available, the state directory cannot be used, or it was started
    /// before.
    pub fn start(&self) -> Result<(), StreamsError> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let parts = parts.ok_or(StreamsError::StartedBefore)?;
        let running = start::start(parts, &self.shared)?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// What stopped it.
    #[must_use]
    pub fn error(&self) -> Option<Arc<StreamsError>> {
        self.shared.error()
    }

    /// A moment's counts.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Waits until it is in this state.
    ///
    /// # Errors
    /// When it is not there in time, or can never be any more.
    pub fn wait_for(&self, wanted: State, timeout: Duration) -> Result<(), StillIn> {
        let reached = self.shared.wait(|state| state == wanted || state.is_final(), timeout);
        match reached {
            Some(state) if state == wanted => Ok(()),
            _ => Err(StillIn { state: self.state(), waited: timeout }),
        }
    }

    /// Commits, closes the stores and leaves the group. May be called again.
    ///
    /// # Errors
    /// When that takes longer than `timeout`; it goes on nevertheless.
    pub fn close(&self, timeout: Duration) -> Result<(), StillIn> {
        self.shared.become_state(State::PendingShutdown);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(app) = &*running else {
            self.shared.become_state(State::NotRunning);
            return Ok(());
        };
        // The group thread has ended when nobody takes it.
        let _ = app.inputs.try_send(Input::Close);
        if self.shared.wait(State::is_final, timeout).is_none() {
            return Err(StillIn { state: self.state(), waited: timeout });
        }
        if let Some(app) = running.take() {
            // A panic in it was reported when it happened.
            let _ = app.thread.join();
        }
        Ok(())
    }
}

/// Long enough for a commit on a slow cluster; a drop must end.
const DROP_CLOSE_MAX: Duration = Duration::from_secs(30);

impl Drop for KafkaStreams {
    fn drop(&mut self) {
        if let Err(error) = self.close(DROP_CLOSE_MAX) {
            tracing::warn!(%error, "closing goes on behind");
        }
    }
}
