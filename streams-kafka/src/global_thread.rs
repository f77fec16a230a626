//! The thread that fills the global stores and keeps them up to date: Kafka's
//! `GlobalStreamThread`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, park_timeout};
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::error::catch_panic;
use streams_core::handler::LogAndFail;
use streams_core::names::{ApplicationId, TopicName, TopicPartition};
use streams_core::store::ChangelogTopic;
use streams_core::worker::{GlobalAction, GlobalInput, GlobalWorker};
use tokio::sync::oneshot;

use crate::app::closing::HeldUp;
use crate::app::shared::Shared;
use crate::clock;
use crate::error::StreamsError;
use crate::ffi::queue::Waker;
use crate::group::{Input, TOPICS_MISSING_MAX, TOPICS_RETRY};
use crate::plane::KafkaPlane;
use crate::topics::TopicsError;
use crate::worker_thread::{WAIT_MAX, WorkerParts};

/// The name of the thread.
pub(crate) fn thread_name(application: &ApplicationId) -> String {
    format!("{application}-global")
}

/// How long one question for the topics waits for an answer at most. Not long, because nobody can
/// close the thread meanwhile.
const ASK_MAX: Duration = Duration::from_secs(3);
/// How often the ids of the topics are asked for, before it is done without.
const DESCRIBE_TRIES: u32 = 5;
/// How long the thread may take to close the stores.
const END_MAX: Duration = Duration::from_secs(30);

/// Told when the global stores are filled.
pub(crate) type Filled = oneshot::Receiver<()>;

/// The thread.
#[derive(Debug)]
pub(crate) struct GlobalThread {
    name: String,
    stop: Arc<AtomicBool>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl GlobalThread {
    /// Writes what was read, closes the stores and waits for that, but not for user code that does not
    /// return.
    pub(crate) fn end(mut self, shared: &Shared) {
        let began = clock::monotonic();
        let until = began + END_MAX;
        let until = shared.close_by().map_or(until, |by| until.min(by.globals));
        self.stop();
        let left = until.saturating_duration_since(began);
        if self.ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected) {
            // A panic in it was told when it happened.
            let _ = self.thread.take().map(JoinHandle::join);
        } else {
            let busy_for = clock::monotonic().duration_since(began);
            let thread = self.name.clone();
            shared.abandoned(vec![HeldUp { thread, place: None, busy_for }]);
        }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for GlobalThread {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Filling {
    parts: WorkerParts,
    stop: Arc<AtomicBool>,
}

/// Starts the thread, if the topology has global stores.
pub(crate) fn start(
    mut parts: WorkerParts,
    config: &StreamsConfig,
) -> Result<Option<(GlobalThread, Filled)>, StreamsError> {
    if parts.settings.topology.global_stores().is_empty() {
        return Ok(None);
    }
    if !config.processing().global_processing_handler {
        parts.settings.handlers.processing = Arc::new(LogAndFail);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let filling = Filling { parts, stop: Arc::clone(&stop) };
    let (tell, filled) = oneshot::channel();
    let (alive, ended) = channel();
    let name = thread_name(config.application_id());
    let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
        let _alive: Sender<()> = alive;
        let ended = catch_panic(|| filling.run(tell));
        let ended = ended.unwrap_or_else(|text| Err(StreamsError::Panicked(text)));
        if let Err(error) = ended {
            // Nobody listens any more when the application ends anyway.
            let _ = filling.parts.group.blocking_send(Input::GlobalEnded(error));
        }
    });
    let thread = thread.map_err(|error| StreamsError::Thread(error.to_string()))?;
    Ok(Some((GlobalThread { name, stop, ended, thread: Some(thread) }, filled)))
}

impl Filling {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self, tell: oneshot::Sender<()>) -> Result<(), StreamsError> {
        let Some(counts) = self.partitions()? else { return Ok(()) };
        let topics = self.describe(&counts.keys().cloned().collect());
        let partitions = counts.into_iter().flat_map(|(topic, count)| {
            (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition))
        });
        let partitions: Vec<TopicPartition> = partitions.collect();
        let ends = self.parts.clients.topics().ends(&partitions);
        let inputs = partitions.into_iter();
        let inputs =
            inputs.map(|partition| GlobalInput { end: ends.get(&partition).copied(), partition });
        let inputs: Vec<GlobalInput> = inputs.collect();
        self.parts.clients.make_global_consumer(inputs.len())?;
        let plane = KafkaPlane::reading(Arc::clone(&self.parts.clients), Waker::current());
        let (settings, plane) = (&self.parts.settings, Box::new(plane));
        let worker = GlobalWorker::new(settings, &inputs, &topics, plane, clock::now());
        self.drive(worker.map_err(StreamsError::Global)?, tell)
    }

    /// By topic: its partitions. Topics may yet be made, and brokers come back: for a while. `None`
    /// when the application is closed meanwhile.
    fn partitions(&self) -> Result<Option<BTreeMap<TopicName, i32>>, StreamsError> {
        let globals = self.parts.settings.topology.global_stores();
        let mut began = clock::monotonic();
        let mut is_told = false;
        while !self.is_stopped() {
            let waits = match self.parts.clients.topics().all_within(ASK_MAX) {
                Ok(existing) => {
                    let of = |topic: &TopicName| Some((topic.clone(), *existing.get(topic)?));
                    let missing = globals.iter().find(|global| of(&global.topic).is_none());
                    let Some(missing) = missing else {
                        return Ok(Some(globals.iter().filter_map(|g| of(&g.topic)).collect()));
                    };
                    let (topic, store) = (missing.topic.clone(), missing.store.clone());
                    let error = TopicsError::NoGlobalTopic { topic, store };
                    if clock::monotonic().duration_since(began) >= TOPICS_MISSING_MAX {
                        return Err(StreamsError::Topics(error));
                    }
                    error
                }
                Err(error) => {
                    began = clock::monotonic();
                    error
                }
            };
            if !is_told {
                is_told = true;
                tracing::warn!(error = %waits, "trying again every second");
            }
            park_timeout(TOPICS_RETRY);
        }
        Ok(None)
    }

    /// What the cluster tells about these topics. Asked for a few times, then done without.
    fn describe(&self, topics: &BTreeSet<TopicName>) -> BTreeMap<TopicName, ChangelogTopic> {
        for _ in 0..DESCRIBE_TRIES {
            match self.parts.clients.topics().describe(topics) {
                Ok(known) => return known,
                Err(error) => {
                    tracing::warn!(%error, "the ids of global topics are not known yet");
                    park_timeout(TOPICS_RETRY);
                }
            }
            if self.is_stopped() {
                break;
            }
        }
        BTreeMap::new()
    }

    fn drive(
        &self,
        mut worker: GlobalWorker,
        tell: oneshot::Sender<()>,
    ) -> Result<(), StreamsError> {
        let mut tell = Some(tell);
        while !self.is_stopped() {
            let report = worker.turn(clock::now());
            self.parts.shared.record_global(&report);
            while let Some(action) = worker.poll() {
                match action {
                    GlobalAction::Restored(progress) => self.parts.shared.tell_restore(&progress),
                    GlobalAction::Filled => {
                        if let Some(stores) = worker.shared_stores() {
                            self.parts.settings.globals.publish(stores);
                        }
                        if let Some(tell) = tell.take() {
                            // Nobody waits any more when the application is closed.
                            let _ = tell.send(());
                        }
                    }
                    GlobalAction::FindEnds(partitions) => {
                        let (at, topics) = (clock::wall(), self.parts.clients.topics());
                        worker.ends_found(at, &topics.ends_within(&partitions, ASK_MAX));
                    }
                    GlobalAction::Failed(error) => return Err(StreamsError::Global(error)),
                }
            }
            if !report.is_busy {
                park_timeout(WAIT_MAX);
            }
        }
        worker.close(clock::now());
        Ok(())
    }
}
