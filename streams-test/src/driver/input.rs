//! Piping records into a topology.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use streams_core::error::Part;
use streams_core::record::{Headers, Record};
use streams_core::serde::{Payload, SerdeError};
use streams_core::time::Timestamp;
use streams_core::topology::Topic;

use super::TestError;
use super::engine::Engine;
use crate::model::{NewRecord, WriterId};

/// Pipes typed records into a source topic. Every call returns once all that follows from the
/// record has been done.
///
/// Records without a time of their own get the time of the topic's clock, which starts at the
/// driver's clock when the test topic is made and stands still, unless set otherwise.
pub struct TestInputTopic<K, V> {
    engine: Rc<RefCell<Engine>>,
    topic: Topic<K, V>,
    next_time: Timestamp,
    advance: Duration,
    partition: Option<i32>,
}

impl<K, V> fmt::Debug for TestInputTopic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestInputTopic").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A key or value as bytes.
type Encoded = Option<Bytes>;

impl<K: 'static, V: 'static> TestInputTopic<K, V> {
    pub(super) fn new(engine: &Rc<RefCell<Engine>>, topic: Topic<K, V>) -> Self {
        let (engine, next_time) = (Rc::clone(engine), engine.borrow().now);
        Self { engine, topic, next_time, advance: Duration::ZERO, partition: None }
    }

    /// The same test topic with its clock at `start`, moved on by `advance` with each record that
    /// has no time of its own. 0 stands still.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// const FIVE_MS: Duration = Duration::from_millis(5);
    /// let start = Timestamp::from_millis(100);
    /// let mut words = driver.input::<String, String>("words").with_clock(start, FIVE_MS);
    /// words.pipe_all([("a", "to"), ("a", "be")])?;
    /// let out = driver.output::<String, String>("out").read_records()?;
    /// assert_eq!((out[0].timestamp.millis(), out[1].timestamp.millis()), (100, 105));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_clock(mut self, start: Timestamp, advance: Duration) -> Self {
        self.next_time = start;
        self.advance = advance;
        self
    }

    /// The same test topic writing to this partition, where the hash of the key should not decide.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::{Layout, TopologyTestDriver};
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// let layout = Layout::TaskPerPartition { partitions: 3 };
    /// let driver = TopologyTestDriver::builder(&builder.build()?).layout(layout).build()?;
    /// driver.input::<String, String>("words").with_partition(2).pipe("a", "be")?;
    /// assert_eq!(driver.kafka().records(&"words".into())[0].partition, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Moves the topic's clock on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut words = driver.input::<String, String>("words");
    /// words.pipe("a", "to")?;
    /// words.advance_time(Duration::from_secs(1));
    /// words.pipe("a", "be")?;
    /// let out = driver.output::<String, String>("out").read_records()?;
    /// assert_eq!((out[0].timestamp.millis(), out[1].timestamp.millis()), (0, 1000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance_time(&mut self, by: Duration) {
        self.next_time = self.next_time.plus(by);
    }

    /// Pipes a key and a value.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe("a", "be")?;
    /// assert_eq!(driver.output::<String, String>("out").read_values()?, ["be"]);
    /// assert!(driver.input::<String, String>("other").pipe("a", "be").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the topology does not read the topic, the record cannot be encoded, or it fails the
    /// task.
    pub fn pipe(&mut self, key: impl Into<K>, value: impl Into<V>) -> Result<(), TestError> {
        let time = self.tick();
        self.pipe_at(key, value, time)
    }

    /// Pipes a key and a value at a time.
    ///
    /// ```
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, String>("words").pipe_at("a", "be", Timestamp::from_millis(7))?;
    /// let out = driver.output::<String, String>("out").read_record()?;
    /// assert_eq!(out.timestamp, Timestamp::from_millis(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_at(
        &mut self,
        key: impl Into<K>,
        value: impl Into<V>,
        time: Timestamp,
    ) -> Result<(), TestError> {
        let key = self.encoded_key(&key.into())?;
        let value = self.encoded_value(&value.into())?;
        self.pipe_bytes(key, value, time, Headers::new())
    }

    /// Pipes a record, with its time and headers.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut word = Record::new("a".to_owned(), "be".to_owned(), Timestamp::from_millis(7));
    /// word.headers.add("from", Some(b"paper".to_vec().into()));
    /// driver.input::<String, String>("words").pipe_record(word.clone())?;
    /// assert_eq!(driver.output::<String, String>("out").read_record()?, word);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_record(&mut self, record: Record<K, V>) -> Result<(), TestError> {
        let (key, value) = (self.encoded_key(&record.key)?, self.encoded_value(&record.value)?);
        self.pipe_bytes(key, value, record.timestamp, record.headers)
    }

    /// Pipes a value without a key.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<Option<String>, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<Option<String>, String>("words").pipe_value("be")?;
    /// let first = driver.output::<Option<String>, String>("out").read_key_value()?;
    /// assert_eq!(first, (None, "be".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_value(&mut self, value: impl Into<V>) -> Result<(), TestError> {
        let time = self.tick();
        self.pipe_value_at(value, time)
    }

    /// Pipes a value without a key at a time.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<Option<String>, String>("words").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(7);
    /// driver.input::<Option<String>, String>("words").pipe_value_at("be", at)?;
    /// let first = driver.output::<Option<String>, String>("out").read_record()?;
    /// assert_eq!(first, Record::new(None, "be".to_owned(), at));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_value_at(&mut self, value: impl Into<V>, time: Timestamp) -> Result<(), TestError> {
        let value = self.encoded_value(&value.into())?;
        self.pipe_bytes(None, value, time, Headers::new())
    }

    /// Pipes a tombstone: a key with a null value, whatever the value's type.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.table::<String, String>("cities").to_stream().to("moves");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut cities = driver.input::<String, String>("cities");
    /// cities.pipe("ann", "Oslo")?;
    /// cities.pipe_tombstone("ann")?;
    /// let moves = driver.output::<String, Option<String>>("moves").read_values()?;
    /// assert_eq!(moves, [Some("Oslo".to_owned()), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_tombstone(&mut self, key: impl Into<K>) -> Result<(), TestError> {
        let time = self.tick();
        self.pipe_tombstone_at(key, time)
    }

    /// Pipes a tombstone at a time.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.table::<String, String>("cities").to_stream().to("moves");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = Timestamp::from_millis(7);
    /// driver.input::<String, String>("cities").pipe_tombstone_at("ann", at)?;
    /// let moves = driver.output::<String, Option<String>>("moves").read_records()?;
    /// assert_eq!(moves, [Record::new("ann".to_owned(), None, at)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_tombstone_at(
        &mut self,
        key: impl Into<K>,
        time: Timestamp,
    ) -> Result<(), TestError> {
        let key = self.encoded_key(&key.into())?;
        self.pipe_bytes(key, None, time, Headers::new())
    }

    /// Pipes keys and values one after the other. The first failure ends it.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<String, i64>("numbers").pipe_all([("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output::<String, i64>("out").read_values()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_all(
        &mut self,
        entries: impl IntoIterator<Item = (impl Into<K>, impl Into<V>)>,
    ) -> Result<(), TestError> {
        entries.into_iter().try_for_each(|(key, value)| self.pipe(key, value))
    }

    /// Pipes values without keys one after the other. The first failure ends it.
    ///
    /// ```
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<Option<String>, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input::<Option<String>, i64>("numbers").pipe_values([1, 2])?;
    /// assert_eq!(driver.output::<Option<String>, i64>("out").read_values()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_values(
        &mut self,
        values: impl IntoIterator<Item = impl Into<V>>,
    ) -> Result<(), TestError> {
        values.into_iter().try_for_each(|value| self.pipe_value(value))
    }

    /// Pipes records one after the other. The first failure ends it.
    ///
    /// ```
    /// # use streams_core::record::Record;
    /// # use streams_core::time::Timestamp;
    /// # use streams_dsl::StreamsBuilder;
    /// # use streams_test::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// # builder.stream::<String, i64>("numbers").to("out");
    /// # let driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let at = |number| Record::new("a".to_owned(), number, Timestamp::from_millis(number));
    /// driver.input::<String, i64>("numbers").pipe_records([at(7), at(5)])?;
    /// assert_eq!(driver.output::<String, i64>("out").read_records()?, [at(7), at(5)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pipe`](Self::pipe).
    pub fn pipe_records(
        &mut self,
        records: impl IntoIterator<Item = Record<K, V>>,
    ) -> Result<(), TestError> {
        records.into_iter().try_for_each(|record| self.pipe_record(record))
    }

    /// The time of the next record.
    fn tick(&mut self) -> Timestamp {
        let time = self.next_time;
        self.next_time = time.plus(self.advance);
        time
    }

    fn encoded_key(&self, key: &K) -> Result<Encoded, TestError> {
        let mut bytes = Vec::new();
        let payload = self.topic.key_serde().encode(self.topic.name(), key, &mut bytes);
        self.encoded(Part::Key, payload, bytes)
    }

    fn encoded_value(&self, value: &V) -> Result<Encoded, TestError> {
        let mut bytes = Vec::new();
        let payload = self.topic.value_serde().encode(self.topic.name(), value, &mut bytes);
        self.encoded(Part::Value, payload, bytes)
    }

    fn encoded(
        &self,
        part: Part,
        payload: Result<Payload, SerdeError>,
        bytes: Vec<u8>,
    ) -> Result<Encoded, TestError> {
        match payload {
            Ok(Payload::Bytes) => Ok(Some(bytes.into())),
            Ok(Payload::Null) => Ok(None),
            Err(source) => Err(TestError::Serde { topic: self.topic.name().clone(), part, source }),
        }
    }

    fn pipe_bytes(
        &self,
        key: Encoded,
        value: Encoded,
        time: Timestamp,
        headers: Headers,
    ) -> Result<(), TestError> {
        let timestamp = Some(time);
        let record = NewRecord { key, value, timestamp, headers, writer: WriterId::default() };
        let mut engine = self.engine.borrow_mut();
        engine.run(|engine| engine.append(self.topic.name(), self.partition, record))
    }
}
