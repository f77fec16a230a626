//! An application in a process of its own, which can be killed and suspended: the example
//! `killed_tally`, or `tests/java/Tally.java`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use streams_core::names::TaskId;
use streams_kafka::State;

use super::app::SOON;
use super::place::Place;
use super::shape::Shape;
use super::wait::eventually;
use super::watch::{TaskEvent, clock};

/// Before each line that a child writes for its parent.
pub(crate) const MARK: &str = "@child ";

/// What a child told, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    State(State),
    /// The restoration of a store begins.
    Restoring,
    /// A store was restored: first offset, next offset, records.
    Restored {
        start: i64,
        next: i64,
        records: i64,
    },
    /// Records processed and commits made so far.
    Progress {
        processed: u64,
        commits: u64,
    },
    Task(TaskId, TaskEvent),
    /// An error that its uncaught error handler was asked about.
    Failed(String),
}

/// An application running in a child process.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    told: Arc<Mutex<Vec<(Instant, Told)>>>,
    /// Hears what it tells, to the end.
    listener: Option<JoinHandle<()>>,
    began: Instant,
}

/// Runs the tally of a place in a child process, with more settings.
pub(crate) fn start(place: &Place, state: &Path, settings: &[(&str, &str)]) -> Process {
    Launch { shape: Shape::Tally, settings, ..Launch::of(place, state) }.start()
}

/// The library that a child process runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    Millstream,
    /// Java's, which knows the shape in memory only.
    KafkaStreams,
}

impl Library {
    /// The words that start its program.
    fn words(self) -> Vec<String> {
        match self {
            Self::Millstream => vec![program().to_str().unwrap().to_owned()],
            Self::KafkaStreams => {
                let classes = classpath().unwrap();
                let logs = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
                let words = ["java", "-Xmx2g", logs, "-cp", &classes, "Tally"];
                words.map(str::to_owned).to_vec()
            }
        }
    }
}

/// Where Kafka Streams and the programs for it are, if scripts were asked for them.
pub(crate) fn classpath() -> Option<String> {
    std::env::var("MILLSTREAM_JAVA_CLASSPATH").ok()
}

/// What a child process is to run.
pub(crate) struct Launch<'a> {
    pub(crate) library: Library,
    pub(crate) place: &'a Place,
    pub(crate) state: &'a Path,
    pub(crate) shape: Shape,
    /// Settings of the application. With `uncaught=replace`, a task that fails is made anew.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// A program, with its arguments, that runs this one.
    pub(crate) within: &'a [&'a str],
}

impl<'a> Launch<'a> {
    pub(crate) const fn of(place: &'a Place, state: &'a Path) -> Self {
        let (library, shape) = (Library::Millstream, Shape::Tally);
        Self { library, place, state, shape, settings: &[], within: &[] }
    }

    pub(crate) fn start(self) -> Process {
        let Self { library, place, state, shape, settings, within } = self;
        let mut words: Vec<String> = within.iter().map(|word| (*word).to_owned()).collect();
        words.extend(library.words());
        words.extend([
            place.application.clone(),
            place.cluster.servers().to_owned(),
            place.input.clone(),
            place.output.clone(),
            state.to_str().unwrap().to_owned(),
            shape.to_string(),
            format!("replication.factor={}", place.cluster.replication()),
        ]);
        words.extend(settings.iter().map(|(key, value)| format!("{key}={value}")));
        spawn(&words)
    }
}

fn spawn(words: &[String]) -> Process {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (lines, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&told));
    let listener = std::thread::Builder::new().name("child-listener".to_owned());
    let listener = listener
        .spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(MARK) {
                    heard.lock().unwrap().push((Instant::now(), Told::read(line)));
                }
            }
        })
        .unwrap();
    let stdin = child.stdin.take();
    Process { child, stdin, told, listener: Some(listener), began }
}

/// The example that cargo has built beside this test.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.ancestors().nth(2).unwrap().join("examples/killed_tally");
    let built = "build it with `cargo build --release --workspace --examples`";
    assert!(program.is_file(), "{} is missing; {built}", program.display());
    program
}

impl Told {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        match words[0] {
            "state" => Self::State(state_named(words[1])),
            "restoring" => Self::Restoring,
            "restored" => Self::Restored { start: number(1), next: number(2), records: number(3) },
            "progress" => Self::Progress {
                processed: number(1).unsigned_abs(),
                commits: number(2).unsigned_abs(),
            },
            "task" => Self::Task(task_named(words[1]), TaskEvent::read(&words[2..])),
            "failed" => Self::Failed(words[1..].join(" ")),
            other => panic!("a child said {other}"),
        }
    }
}

fn task_named(name: &str) -> TaskId {
    let (subtopology, partition) = name.split_once('_').unwrap();
    TaskId::new(subtopology.parse().unwrap(), partition.parse().unwrap())
}

fn state_named(name: &str) -> State {
    let all = [
        State::Created,
        State::Rebalancing,
        State::Running,
        State::PendingShutdown,
        State::NotRunning,
        State::PendingError,
        State::Error,
    ];
    all.into_iter().find(|state| state.to_string() == name).unwrap()
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn told(&self) -> Vec<(Instant, Told)> {
        self.told.lock().unwrap().clone()
    }

    /// What became of its tasks, in order.
    pub(crate) fn task_events(&self) -> Vec<(TaskId, TaskEvent)> {
        let told = self.told.lock().unwrap();
        let events = told.iter().filter_map(|(_, told)| match told {
            Told::Task(task, event) => Some((*task, *event)),
            _ => None,
        });
        events.collect()
    }

    fn first(&self, wanted: Told) -> Option<Duration> {
        let told = self.told();
        told.iter().find(|(_, told)| *told == wanted).map(|(at, _)| *at - self.began)
    }

    /// Time from the start of the process until the application ran.
    #[track_caller]
    pub(crate) fn await_running(&self) -> Duration {
        eventually("the child runs", SOON, || self.first(Told::State(State::Running)))
    }

    /// Records processed and commits made, as of the last word.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let told = self.told();
        let progress = told.iter().rev().find_map(|(_, told)| match told {
            Told::Progress { processed, commits } => Some((*processed, *commits)),
            _ => None,
        });
        progress.unwrap_or((0, 0))
    }

    /// What its uncaught error handler was asked about.
    pub(crate) fn failures(&self) -> Vec<String> {
        let told = self.told().into_iter();
        let failures = told.filter_map(|(_, told)| match told {
            Told::Failed(error) => Some(error),
            _ => None,
        });
        failures.collect()
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// First offset, next offset and records of each restored store.
    pub(crate) fn restored(&self) -> Vec<(i64, i64, i64)> {
        let told = self.told();
        let restored = told.iter().filter_map(|(_, told)| match told {
            Told::Restored { start, next, records } => Some((*start, *next, *records)),
            _ => None,
        });
        restored.collect()
    }

    /// From the first restoration that it has told of since then, by the number of words before, to the
    /// end of the last.
    pub(crate) fn restoring(&self, heard: usize) -> Duration {
        let told = &self.told()[heard..];
        let first = told.iter().find(|(_, told)| *told == Told::Restoring);
        let last = told.iter().rev().find(|(_, told)| matches!(told, Told::Restored { .. }));
        match (first, last) {
            (Some((first, _)), Some((last, _))) => last.saturating_duration_since(*first),
            _ => Duration::ZERO,
        }
    }

    /// Ends it by SIGKILL. When it was sent, on [`clock`].
    pub(crate) fn end_at_once(&mut self) -> Duration {
        let at = clock();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.hear_the_rest();
        at
    }

    fn hear_the_rest(&mut self) {
        self.listener.take().into_iter().for_each(|listener| listener.join().unwrap());
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(mut self) -> Vec<(Instant, Told)> {
        self.end_at_once();
        self.told()
    }

    /// Asks it to close, and waits until it has.
    #[track_caller]
    pub(crate) fn end_in_order(&mut self) {
        let mut stdin = self.stdin.take().unwrap();
        stdin.write_all(b"close\n").unwrap();
        let ended: ExitStatus =
            eventually("the child has closed", SOON, || self.child.try_wait().unwrap());
        self.hear_the_rest();
        assert!(ended.success(), "{ended} {:?}", self.failures());
    }

    /// Asks it to close, and waits until it has.
    #[track_caller]
    pub(crate) fn close(mut self) -> Vec<(Instant, Told)> {
        self.end_in_order();
        self.told()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
