//! Reading what a topology wrote.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use streams_core::error::Part;
use streams_core::record::Record;
use streams_core::topology::Topic;

use super::TestError;
use super::engine::Engine;
use crate::model::ModelRecord;

/// Reads the records that the topology wrote to a topic, each once, in the order of writing. Every
/// test topic reads from the topic's beginning.
pub struct TestOutputTopic<K, V> {
    engine: Rc<RefCell<Engine>>,
    topic: Topic<K, V>,
    /// The sequence number of the last record that was read.
    read: u64,
}

impl<K, V> fmt::Debug for TestOutputTopic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestOutputTopic").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> TestOutputTopic<K, V> {
    pub(super) fn new(engine: &Rc<RefCell<Engine>>, topic: Topic<K, V>) -> Self {
        Self { engine: Rc::clone(engine), topic, read: 0 }
    }

    /// Whether nothing is there to be read.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").filter(|_, n| *n > 9).to("large");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut large = driver.output::<String, i64>("large");
    /// driver.input::<String, i64>("numbers").pipe("a", 7)?;
    /// assert!(large.is_empty());
    /// driver.input::<String, i64>("numbers").pipe("a", 12)?;
    /// assert_eq!(large.read_value()?, 12);
    /// assert!(large.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records were written and not read yet.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("a", 12)])?;
    /// let mut out = driver.output::<String, i64>("out");
    /// out.read_value()?;
    /// assert_eq!(out.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.unread().len()
    }

    fn unread(&self) -> Vec<Arc<ModelRecord>> {
        self.engine.borrow().produced_after(self.topic.name(), self.read)
    }

    /// The next record.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_at("a", 7, Timestamp::from_millis(5))?;
    /// let mut out = driver.output::<String, i64>("out");
    /// assert_eq!(out.read_record()?, Record::new("a".to_owned(), 7, Timestamp::from_millis(5)));
    /// assert!(out.read_record().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is none, or it cannot be decoded.
    pub fn read_record(&mut self) -> Result<Record<K, V>, TestError> {
        let unread = self.unread();
        let next = unread.first().ok_or_else(|| TestError::NoRecord(self.topic.name().clone()))?;
        self.read = next.sequence;
        self.decode(next)
    }

    /// Key and value of the next record.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe("a", 7)?;
    /// let first = driver.output::<String, i64>("out").read_key_value()?;
    /// assert_eq!(first, ("a".to_owned(), 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_record`](Self::read_record).
    pub fn read_key_value(&mut self) -> Result<(K, V), TestError> {
        self.read_record().map(|record| (record.key, record.value))
    }

    /// The value of the next record.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("a", 12)])?;
    /// let mut out = driver.output::<String, i64>("out");
    /// assert_eq!((out.read_value()?, out.read_value()?), (7, 12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_record`](Self::read_record).
    pub fn read_value(&mut self) -> Result<V, TestError> {
        self.read_record().map(|record| record.value)
    }

    /// All records that were not read yet.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("a", 12)])?;
    /// let mut out = driver.output::<String, i64>("out");
    /// assert_eq!(out.read_records()?.len(), 2);
    /// assert_eq!(out.read_records()?.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When one cannot be decoded; those before it count as read.
    pub fn read_records(&mut self) -> Result<Vec<Record<K, V>>, TestError> {
        let unread = self.unread();
        let records = unread.iter().map(|record| {
            self.read = record.sequence;
            self.decode(record)
        });
        records.collect()
    }

    /// Keys and values of all records that were not read yet.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// let out = driver.output::<String, i64>("out").read_key_values()?;
    /// assert_eq!(out, [("a".to_owned(), 7), ("b".to_owned(), 12)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_records`](Self::read_records).
    pub fn read_key_values(&mut self) -> Result<Vec<(K, V)>, TestError> {
        let records = self.read_records()?;
        Ok(records.into_iter().map(|record| (record.key, record.value)).collect())
    }

    /// The values of all records that were not read yet.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 12)])?;
    /// assert_eq!(driver.output::<String, i64>("out").read_values()?, [7, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_records`](Self::read_records).
    pub fn read_values(&mut self) -> Result<Vec<V>, TestError> {
        Ok(self.read_records()?.into_iter().map(|record| record.value).collect())
    }

    /// The last value of each key among the records that were not read yet.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 7), ("b", 5), ("a", 12)])?;
    /// let last = driver.output::<String, i64>("out").read_map()?;
    /// assert_eq!((last.len(), last["a"]), (2, 12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read_records`](Self::read_records).
    pub fn read_map(&mut self) -> Result<BTreeMap<K, V>, TestError>
    where
        K: Ord,
    {
        Ok(self.read_key_values()?.into_iter().collect())
    }

    fn decode(&self, record: &ModelRecord) -> Result<Record<K, V>, TestError> {
        let error = |part| {
            let topic = self.topic.name().clone();
            move |source| TestError::Serde { topic, part, source }
        };
        let key = self.topic.key_serde().decode(self.topic.name(), record.key.as_deref());
        let value = self.topic.value_serde().decode(self.topic.name(), record.value.as_deref());
        Ok(Record {
            key: key.map_err(error(Part::Key))?,
            value: value.map_err(error(Part::Value))?,
            timestamp: record.timestamp,
            headers: record.headers.clone(),
        })
    }
}
