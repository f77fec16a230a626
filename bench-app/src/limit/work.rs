//! The loop, and what each workload does with a record.

use super::input::{Input, failure};
use super::output::{Output, PARTITIONS, Sent};
use super::store::Counts;
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
    changelog: Option<TopicSlot>,
    counts: Vec<Counts>,
    text: Vec<u8>,
}

impl Work {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self, Error> {
        let Arguments { workload, bootstrap, app, .. } = arguments;
        let changelog = format!("{app}-counts-changelog");
        let repartition = format!("{app}-counts-repartition");
        let mut output = Output::new(bootstrap)?;
        let out = output.topic("bench-out")?;
        let mut sources = vec![(IN.to_owned(), PARTITIONS)];
        let mut tasks = Tasks {
            workload: *workload,
            output,
            out,
            repartition: None,
            changelog: None,
            counts: Vec::new(),
            text: Vec::new(),
        };
        if matches!(workload, Workload::Count | Workload::RepartitionCount) {
            create(bootstrap, &changelog, &[("cleanup.policy", "compact")])?;
            tasks.changelog = Some(tasks.output.changelog(&changelog)?);
            let open = |task| Counts::open(&format!("{}/{task}", arguments.state));
            tasks.counts = (0..PARTITIONS).map(open).collect::<Result<_, _>>()?;
        }
        if *workload == Workload::RepartitionCount {
            create(
                bootstrap,
                &repartition,
                &[("cleanup.policy", "delete"), ("retention.ms", "-1")],
            )?;
            tasks.repartition = Some(tasks.output.topic(&repartition)?);
            sources.push((repartition, PARTITIONS));
        }
        Ok(Self { input: Input::new(bootstrap, app, &sources)?, tasks })
    }

    pub(crate) fn run(&mut self) -> Result<(), Error> {
        let mut committed = now();
        loop {
            let mut idle = true;
            for index in 0..self.input.partitions.len() {
                idle &= !self.process(index)?;
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
            }
            partition.next = record.offset() + 1;
        }
        Ok(true)
    }

    /// The reports, then the offsets, then the stores.
    fn commit(&mut self) -> Result<(), Error> {
        self.tasks.output.flush()?;
        self.input.commit()?;
        let Tasks { counts, output, .. } = &mut self.tasks;
        counts
            .iter_mut()
            .zip(output.changelog)
            .try_for_each(|(counts, offset)| counts.commit(offset))
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
        let (Some(key), Some(_), Some(changelog)) = (record.key(), record.value(), self.changelog)
        else {
            return Ok(());
        };
        let key = text(key)?.as_bytes();
        let task = usize::try_from(partition).ok().and_then(|task| self.counts.get_mut(task));
        let counted =
            task.ok_or(Error::Data("a partition without a task"))?.add(key, record.timestamp())?;
        let value = counted.count.to_be_bytes();
        let (key, value) = (Some(key), Some(value.as_slice()));
        let sent = Sent { key, value, timestamp: counted.timestamp, headers: None };
        self.output.send_to(changelog, partition, sent)?;
        self.output.send(self.out, Sent { headers: record.headers(), ..sent })
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Data("a key is not text"))
}

fn create(bootstrap: &str, name: &str, settings: &[(&str, &str)]) -> Result<(), Error> {
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
