//! Listeners and handlers of an application.

use std::fmt;
use std::sync::{Arc, Mutex};

use streams_core::config::StreamsConfig;
use streams_core::handler::{ErrorHandler, Handlers};
use streams_core::topology::Topology;
use streams_core::worker::RestoreProgress;

use super::KafkaStreams;
use super::shared::{Listeners, Shared};
use super::start::Parts;
use super::state::State;
use super::uncaught::UncaughtErrorHandler;
use crate::secure::TokenProvider;

/// Makes a [`KafkaStreams`].
pub struct KafkaStreamsBuilder {
    topology: Topology,
    config: StreamsConfig,
    handlers: Handlers,
    listeners: Listeners,
    token_provider: Option<Arc<dyn TokenProvider>>,
}

impl fmt::Debug for KafkaStreamsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStreamsBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl KafkaStreamsBuilder {
    pub(super) fn new(topology: Topology, config: StreamsConfig) -> Self {
        let handlers = Handlers::from(config.processing());
        let (listeners, token_provider) = (Listeners::default(), None);
        Self { topology, config, handlers, listeners, token_provider }
    }

    /// Gives the tokens of SASL OAUTHBEARER, for all connections.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use streams_core::config::StreamsConfig;
    /// use streams_core::time::Timestamp;
    /// use streams_dsl::StreamsBuilder;
    /// use streams_kafka::{KafkaStreams, OauthToken, State};
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, String>("in").to("out");
    /// let config = StreamsConfig::builder()
    ///     .application_id("copy")
    ///     .bootstrap_servers("localhost:9093")
    ///     .set("security.protocol", "SASL_SSL")
    ///     .set("sasl.mechanism", "OAUTHBEARER")
    ///     .build()?;
    /// let fetch = || {
    ///     let (token, expires) = ("eyJhbGciOi...", Timestamp::from_millis(1_900_000_000_000));
    ///     Ok(OauthToken::new(token, expires, "copy"))
    /// };
    /// let streams =
    ///     KafkaStreams::builder(builder.build()?, config).token_provider(fetch).build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token_provider(mut self, provider: impl TokenProvider) -> Self {
        self.token_provider = Some(Arc::new(provider));
        self
    }

    /// Called with the new and the old state, on the thread that changes it; it must not block. A
    /// panic in it is logged.
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
    /// # use std::sync::{Arc, Mutex};
    /// # use std::time::Duration;
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let states = Arc::clone(&seen);
    /// let streams = KafkaStreams::builder(topology, config)
    ///     .on_state_change(move |now, before| states.lock().unwrap().push((before, now)))
    ///     .build();
    /// streams.close(Duration::from_secs(1))?;
    /// use State::{Created, NotRunning, PendingShutdown};
    /// let changes = [(Created, PendingShutdown), (PendingShutdown, NotRunning)];
    /// assert_eq!(*seen.lock().unwrap(), changes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_state_change(
        mut self,
        listener: impl Fn(State, State) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.state.push(Arc::new(listener));
        self
    }

    /// Called when the restoration of a store begins, about each 100,000 records, and at its end. A
    /// panic in it is logged.
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
    /// let streams = KafkaStreams::builder(topology, config)
    ///     .on_restore(|progress| eprintln!("{progress:?}"))
    ///     .build();
    /// assert!(streams.metrics().restorations.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_restore(
        mut self,
        listener: impl Fn(&RestoreProgress) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.restore.push(Arc::new(listener));
        self
    }

    /// Decides about input that cannot be read, over `deserialization.exception.handler`.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::handler::LogAndSkip;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::builder(topology, config).deserialization_handler(LogAndSkip).build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn deserialization_handler(mut self, handler: impl ErrorHandler) -> Self {
        self.handlers.deserialization = Arc::new(handler);
        self
    }

    /// Decides about errors of user code, over `processing.exception.handler`.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::handler::LogAndFail;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::builder(topology, config).processing_handler(LogAndFail).build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn processing_handler(mut self, handler: impl ErrorHandler) -> Self {
        self.handlers.processing = Arc::new(handler);
        self
    }

    /// Decides about output that cannot be written, over `production.exception.handler`.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_core::handler::LogAndFail;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("in").to("out");
    /// # let topology = builder.build()?;
    /// # let config = StreamsConfig::builder().application_id("copy");
    /// # let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::builder(topology, config).production_handler(LogAndFail).build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn production_handler(mut self, handler: impl ErrorHandler) -> Self {
        self.handlers.production = Arc::new(handler);
        self
    }

    /// Decides what becomes of errors that would end the application: Kafka's
    /// `setUncaughtExceptionHandler`. Without one, the client is shut down.
    ///
    /// ```
    /// use streams_dsl::StreamsBuilder;
    /// use streams_core::config::StreamsConfig;
    /// use streams_kafka::{KafkaStreams, State, UncaughtErrorResponse};
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, String>("in").to("out");
    /// let config = StreamsConfig::builder().application_id("copy");
    /// let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::builder(builder.build()?, config)
    ///     .uncaught_error_handler(|error: &_| {
    ///         eprintln!("{error}");
    ///         UncaughtErrorResponse::Replace
    ///     })
    ///     .build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn uncaught_error_handler(mut self, handler: impl UncaughtErrorHandler) -> Self {
        self.listeners.uncaught = Arc::new(handler);
        self
    }

    /// The application, not started yet.
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
    /// let streams = KafkaStreams::builder(topology, config).build();
    /// assert_eq!(streams.state(), State::Created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn build(self) -> KafkaStreams {
        // As in Kafka, global stores alone need none.
        let workers = if self.topology.has_tasks() {
            self.config.processing().num_stream_threads.max(1) as usize
        } else {
            0
        };
        let shared = Arc::new(Shared::new(self.listeners.clone(), workers));
        let application = self.config.application_id().as_str().into();
        let Self { topology, config, handlers, token_provider, .. } = self;
        let topology = topology.configured(config.state());
        let parts = Parts { topology, config, handlers, token_provider };
        KafkaStreams {
            application,
            parts: Mutex::new(Some(parts)),
            shared,
            running: Mutex::new(None),
        }
    }
}
