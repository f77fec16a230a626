//! Workers that are added and removed while the application runs (KIP-663).

use std::time::Duration;

use streams_core::roster::Standing;
use tokio::sync::futures::Notified;

use super::KafkaStreams;
use super::shared::{Inner, Shared, Thread};
use super::state::State;
use crate::worker_thread::thread_name;

/// A worker could not be added or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamThreadError {
    /// The application is not at work.
    #[error(
        "workers are added and removed while the application is RUNNING or REBALANCING; it is {0}"
    )]
    NotAtWork(State),
    /// All workers were removed already.
    #[error("there is no worker left that could be removed")]
    NoneLeft,
    /// The worker did not end in time. It goes on committing and closing its tasks, and takes no new
    /// ones.
    #[error("{thread} did not end within {} ms; it goes on closing its tasks", waited.as_millis())]
    TimedOut {
        /// Its name.
        thread: String,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl KafkaStreams {
    /// Adds a worker to those of `num.stream.threads`: Kafka's `addStreamThread` (KIP-663). Returns
    /// the name of its thread, `<application.id>-worker-<number>`, with the lowest number that is
    /// free. It may be called from any thread, user code and listeners included.
    ///
    /// The group hears of it in a rebalance, in which this process gets its share of the tasks
    /// anew; its workers divide them, and the memory of caches, staged writes and records to be
    /// sent. A thread that cannot be started is an error for the
    /// [uncaught error handler](crate::UncaughtErrorHandler).
    ///
    /// DIFFERENCE(typed-thread-changes): Kafka gives an empty `Optional` and logs why.
    ///
    /// ```
    /// # use streams_core::config::StreamsConfig;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_kafka::{KafkaStreams, State, StreamThreadError};
    /// let builder = StreamsBuilder::new();
    /// builder.stream::<String, String>("in").to("out");
    /// let config = StreamsConfig::builder().application_id("copy");
    /// let config = config.bootstrap_servers("localhost:9092").build()?;
    /// let streams = KafkaStreams::new(builder.build()?, config);
    /// let refused = StreamThreadError::NotAtWork(State::Created);
    /// assert_eq!(streams.add_stream_thread(), Err(refused.clone()));
    /// assert_eq!(streams.remove_stream_thread(), Err(refused));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StreamThreadError::NotAtWork`] before [`start`](Self::start), and once it closes.
    pub fn add_stream_thread(&self) -> Result<String, StreamThreadError> {
        let number = self.shared.add_worker()?;
        Ok(thread_name(&self.application, number))
    }

    /// Removes a worker, the eldest: Kafka's `removeStreamThread`. It commits and closes its tasks;
    /// the other workers, or other processes of the application, open them again. Returns the name
    /// of its thread once that has ended.
    ///
    /// The last worker may be removed too. The process then leaves the group and does nothing until
    /// one is added; its state stays what it was.
    ///
    /// Called on a worker, it removes another one where there is another. It does not wait when it
    /// is called on the worker that is removed, or by a listener on the thread of the group.
    ///
    /// # Errors
    /// [`StreamThreadError::NotAtWork`] before [`start`](Self::start) and once it closes,
    /// [`StreamThreadError::NoneLeft`] when no worker is left.
    pub fn remove_stream_thread(&self) -> Result<String, StreamThreadError> {
        self.remove_stream_thread_within(Duration::MAX)
    }

    /// As [`remove_stream_thread`](Self::remove_stream_thread), but waits no longer than `timeout`
    /// for the thread to end.
    ///
    /// # Errors
    /// As there, and [`StreamThreadError::TimedOut`] when the thread has not ended in time. It takes
    /// no tasks any more, and its number is free once it has ended.
    pub fn remove_stream_thread_within(
        &self,
        timeout: Duration,
    ) -> Result<String, StreamThreadError> {
        let (number, may_wait) = self.shared.dismiss_worker()?;
        let thread = thread_name(&self.application, number);
        if may_wait && !self.shared.wait_gone(number, timeout) {
            return Err(StreamThreadError::TimedOut { thread, waited: timeout });
        }
        Ok(thread)
    }
}

fn check_at_work(inner: &Inner) -> Result<(), StreamThreadError> {
    match inner.state {
        State::Running | State::Rebalancing => Ok(()),
        other => Err(StreamThreadError::NotAtWork(other)),
    }
}

impl Shared {
    fn add_worker(&self) -> Result<usize, StreamThreadError> {
        let mut inner = self.lock();
        check_at_work(&inner)?;
        let number = inner.crew.add();
        drop(inner);
        self.crew_changed.notify_one();
        Ok(number)
    }

    /// The worker that was told to leave, and whether the calling thread may wait for it.
    pub(crate) fn dismiss_worker(&self) -> Result<(usize, bool), StreamThreadError> {
        let mut inner = self.lock();
        check_at_work(&inner)?;
        let this = std::thread::current().id();
        let caller = inner.threads.iter().find(|(_, id)| **id == this).map(|(thread, _)| *thread);
        let asking = match caller {
            Some(Thread::Worker(number)) => Some(number),
            Some(Thread::Group) | None => None,
        };
        let number = inner.crew.dismiss(asking).ok_or(StreamThreadError::NoneLeft)?;
        drop(inner);
        self.crew_changed.notify_one();
        Ok((number, caller != Some(Thread::Group) && asking != Some(number)))
    }

    /// Whether the worker is gone within this time.
    fn wait_gone(&self, number: usize, timeout: Duration) -> bool {
        let is_gone = |inner: &Inner| {
            inner.crew.standing(number) != Some(Standing::Leaving) || inner.state.is_final()
        };
        self.wait_until(is_gone, timeout).is_some()
    }

    /// The numbers of the workers that work, and of those that leave.
    pub(crate) fn crew(&self) -> [Vec<usize>; 2] {
        let inner = self.lock();
        [Standing::Working, Standing::Leaving].map(|one| inner.crew.that_are(one).collect())
    }

    pub(crate) fn is_leaving(&self, number: usize) -> bool {
        self.lock().crew.standing(number) == Some(Standing::Leaving)
    }

    /// The worker has ended, and its number is free.
    pub(crate) fn worker_gone(&self, number: usize) {
        let mut inner = self.lock();
        inner.crew.gone(number);
        inner.threads.remove(&Thread::Worker(number));
        if let Some(metrics) = inner.workers.get_mut(&number) {
            metrics.has_no_tasks();
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// The calling thread is this one of the application's.
    pub(crate) fn enter(&self, thread: Thread) {
        self.lock().threads.insert(thread, std::thread::current().id());
    }

    /// Wakes the group to look after the workers.
    pub(crate) fn stir_crew(&self) {
        self.crew_changed.notify_one();
    }

    /// Waits until workers were added or removed, or have ended.
    pub(crate) fn crew_changed(&self) -> Notified<'_> {
        self.crew_changed.notified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::shared::Listeners;

    fn at_work(workers: usize) -> Shared {
        let shared = Shared::new(Listeners::default(), workers);
        shared.become_state(State::Rebalancing);
        shared
    }

    #[test]
    fn workers_change_while_it_works_only() {
        let shared = Shared::new(Listeners::default(), 1);
        assert_eq!(shared.add_worker(), Err(StreamThreadError::NotAtWork(State::Created)));
        shared.become_state(State::PendingShutdown);
        let refused = StreamThreadError::NotAtWork(State::PendingShutdown);
        assert_eq!(shared.dismiss_worker(), Err(refused));
    }

    #[test]
    fn a_number_is_free_once_its_worker_is_gone() {
        let shared = at_work(1);
        assert_eq!(shared.dismiss_worker(), Ok((0, true)));
        assert_eq!(shared.dismiss_worker(), Err(StreamThreadError::NoneLeft));
        assert!(!shared.wait_gone(0, Duration::ZERO));
        assert_eq!(shared.add_worker(), Ok(1));
        shared.worker_gone(0);
        assert!(shared.wait_gone(0, Duration::ZERO));
        assert_eq!(shared.add_worker(), Ok(0));
        assert_eq!(shared.crew(), [vec![1, 0], vec![]]);
    }

    #[test]
    fn a_thread_of_the_application_does_not_wait_for_itself() {
        let shared = at_work(2);
        shared.enter(Thread::Worker(0));
        assert_eq!(shared.dismiss_worker(), Ok((1, true)));
        assert_eq!(shared.dismiss_worker(), Ok((0, false)));
        let shared = at_work(1);
        shared.enter(Thread::Group);
        assert_eq!(shared.dismiss_worker(), Ok((0, false)));
    }
}
