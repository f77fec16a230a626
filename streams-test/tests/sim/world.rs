//! A run: processes, brokers, disks, and what happens to them.

mod changelogs;
mod ending;
mod faults;
mod report;
mod returning;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use streams_core::membership::user_data::USER_DATA_VERSION;
use streams_core::membership::{Moment, Order};
use streams_core::murmur2::partition_for_key;
use streams_core::names::TopicPartition;
use streams_core::time::Timestamp;
use streams_core::worker::Pace;
use streams_test::KafkaModel;
use streams_test::model::{Dice, NewRecord};

pub(crate) use self::report::Report;
use super::answers::Answers;
use super::app::{App, INPUT, KEYS, PARTITIONS, key};
use super::checks::{Checks, Verdict};
use super::defects::Trial;
use super::disk::Disk;
use super::flaws::Flaws;
use super::plan::{Disks, Fault, Names, Plan, Program, Uncaught, Weather};
use super::process::{End, Identity, Life, Process, Setting};

/// Virtual milliseconds from one look to the next.
const TICK_MS: u64 = 20;
const SLOTS: usize = 4;
/// A process has no more workers than these.
const WORKERS_MAX: usize = 4;
/// Clocks may be set back by hours.
const WALL_START_MS: i64 = 100 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;
/// All must be processed and committed so soon after the last disturbance.
const SETTLE_MAX_MS: u64 = 180_000;
/// Lines of the trace that are kept.
const TRACE_MAX: usize = 60;

/// Why a run failed, and what happened before.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) trace: Vec<String>,
}

/// Brokers that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    None,
    One(u16),
    All,
}

pub(crate) struct World {
    setting: Setting,
    dice: Dice,
    checks: Checks,
    processes: Vec<Process>,
    disks: Vec<Disk>,
    started: u64,
    now: u64,
    stopped: Stopped,
    /// What the wall clock of each machine shows beyond the time that has passed.
    walls: [i64; SLOTS],
    /// Until when the network of each machine fails.
    outages: [u64; SLOTS],
    trace: VecDeque<String>,
    report: Report,
}

/// Runs a seed to its end.
pub(crate) fn run(seed: u64, trial: Trial) -> Result<Report, Failure> {
    let mut world = World::new(seed, trial);
    match world.live() {
        Ok(()) => Ok(world.finished()),
        Err(what) => Err(Failure { what, trace: world.trace.into() }),
    }
}

impl World {
    fn new(seed: u64, trial: Trial) -> Self {
        let mut dice = Dice::new(seed);
        // Dice of their own: what happens under a seed does not depend on whether questions fail.
        let mut beside = Dice::new(!seed);
        let plan = Plan::new(&mut dice, trial).with_questions(&mut beside, trial);
        let plan = plan.with_rests(&mut beside);
        let answers = Answers::new(beside.roll(), &plan);
        let plan = plan.with_other_stores(&mut beside).with_program(&mut beside);
        let plan = plan.with_versions(&mut beside);
        let flaws = Flaws::new(dice.roll(), &plan);
        let (app, kafka) = (App::new(flaws, &plan), KafkaModel::new());
        kafka.set_brokers(plan.brokers);
        (0..plan.moves).for_each(|_| kafka.move_coordinator(Duration::ZERO));
        kafka.set_initial_rebalance_delay(plan.initial_delay);
        kafka.set_faults(dice.roll(), plan.rates);
        kafka.keep_commits();
        for topic in app.topics() {
            kafka.create_topic(topic, PARTITIONS, BTreeMap::new()).unwrap();
        }
        let mut world = Self {
            checks: Checks::new(&app, &kafka, &plan),
            setting: Setting::new(app, kafka, (plan, answers), trial.defect),
            dice,
            processes: Vec::new(),
            disks: (0..SLOTS).map(|_| Disk::new(trial.defect)).collect(),
            started: 0,
            now: 1_000,
            stopped: Stopped::None,
            walls: [WALL_START_MS; SLOTS],
            outages: [0; SLOTS],
            trace: VecDeque::new(),
            report: Report::default(),
        };
        let plan = world.setting.plan.clone();
        world.note(format!("{plan:?}"));
        world
    }

    fn note(&mut self, what: String) {
        if self.trace.len() >= TRACE_MAX {
            // The plan stays.
            self.trace.remove(1);
        }
        self.trace.push_back(format!("{:>7} ms  {what}", self.now));
    }

    fn live(&mut self) -> Verdict {
        self.start_process();
        for step in 0..self.setting.plan.steps {
            self.happen(step)?;
            self.go_wrong();
            let wait = self.dice.below(800);
            self.pass(wait)?;
        }
        self.calm_down()?;
        self.settle()?;
        if self.setting.plan.names == Names::Lasting {
            self.come_back()?;
        }
        if self.setting.plan.uncaught == Uncaught::ShutDownAll {
            self.end_together()?;
        }
        self.shut_down()
    }

    /// All that was sent is processed. Of an application that was asked to close nobody expects that
    /// before it is started again.
    fn settle(&mut self) -> Verdict {
        let end = self.now + SETTLE_MAX_MS;
        let is_done = |this: &Self| this.checks.is_drained() && this.checks.is_mended();
        while !(is_done(self) && self.is_settled()) {
            if self.now > end {
                return Err(self.standstill());
            }
            if self.processes.is_empty() {
                self.start_process();
            }
            self.pass(200)?;
        }
        Ok(())
    }

    /// Everything works from now on.
    fn calm_down(&mut self) -> Verdict {
        self.note("all is well from now on".to_owned());
        self.setting.kafka.end_faults();
        self.disks.iter().for_each(Disk::free);
        self.setting.app.flaws.mend();
        self.setting.answers.mend();
        self.setting.is_well.store(true, Ordering::Relaxed);
        for process in &mut self.processes {
            process.paused_until = process.paused_until.min(self.now);
            process.pace = Pace::Going;
            process.threads.values_mut().for_each(|thread| thread.stall(self.now, self.now));
        }
        self.put_changelogs_right()?;
        self.start_process();
        // The restoration of what a crash left behind, and one more round of records.
        self.pass(1_000)?;
        (0..KEYS).for_each(|number| self.send(number));
        Ok(())
    }

    fn close_all(&mut self) -> Verdict {
        self.processes.iter_mut().for_each(|process| process.close(self.now));
        let end = self.now + SETTLE_MAX_MS;
        while !self.processes.is_empty() {
            if self.now > end {
                return Err("not all processes closed".to_owned());
            }
            self.pass(200)?;
        }
        Ok(())
    }

    /// All that runs commits and closes; then disks, logs and outputs are compared.
    fn shut_down(&mut self) -> Verdict {
        self.note("all processes close".to_owned());
        self.close_all()?;
        for disk in &self.disks {
            self.checks.disk(disk)?;
        }
        self.checks.end(&self.disks, self.setting.plan.weather)
    }

    fn finished(mut self) -> Report {
        let failed = self.setting.app.flaws.failed();
        self.report.failures += failed.errors + failed.panics;
        self.report.panics = failed.panics;
        self.report.damages = failed.damages;
        self.report.unanswered = self.setting.answers.failed();
        self.report.punctuations = self.checks.rhythms.punctuations;
        self.report.set_aside = self.disks.iter().map(Disk::set_aside).sum();
        self.report.left_out = self.setting.app.poison.left_out().len() as u64;
        let copies = self.checks.copies.values();
        self.report.repeated = copies.map(|copies| copies - 1).sum();
        self.report.tainted = self.checks.tainted.len() as u64;
        self.report
    }

    fn is_settled(&self) -> bool {
        let running: usize = self.processes.iter().map(|process| process.running().len()).sum();
        let stays = |one: &Process| one.life == Life::Up && one.order() == Order::GoOn;
        // One that has not heard yet that the group went on without it commits nothing any more.
        let newest = self.processes.iter().filter_map(Process::generation).max();
        let is_member = |one: &Process| one.generation() == newest;
        running == App::tasks().count()
            && self.processes.iter().all(|one| stays(one) && is_member(one))
    }

    fn standstill(&self) -> String {
        let running = self.processes.iter().map(|process| (process.number, process.running()));
        let running: Vec<_> = running.collect();
        let (drained, mended) = (self.checks.is_drained(), self.checks.is_mended());
        format!("no progress: drained {drained}, changelogs mended {mended}, running {running:?}")
    }

    fn free_slot(&self) -> Option<usize> {
        (0..SLOTS).find(|slot| self.processes.iter().all(|one| one.slot != *slot))
    }

    fn start_process(&mut self) {
        if let Some(slot) = self.free_slot() {
            self.start_on(slot, slot);
        }
    }

    /// Starts a process on a machine, by the name of this one or another.
    fn start_on(&mut self, slot: usize, name: usize) {
        self.started += 1;
        let (number, now) = (self.started, self.now);
        self.note(format!("process {number} starts on machine {slot} by the name of {name}"));
        let identity = Identity { number, slot, name };
        let mut process = Process::start(&self.setting, identity, &self.disks[slot], now);
        process.wall_ahead = self.walls[slot];
        let version = self.setting.plan.version_of(number, name);
        self.report.older += u64::from(version < USER_DATA_VERSION);
        self.processes.push(process);
    }

    /// A second process by the name of one that runs.
    fn start_namesake(&mut self) {
        let named = self.setting.plan.names == Names::Lasting;
        if let (Some(slot), true) = (self.free_slot().filter(|_| named), !self.processes.is_empty())
        {
            let at = self.dice.index(self.processes.len());
            let name = self.processes[at].name;
            self.start_on(slot, name);
        }
    }

    /// The process is gone at once; its disk stays as it is.
    fn crash(&mut self, at: usize) -> Verdict {
        let process = self.processes.remove(at);
        self.note(format!("process {} crashes", process.number));
        self.report.crashes += 1;
        let slot = process.slot;
        let disk = self.disks[slot].clone();
        drop(process);
        self.checks.disk(&disk)?;
        if self.setting.plan.disks == Disks::Lost || self.dice.one_in(8) {
            disk.wipe();
        } else if self.dice.one_in(6) && self.setting.plan.has(Fault::Damages) {
            self.damage(slot);
        }
        Ok(())
    }

    /// One random event.
    fn happen(&mut self, step: u64) -> Verdict {
        let up = self.processes.len();
        let rough = self.setting.plan.weather != Weather::Calm;
        match self.dice.below(24) {
            0..10 if step < self.setting.plan.flowing_steps => {
                for _ in 0..self.dice.below(self.setting.plan.arrivals) {
                    let number = self.dice.below(KEYS);
                    self.send(number);
                }
            }
            10..13 => self.start_process(),
            13 | 14 if rough && up > 0 => {
                let at = self.dice.index(up);
                self.crash(at)?;
            }
            15 if up > 1 => {
                let at = self.dice.index(up);
                let number = self.processes[at].number;
                self.note(format!("process {number} is told to close"));
                self.processes[at].close(self.now);
            }
            16 | 17 if up > 0 && self.setting.plan.program == Program::Intervenes => {
                self.intervene();
            }
            _ => {}
        }
        Ok(())
    }

    /// What a program does to its process.
    fn intervene(&mut self) {
        let (at, now) = (self.dice.index(self.processes.len()), self.now);
        let process = &mut self.processes[at];
        match self.dice.below(6) {
            0..2 if process.threads.len() < WORKERS_MAX => {
                self.report.workers_added += u64::from(process.add_worker(now));
            }
            2..4 => self.report.workers_removed += u64::from(process.remove_worker(now)),
            4 => {
                let (pace, number) = (process.change_pace(), process.number);
                self.report.breaks += u64::from(pace == Pace::Paused);
                self.note(format!("process {number} is told to be {pace:?}"));
            }
            _ => {}
        }
    }

    fn send(&mut self, number: u64) {
        let key = key(number);
        let number = self.checks.sent.get(&key).copied().unwrap_or(0) + 1;
        let partition = TopicPartition::new(INPUT, partition_for_key(key.as_bytes(), PARTITIONS));
        let record = NewRecord {
            key: Some(Bytes::from(key.clone())),
            value: Some(Bytes::from(format!("{key}:{number}"))),
            timestamp: Some(Timestamp::from_millis(self.now.cast_signed())),
            ..NewRecord::default()
        };
        self.setting.kafka.append(&partition, record).unwrap();
        self.checks.sent(partition, &key, number);
        self.report.records += 1;
    }

    /// Lets `millis` pass.
    fn pass(&mut self, millis: u64) -> Verdict {
        let end = self.now + millis;
        while self.now < end {
            self.tick()?;
        }
        self.mend_what_was_refused();
        if self.setting.is_well.load(Ordering::Relaxed) {
            self.checks.rhythms.go_on(&self.processes, self.now)?;
        }
        Ok(())
    }

    fn tick(&mut self) -> Verdict {
        self.now += TICK_MS;
        self.report.ticks += 1;
        self.setting.kafka.advance_groups(Moment::from_millis(self.now));
        self.checks.records()?;
        self.checks.commits(&self.processes)?;
        let first = self.dice.index(self.processes.len());
        for step in 0..self.processes.len() {
            let at = (first + step) % self.processes.len();
            self.let_work(at)?;
        }
        self.checks.deleted()?;
        // A process may be put out and replaced within a turn.
        self.see_who_is_out();
        self.checks.owners(&self.processes, self.now)?;
        self.setting.app.poison.is_counted()?;
        for disk in &self.disks {
            self.checks.emptied(disk)?;
        }
        for process in self.processes.extract_if(.., |one| one.life == Life::Over) {
            self.report.late += process.times_out;
            self.report.fenced += u64::from(process.end == Some(End::Fenced));
            self.report.ordered += u64::from(process.order() == Order::ShutDown);
            self.checks.disk(&self.disks[process.slot])?;
        }
        Ok(())
    }

    fn let_work(&mut self, at: usize) -> Verdict {
        let now = self.now;
        let process = &mut self.processes[at];
        if process.paused_until > now {
            return Ok(());
        }
        process.work(now);
        self.checks.rhythms.note(process, now)?;
        if std::mem::take(&mut process.heard_of_loss) {
            self.checks.hears_of_loss(process, now);
            self.checks.disk(&self.disks[process.slot])?;
        }
        if let Some(fault) = process.fault.take() {
            return Err(fault);
        }
        let (number, said) = (process.number, std::mem::take(&mut process.said));
        said.into_iter().for_each(|line| self.note(format!("process {number} {line}")));
        self.checks.commits(&self.processes)
    }

    /// Processes whose members the coordinator has taken out do not know it yet.
    fn see_who_is_out(&mut self) {
        let members = self.setting.kafka.group_members(&"app".into());
        for process in &self.processes {
            let Some(member) = process.member.member_id() else { continue };
            if members.iter().any(|one| one == member.as_str()) {
                self.checks.taken_back(process);
                continue;
            }
            if process.paused_until > self.now && !process.running().is_empty() {
                self.report.zombies += 1;
            }
            self.checks.is_out(process);
        }
    }
}
