//! The thread of a worker: it tells the worker the time and what it is told, and passes on what the
//! worker wants.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use streams_core::time::Timestamp;
use streams_core::worker::{Action, Command, Worker, WorkerSettings};
use tokio::sync::mpsc::Sender as GroupSender;

use crate::app::shared::Shared;
use crate::clients::Clients;
use crate::clock;
use crate::error::StreamsError;
use crate::ffi::queue::Waker;
use crate::group::Input;
use crate::outbox::KafkaOutbox;
use crate::plane::KafkaPlane;

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

/// The way to a worker thread. Dropping it ends the thread without a commit.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    commands: SyncSender<Told>,
    thread: Thread,
    is_stuck: AtomicBool,
}

impl WorkerHandle {
    /// A worker that has ended hears nothing any more, and one that takes nothing is stuck.
    pub(crate) fn tell(&self, told: Told) {
        if let Err(TrySendError::Full(_)) = self.commands.try_send(told) {
            self.is_stuck.store(true, Ordering::Relaxed);
        }
        self.thread.unpark();
    }

    /// Whether it has missed a command, so that the application must end.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // The channel closes after this; the thread looks at most `WAIT_MAX` later.
        self.thread.unpark();
    }
}

/// Starts the thread of worker `number`.
pub(crate) fn spawn(
    number: usize,
    settings: WorkerSettings,
    clients: Arc<Clients>,
    group: GroupSender<Input>,
    shared: Arc<Shared>,
) -> Result<(WorkerHandle, JoinHandle<()>), StreamsError> {
    let (commands, receiver) = sync_channel(COMMANDS_MAX);
    let name = format!("{}-worker-{}", settings.application_id, number + 1);
    let thread = std::thread::Builder::new().name(name);
    let running = thread.spawn(move || {
        let link = Link { number, receiver, group, shared };
        let run = AssertUnwindSafe(|| run(settings, &clients, &link));
        let ended = catch_unwind(run).unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Err(error) = ended {
            // Nobody listens any more when the application ends anyway.
            let _ = link.group.blocking_send(Input::Failed(error));
        }
    });
    let running = running.map_err(|error| StreamsError::Thread(error.to_string()))?;
    let thread = running.thread().clone();
    Ok((WorkerHandle { commands, thread, is_stuck: AtomicBool::new(false) }, running))
}

/// User code is guarded where it is called; what comes here is ours, or that of a destructor.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> StreamsError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    StreamsError::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
}

struct Link {
    number: usize,
    receiver: Receiver<Told>,
    group: GroupSender<Input>,
    shared: Arc<Shared>,
}

fn run(settings: WorkerSettings, clients: &Arc<Clients>, link: &Link) -> Result<(), StreamsError> {
    let waker = Waker::current();
    let mut producer = clients.producer()?;
    producer.wake(&waker);
    let outbox = KafkaOutbox::new(producer, Arc::clone(clients.topics()), clients.send_wait_max());
    let plane = KafkaPlane::new(Arc::clone(clients), outbox, waker);
    let mut worker = Worker::new(settings, Box::new(plane));
    let mut losses = 0;
    loop {
        let now = clock::now();
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
        let report = worker.turn(now);
        link.shared.record(link.number, &report, &worker);
        let mut is_done = false;
        while let Some(action) = worker.poll() {
            is_done |= matches!(action, Action::Done);
            if link.group.blocking_send(Input::Worker(link.number, losses, action)).is_err() {
                return Ok(());
            }
        }
        if is_done {
            return Ok(());
        }
        if !report.is_busy {
            std::thread::park_timeout(wait(&worker, now));
        }
    }
}

fn wait(worker: &Worker, now: Timestamp) -> Duration {
    worker.deadline().map_or(WAIT_MAX, |deadline| deadline.since(now).min(WAIT_MAX))
}
