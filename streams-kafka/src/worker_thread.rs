//! The thread of a worker: it tells the worker the time and what it is told, and passes on what the
//! worker wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError, channel,
    sync_channel,
};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use streams_core::error::catch_panic;
use streams_core::names::{ApplicationId, TaskId};
use streams_core::time::Now;
use streams_core::worker::{Action, Command, Worker, WorkerError, WorkerSettings};
use tokio::sync::mpsc::Sender as GroupSender;

use crate::app::closing::HeldUp;
use crate::app::shared::{Shared, Thread};
use crate::app::uncaught::UncaughtErrorResponse;
use crate::clients::Clients;
use crate::clock;
use crate::error::StreamsError;
use crate::ffi::queue::Waker;
use crate::give_way::CopyingTurn;
use crate::group::Input;
use crate::outbox::KafkaOutbox;
use crate::plane::KafkaPlane;
use crate::pulse::Pulse;
use crate::summary::Summary;

/// The longest that a worker waits without looking around.
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(100);

/// Commands that may wait for a worker. A rebalance makes two or three, and one commit is under way.
const COMMANDS_MAX: usize = 1024;

/// A command, with the number of losses of all tasks that the group has seen before it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) losses: u64,
    pub(crate) command: Command,
}

/// The way to a worker thread. Dropping it ends the thread without a commit, once it looks.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    /// Closed when the worker is dismissed.
    commands: Option<SyncSender<Told>>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    running: Option<JoinHandle<()>>,
    pulse: Arc<Pulse>,
    missed: AtomicBool,
}

impl WorkerHandle {
    /// A worker that has ended hears nothing any more, and one that takes nothing is stuck.
    pub(crate) fn tell(&self, told: Told) {
        let sent = self.commands.as_ref().map(|commands| commands.try_send(told));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.missed.store(true, Ordering::Relaxed);
        }
        self.wake();
    }

    /// Whether it has missed a command, so that the application must end.
    pub(crate) fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// What it is doing, and since when.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether the thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Ends the thread without a commit, once it looks.
    pub(crate) fn dismiss(&mut self) {
        self.commands = None;
        self.wake();
    }

    /// Waits until the thread has ended, but no longer than this. Whether it has.
    pub(crate) fn join(&mut self, until: Instant) -> bool {
        self.dismiss();
        let left = until.saturating_duration_since(clock::monotonic());
        let has_ended = self.ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected);
        if has_ended {
            // A panic was told when it happened.
            let _ = self.running.take().map(JoinHandle::join);
        }
        has_ended
    }

    /// What it is at, under this name of its thread.
    pub(crate) fn held_up(&self, thread: String) -> HeldUp {
        HeldUp { thread, place: self.pulse.place().read(), busy_for: self.pulse.busy_for() }
    }

    fn wake(&self) {
        if let Some(running) = &self.running {
            running.thread().unpark();
        }
    }
}

#[cfg(test)]
impl WorkerHandle {
    /// The way to somebody else, who hears what a worker would.
    pub(crate) fn to_listener() -> (Self, Receiver<Told>) {
        let (commands, heard) = sync_channel(COMMANDS_MAX);
        let (_, ended) = channel();
        let (pulse, missed) = (Arc::default(), AtomicBool::new(false));
        (Self { commands: Some(commands), ended, running: None, pulse, missed }, heard)
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // The channel closes after this; the thread looks at most `WAIT_MAX` later.
        self.wake();
    }
}

/// What the threads of all workers are made from.
#[derive(Debug, Clone)]
pub(crate) struct WorkerParts {
    pub(crate) settings: WorkerSettings,
    pub(crate) clients: Arc<Clients>,
    pub(crate) group: GroupSender<Input>,
    pub(crate) shared: Arc<Shared>,
    /// `log.summary.interval.ms`; `None` for never.
    pub(crate) summary_interval: Option<Duration>,
}

/// The name of the thread of worker `number`.
pub(crate) fn thread_name(application: &ApplicationId, number: usize) -> String {
    format!("{application}-worker-{}", number + 1)
}

/// Starts the thread of worker `number`.
pub(crate) fn spawn(number: usize, parts: WorkerParts) -> Result<WorkerHandle, StreamsError> {
    let (commands, receiver) = sync_channel(COMMANDS_MAX);
    let name = thread_name(&parts.settings.application_id, number);
    let thread = std::thread::Builder::new().name(name);
    let pulse = Arc::new(Pulse::default());
    let link = Link { number, receiver, parts, pulse: Arc::clone(&pulse) };
    let (alive, ended) = channel();
    let running = thread.spawn(move || {
        let alive: Sender<()> = alive;
        link.parts.shared.enter(Thread::Worker(number));
        let ended = catch_panic(|| run(&link));
        // User code is guarded where it is called; what comes here is ours, or that of a destructor.
        let ended = ended.unwrap_or_else(|text| Err(StreamsError::Panicked(text)));
        link.pulse.rest();
        if let Err(error) = ended {
            // Nobody listens any more when the application ends anyway.
            let _ = link.parts.group.blocking_send(Input::WorkerEnded(number, error));
        }
        drop(alive);
        link.parts.shared.stir_crew();
    });
    let running = running.map_err(|error| StreamsError::Thread(error.to_string()))?;
    let missed = AtomicBool::new(false);
    let (commands, running) = (Some(commands), Some(running));
    Ok(WorkerHandle { commands, ended, running, pulse, missed })
}

struct Link {
    number: usize,
    receiver: Receiver<Told>,
    parts: WorkerParts,
    pulse: Arc<Pulse>,
}

/// Whether a thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Working,
    Over,
}

fn run(link: &Link) -> Result<(), StreamsError> {
    let clients = &link.parts.clients;
    let waker = Waker::current();
    let mut producer = clients.producer()?;
    producer.wake(&waker);
    let settings = link.parts.settings.clone();
    let internal = settings.topology.internal_topic_names(&settings.names);
    let outbox = KafkaOutbox::new(producer, clients, internal);
    let plane = KafkaPlane::new(Arc::clone(clients), outbox, waker);
    let mut worker = Worker::new(settings, Box::new(plane));
    worker.watch(link.pulse.place());
    let mut summary = Summary::new(link.parts.summary_interval, clock::now().moment);
    let mut losses = 0;
    let mut makes_copies = false;
    loop {
        let now = clock::now();
        link.pulse.beat();
        loop {
            match link.receiver.try_recv() {
                Ok(told) => {
                    losses = told.losses;
                    worker.handle(told.command, now);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        worker.set_pace(link.parts.shared.pace());
        let copying = makes_copies.then(CopyingTurn::begin);
        let report = worker.turn(now);
        makes_copies =
            report.copied > 0 && report.copied == report.restored && report.processed == 0;
        link.pulse.rest();
        link.parts.shared.record(link.number, &report, &worker, now.moment);
        if let Some(told) = summary.add(&report, now.moment) {
            tracing::info!(worker = link.number + 1, "{told}");
        }
        while let Some(action) = worker.poll() {
            if link.pass_on(&mut worker, losses, action, now) == Life::Over {
                return Ok(());
            }
        }
        if let Some(turn) = copying.filter(|_| makes_copies) {
            turn.give_way();
        }
        if !report.is_busy {
            std::thread::park_timeout(wait(&worker, now));
        }
    }
}

impl Link {
    fn pass_on(&self, worker: &mut Worker, losses: u64, action: Action, now: Now) -> Life {
        let is_done = matches!(action, Action::Done);
        let input = match action {
            Action::Failed { tasks, error } => self.failed(worker, tasks, error, now),
            action => Input::Worker(self.number, losses, action),
        };
        let passed = self.parts.group.blocking_send(input);
        if is_done || passed.is_err() { Life::Over } else { Life::Working }
    }

    /// Asks the user what shall become of it.
    fn failed(
        &self,
        worker: &mut Worker,
        tasks: Vec<TaskId>,
        error: WorkerError,
        now: Now,
    ) -> Input {
        let error = StreamsError::Worker(error);
        let response = self.parts.shared.respond(&error);
        if response == UncaughtErrorResponse::Replace {
            tracing::error!("{}; the task is made anew", error.chain());
            worker.handle(Command::Replace(tasks.clone()), now);
        }
        Input::TasksFailed { tasks, error, response }
    }
}

fn wait(worker: &Worker, now: Now) -> Duration {
    let deadline = worker.deadline(now);
    deadline.map_or(WAIT_MAX, |deadline| deadline.since(now.moment).min(WAIT_MAX))
}
