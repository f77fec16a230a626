//! Updates that wait.

use std::any::TypeId;

use streams_core::topology::TopologyError;
use streams_state::SuppressionBuffer;

use super::KTable;
use crate::args::{KeySerde, Suppressed, Until};
use crate::change::Change;
use crate::operators::suppress::{self, Suppression};
use crate::plan::{Demand, Input, Keeper, LogicalNode, NodeKind, Plan, Presence, Table};

impl<'b, K: Clone + 'static, V: Clone + 'static> KTable<'b, K, V> {
    /// The same table, whose updates wait: of those of one key only the last goes on, after a time or
    /// when its window closes. Answers to Kafka's `suppress` (KIP-328).
    ///
    /// Updates wait in memory. The store is `<name>-store`, without a name
    /// `KTABLE-SUPPRESS-STATE-STORE-<number>`, with the changelog `<application
    /// id>-<store>-changelog`, which is written when the task commits. An update goes on with its
    /// own key, value, time, headers and place; deletions do too, unless windows are waited for.
    /// Time passes with the records that come: what waits when none come any more stays. If this
    /// table comes from a topic, it gets a store.
    ///
    /// A full buffer that may not emit early fails the task with
    /// [`BufferFull`](streams_core::error::BufferFull). To wait for windows on a table that has none,
    /// and to suppress a versioned table, are faults when the topology is built.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{BufferConfig, KStream, StreamsBuilder, Suppressed, TimeWindows};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let clicks: KStream<'_, String, String> = builder.stream("clicks");
    /// clicks
    ///     .group_by_key()
    ///     .windowed_by(TimeWindows::of_size(Duration::from_millis(10)))
    ///     .count()
    ///     .suppress(Suppressed::until_window_closes(BufferConfig::unbounded()))
    ///     .to_stream()
    ///     .map(|window, count| (window.key, count))
    ///     .to("counts");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut clicks = driver.input::<String, String>("clicks");
    /// for millis in [1, 2, 10] {
    ///     clicks.pipe_at("ann", "x", Timestamp::from_millis(millis))?;
    /// }
    /// let counts = driver.output::<String, Option<i64>>("counts").read_key_values()?;
    /// assert_eq!(counts, [("ann".to_owned(), Some(2))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::{BufferConfig, KTable, StreamsBuilder, Suppressed};
    /// # use streams_test::TopologyTestDriver;
    /// let builder = StreamsBuilder::new();
    /// let prices: KTable<'_, String, i64> = builder.table("prices");
    /// let one_second = Duration::from_secs(1);
    /// let thin = Suppressed::until_time_limit(one_second, BufferConfig::max_records(1000));
    /// prices.suppress(thin.with_name("thin")).to_stream().to("thin-prices");
    ///
    /// let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut prices = driver.input::<String, i64>("prices");
    /// for (key, price, millis) in [("a", 1, 0), ("a", 2, 500), ("b", 7, 1000)] {
    ///     prices.pipe_at(key, price, Timestamp::from_millis(millis))?;
    /// }
    /// let thin = driver.output::<String, Option<i64>>("thin-prices").read_key_values()?;
    /// assert_eq!(thin, [("a".to_owned(), Some(2))]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn suppress(self, suppressed: Suppressed<K, V>) -> Self {
        let Suppressed { name, until, bounds, key, value } = suppressed;
        let mut plan = self.builder.plan();
        // Here alone in Kafka, a given name takes no index.
        let (name, buffer) = match name {
            // DIFFERENCE(suppress-names): Kafka checks no name of `suppress`.
            Some(name) => (plan.names.given(name.clone()), format!("{name}-store").into()),
            None => (plan.names.node(suppress::PREFIX), plan.names.store(suppress::PREFIX)),
        };
        if plan.input_from(self.node) == Input::Versioned {
            plan.fault(TopologyError::SuppressedVersions(name.clone()));
        }
        let windows = match until {
            Until::TimeLimit(_) => None,
            Until::WindowCloses(_) => {
                let windows = plan.key_windows(self.node);
                if windows.is_none() {
                    let problem = "no windows above it that close; suppress it until a time limit";
                    let (node, problem) = (name.clone(), problem.to_owned());
                    plan.fault(TopologyError::Windows { node, problem });
                }
                windows
            }
        };
        let wait_ms = match until {
            Until::TimeLimit(limit_ms) => limit_ms,
            Until::WindowCloses(_) => windows.map_or(0, |windows| windows.grace_ms),
        };
        let key = match key {
            KeySerde::Given(serde) => serde,
            KeySerde::InWindows(of) => of(windows.unwrap_or_default()),
        };
        let logging = bounds.logging.clone();
        let store = SuppressionBuffer::declared(buffer.clone(), (key, value), logging);
        plan.send_old_values(self.table, Demand::Needed);
        let rule = Suppression { until, wait_ms, bounds, buffer: buffer.clone() };
        let template = suppress::template::<K, V>(rule);
        let (parent, of_table) = (self.table, template.clone());
        let rows = move |plan: &mut Plan| suppress::rows(&buffer, plan.view::<K, V>(parent));
        let table = Table::new::<K, V>(Presence::Computed(parent), None, move |_| of_table.clone());
        let table = plan.add_table(table.with_rows(rows));
        let kind = NodeKind::Keeper(Keeper { template, store, others: Vec::new() });
        let node = LogicalNode::new(name, kind, TypeId::of::<(K, Change<V>)>());
        let node = plan.add(self.node, node);
        Self::new(self.builder, node, table)
    }
}
