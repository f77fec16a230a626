//! What tasks go through, told as it happens: when one is taken, when it is let go, and when it
//! rested in between.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use streams_core::error::ProcessorError;
use streams_core::names::TaskId;
use streams_core::processor::{Context, InitContext, Processor};
use streams_core::record::Record;

/// The time since 1970, in microseconds: all processes of a machine share this clock.
pub(crate) fn clock() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Duration::from_micros(u64::try_from(now.as_micros()).unwrap())
}

/// Shorter rests are not told: records do not come more often.
pub(crate) const REST_MIN: Duration = Duration::from_millis(50);

/// Something that happened to a task, on [`clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskEvent {
    /// Its stores are restored; it is about to process.
    Taken(Duration),
    /// It processed its first record since then.
    First(Duration),
    /// No record between these was processed.
    Rested(Duration, Duration),
    /// It processes no more, and processed its last record then.
    Gone { at: Duration, last: Duration },
}

/// One line of words, as [`TaskEvent::read`] takes it.
impl fmt::Display for TaskEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(at) => write!(f, "taken {}", at.as_micros()),
            Self::First(at) => write!(f, "first {}", at.as_micros()),
            Self::Rested(from, to) => write!(f, "rested {} {}", from.as_micros(), to.as_micros()),
            Self::Gone { at, last } => write!(f, "gone {} {}", at.as_micros(), last.as_micros()),
        }
    }
}

impl TaskEvent {
    pub(crate) fn read(words: &[&str]) -> Self {
        let at = |index: usize| Duration::from_micros(words[index].parse().unwrap());
        match words[0] {
            "taken" => Self::Taken(at(1)),
            "first" => Self::First(at(1)),
            "rested" => Self::Rested(at(1), at(2)),
            "gone" => Self::Gone { at: at(1), last: at(2) },
            other => panic!("nothing of a task is called {other}"),
        }
    }
}

type Listener = dyn Fn(TaskId, TaskEvent) + Send + Sync;

/// Who hears of tasks, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct Watch(pub(crate) Option<Arc<Listener>>);

impl Watch {
    /// The processor, watched from now on.
    pub(crate) fn over<P>(&self, processor: P) -> Watched<P> {
        Watched { processor, watch: self.clone(), task: None, last: None }
    }

    fn tell(&self, task: TaskId, event: TaskEvent) {
        if let Some(listener) = &self.0 {
            listener(task, event);
        }
    }
}

/// A processor that is watched.
pub(crate) struct Watched<P> {
    processor: P,
    watch: Watch,
    /// The task, while it may process.
    task: Option<TaskId>,
    last: Option<Duration>,
}

impl<P> Watched<P> {
    fn note_record(&mut self) {
        let (Some(task), true) = (self.task, self.watch.0.is_some()) else { return };
        let now = clock();
        match self.last.replace(now) {
            None => self.watch.tell(task, TaskEvent::First(now)),
            Some(last) if now.saturating_sub(last) >= REST_MIN => {
                self.watch.tell(task, TaskEvent::Rested(last, now));
            }
            Some(_) => {}
        }
    }

    fn note_gone(&mut self) {
        if let Some(task) = self.task.take() {
            let at = clock();
            let last = self.last.take().unwrap_or(at);
            self.watch.tell(task, TaskEvent::Gone { at, last });
        }
    }
}

/// A task that is lost is dropped without being closed.
impl<P> Drop for Watched<P> {
    fn drop(&mut self) {
        self.note_gone();
    }
}

impl<P> Processor<String, String> for Watched<P>
where
    P: Processor<String, String, OutKey = String, OutValue = String>,
{
    type OutKey = String;
    type OutValue = String;

    fn init(&mut self, cx: &mut InitContext<'_>) -> Result<(), ProcessorError> {
        self.task = Some(cx.task());
        self.watch.tell(cx.task(), TaskEvent::Taken(clock()));
        self.processor.init(cx)
    }

    fn process(
        &mut self,
        record: Record<String, String>,
        cx: &mut Context<'_, String, String>,
    ) -> Result<(), ProcessorError> {
        self.note_record();
        self.processor.process(record, cx)
    }

    fn close(&mut self) -> Result<(), ProcessorError> {
        self.note_gone();
        self.processor.close()
    }
}
