//! What must hold, looked at after every step.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::names::{StoreName, TaskId, TopicPartition};
use streams_test::KafkaModel;
use streams_test::model::{AcceptedCommit, ModelRecord, WriterId};

use super::app::{App, INPUT, OUTPUT, PARTITIONS, STORES, Tally, number, tallies};
use super::disk::{Disk, fold};
use super::plan::Weather;
use super::process::{Life, Process};

/// How long a task may run on after its process has heard that it was lost.
const AFTERLIFE_MS: u64 = 15_000;

/// What went wrong.
pub(crate) type Verdict = Result<(), String>;

/// How far each key is in a topic.
type Seen = BTreeMap<String, u64>;

/// An uninterrupted time in which one process has a task.
type Tenure = u64;

/// A row whose last record is not its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taint {
    /// The owner's.
    tenure: Tenure,
    /// Whether the owner has written to the changelog since, and so finds out.
    is_noticed: bool,
}

/// What was seen so far.
#[derive(Debug)]
pub(crate) struct Checks {
    app: App,
    kafka: KafkaModel,
    sequence: BTreeMap<String, u64>,
    /// By partition of an input: the key and number of each record, in order of their offsets.
    inputs: BTreeMap<TopicPartition, Vec<(String, u64)>>,
    covered: BTreeMap<TopicPartition, i64>,
    pub(crate) sent: Seen,
    repartitioned: Seen,
    put_out: Seen,
    logged: [Seen; 2],
    /// How often each record came out.
    pub(crate) copies: BTreeMap<(String, u64), u64>,
    /// By task: the producer of the process that began to run it last.
    writers: BTreeMap<TaskId, WriterId>,
    /// Rows that a process wrote to a changelog which the group had given up.
    touched: BTreeSet<(TaskId, String)>,
    /// Those that the owner of then has not written again, and whose owner that was. It does when
    /// it finds out, which it does when it writes. If somebody else restores the row before, no
    /// protocol without fenced producers can keep it whole.
    pub(crate) tainted: BTreeMap<(TaskId, String), Taint>,
    /// How often each task has come to an owner.
    tenures: BTreeMap<TaskId, Tenure>,
    /// By process and task: tasks of before the group gave the process up, and since when it knows.
    stale: BTreeMap<(u64, TaskId), Option<u64>>,
    /// Processes whose members the coordinator does not know.
    out: BTreeSet<u64>,
}

impl Checks {
    pub(crate) fn new(app: &App, kafka: &KafkaModel) -> Self {
        Self {
            app: app.clone(),
            kafka: kafka.clone(),
            sequence: BTreeMap::new(),
            inputs: BTreeMap::new(),
            covered: BTreeMap::new(),
            sent: Seen::new(),
            repartitioned: Seen::new(),
            put_out: Seen::new(),
            logged: [Seen::new(), Seen::new()],
            copies: BTreeMap::new(),
            writers: BTreeMap::new(),
            touched: BTreeSet::new(),
            tainted: BTreeMap::new(),
            tenures: BTreeMap::new(),
            stale: BTreeMap::new(),
            out: BTreeSet::new(),
        }
    }

    pub(crate) fn sent(&mut self, partition: TopicPartition, key: &str, number: u64) {
        self.sent.insert(key.to_owned(), number);
        self.inputs.entry(partition).or_default().push((key.to_owned(), number));
    }

    /// What was appended since the last look.
    pub(crate) fn records(&mut self) -> Verdict {
        let repartition = self.app.repartition();
        for record in self.new_records(repartition.as_str()) {
            let value = text(&record);
            let (key, number) = number(&value).ok_or("an unreadable repartition record")?;
            follow(&mut self.repartitioned, "the repartition topic", &key, number)?;
            let at = TopicPartition { topic: repartition.clone(), partition: record.partition };
            self.inputs.entry(at).or_default().push((key, number));
        }
        for record in self.new_records(OUTPUT) {
            let value = text(&record);
            let (key, number) = number(&value).ok_or("an unreadable output")?;
            follow(&mut self.put_out, "the output", &key, number)?;
            *self.copies.entry((key, number)).or_default() += 1;
        }
        for (part, store) in (0..).zip(STORES) {
            let changelog = self.app.changelog_topic(store);
            for record in self.new_records(changelog.as_str()) {
                let task = TaskId::new(part, record.partition);
                let key = record.key.as_deref().map(String::from_utf8_lossy);
                let row = (task, key.unwrap_or_default().into_owned());
                let tenure = self.tenures.get(&task).copied().unwrap_or_default();
                if self.writers.get(&task).is_some_and(|writer| *writer != record.writer) {
                    self.touched.insert(row.clone());
                    self.tainted.entry(row).or_insert(Taint { tenure, is_noticed: false });
                } else {
                    self.owner_wrote(&row, tenure);
                }
                for (key, tally) in tallies(&text(&record)) {
                    follow(&mut self.logged[part as usize], store, &key, tally.last)?;
                }
            }
        }
        Ok(())
    }

    fn owner_wrote(&mut self, row: &(TaskId, String), tenure: Tenure) {
        if self.tainted.get(row).is_some_and(|taint| taint.tenure == tenure) {
            self.tainted.remove(row);
        }
        for ((task, _), taint) in &mut self.tainted {
            taint.is_noticed |= *task == row.0 && taint.tenure == tenure;
        }
    }

    /// Whether owners have written again what they know that others wrote over.
    pub(crate) fn is_mended(&self) -> bool {
        self.tainted.iter().all(|((task, _), taint)| {
            !taint.is_noticed || self.tenures.get(task) != Some(&taint.tenure)
        })
    }

    fn new_records(&mut self, topic: &str) -> Vec<std::sync::Arc<ModelRecord>> {
        let sequence = self.sequence.entry(topic.to_owned()).or_default();
        let records = self.kafka.records_after(&topic.into(), *sequence);
        *sequence = records.last().map_or(*sequence, |last| last.sequence);
        records
    }

    /// What the coordinator took: only from who may, and only what is in all logs.
    pub(crate) fn commits(&mut self, processes: &[Process]) -> Verdict {
        for commit in self.kafka.take_commits() {
            self.committer(&commit, processes)?;
            for (partition, offset) in commit.offsets {
                self.cover(&partition, offset)?;
            }
        }
        Ok(())
    }

    fn committer(&self, commit: &AcceptedCommit, processes: &[Process]) -> Verdict {
        let is_of = |process: &&Process| process.member.member_id() == Some(&commit.member);
        let Some(process) = processes.iter().find(is_of) else { return Ok(()) };
        for (partition, _) in &commit.offsets {
            let task = self.app.reader(partition);
            if self.stale.contains_key(&(process.number, task)) {
                let number = process.number;
                return Err(format!("process {number} committed {task}, which it has lost"));
            }
        }
        Ok(())
    }

    fn cover(&mut self, partition: &TopicPartition, offset: i64) -> Verdict {
        let from = self.covered.entry(partition.clone()).or_default();
        let records = self.inputs.get(partition).map_or(&[][..], Vec::as_slice);
        let part = usize::from(partition.topic.as_str() != INPUT);
        let next = if part == 0 { &self.repartitioned } else { &self.put_out };
        let new = usize::try_from(*from).unwrap()..usize::try_from(offset.max(*from)).unwrap();
        let Some(new) = records.get(new) else {
            return Err(format!("{partition} is committed up to {offset}, beyond its end"));
        };
        for (key, number) in new {
            let is_in = |seen: &Seen| seen.get(key).is_some_and(|seen| seen >= number);
            if !is_in(next) || !is_in(&self.logged[part]) {
                return Err(format!("{key}:{number} is committed and is not in all logs"));
            }
        }
        *from = offset.max(*from);
        Ok(())
    }

    /// The process has heard that it lost what it runs.
    pub(crate) fn hears_of_loss(&mut self, process: &Process, now: u64) {
        for task in process.running() {
            self.stale.entry((process.number, task)).or_default().get_or_insert(now);
        }
    }

    /// The coordinator does not know the process: what it runs, or begins to run, it has lost.
    pub(crate) fn is_out(&mut self, process: &Process) {
        self.out.insert(process.number);
    }

    /// The coordinator knows the process again: a new one found it among the members that were
    /// written down, so that nobody else has been given its tasks.
    pub(crate) fn taken_back(&mut self, process: &Process) {
        self.out.remove(&process.number);
        self.stale.retain(|(number, _), since| *number != process.number || since.is_some());
    }

    /// No two members run a task, and who has lost one lets go of it.
    pub(crate) fn owners(&mut self, processes: &[Process], now: u64) -> Verdict {
        let mut running = BTreeMap::<TaskId, Vec<u64>>::new();
        let (mut held, mut owned) = (BTreeSet::new(), BTreeSet::new());
        for process in processes.iter().filter(|process| process.life != Life::Over) {
            for task in process.running() {
                held.insert((process.number, task));
                if self.out.contains(&process.number) {
                    self.stale.entry((process.number, task)).or_default();
                }
                running.entry(task).or_default().push(process.number);
            }
        }
        self.stale.retain(|holder, _| held.contains(holder));
        for (task, numbers) in &running {
            let is_stale = |number: &&u64| self.stale.contains_key(&(**number, *task));
            let rightful: Vec<&u64> = numbers.iter().filter(|number| !is_stale(number)).collect();
            if let [one, other, ..] = rightful[..] {
                return Err(format!("{task} runs in processes {one} and {other}"));
            }
            if let [one] = rightful[..]
                && let Some(process) = processes.iter().find(|process| process.number == *one)
                && let Some(thread) = process.runner(*task)
            {
                let before = self.writers.insert(*task, thread.writer);
                if before != Some(thread.writer) {
                    *self.tenures.entry(*task).or_default() += 1;
                }
                owned.insert(*task);
            }
        }
        for (task, tenure) in &mut self.tenures {
            *tenure += u64::from(!owned.contains(task));
        }
        for ((number, task), since) in &self.stale {
            let paused = processes
                .iter()
                .any(|p| p.number == *number && p.was_idle_since(now, AFTERLIFE_MS));
            if since.is_some_and(|since| now > since + AFTERLIFE_MS) && !paused {
                return Err(format!("process {number} runs {task}, which it has lost"));
            }
        }
        Ok(())
    }

    /// What lies on disk is what the changelog says up to the position.
    pub(crate) fn disk(&self, disk: &Disk) -> Verdict {
        for ((task, store), image) in disk.images() {
            let Some(position) = image.position else { continue };
            let (folded, end) = self.folded(task, &store, position);
            if position > end {
                return Err(format!("{task} {store} is at {position} of {end}"));
            }
            // The owner's disk holds its own rows where others wrote over them in the changelog.
            let own = |rows: BTreeMap<String, String>| -> BTreeMap<String, String> {
                rows.into_iter().filter(|(row, _)| !self.is_touched(task, row)).collect()
            };
            let (rows, folded) = (own(image.rows.clone()), own(folded));
            if folded != rows {
                return Err(format!("{task} {store} at {position} holds {rows:?}, not {folded:?}"));
            }
        }
        Ok(())
    }

    fn is_touched(&self, task: TaskId, row: &str) -> bool {
        self.touched.contains(&(task, row.to_owned()))
    }

    fn folded(&self, task: TaskId, store: &StoreName, to: i64) -> (BTreeMap<String, String>, i64) {
        let topic = self.app.changelog_topic(store.as_str());
        let changelog = TopicPartition { topic, partition: task.partition };
        let (_, end) = self.kafka.offsets(&changelog).unwrap();
        let records = self.kafka.read(&changelog, 0, usize::MAX).unwrap();
        let before = records.iter().take_while(|record| record.offset < to);
        (fold(before.map(|record| (&record.key, &record.value))), end)
    }

    /// Whether all input is committed.
    pub(crate) fn is_drained(&self) -> bool {
        let topics = [INPUT.into(), self.app.repartition()];
        topics.into_iter().all(|topic| {
            (0..PARTITIONS).all(|partition| {
                let at = TopicPartition { topic: topic.clone(), partition };
                let end = self.kafka.offsets(&at).map_or(0, |(_, end)| end);
                let committed = self.kafka.committed_offset(&self.app.id, &at);
                end == committed.map_or(0, |committed| committed.offset)
            })
        })
    }

    /// All that went in has come out, and is in the stores.
    pub(crate) fn end(&self, disks: &[Disk], weather: Weather) -> Verdict {
        for (key, last) in &self.sent {
            if self.put_out.get(key) != Some(last) {
                return Err(format!(
                    "{key} was put out up to {:?} of {last}",
                    self.put_out.get(key)
                ));
            }
        }
        if weather == Weather::Calm
            && let Some((record, copies)) = self.copies.iter().find(|(_, copies)| **copies != 1)
        {
            return Err(format!("{record:?} was put out {copies} times in a calm run"));
        }
        for part in 0..2 {
            self.stores(disks, part, weather)?;
        }
        Ok(())
    }

    fn stores(&self, disks: &[Disk], part: u32, weather: Weather) -> Verdict {
        let store = StoreName::from(STORES[part as usize]);
        let mut found = BTreeMap::<String, Tally>::new();
        let mut excused = BTreeSet::new();
        for partition in 0..PARTITIONS {
            let task = TaskId::new(part, partition);
            let changelog = self.app.changelog(task);
            let (_, end) = self.kafka.offsets(&changelog).unwrap();
            let (rows, _) = self.folded(task, &store, end);
            let whole = |disk: &&Disk| {
                let images = disk.images();
                images.get(&(task, store.clone())).is_some_and(|image| image.position == Some(end))
            };
            // What a process wrote that had lost the task, nobody may have read.
            let is_touched = self.tainted.keys().any(|(touched, _)| *touched == task);
            if end > 0 && !is_touched && !disks.iter().any(|disk| whole(&disk)) {
                return Err(format!("{task} {store} is nowhere as far as its changelog"));
            }
            for (row, value) in rows {
                let all = tallies(&value);
                if self.tainted.contains_key(&(task, row)) {
                    excused.extend(all.keys().cloned());
                }
                found.extend(all);
            }
        }
        for (key, last) in &self.sent {
            let tally = found.get(key).copied().unwrap_or_default();
            let is_exact = weather == Weather::Calm;
            let is_short = tally.last != *last || tally.seen < *last;
            if (is_short && !excused.contains(key)) || (is_exact && tally.seen != *last) {
                return Err(format!("{store} holds {tally:?} of {key}, of which {last} were sent"));
            }
        }
        Ok(())
    }
}

fn text(record: &ModelRecord) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

/// A number is in order when no lower one of its key is missing before it.
fn follow(seen: &mut Seen, place: &str, key: &str, number: u64) -> Verdict {
    let last = seen.entry(key.to_owned()).or_default();
    if number > *last + 1 {
        return Err(format!("{key}:{number} came after {key}:{last} in {place}"));
    }
    *last = number.max(*last);
    Ok(())
}
