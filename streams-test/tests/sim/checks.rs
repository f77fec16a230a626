//! What must hold, looked at after every step.

use std::collections::{BTreeMap, BTreeSet};

use streams_core::names::{StoreName, TaskId, TopicPartition};
use streams_test::KafkaModel;
use streams_test::model::{AcceptedCommit, ModelRecord, WriterId};

use super::app::{App, INPUT, OUTPUT, PARTITIONS, STORES, Tally, number, tallies};
use super::changelogs::Changelogs;
use super::disk::Disk;
use super::image::Rows;
use super::plan::{Plan, Weather};
use super::process::{Life, Process, Thread};
use super::rhythm::Rhythms;

/// How long a task may run on after its process has heard that it was lost.
const AFTERLIFE_MS: u64 = 15_000;

/// What went wrong.
pub(crate) type Verdict = Result<(), String>;

/// How far each key is in a topic.
type Seen = BTreeMap<String, u64>;

/// An uninterrupted time in which one process has a task.
type Tenure = u64;

/// What lies at a place of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A key and its number.
    Numbered(String, u64),
    /// It cannot be read.
    Poison,
}

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
    has_caches: bool,
    sequence: BTreeMap<String, u64>,
    /// By partition of an input, in order of their offsets.
    inputs: BTreeMap<TopicPartition, Vec<Entry>>,
    pub(crate) changelogs: Changelogs,
    pub(crate) rhythms: Rhythms,
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
    pub(crate) fn new(app: &App, kafka: &KafkaModel, plan: &Plan) -> Self {
        Self {
            has_caches: plan.cache_bytes > 0,
            app: app.clone(),
            kafka: kafka.clone(),
            sequence: BTreeMap::new(),
            inputs: BTreeMap::new(),
            changelogs: Changelogs::new(app, kafka),
            rhythms: Rhythms::new(&app.calls),
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
        self.inputs.entry(partition).or_default().push(Entry::Numbered(key.to_owned(), number));
    }

    /// Somebody has sent what cannot be read. What is sent to the repartition topic is seen there.
    pub(crate) fn poisoned(&mut self, partition: TopicPartition) {
        if partition.topic.as_str() == INPUT {
            self.inputs.entry(partition).or_default().push(Entry::Poison);
        }
    }

    /// What was appended since the last look.
    pub(crate) fn records(&mut self) -> Verdict {
        let repartition = self.app.repartition();
        for record in self.new_records(repartition.as_str()) {
            let at = TopicPartition { topic: repartition.clone(), partition: record.partition };
            let entries = self.inputs.entry(at).or_default();
            if record.writer == WriterId::default() {
                entries.push(Entry::Poison);
                continue;
            }
            let value = text(&record);
            let (key, number) = number(&value).ok_or("an unreadable repartition record")?;
            entries.push(Entry::Numbered(key.clone(), number));
            follow(&mut self.repartitioned, "the repartition topic", &key, number)?;
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
                self.changelogs.add(task, &record);
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
                    let logged = &mut self.logged[part as usize];
                    if self.has_caches {
                        // Of what is changed twice between two commits only the last is written.
                        let last = logged.entry(key).or_default();
                        *last = tally.last.max(*last);
                    } else {
                        follow(logged, store, &key, tally.last)?;
                    }
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
            let had = process.had_in.get(&commit.generation);
            let is_lost = self.stale.contains_key(&(process.number, task));
            if is_lost || had.is_some_and(|had| !had.contains(&task)) {
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
        for (at, entry) in (*from..).zip(new) {
            let Entry::Numbered(key, number) = entry else {
                if !self.app.poison.was_left_out(partition, at) {
                    return Err(format!("{partition} at {at}: nobody was asked to leave it out"));
                }
                continue;
            };
            let is_in = |seen: &Seen| seen.get(key).is_some_and(|seen| seen >= number);
            if !is_in(next) || !is_in(&self.logged[part]) {
                return Err(format!("{key}:{number} is committed and is not in all logs"));
            }
        }
        *from = offset.max(*from);
        Ok(())
    }

    /// Only what is committed is deleted from the repartition topic.
    pub(crate) fn deleted(&self) -> Verdict {
        for partition in 0..PARTITIONS {
            let at = TopicPartition { topic: self.app.repartition(), partition };
            let start = self.kafka.offsets(&at).map_or(0, |(start, _)| start);
            if start > self.covered.get(&at).copied().unwrap_or(0) {
                return Err(format!("{at} is deleted up to {start}, uncommitted"));
            }
        }
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
            process.no_task_runs_twice()?;
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
                    self.begins(*task, process, thread)?;
                    self.late_for(*task, thread);
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

    /// A task begins to run: its store holds all that was in the changelog when the group gave the
    /// task to the process.
    fn begins(&self, task: TaskId, process: &Process, thread: &Thread) -> Verdict {
        let Some((topic, end)) = process.granted.get(&task).copied().flatten() else {
            return Ok(());
        };
        let position = thread.worker.task(task).and_then(|task| task.stores().position(0));
        if self.changelogs.topic(task) == Some(topic) && position.unwrap_or(0) < end {
            let number = process.number;
            return Err(format!("{task} runs in process {number} at {position:?} of {end}"));
        }
        Ok(())
    }

    /// What a dead writer had on its way came too late for this one to restore it.
    fn late_for(&mut self, task: TaskId, thread: &Thread) {
        let position = thread.worker.task(task).and_then(|task| task.stores().position(0));
        let changelog = self.app.changelog(task);
        let late = self.kafka.read(&changelog, position.unwrap_or(0), usize::MAX);
        let tenure = self.tenures.get(&task).copied().unwrap_or_default();
        for record in late.unwrap_or_default().iter().filter(|one| one.writer != thread.writer) {
            let key = record.key.as_deref().map(String::from_utf8_lossy);
            let row = (task, key.unwrap_or_default().into_owned());
            self.touched.insert(row.clone());
            self.tainted.entry(row).or_insert(Taint { tenure, is_noticed: false });
        }
    }

    /// What lies on disk is what the changelog says up to the position.
    pub(crate) fn disk(&self, disk: &Disk) -> Verdict {
        for ((task, store), image) in disk.images() {
            let Some(wanted) = self.changelogs.wanted((task, &store), &image)? else { continue };
            // The owner's disk holds its own rows where others wrote over them in the changelog.
            let own = |rows: Rows| -> Rows {
                rows.into_iter().filter(|(row, _)| !self.is_touched(task, row)).collect()
            };
            let (rows, wanted) = (own(image.rows.clone()), own(wanted));
            if wanted != rows {
                let at = image.position;
                return Err(format!("{task} {store} at {at:?} holds {rows:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }

    /// Stores are emptied for a reason, and each for its own.
    pub(crate) fn emptied(&self, disk: &Disk) -> Verdict {
        for (task, store) in disk.take_emptied() {
            let is_damaged = self.app.flaws.has_damaged(task);
            if !is_damaged && !self.changelogs.is_spoilt(task) {
                return Err(format!("{task} {store} was emptied for nothing"));
            }
        }
        Ok(())
    }

    /// Something was done to the changelogs of these tasks: what is not there any more nobody can
    /// write again.
    pub(crate) fn forget_taints(&mut self) {
        let changelogs = &self.changelogs;
        self.tainted.retain(|(task, row), _| {
            !changelogs.is_spoilt(*task) || changelogs.has_row(*task, row)
        });
    }

    fn is_touched(&self, task: TaskId, row: &str) -> bool {
        self.touched.contains(&(task, row.to_owned()))
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
        self.left_out(weather)?;
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

    /// All that cannot be read was left out, and nothing else was.
    fn left_out(&self, weather: Weather) -> Verdict {
        for ((partition, offset), times) in self.app.poison.left_out() {
            let entries = self.inputs.get(&partition);
            let entry = entries.and_then(|all| all.get(usize::try_from(offset).unwrap()));
            if entry != Some(&Entry::Poison) {
                return Err(format!("{partition} at {offset} was left out: {entry:?}"));
            }
            // An owner that lets go before it has come past it leaves that to the next one.
            let task = App::tasks().find(|task| self.app.input(*task) == partition);
            let starts = task.map_or(0, |task| self.rhythms.starts_of(task));
            if weather == Weather::Calm && times > starts {
                return Err(format!("{partition} at {offset} was left out {times} times"));
            }
        }
        Ok(())
    }

    fn stores(&self, disks: &[Disk], part: u32, weather: Weather) -> Verdict {
        let store = StoreName::from(STORES[part as usize]);
        let mut found = BTreeMap::<String, Tally>::new();
        let mut excused = BTreeSet::new();
        for partition in 0..PARTITIONS {
            let task = TaskId::new(part, partition);
            let (rows, end) = self.changelogs.left(task);
            let whole = |disk: &&Disk| {
                let images = disk.images();
                let image = images.get(&(task, store.clone()));
                image.is_some_and(|image| match image.position {
                    Some(position) => position == end && !image.is_damaged(),
                    // The last commit found that the changelog is another one.
                    None => self.changelogs.is_spoilt(task),
                })
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
            let lost = self.changelogs.lost(part, key);
            let is_behind = tally.last != *last && lost < *last;
            let is_short = is_behind || tally.seen + lost < *last;
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
