//! Why an application does not start, or stops.

use streams_core::config::ConfigErrors;
use streams_core::error::StoreError;
use streams_core::membership::{GroupFault, OffsetsError};
use streams_core::names::{NameError, TopicPartition};
use streams_core::worker::{Place, WorkerError};

use crate::ffi::error::ClientError;
use crate::secure::TlsSetupError;
use crate::topics::TopicsError;

/// What ends an application, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamsError {
    /// Settings ask for what this release does not have, or for another topology.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The topology reads no topic.
    #[error("the topology reads no topic, so that there is nothing to run; give it a source")]
    NothingToRead,
    /// Topics have names that Kafka does not take.
    #[error("Kafka takes no topic of such a name: {}; rename it", one_by_one(.0))]
    TopicNames(Vec<NameError>),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StoreError),
    /// A Kafka client could not be made from the settings.
    #[error("a Kafka client could not be made: {0}")]
    Client(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}; check the limits of the process")]
    Thread(String),
    /// The group refuses this member.
    #[error("the consumer group refuses this process")]
    Group(#[source] GroupFault),
    /// Topics are missing or do not fit.
    #[error(transparent)]
    Topics(TopicsError),
    /// A partition has no committed offset, and `auto.offset.reset` is `none`.
    #[error(
        "{0} has no committed offset and auto.offset.reset is none; set it to earliest or latest, or commit an offset"
    )]
    NoOffset(TopicPartition),
    /// The broker refuses to tell the group's offsets.
    #[error("the committed offsets cannot be read; grant READ on the group and its topics")]
    Offsets(#[source] OffsetsError),
    /// A task failed.
    #[error("a worker failed")]
    Worker(#[source] WorkerError),
    /// A worker panicked where no user code is called.
    #[error("a worker panicked: {0}")]
    Panicked(String),
    /// A worker has not come back from a record for so long that it cannot be told anything any more.
    #[error(
        "worker {0} has taken no command for many rebalances; code of yours or a store does not return"
    )]
    WorkerStuck(usize),
    /// A worker has been busy with one turn for longer than `max.poll.interval.ms`.
    #[error(
        "worker {worker} has not come back within max.poll.interval.ms ({} ms){}; this process leaves the group until it does; make the code faster, or raise the interval",
        interval.as_millis(),
        at(place.as_ref())
    )]
    WorkerLate {
        /// The worker, from 1.
        worker: usize,
        /// The task and the record that it is busy with; `None` when it is with none.
        place: Option<Place>,
        /// The setting.
        interval: std::time::Duration,
    },
    /// A process of the application asked all others to close.
    #[error("a process of the application asked all of them to close; see the log of that one")]
    ShutdownRequested,
    /// Nobody gives tokens for OAUTHBEARER.
    #[error(
        "'sasl.mechanism' is OAUTHBEARER, and there is nobody to ask for tokens; give KafkaStreamsBuilder::token_provider"
    )]
    NoTokens,
    /// Tokens for OAUTHBEARER are not fetched.
    ///
    /// DIFFERENCE(oauth-fetch): Kafka fetches them from `sasl.oauthbearer.token.endpoint.url`. That
    /// needs a client of HTTP, which most programs have already; they give the tokens.
    #[error(
        "tokens for OAUTHBEARER are not fetched from 'sasl.oauthbearer.token.endpoint.url' by this library; fetch them in the program, and give KafkaStreamsBuilder::token_provider"
    )]
    TokensNotFetched,
    /// TLS cannot be set up from the settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsSetupError),
    /// The global stores cannot be filled or kept up to date.
    #[error(
        "the global stores cannot be kept up to date; once the cause is gone, start the application again"
    )]
    Global(#[source] WorkerError),
    /// The application was started or closed before.
    #[error("the application was started or closed before; make a new one")]
    StartedBefore,
}

impl StreamsError {
    #[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
    pub(crate) fn client(error: ClientError) -> Self {
        Self::Client(error.to_string())
    }

    /// The error with all of its causes, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        streams_core::error::chain(self)
    }
}

fn one_by_one(faults: &[NameError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn at(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!(": it is at {place}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use streams_core::names::TaskId;

    use super::*;

    #[test]
    fn a_late_worker_is_told_with_its_task_and_its_record() {
        let record = Some((TopicPartition::new("clicks", 3), 17));
        let place = Some(Place { task: TaskId::new(1, 3), record });
        let interval = Duration::from_millis(300_000);
        let late = StreamsError::WorkerLate { worker: 2, place, interval };
        assert_eq!(
            late.to_string(),
            "worker 2 has not come back within max.poll.interval.ms (300000 ms): it is at task 1_3 on \
             topic \"clicks\", partition 3, offset 17; this process leaves the group until it does; \
             make the code faster, or raise the interval"
        );
    }
}
