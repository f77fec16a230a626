//! The loop, and what each workload does with a record.

use super::input::{Head, Input, failure};
use super::output::{Output, PARTITIONS, Sent};
use super::state::{Side, State};
use super::{Arguments, Error, Workload, now};
use crate::ffi::admin::Admin;
use crate::ffi::config::{Config, Role};
use crate::ffi::message::{Fetched, RawMessage};
use crate::ffi::producer::TopicSlot;
use crate::ffi::topics::{NewTopic, TopicError};
use serde_json::Value;
use std::time::Duration;

const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);
const IN: &str = "bench-in";

const RIGHT_IN: &str = "bench-in2";

pub(crate) struct Work {
    input: Input,
    tasks: Tasks,
}

/// What the records go through.
struct Tasks {
    workload: Workload,
    output: Output,
    out: TopicSlot,
    repartition: Option<TopicSlot>,
    state: State,
    /// A key or a value on its way out.
    text: Vec<u8>,
}

impl Work {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Error> {
        let Arguments { workload, bootstrap, app, .. } = arguments;
        let repartition = format!("{app}-counts-repartition");
        let mut output = Output::new(bootstrap)?;
        let out = output.topic("bench-out")?;
        let mut sources = vec![(IN.to_owned(), PARTITIONS)];
        let state = State::open(arguments, &mut output)?;
        let mut tasks =
            Tasks { workload: *workload, output, out, repartition: None, state, text: Vec::new() };
        if *workload == Workload::RepartitionCount {
            create(
                bootstrap,
                &repartition,
                &[("cleanup.policy", "delete"), ("retention.ms", "-1")],
            )?;
            tasks.repartition = Some(tasks.output.topic(&repartition)?);
            sources.push((repartition, PARTITIONS));
        }
        if *workload == Workload::StreamJoin {
            sources.push((RIGHT_IN.to_owned(), PARTITIONS));
        }
        Ok(Self { input: Input::new(bootstrap, app, &sources)?, tasks })
    }

    pub(crate) fn run(&mut self) -> Result<(), Error> {
        let mut committed = now();
        loop {
            let mut idle = true;
            if self.tasks.workload == Workload::StreamJoin {
                for task in 0..PARTITIONS as usize {
                    idle &= !self.process_pair(task)?;
                }
            } else {
                for index in 0..self.input.partitions.len() {
                    idle &= !self.process(index)?;
                }
            }
            self.tasks.output.serve(Duration::ZERO)?;
            if committed.elapsed() >= COMMIT_INTERVAL {
                self.commit()?;
                committed = now();
            } else if idle {
                std::thread::park_timeout(COMMIT_INTERVAL.saturating_sub(committed.elapsed()));
            }
        }
    }

    /// One batch of one partition. Returns whether there was one.
    fn process(&mut self, index: usize) -> Result<bool, Error> {
        let Some(batch) = self.input.fetch(index) else { return Ok(false) };
        let Some(partition) = self.input.partitions.get_mut(index) else { return Ok(false) };
        let repartitioned = partition.topic != IN;
        for entry in batch.iter() {
            let Fetched::Record(record) = entry else {
                failure(partition.number, &entry).map_or(Ok(()), Err)?;
                continue;
            };
            match (self.tasks.workload, repartitioned) {
                (Workload::Passthrough, _) => self.tasks.pass(record)?,
                (Workload::Json, _) => self.tasks.json(record)?,
                (Workload::RepartitionCount, false) => self.tasks.select_key(record)?,
                (Workload::Count, _) | (Workload::RepartitionCount, true) => {
                    self.tasks.count(partition.number, record)?
                }
                (Workload::Window, _) => self.tasks.window(partition.number, record)?,
                (Workload::StreamJoin, _) => return Err(Error::Data("a side of a join alone")),
            }
            partition.next = record.offset() + 1;
        }
        Ok(true)
    }

    /// Records of both sides of a task by their times, as many as a batch has. Returns whether there
    /// were any.
    fn process_pair(&mut self, task: usize) -> Result<bool, Error> {
        let (left, right) = self.input.partitions.split_at_mut(PARTITIONS as usize);
        let (Some(left), Some(right)) = (left.get_mut(task), right.get_mut(task)) else {
            return Ok(false);
        };
        for done in 0..self.input.most {
            left.refill(self.input.most);
            right.refill(self.input.most);
            let (one, other) = (left.head()?, right.head()?);
            let side = match (&one, &other) {
                (Head::Awaited, _) | (_, Head::Awaited) | (Head::End, Head::End) => {
                    return Ok(done > 0);
                }
                (Head::Record(one), Head::Record(other)) => {
                    if one.timestamp() <= other.timestamp() { Side::Left } else { Side::Right }
                }
                (Head::Record(_), Head::End) => Side::Left,
                (Head::End, Head::Record(_)) => Side::Right,
            };
            let head = if side == Side::Left { one } else { other };
            if let Head::Record(record) = head {
                self.tasks.join(task, side, record)?;
            }
            match side {
                Side::Left => left.pass(),
                Side::Right => right.pass(),
            }
        }
        Ok(true)
    }

    /// The reports, then the offsets, then the stores.
    fn commit(&mut self) -> Result<(), Error> {
        self.tasks.output.flush()?;
        self.input.commit()?;
        self.tasks.state.commit(&self.tasks.output)
    }
}

impl Tasks {
    fn pass(&mut self, record: RawMessage<'_>) -> Result<(), Error> {
        if record.value().is_none_or(<[u8]>::is_empty) {
            return Ok(());
        }
        let (key, value) = (record.key(), record.value());
        self.output.send(
            self.out,
            Sent { key, value, timestamp: record.timestamp(), headers: record.headers() },
        )
    }

    fn json(&mut self, record: RawMessage<'_>) -> Result<(), Error> {
        let key = record.key().map(text).transpose()?;
        let Some(value) = record.value() else { return Ok(()) };
        let mut tree: Value = serde_json::from_slice(value)?;
        if tree.get("amount").and_then(Value::as_f64).unwrap_or(0.0) < 500.0 {
            return Ok(());
        }
        if let Some(fields) = tree.as_object_mut() {
            fields.insert("vip".to_owned(), Value::Bool(true));
        }
        self.text.clear();
        serde_json::to_writer(&mut self.text, &tree)?;
        let (key, value) = (key.map(str::as_bytes), Some(self.text.as_slice()));
        self.output.send(
            self.out,
            Sent { key, value, timestamp: record.timestamp(), headers: record.headers() },
        )
    }

    fn select_key(&mut self, record: RawMessage<'_>) -> Result<(), Error> {
        let (Some(topic), Some(key)) = (self.repartition, record.key()) else { return Ok(()) };
        let key = text(key)?.get(1..).ok_or(Error::Data("an empty key"))?.as_bytes();
        let (key, value) = (Some(key), record.value());
        self.output.send(
            topic,
            Sent { key, value, timestamp: record.timestamp(), headers: record.headers() },
        )
    }

    fn count(&mut self, partition: i32, record: RawMessage<'_>) -> Result<(), Error> {
        // As in Kafka: no key or no value, no count.
        let (Some(key), Some(_)) = (record.key(), record.value()) else { return Ok(()) };
        let key = text(key)?.as_bytes();
        let (changelog, counts) = self.state.counts(partition)?;
        let counted = counts.add(key, record.timestamp())?;
        let value = counted.count.to_be_bytes();
        let (key, value) = (Some(key), Some(value.as_slice()));
        let sent = Sent { key, value, timestamp: counted.timestamp, headers: None };
        self.output.send_to(changelog, partition, sent)?;
        self.output.send(self.out, Sent { headers: record.headers(), ..sent })
    }

    fn window(&mut self, partition: i32, record: RawMessage<'_>) -> Result<(), Error> {
        let (Some(key), Some(_)) = (record.key(), record.value()) else { return Ok(()) };
        let key = text(key)?.as_bytes();
        let (changelog, counts) = self.state.windows(partition)?;
        let Some((start, counted)) = counts.add(key, record.timestamp())? else { return Ok(()) };
        self.text.clear();
        self.text.extend_from_slice(key);
        self.text.extend_from_slice(&start.to_be_bytes());
        self.text.extend_from_slice(&0_u32.to_be_bytes());
        let value = counted.count.to_be_bytes();
        let value = Some(value.as_slice());
        let row = Some(self.text.as_slice());
        let sent = Sent { key: row, value, timestamp: counted.timestamp, headers: None };
        self.output.send_to(changelog, partition, sent)?;
        self.output.send(self.out, Sent { key: Some(key), headers: record.headers(), ..sent })
    }

    /// A row for the record, and a result for each row of the other side that is near; the value is the
    /// right side's.
    fn join(&mut self, task: usize, side: Side, record: RawMessage<'_>) -> Result<(), Error> {
        let (Some(key), Some(value)) = (record.key(), record.value()) else { return Ok(()) };
        let (key, timestamp) = (text(key)?.as_bytes(), record.timestamp());
        let (changelog, own, other) = self.state.join(task, side)?;
        own.put(key, timestamp, value, &mut self.text);
        let partition = i32::try_from(task).unwrap_or_default();
        let row = Sent { key: Some(&self.text), value: Some(value), timestamp, headers: None };
        self.output.send_to(changelog, partition, row)?;
        other.near(key, timestamp, |time, other| {
            let value = Some(if side == Side::Left { other } else { value });
            let (key, timestamp) = (Some(key), timestamp.max(time));
            self.output.send(self.out, Sent { key, value, timestamp, headers: record.headers() })
        })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Data("a key is not text"))
}

pub(super) fn create(bootstrap: &str, name: &str, settings: &[(&str, &str)]) -> Result<(), Error> {
    let admin = Admin::new(Config::new(Role::Admin, [("bootstrap.servers", bootstrap)])?)?;
    let topic = NewTopic { name, partitions: PARTITIONS, replication: 1, settings };
    for created in admin.create_topics(&[topic], ADMIN_TIMEOUT)? {
        match created {
            Ok(_) | Err(TopicError::AlreadyExists { .. }) => {}
            Err(refused) => return Err(Error::Lost(refused.to_string())),
        }
    }
    Ok(())
}
