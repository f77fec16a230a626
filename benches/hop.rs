//! What a hop costs: ten map_values against none, through StreamsBuilder and a linked task.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run must say so")]

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::{
    ApplicationId, DefaultSerde, Handlers, Headers, KStream, StreamsBuilder, TaskId, Timestamp,
    TopicName, TopicPartition, Topology,
};
use streams_core::config::{DefaultTimestampExtractor, OwnSettings};
use streams_core::error::ProduceError;
use streams_core::outbox::{OutRecord, Outbox, TopicId};
use streams_core::processor::{ContextParts, EmitIntervals, TaskContext};
use streams_core::record::{RawRecord, RecordBatch};
use streams_core::serde::Payload;
use streams_core::store::CacheBudget;
use streams_core::task::{Task, TaskIdle, TaskParts};
use streams_core::time::Now;
use streams_core::topology::TopicNames;
use streams_state::MemoryBackend;

const RECORDS: usize = 1024;

/// Takes nothing: the topologies here have no sinks.
struct Nowhere;

impl Outbox for Nowhere {
    fn topic(&mut self, _: &TopicName) -> TopicId {
        TopicId(0)
    }

    fn topic_name(&self, _: TopicId) -> TopicName {
        "nowhere".into()
    }

    fn partitions(&mut self, _: TopicId) -> Result<i32, ProduceError> {
        Ok(1)
    }

    fn send(&mut self, _: OutRecord<'_>) -> Result<(), ProduceError> {
        Ok(())
    }
}

/// The same record again and again.
#[derive(Clone)]
struct Same {
    key: Rc<Vec<u8>>,
    value: Rc<Vec<u8>>,
}

impl RecordBatch for Same {
    fn len(&self) -> usize {
        RECORDS
    }

    fn record(&self, index: usize) -> RawRecord<'_> {
        RawRecord {
            key: Some(&self.key),
            value: Some(&self.value),
            timestamp: Timestamp::from_millis(1),
            offset: i64::try_from(index).unwrap_or(0),
            leader_epoch: None,
            headers: Headers::new(),
        }
    }
}

fn bytes_of<T: DefaultSerde>(value: &T) -> Rc<Vec<u8>> {
    let mut bytes = Vec::new();
    let payload = T::serde().encode(&"in".into(), value, &mut bytes).expect("encodes");
    assert_eq!(payload, Payload::Bytes);
    Rc::new(bytes)
}

fn task(topology: &Topology) -> Task {
    let application_id = ApplicationId::from("bench");
    let partitions = vec![TopicPartition::new("in", 0)];
    let task = TaskId::new(0, 0);
    let parts = ContextParts {
        application_id: application_id.clone(),
        task,
        partitions,
        handlers: Handlers::default(),
        timestamps: DefaultTimestampExtractor::FailOnInvalid,
        emit_intervals: EmitIntervals::default(),
        own_settings: OwnSettings::default(),
    };
    let mut task = Task::new(TaskParts {
        topology: topology.clone(),
        subtopologies: vec![task.subtopology],
        names: TopicNames::new(&application_id),
        context: Rc::new(TaskContext::new(parts)),
        globals: None,
        backend: &MemoryBackend::default(),
        outbox: Rc::new(RefCell::new(Nowhere)),
        cache: Rc::new(CacheBudget::new(0)),
        task_number: 0,
        idle: TaskIdle::UpTo(Duration::ZERO),
    })
    .expect("links");
    task.start(Timestamp::from_millis(0)).expect("starts");
    task
}

fn hops<T, F>(name: &str, criterion: &mut Criterion, value: &T, hops: usize, f: F)
where
    T: DefaultSerde + Clone,
    F: Fn(T) -> T + Copy + Send + Sync + 'static,
{
    let builder = StreamsBuilder::new();
    let mut stream: KStream<'_, T, T> = builder.stream("in");
    for _ in 0..hops {
        stream = stream.map_values(f);
    }
    stream.for_each(|key, value| {
        black_box((key, value));
    });
    let mut task = task(&builder.build().expect("a valid topology"));
    let batch = Same { key: bytes_of(value), value: bytes_of(value) };
    let now = Now::from_wall(Timestamp::from_millis(0));
    let mut group = criterion.benchmark_group("hop");
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.bench_function(format!("{name}/{hops} map_values"), |bencher| {
        bencher.iter(|| {
            task.add(0, Box::new(batch.clone()), now.wall).expect("takes records");
            let done = task.process_up_to(RECORDS, now).expect("processes");
            assert_eq!(done.records, RECORDS);
        });
    });
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    for count in [0, 10] {
        hops("u64", criterion, &7_u64, count, |value| black_box(value.wrapping_add(1)));
        hops("String", criterion, &"seven".to_owned(), count, black_box);
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
