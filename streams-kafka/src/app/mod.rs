//! A running application.

mod builder;
pub(crate) mod closing;
pub(crate) mod metrics;
mod named;
pub(crate) mod shared;
mod start;
mod state;
mod threads;
pub(crate) mod uncaught;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::names::ApplicationId;
use streams_core::topology::Topology;
use streams_core::worker::Pace;
use tokio::sync::Notify;

pub use self::builder::KafkaStreamsBuilder;
pub use self::closing::HeldUp;
use self::closing::one_by_one;
pub use self::metrics::{Metrics, WorkerMetrics};
pub use self::named::NamedMetric;
use self::shared::{Ending, Shared};
#[cfg(test)]
pub(crate) use self::start::assemble;
pub(crate) use self::start::{Parts, WorkerMemory};
pub use self::state::State;
pub use self::threads::StreamThreadError;
pub use self::uncaught::{ShutDownOnError, UncaughtErrorHandler, UncaughtErrorResponse};
use crate::error::StreamsError;

/// A topology at work on Kafka: Kafka's `KafkaStreams`.
///
/// It joins the consumer group named by `application.id`, gets its share of the tasks, restores
/// their stores and processes records until it is closed. Dropping it closes it and waits.
pub struct KafkaStreams {
    application: ApplicationId,
    parts: Mutex<Option<Parts>>,
    shared: Arc<Shared>,
    running: Mutex<Option<RunningApp>>,
}

/// The threads of a started application.
struct RunningApp {
    /// Asks the group thread to close; a permit is kept until it looks.
    closing: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for KafkaStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStreams").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The application did not get where it was waited for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over; it may get there yet.
    #[error("the application is still {state} after {} ms", waited.as_millis())]
    TimedOut {
        /// The state that it is in.
        state: State,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It has closed, but not in order: threads did not end in time and were dropped. What they did
    /// since their last commit is done again.
    #[error(
        "threads did not end in time and were dropped; what they did since their last commit is done again: {}",
        one_by_one(held_up_by)
    )]
    Abandoned {
        /// The threads.
        held_up_by: Vec<HeldUp>,
    },
    /// It has not closed in time. That goes on behind; the group misses the process when
    /// `session.timeout.ms` is over at the latest.
    #[error(
        "the application has not closed within {} ms, and goes on closing: {}",
        waited.as_millis(),
        one_by_one(held_up_by)
    )]
    StillClosing {
        /// How long it was waited for.
        waited: Duration,
        /// Threads that were dropped by then.
        held_up_by: Vec<HeldUp>,
    },
    /// It has ended in another state, and nothing follows.
    #[error("the application has ended: it is {state}")]
    Ended {
        /// The state that it ended in.
        state: State,
        /// What stopped it; none where it was closed.
        #[source]
        error: Option<Arc<StreamsError>>,
    },
}

impl KafkaStreams {
    /// An application of this topology and configuration, not started yet.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(topology, config);
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(topology: Topology, config: StreamsConfig) -> Self {
        Self::builder(topology, config).build()
    }

    /// An application with listeners or handlers.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::builder(topology, config)
    ///     .on_state_change(|now, _| eprintln!("{now}"))
    ///     .build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder(topology: Topology, config: StreamsConfig) -> KafkaStreamsBuilder {
        KafkaStreamsBuilder::new(topology, config)
    }

    /// Locks the state directory, starts the threads and returns; the group is joined behind it. A
    /// broker that cannot be reached is waited for.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, StreamsError};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// # use std::time::Duration;
    /// let streams = KafkaStreams::new(topology, config);
    /// streams.close(Duration::from_secs(1))?;
    /// assert!(matches!(streams.start(), Err(StreamsError::StartedBefore)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a setting is not available, the state directory cannot be used, or it was started or
    /// closed before.
    pub fn start(&self) -> Result<(), StreamsError> {
        // Held until it has begun, so that nobody closes it half-way.
        let mut running = self.running();
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        let parts = parts.ok_or(StreamsError::StartedBefore)?;
        *running = Some(start::start(parts, &self.shared)?);
        Ok(())
    }

    /// What it is doing.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::KafkaStreams;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(topology, config);
    /// assert_eq!(streams.state().to_string(), "CREATED");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// What stopped it.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::KafkaStreams;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(topology, config);
    /// assert!(streams.error().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<Arc<StreamsError>> {
        self.shared.error()
    }

    /// A moment's counts.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let metrics = KafkaStreams::new(topology, config).metrics();
    /// assert_eq!((metrics.state, metrics.process_total()), (State::Created, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics(&self.application)
    }

    /// Processes, punctuates and restores nothing from now on, within about 100 ms, until
    /// [`resume`](Self::resume): Kafka's `pause` (KIP-834). The process stays in the group with its
    /// tasks, and what was done before is still committed. May be called before
    /// [`start`](Self::start). The others of the application go on.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::KafkaStreams;
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, String>("in").to("out");
    /// let config = StreamsConfig::builder().application_id("copy");
    /// let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(builder.build()?, config);
    /// streams.pause();
    /// assert!(streams.is_paused());
    /// streams.resume();
    /// assert!(!streams.is_paused());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) {
        self.shared.set_pace(Pace::Paused);
    }

    /// Goes on after [`pause`](Self::pause).
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::KafkaStreams;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(topology, config);
    /// streams.pause();
    /// streams.resume();
    /// assert!(!streams.is_paused());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self) {
        self.shared.set_pace(Pace::Going);
    }

    /// Whether it was paused and not resumed since.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::KafkaStreams;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(topology, config);
    /// assert!(!streams.is_paused());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.pace() == Pace::Paused
    }

    /// Waits until it is in this state.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State, WaitError};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// # use std::time::Duration;
    /// let streams = KafkaStreams::new(topology, config);
    /// let waited = streams.wait_for(State::Running, Duration::from_millis(1));
    /// assert!(matches!(waited, Err(WaitError::TimedOut { state: State::Created, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] when it is not there in time, and at once [`WaitError::Ended`] when it
    /// can never be any more.
    pub fn wait_for(&self, wanted: State, timeout: Duration) -> Result<(), WaitError> {
        let reached = self.shared.wait(|state| state == wanted || state.is_final(), timeout);
        match reached {
            Some(state) if state == wanted => Ok(()),
            Some(state) => Err(WaitError::Ended { state, error: self.error() }),
            None => Err(WaitError::TimedOut { state: self.state(), waited: timeout }),
        }
    }

    /// Commits, closes the stores and leaves the group. May be called again, and by several threads.
    /// An application that was not started cannot be started any more.
    ///
    /// With `group.instance.id` it does not leave the group (KIP-345): its tasks wait for the process
    /// to come back, and go to others when `session.timeout.ms` is over. A process that failed leaves
    /// all the same, and so does [`close_and_leave`](Self::close_and_leave).
    ///
    /// It returns by `timeout`, Kafka's `close(Duration)`. Workers that have not closed their tasks when
    /// three quarters of it are over, or 2 s are left, be it that code of yours does not return or that
    /// brokers are away, are dropped: nothing of them is committed any more, and the group is left
    /// without them. A thread that is dropped ends when your code returns, and until then has the lock
    /// of the state directory.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// # use std::time::Duration;
    /// let streams = KafkaStreams::new(topology, config);
    /// streams.close(Duration::from_secs(30))?;
    /// assert_eq!(streams.state(), State::NotRunning);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WaitError::Abandoned`] when workers were dropped, and [`WaitError::StillClosing`] when the
    /// group was not left in time even so; that goes on behind. Both name the threads that held it up,
    /// with the task and the record.
    pub fn close(&self, timeout: Duration) -> Result<(), WaitError> {
        self.shared.become_state(State::PendingShutdown);
        self.shared.close_within(timeout);
        if !self.ask_to_close() {
            self.shared.become_state(State::NotRunning);
            return Ok(());
        }
        let is_over = self.shared.wait_over(timeout).is_some();
        if is_over && let Some(app) = self.running().take() {
            // A panic in it was reported when it happened.
            let _ = app.thread.join();
        }
        match self.shared.ending() {
            Ending::InOrder if is_over => Ok(()),
            Ending::Abandoned(held_up_by) if is_over => Err(WaitError::Abandoned { held_up_by }),
            Ending::InOrder => {
                Err(WaitError::StillClosing { waited: timeout, held_up_by: Vec::new() })
            }
            Ending::Abandoned(held_up_by) => {
                Err(WaitError::StillClosing { waited: timeout, held_up_by })
            }
        }
    }

    /// As [`close`](Self::close), and the group is left also with `group.instance.id`: others have the
    /// tasks at once, and the process is not expected back. Kafka's `CloseOptions` with `LEAVE_GROUP`.
    ///
    /// # Errors
    /// Those of [`close`](Self::close).
    pub fn close_and_leave(&self, timeout: Duration) -> Result<(), WaitError> {
        self.shared.leave_for_good();
        self.close(timeout)
    }

    /// Whether there is anybody to ask.
    fn ask_to_close(&self) -> bool {
        let running = self.running();
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.as_ref().inspect(|app| app.closing.notify_one()).is_some()
    }

    fn running(&self) -> MutexGuard<'_, Option<RunningApp>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Long enough for a commit on a slow cluster; a drop must end.
const DROP_CLOSE_MAX: Duration = Duration::from_secs(30);

impl Drop for KafkaStreams {
    fn drop(&mut self) {
        if let Err(error) = self.close(DROP_CLOSE_MAX) {
            tracing::warn!(%error, "an application that went out of use was not closed in order");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use streams_dsl::StreamsBuilder;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn application() -> KafkaStreams {
        let config = StreamsConfig::builder().application_id("waits");
        let config = config.bootstrap_servers("localhost:9092").build().unwrap();
        let builder = StreamsBuilder::new();
        builder.stream::<String, String>("in").to("out");
        KafkaStreams::new(builder.build().unwrap(), config)
    }

    #[test]
    fn waiting_for_what_can_not_come_ends_at_once_and_says_why() {
        let streams = application();
        streams.shared.fail(StreamsError::NothingToRead);
        streams.shared.become_state(State::Error);
        let error = streams.wait_for(State::Running, LONG).unwrap_err();
        assert_eq!(error.to_string(), "the application has ended: it is ERROR");
        let source = error.source().map(ToString::to_string);
        assert_eq!(source, Some(StreamsError::NothingToRead.to_string()));
    }

    #[test]
    fn waiting_too_long_names_the_state() {
        let error = application().wait_for(State::Running, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "the application is still CREATED after 0 ms");
    }

    #[test]
    fn what_is_closed_is_not_started_any_more() {
        let streams = application();
        streams.close(LONG).unwrap();
        assert!(matches!(streams.start(), Err(StreamsError::StartedBefore)));
        assert_eq!(streams.state(), State::NotRunning);
    }
}
