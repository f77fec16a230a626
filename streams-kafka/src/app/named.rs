//! An application's counts as values under Kafka's names, to be given to what collects metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::metrics::{BufferMetrics, DropReason};
use streams_core::names::TaskId;
use streams_core::worker::RestorePhase;

use super::metrics::{Metrics, WorkerMetrics};
use super::state::State;

/// A value under the name that Kafka Streams gives it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NamedMetric {
    /// Kafka's group, such as `stream-thread-metrics`.
    pub group: &'static str,
    /// Kafka's name, such as `commit-latency-avg`.
    pub name: &'static str,
    /// Kafka's tags, such as `thread-id`, and their values.
    pub tags: Vec<(&'static str, String)>,
    /// A count as it is, a time in milliseconds.
    pub value: f64,
}

const THREAD: &str = "stream-thread-metrics";
const TASK: &str = "stream-task-metrics";
const NODE: &str = "stream-processor-node-metrics";
const STATE: &str = "stream-state-metrics";
const CONSUMER: &str = "consumer-fetch-manager-metrics";

impl Metrics {
    /// All values that Kafka has a name for. They carry Kafka's tags as far as Millstream knows
    /// them:
    ///
    /// | Group | Name | Tags |
    /// |---|---|---|
    /// | `stream-metrics` | `client-state` (KIP-1091) | `application-id` |
    /// | `stream-thread-metrics` | `process-total`, `punctuate-total`, `commit-total`, `commit-latency-avg`, `commit-latency-max` | `thread-id` |
    /// | `stream-task-metrics` | `dropped-records-total` | `thread-id`, and `reason`, which Kafka does not have: the sum over the reasons is Kafka's number |
    /// | `stream-task-metrics` | `restore-total` | `thread-id` |
    /// | `stream-task-metrics` | `restore-remaining-records-total` | `task-id` |
    /// | `stream-processor-node-metrics` | `suppression-emit-total` | `thread-id`, `task-id`, `processor-node-id` |
    /// | `stream-state-metrics` | `suppression-buffer-count-avg`, `suppression-buffer-count-max`, `suppression-buffer-size-avg`, `suppression-buffer-size-max` | `thread-id`, `task-id`, `in-memory-suppression-id` |
    /// | `consumer-fetch-manager-metrics` | `records-lag` | `client-id`, the name of the thread; `topic`, `partition` |
    ///
    /// Latencies are left out before the first commit. A rate is the difference of two totals; each
    /// counts from the start of the application.
    ///
    /// DIFFERENCE(metrics-since-start): Kafka's averages and maxima are those of the last minute.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_kafka::{Metrics, State, WorkerMetrics};
    /// let mut worker = WorkerMetrics::default();
    /// worker.thread = "copy-worker-1".to_owned();
    /// worker.commit_total = 2;
    /// worker.commit_latency_sum = Duration::from_millis(30);
    /// let metrics = Metrics {
    ///     application_id: "copy".into(),
    ///     state: State::Running,
    ///     workers: vec![worker],
    ///     global: None,
    ///     restorations: Vec::new(),
    /// };
    /// let named = metrics.named();
    /// let latency = named.iter().find(|metric| metric.name == "commit-latency-avg").unwrap();
    /// assert_eq!(latency.group, "stream-thread-metrics");
    /// assert_eq!(latency.tags, [("thread-id", "copy-worker-1".to_owned())]);
    /// assert_eq!(latency.value, 15.0);
    /// ```
    #[must_use]
    pub fn named(&self) -> Vec<NamedMetric> {
        let tags = vec![("application-id", self.application_id.to_string())];
        let value = f64::from(ordinal(self.state));
        let mut named =
            vec![NamedMetric { group: "stream-metrics", name: "client-state", tags, value }];
        for worker in &self.workers {
            worker.name_work(&mut named);
            worker.name_tasks(&mut named);
            worker.name_buffers(&mut named);
            worker.name_lags(&mut named);
        }
        self.global.iter().for_each(|global| global.name_tasks(&mut named));
        self.name_restorations(&mut named);
        named
    }

    /// What is left to be restored of each task that was restored, as far as the brokers have told
    /// where the changelogs end.
    fn name_restorations(&self, named: &mut Vec<NamedMetric>) {
        let mut remaining = BTreeMap::<TaskId, i64>::new();
        for progress in &self.restorations {
            let left = match (progress.phase, progress.end) {
                (RestorePhase::Ended, _) => 0,
                (_, Some(end)) => end.saturating_sub(progress.next).max(0),
                (_, None) => continue,
            };
            let task = remaining.entry(progress.task).or_default();
            *task = task.saturating_add(left);
        }
        named.extend(remaining.into_iter().map(|(task, left)| NamedMetric {
            group: TASK,
            name: "restore-remaining-records-total",
            tags: vec![("task-id", task.to_string())],
            value: left as f64,
        }));
    }
}

impl WorkerMetrics {
    fn thread_tag(&self) -> (&'static str, String) {
        ("thread-id", self.thread.clone())
    }

    fn name_work(&self, named: &mut Vec<NamedMetric>) {
        let mut add = |name, value| {
            named.push(NamedMetric { group: THREAD, name, tags: vec![self.thread_tag()], value });
        };
        add("process-total", self.process_total as f64);
        add("punctuate-total", self.punctuate_total as f64);
        add("commit-total", self.commit_total as f64);
        if let Some(average) = self.commit_latency_avg() {
            add("commit-latency-avg", millis(average));
            add("commit-latency-max", millis(self.commit_latency_max));
        }
    }

    fn name_tasks(&self, named: &mut Vec<NamedMetric>) {
        named.push(NamedMetric {
            group: TASK,
            name: "restore-total",
            tags: vec![self.thread_tag()],
            value: self.restore_total as f64,
        });
        named.extend(DropReason::ALL.map(|reason| NamedMetric {
            group: TASK,
            name: "dropped-records-total",
            tags: vec![self.thread_tag(), ("reason", reason.as_str().to_owned())],
            value: self.dropped.of(reason) as f64,
        }));
    }

    fn name_buffers(&self, named: &mut Vec<NamedMetric>) {
        let buffers = self.buffers.iter();
        let buffers = buffers.flat_map(|(task, of)| of.iter().map(move |buffer| (task, buffer)));
        for (task, buffer) in buffers {
            let BufferMetrics { store, node, counts } = buffer;
            let mut add = |(group, name), (tag, of): (_, &str), value| {
                let tags = [self.thread_tag(), ("task-id", task.to_string()), (tag, of.to_owned())];
                named.push(NamedMetric { group, name, tags: tags.into(), value });
            };
            let of_node = ("processor-node-id", node.as_str());
            add((NODE, "suppression-emit-total"), of_node, counts.emitted_total as f64);
            let of_store = ("in-memory-suppression-id", store.as_str());
            let [records_max, bytes_max] = [counts.records_max, counts.bytes_max].map(|n| n as f64);
            let looked_at = counts.records_avg().zip(counts.bytes_avg());
            let Some((records_avg, bytes_avg)) = looked_at else { continue };
            add((STATE, "suppression-buffer-count-avg"), of_store, records_avg);
            add((STATE, "suppression-buffer-count-max"), of_store, records_max);
            add((STATE, "suppression-buffer-size-avg"), of_store, bytes_avg);
            add((STATE, "suppression-buffer-size-max"), of_store, bytes_max);
        }
    }

    fn name_lags(&self, named: &mut Vec<NamedMetric>) {
        named.extend(self.lags.values().flatten().map(|(input, lag)| NamedMetric {
            group: CONSUMER,
            name: "records-lag",
            tags: vec![
                ("client-id", self.thread.clone()),
                ("topic", input.topic.to_string()),
                ("partition", input.partition.to_string()),
            ],
            value: *lag as f64,
        }));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The state's number in Kafka's `KafkaStreams.State`.
const fn ordinal(state: State) -> u8 {
    match state {
        State::Created => 0,
        State::Rebalancing => 1,
        State::Running => 2,
        State::PendingShutdown => 3,
        State::NotRunning => 4,
        State::PendingError => 5,
        State::Error => 6,
    }
}

#[cfg(test)]
mod tests {
    use streams_core::metrics::BufferCounts;
    use streams_core::names::TopicPartition;
    use streams_core::worker::{RestoreProgress, TurnReport};

    use super::*;
    use crate::app::shared::{Listeners, Shared};

    fn restoration(store: &str, (next, end): (i64, Option<i64>)) -> RestoreProgress {
        RestoreProgress {
            task: TaskId::new(1, 2),
            store: store.into(),
            partition: TopicPartition::new(format!("app-{store}-changelog"), 2),
            start: 0,
            next,
            end,
            records: 0,
            phase: RestorePhase::Reading,
        }
    }

    fn worker() -> WorkerMetrics {
        let mut report = TurnReport { processed: 5, punctuations: 2, ..TurnReport::default() };
        report.dropped.add(DropReason::Late);
        (report.commits, report.restored) = (2, 7);
        report.commit_latency_sum = Duration::from_micros(4_500);
        report.commit_latency_max = Duration::from_millis(3);
        let mut worker = WorkerMetrics::default().of_thread("app-worker-1".to_owned());
        worker.count(&report);
        worker.count(&TurnReport { commits: 0, ..report });
        worker.lags = [(TaskId::new(0, 1), vec![(TopicPartition::new("in", 1), 9)])].into();
        let mut counts = BufferCounts::default();
        counts.look(1, 30);
        counts.look(2, 60);
        counts.emitted_total = 4;
        let (store, node) = ("thin-store".into(), "thin".into());
        worker.buffers = [(TaskId::new(0, 1), vec![BufferMetrics { store, node, counts }])].into();
        worker
    }

    fn metrics(state: State, workers: Vec<WorkerMetrics>) -> Metrics {
        let (application_id, restorations) = ("app".into(), Vec::new());
        Metrics { application_id, state, workers, global: None, restorations }
    }

    /// As `group name{tags} value`, of what is not 0.
    fn lines(metrics: &Metrics) -> Vec<String> {
        let named = metrics.named().into_iter().filter(|metric| metric.value != 0.0);
        named
            .map(|NamedMetric { group, name, tags, value }| {
                let tags = tags.iter().map(|(tag, of)| format!("{tag}={of}")).collect::<Vec<_>>();
                format!("{group} {name}{{{}}} {value}", tags.join(","))
            })
            .collect()
    }

    #[test]
    fn values_come_under_kafkas_names() {
        let mut metrics = metrics(State::Running, vec![worker()]);
        let mut global = WorkerMetrics::default().of_thread("app-global".to_owned());
        global.dropped.add(DropReason::NullKey);
        metrics.global = Some(global);
        metrics.restorations = vec![
            restoration("known", (10, Some(30))),
            restoration("short", (5, Some(8))),
            restoration("unknown", (5, None)),
        ];
        let thread = "thread-id=app-worker-1";
        let buffer = "task-id=0_1,in-memory-suppression-id=thin-store";
        let expected = [
            "stream-metrics client-state{application-id=app} 2".to_owned(),
            format!("stream-thread-metrics process-total{{{thread}}} 10"),
            format!("stream-thread-metrics punctuate-total{{{thread}}} 4"),
            format!("stream-thread-metrics commit-total{{{thread}}} 2"),
            format!("stream-thread-metrics commit-latency-avg{{{thread}}} 4.5"),
            format!("stream-thread-metrics commit-latency-max{{{thread}}} 3"),
            format!("stream-task-metrics restore-total{{{thread}}} 14"),
            format!("stream-task-metrics dropped-records-total{{{thread},reason=late}} 2"),
            format!("stream-processor-node-metrics suppression-emit-total{{{thread},task-id=0_1,processor-node-id=thin}} 4"),
            format!("stream-state-metrics suppression-buffer-count-avg{{{thread},{buffer}}} 1.5"),
            format!("stream-state-metrics suppression-buffer-count-max{{{thread},{buffer}}} 2"),
            format!("stream-state-metrics suppression-buffer-size-avg{{{thread},{buffer}}} 45"),
            format!("stream-state-metrics suppression-buffer-size-max{{{thread},{buffer}}} 60"),
            "consumer-fetch-manager-metrics records-lag{client-id=app-worker-1,topic=in,partition=1} 9"
                .to_owned(),
            "stream-task-metrics dropped-records-total{thread-id=app-global,reason=null-key} 1"
                .to_owned(),
            "stream-task-metrics restore-remaining-records-total{task-id=1_2} 23".to_owned(),
        ];
        assert_eq!(lines(&metrics), expected);
    }

    #[test]
    fn nothing_is_left_to_be_restored_of_a_task_that_is_gone() {
        let shared = Shared::new(Listeners::default(), 1);
        let left = |shared: &Shared| {
            let metrics = shared.metrics(&"app".into());
            lines(&metrics).iter().filter(|line| line.contains("restore-remaining")).count()
        };
        shared.tell_restore(&restoration("one", (10, Some(30))));
        shared.tell_restore(&RestoreProgress {
            phase: RestorePhase::Ended,
            ..restoration("two", (8, Some(8)))
        });
        assert_eq!(left(&shared), 1);
        shared.break_off_restorations(TaskId::new(1, 2));
        assert_eq!((left(&shared), shared.metrics(&"app".into()).restorations.len()), (0, 1));
    }

    #[test]
    fn totals_are_there_from_the_start_and_latencies_from_the_first_commit() {
        let metrics = metrics(State::Created, vec![WorkerMetrics::default()]);
        let named = metrics.named();
        let of = |name| named.iter().filter(|metric| metric.name == name).count();
        assert_eq!((of("process-total"), of("commit-latency-avg")), (1, 0));
        assert_eq!(of("dropped-records-total"), DropReason::ALL.len());
    }
}
