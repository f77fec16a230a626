//! What goes wrong, of what does in a run: with processes, machines, brokers, topics and inputs.

use std::time::Duration;

use streams_core::membership::Moment;
use streams_core::names::TopicPartition;
use streams_core::time::Timestamp;
use streams_test::model::{Brokers, Carries, MachineId, Outage, Survivors};

use super::{HOUR_MS, KEYS, PARTITIONS, SLOTS, Stopped, World};
use crate::app::{INPUT, key};
use crate::plan::{Fault, Weather};
use crate::poison;

/// Networks fail for so long at most where nobody is to lose its session, and elsewhere.
const SHORT_OUTAGE_MS: u64 = 3_000;
const OUTAGE_MS: u64 = 25_000;
const BETWEEN_OUTAGES_MS: u64 = 6_000;
/// How late requests arrive where a network is slow.
const SLOWNESS: Duration = Duration::from_millis(500);
/// Between any two events something goes wrong so often.
const WRONG_ONE_IN: u64 = 2;

impl World {
    /// Somebody sets a machine's wall clock by an hour.
    pub(super) fn set_a_clock(&mut self) {
        let slot = self.dice.index(SLOTS);
        let by = if self.dice.one_in(2) { HOUR_MS } else { -HOUR_MS };
        self.walls[slot] += by;
        self.note(format!("the clock of machine {slot} is set by {by} ms"));
        for process in self.processes.iter_mut().filter(|process| process.slot == slot) {
            process.wall_ahead = self.walls[slot];
            self.checks.rhythms.clock_is_set(process.number);
        }
        // Brokers have one, too. It is seen in records to which their sender gives no time.
        self.setting.kafka.set_now(Timestamp::from_millis(self.walls[self.dice.index(SLOTS)]));
    }

    pub(super) fn fill_or_free_a_disk(&mut self) {
        let slot = self.dice.index(SLOTS);
        let is_full = self.disks[slot].fill_or_free();
        self.note(format!("the disk of machine {slot} is full: {is_full}"));
        self.report.full_disks += u64::from(is_full);
    }

    pub(super) fn toggle_broker(&mut self) {
        let loading = Duration::from_millis(self.dice.below(1_500));
        match std::mem::replace(&mut self.stopped, Stopped::None) {
            Stopped::None => {}
            Stopped::One(broker) => {
                self.note(format!("broker {broker} is back"));
                return self.setting.kafka.start_broker(broker);
            }
            Stopped::All => {
                self.note("all brokers are back".to_owned());
                return self.setting.kafka.start_all_brokers(loading);
            }
        }
        if self.dice.one_in(4) {
            self.note("all brokers are gone".to_owned());
            self.stopped = Stopped::All;
            self.report.blackouts += 1;
            return self.setting.kafka.stop_all_brokers();
        }
        let broker = u16::try_from(self.dice.below(self.setting.plan.brokers.into())).unwrap();
        self.note(format!("broker {broker} is gone"));
        let leaderless = Duration::from_millis(self.dice.below(3_000));
        self.setting.kafka.stop_broker(broker, leaderless);
        self.stopped = Stopped::One(broker);
    }

    /// From time to time, one of the faults of the run.
    pub(super) fn go_wrong(&mut self) {
        let faults = self.setting.plan.faults.iter().copied().filter(|one| one.is_an_event());
        let faults: Vec<Fault> = faults.collect();
        let Some(fault) = faults.get(self.dice.index(faults.len())) else { return };
        if !self.dice.one_in(WRONG_ONE_IN) {
            return;
        }
        match fault {
            Fault::Pauses => self.pause_a_process(),
            Fault::Stalls => self.stall_a_worker(),
            Fault::Threads => self.end_a_thread(),
            Fault::Brokers => self.upset_brokers(),
            Fault::Namesakes => self.start_namesake(),
            Fault::Clocks => self.set_a_clock(),
            Fault::FullDisks => self.fill_or_free_a_disk(),
            Fault::Networks => self.cut_a_network(),
            Fault::Damages => self.damage_a_disk(),
            Fault::Changelogs => self.spoil_a_changelog(),
            Fault::Poison => self.poison_an_input(),
            // They happen wherever brokers, processes or the code are called.
            Fault::Calls | Fault::LateNews | Fault::Errors | Fault::Panics | Fault::Questions => {}
        }
    }

    fn pause_a_process(&mut self) {
        let (at, millis) = (self.dice.index(self.processes.len()), 2_000 + self.dice.below(18_000));
        let Some(process) = self.processes.get_mut(at) else { return };
        process.paused_until = self.now + millis;
        let number = process.number;
        self.note(format!("process {number} is paused for {millis} ms"));
    }

    fn stall_a_worker(&mut self) {
        let (at, millis) = (self.dice.index(self.processes.len()), self.dice.below(16_000));
        let Some(process) = self.processes.get_mut(at) else { return };
        let worker = self.dice.index(process.threads.len());
        let number = process.number;
        let Some((worker, thread)) = process.threads.iter_mut().nth(worker) else { return };
        thread.stall(self.now, self.now + millis);
        let worker = *worker;
        self.note(format!("worker {worker} of process {number} does nothing for {millis} ms"));
    }

    fn end_a_thread(&mut self) {
        let at = self.dice.index(self.processes.len());
        let Some(process) = self.processes.get_mut(at) else { return };
        let worker = self.dice.index(process.threads.len());
        let Some(worker) = process.threads.keys().nth(worker).copied() else { return };
        process.end_thread(worker, self.now);
        let number = process.number;
        self.note(format!("the thread of worker {worker} of process {number} ends"));
        self.report.failures += 1;
    }

    fn upset_brokers(&mut self) {
        if self.dice.one_in(2) {
            return self.toggle_broker();
        }
        self.note("the coordinator moves".to_owned());
        let loading = Duration::from_millis(self.dice.below(1_500));
        self.setting.kafka.move_coordinator(loading);
    }

    /// The network of a machine carries nothing for a while, or one way only, or is slow; to one broker
    /// or to all.
    fn cut_a_network(&mut self) {
        let slot = self.dice.index(SLOTS);
        // It is whole again for long enough to hear what became of a session.
        if self.outages[slot] + BETWEEN_OUTAGES_MS > self.now {
            return;
        }
        let any = u16::try_from(self.dice.below(self.setting.plan.brokers.into())).unwrap();
        let coordinator = self.setting.kafka.coordinator();
        let brokers = match self.dice.below(5) {
            0 => Brokers::One(coordinator),
            1..4 => Brokers::One(any),
            _ => Brokers::All,
        };
        let carries = match self.dice.below(8) {
            0 => Carries::All,
            1 | 2 => Carries::Nothing,
            3..6 => Carries::Answers,
            _ => Carries::Requests,
        };
        let is_slow = carries == Carries::All || self.dice.one_in(4);
        let delay = if is_slow { SLOWNESS } else { Duration::ZERO };
        // Where the coordinator is not cut off, no session is at stake.
        let keeps_session = brokers == Brokers::One(any) && any != coordinator;
        let is_long = keeps_session || self.setting.plan.weather == Weather::Wild;
        let longest = if is_long { OUTAGE_MS } else { SHORT_OUTAGE_MS };
        self.outages[slot] = self.now + self.dice.below(longest);
        let until = Moment::from_millis(self.outages[slot]);
        let survivors = if self.dice.one_in(2) { Survivors::Silent } else { Survivors::GoOn };
        let outage = Outage { brokers, carries, delay, until, survivors };
        self.note(format!("the network of machine {slot} fails: {outage:?}"));
        let machine = MachineId(u16::try_from(slot).unwrap());
        self.setting.kafka.set_outage(machine, outage);
        self.report.outages += 1;
    }

    /// Something happens to the disk of a machine on which no process is up.
    fn damage_a_disk(&mut self) {
        let is_free = |slot: &usize| self.processes.iter().all(|one| one.slot != *slot);
        let free: Vec<usize> = (0..SLOTS).filter(is_free).collect();
        if let Some(slot) = free.get(self.dice.index(free.len())) {
            self.damage(*slot);
        }
    }

    pub(super) fn damage(&mut self, slot: usize) {
        if let Some((task, store)) = self.disks[slot].damage(&mut self.dice) {
            self.note(format!("{store} of {task} is damaged on the disk of machine {slot}"));
        }
    }

    /// Somebody sends what nobody can read, to an input or to a topic of the application's own.
    fn poison_an_input(&mut self) {
        let app = &self.setting.app;
        let topic = if self.dice.one_in(3) { app.repartition() } else { INPUT.into() };
        let partition = i32::try_from(self.dice.index(PARTITIONS.unsigned_abs() as usize)).unwrap();
        let at = TopicPartition { topic, partition };
        let key = key(self.dice.below(KEYS));
        let record = poison::record(&mut self.dice, key);
        let offset = self.setting.kafka.append(&at, record).unwrap();
        self.note(format!("nobody can read {at} at {offset}"));
        self.checks.poisoned(at);
    }
}
