//! The thread that fills the global stores and keeps them up to date: Kafka's
//! `GlobalStreamThread`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout};
use std::time::Duration;

use streams_core::config::StreamsConfig;
use streams_core::handler::LogAndFail;
use streams_core::names::{TopicName, TopicPartition};
use streams_core::worker::{GlobalAction, GlobalInput, GlobalWorker, WorkerSettings};
use tokio::sync::mpsc::Sender as GroupSender;
use tokio::sync::oneshot;

use crate::app::shared::Shared;
use crate::clients::Clients;
use crate::clock;
use crate::error::StreamsError;
use crate::ffi::queue::Waker;
use crate::group::{Input, TOPICS_MISSING_MAX, TOPICS_RETRY};
use crate::plane::KafkaPlane;
use crate::topics::TopicsError;
use crate::worker_thread::{WAIT_MAX, panicked};

/// How long one question for the topics waits for an answer. Not long, because nobody can close the
/// thread meanwhile.
const ASK_MAX: Duration = Duration::from_secs(3);

/// Told when the global stores are filled.
pub(crate) type Filled = oneshot::Receiver<()>;

/// The thread. Dropping it writes what was read, closes the stores and waits for that.
#[derive(Debug)]
pub(crate) struct GlobalThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for GlobalThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

struct Filling {
    settings: WorkerSettings,
    clients: Arc<Clients>,
    group: GroupSender<Input>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

/// Starts the thread, if the topology has global stores.
pub(crate) fn start(
    settings: &WorkerSettings,
    config: &StreamsConfig,
    (clients, group, shared): (&Arc<Clients>, &GroupSender<Input>, &Arc<Shared>),
) -> Result<Option<(GlobalThread, Filled)>, StreamsError> {
    if settings.topology.global_stores().is_empty() {
        return Ok(None);
    }
    let mut settings = settings.clone();
    if !config.processing().global_processing_handler {
        settings.handlers.processing = Arc::new(LogAndFail);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let filling = Filling {
        settings,
        clients: Arc::clone(clients),
        group: group.clone(),
        shared: Arc::clone(shared),
        stop: Arc::clone(&stop),
    };
    let (tell, filled) = oneshot::channel();
    let name = format!("{}-global", config.application_id());
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let run = AssertUnwindSafe(|| filling.run(tell));
        let ended = catch_unwind(run).unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Err(error) = ended {
            // Nobody listens any more when the application ends anyway.
            let _ = filling.group.blocking_send(Input::Failed(error));
        }
    });
    let thread = thread.map_err(|error| StreamsError::Thread(error.to_string()))?;
    Ok(Some((GlobalThread { stop, thread: Some(thread) }, filled)))
}

impl Filling {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self, tell: oneshot::Sender<()>) -> Result<(), StreamsError> {
        let Some(counts) = self.partitions()? else { return Ok(()) };
        let partitions = counts.into_iter().flat_map(|(topic, count)| {
            (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition))
        });
        let partitions: Vec<TopicPartition> = partitions.collect();
        let ends = self.clients.topics().ends(&partitions);
        let inputs = partitions.into_iter();
        let inputs =
            inputs.map(|partition| GlobalInput { end: ends.get(&partition).copied(), partition });
        let inputs: Vec<GlobalInput> = inputs.collect();
        self.clients.make_global_consumer(inputs.len())?;
        let plane = KafkaPlane::reading(Arc::clone(&self.clients), Waker::current());
        let worker = GlobalWorker::new(&self.settings, &inputs, Box::new(plane), clock::now());
        self.drive(worker.map_err(StreamsError::Global)?, tell)
    }

    /// By topic: its partitions. Topics may yet be made, and brokers come back: for a while. `None`
    /// when the application is closed meanwhile.
    fn partitions(&self) -> Result<Option<BTreeMap<TopicName, i32>>, StreamsError> {
        let globals = self.settings.topology.global_stores();
        let mut began = clock::monotonic();
        let mut is_told = false;
        while !self.is_stopped() {
            let waits = match self.clients.topics().all_within(ASK_MAX) {
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

    fn drive(
        &self,
        mut worker: GlobalWorker,
        tell: oneshot::Sender<()>,
    ) -> Result<(), StreamsError> {
        let mut tell = Some(tell);
        while !self.is_stopped() {
            let report = worker.turn(clock::now());
            self.shared.record_global(&report);
            while let Some(action) = worker.poll() {
                match action {
                    GlobalAction::Restored(progress) => self.shared.tell_restore(&progress),
                    GlobalAction::Filled => {
                        if let Some(stores) = worker.shared_stores() {
                            self.settings.globals.publish(stores);
                        }
                        if let Some(tell) = tell.take() {
                            // Nobody waits any more when the application is closed.
                            let _ = tell.send(());
                        }
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
