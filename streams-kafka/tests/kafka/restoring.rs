//! A task is restored beside others that run: what it takes from them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use streams_core::names::TaskId;

use crate::support::child::{Launch, Told};
use crate::support::flow;
use crate::support::fold::EPOCH;
use crate::support::wait::eventually;
use crate::support::watch::TaskEvent;
use crate::support::{Given, Place, holds_within};

/// The last one's task is restored; the others have records to process meanwhile.
const PARTITIONS: i32 = 4;
/// Keys of each task; `scripts/soak` says how many.
const KEYS: u64 = 1000;
/// Records of each key in the changelog of the task that is restored.
const CHANGES: u64 = 20;
/// Records of each of the others, for each record of that changelog: they last longer than the
/// restoration, in which a running worker restores a fraction of what it processes.
const BACKLOG: u64 = 2;
/// Until so many are processed.
const PROCESSED_MAX: Duration = Duration::from_secs(300);
/// What the long form holds running tasks to, in percent of their rate.
const KEPT_MIN: u128 = 80;
/// One core, and rare commits, as the programs that are compared with Kafka Streams have.
const ONE_CORE: [&str; 3] = ["taskset", "--cpu-list", "1"];
const SETTINGS: [(&str, &str); 2] = [("commit.interval.ms", "5000"), ("num.stream.threads", "1")];

/// What a process did.
struct Run {
    /// When it processed its first record.
    began: Duration,
    /// When the last task was ready to process.
    ready: Duration,
    /// Records that were restored.
    restored: i64,
    /// The ends of the output before.
    known: i64,
}

/// The same records processed beside a restoration and without.
struct Compared {
    /// From the first record that came out until the task was restored.
    span: Duration,
    restored: i64,
    /// Records that came out meanwhile.
    records: i64,
    /// How long as many took without a restoration.
    alone: Duration,
}

/// What is left of a rate, in percent, when something takes that long instead.
fn kept(span: Duration, alone: Duration) -> u128 {
    100 * alone.as_millis() / span.as_millis().max(1)
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { span, restored, records, alone } = self;
        write!(
            f,
            "{restored} records restored in {span:?}, beside {records} processed, which take {alone:?} \
             without: {} % of the rate",
            kept(*span, *alone),
        )
    }
}

struct World {
    place: Place,
    keys: u64,
    /// Records written to each partition.
    written: BTreeMap<i32, i64>,
}

impl World {
    fn new(keys: u64) -> Self {
        let place = Place::without_topics(crate::support::broker::shared(), "restoring");
        place.cluster.create(&place.input, PARTITIONS);
        let by_broker = [("message.timestamp.type", "LogAppendTime")];
        place.cluster.create_with(&place.output, PARTITIONS, &by_broker);
        Self { place, keys, written: BTreeMap::new() }
    }

    fn write(&mut self, partitions: std::ops::Range<i32>, of_each: u64) {
        let mut writer = self.place.cluster.writer();
        for number in 0..of_each {
            // Spread over all keys: a restoration has as much to do at its end as at its beginning.
            let key = number.wrapping_mul(7919) % self.keys;
            for partition in partitions.clone() {
                let (key, value) = (format!("k{key:07}-{partition}"), number.to_string());
                writer.write(&self.place.input, &Given::text(partition, &key, &value, EPOCH));
            }
        }
        drop(writer.finish());
        for partition in partitions {
            *self.written.entry(partition).or_default() += i64::try_from(of_each).unwrap();
        }
    }

    /// Processes all that was written.
    fn run(&self, state: &Path) -> Run {
        let known: i64 = self.place.cluster.ends(&self.place.output).iter().sum();
        let wanted = u64::try_from(self.written.values().sum::<i64>() - known).unwrap();
        let (settings, within) = (&SETTINGS, if flow::is_long() { &ONE_CORE[..] } else { &[] });
        let process = Launch { settings, within, ..Launch::of(&self.place, state) }.start();
        holds_within("all is processed", PROCESSED_MAX, || process.progress().0 >= wanted);
        let ready_of = |(task, event): (TaskId, TaskEvent)| match event {
            TaskEvent::Taken(at) if task.partition == PARTITIONS - 1 => Some(at),
            _ => None,
        };
        let ready = eventually("the last task is restored", PROCESSED_MAX, || {
            process.task_events().into_iter().find_map(ready_of)
        });
        let restored = process.restored().iter().map(|(_, _, records)| records).sum();
        let told = process.close();
        let began = told.iter().filter_map(|(_, told)| match told {
            Told::Task(_, TaskEvent::First(at)) => Some(*at),
            _ => None,
        });
        Run { began: began.min().unwrap(), ready, restored, known }
    }

    /// How many records came out within so long after the first.
    fn came_out(&self, run: &Run, span: Duration) -> i64 {
        let before: i64 = self.place.cluster.offsets_at(&self.place.output, run.began + span);
        before - run.known
    }

    fn compare(&mut self, state: &Path) -> Compared {
        let others = 0..PARTITIONS - 1;
        let backlog = self.keys * CHANGES * BACKLOG;
        self.write(others.clone(), backlog);
        let alone = self.run(state);
        self.write(others, backlog);
        let lost = state.join(&self.place.application).join(format!("0_{}", PARTITIONS - 1));
        std::fs::remove_dir_all(&lost).unwrap();
        let beside = self.run(state);
        let span = beside.ready.saturating_sub(beside.began);
        let records = self.came_out(&beside, span);
        let (mut less, mut enough) = (Duration::ZERO, span * 4);
        while enough - less > Duration::from_millis(1) {
            let middle = (less + enough) / 2;
            let half =
                if self.came_out(&alone, middle) < records { &mut less } else { &mut enough };
            *half = middle;
        }
        Compared { span, restored: beside.restored, records, alone: enough }
    }
}

#[test]
fn running_tasks_hardly_slow_down_while_another_is_restored() {
    let mut world = World::new(flow::setting("MILLSTREAM_KEYS", KEYS));
    let state = world.place.state("state");
    world.write(0..PARTITIONS, world.keys * CHANGES);
    world.run(&state);
    let (mut span, mut alone) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..flow::rounds(1) {
        let compared = world.compare(&state);
        println!("{compared}");
        let changes = i64::try_from(world.keys * CHANGES).unwrap();
        assert_eq!(compared.restored, changes, "the whole changelog of one task, and no other");
        (span, alone) = (span + compared.span, alone + compared.alone);
    }
    // What is restored in the short form may be over before there is anything to process.
    assert!(!flow::is_long() || kept(span, alone) >= KEPT_MIN, "{alone:?} became {span:?}");
}
