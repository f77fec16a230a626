//! Requests on topics: create, delete, offsets, delete records.

use super::admin::{Admin, Owned, Request};
use super::config::c_string;
use super::error::{ClientError, Code, raw, text};
use super::event::Event;
use super::partitions::{Entry, PartitionList, entries, entry};
use rd::rd_kafka_IsolationLevel_t as Isolation;
use rd::rd_kafka_admin_op_t as Operation;
use rdkafka::bindings as rd;
use std::ffi::c_int;
use std::time::Duration;
use thiserror::Error;

/// A topic to create.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    /// -1 leaves it to the broker.
    pub(crate) replication: i32,
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// Which offset of a partition to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The first that is still there.
    Earliest,
    /// The one that the next record will get; read committed: the first of an open transaction.
    Latest,
    /// The first with this timestamp or a later one.
    Timestamp(i64),
}

/// Which records count for [`At::Latest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visible {
    All,
    Committed,
}

/// An answer about one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Negative where there is none, as for a timestamp after the last record.
    pub(crate) offset: i64,
    pub(crate) code: Code,
}

/// Why a request on one topic failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TopicError {
    #[error("the topic \"{topic}\" exists already")]
    AlreadyExists { topic: String },
    #[error("the topic \"{topic}\" does not exist")]
    Unknown { topic: String },
    #[error("the cluster's policy forbids the topic \"{topic}\": {message}")]
    Policy { topic: String, message: String },
    #[error("this client may not do this to the topic \"{topic}\": grant it the right")]
    Unauthorized { topic: String },
    #[error("the request on the topic \"{topic}\" failed with {code}: {message}")]
    Failed { topic: String, code: Code, message: String },
}

impl TopicError {
    pub(crate) fn check(
        topic: String,
        code: Code,
        message: impl FnOnce() -> String,
    ) -> Result<String, Self> {
        match code {
            Code::NONE => Ok(topic),
            Code::TOPIC_ALREADY_EXISTS => Err(Self::AlreadyExists { topic }),
            Code::UNKNOWN_TOPIC_OR_PARTITION => Err(Self::Unknown { topic }),
            Code::POLICY_VIOLATION => Err(Self::Policy { topic, message: message() }),
            Code::TOPIC_AUTHORIZATION_FAILED | Code::CLUSTER_AUTHORIZATION_FAILED => {
                Err(Self::Unauthorized { topic })
            }
            code => Err(Self::Failed { topic, code, message: message() }),
        }
    }

    /// Whether the same request may be taken the next time, as when the controller moves or is slow.
    pub(crate) fn is_passing(&self) -> bool {
        let Self::Failed { code, .. } = self else { return false };
        code.is_passing_for_producer() || *code == Code::NOT_CONTROLLER
    }
}

/// One result for each topic, in the order of the request.
pub(crate) type Each<T> = Result<Vec<Result<T, TopicError>>, ClientError>;

pub(super) fn request(
    name: &'static str,
    operation: Operation,
    answer: c_int,
    timeout: Duration,
) -> Request {
    Request { name, operation, answer, timeout, isolation: None }
}

/// # Safety
/// `array` points at `count` pointers that live as long as `event`.
pub(super) unsafe fn items<T>(_event: &Event, array: *mut *const T, count: usize) -> &[*const T] {
    if array.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(array, count) }
}

/// # Safety
/// `results` are live.
unsafe fn topic_results(
    results: &[*const rd::rd_kafka_topic_result_t],
) -> Vec<Result<String, TopicError>> {
    let one = |&result: &*const rd::rd_kafka_topic_result_t| {
        // SAFETY: by this function's contract.
        unsafe {
            let code = Code(raw::rd_kafka_topic_result_error(result));
            let topic = text(rd::rd_kafka_topic_result_name(result));
            TopicError::check(topic, code, || text(rd::rd_kafka_topic_result_error_string(result)))
        }
    };
    results.iter().map(one).collect()
}

impl Admin {
    /// Creates topics, each one or fails by itself, and returns their names.
    ///
    /// # Errors
    /// The whole request failed.
    pub(crate) fn create_topics(&self, topics: &[NewTopic<'_>], timeout: Duration) -> Each<String> {
        let topics = topics.iter().map(new_topic).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = topics.iter().map(Owned::raw).collect();
        let answer = rd::RD_KAFKA_EVENT_CREATETOPICS_RESULT;
        let request =
            request("create topics", Operation::RD_KAFKA_ADMIN_OP_CREATETOPICS, answer, timeout);
        // SAFETY: all live during the call, which copies the topics.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_CreateTopics(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
        })?;
        let mut count = 0;
        // SAFETY: the event is of this kind, as `request` has checked, and owns its results.
        unsafe {
            let result = rd::rd_kafka_event_CreateTopics_result(event.raw());
            let results = rd::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
            Ok(topic_results(items(&event, results, count)))
        }
    }

    /// Deletes topics and returns their names.
    ///
    /// # Errors
    /// The whole request failed.
    pub(crate) fn delete_topics(&self, topics: &[&str], timeout: Duration) -> Each<String> {
        let delete = |topic: &&str| {
            let name = c_string(topic)?;
            // SAFETY: the name is copied; the object has this destructor.
            unsafe {
                Owned::new(
                    rd::rd_kafka_DeleteTopic_new(name.as_ptr()),
                    rd::rd_kafka_DeleteTopic_destroy,
                )
            }
        };
        let topics = topics.iter().map(delete).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = topics.iter().map(Owned::raw).collect();
        let answer = rd::RD_KAFKA_EVENT_DELETETOPICS_RESULT;
        let request =
            request("delete topics", Operation::RD_KAFKA_ADMIN_OP_DELETETOPICS, answer, timeout);
        // SAFETY: all live during the call, which copies the topics.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_DeleteTopics(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
        })?;
        let mut count = 0;
        // SAFETY: as in `create_topics`.
        unsafe {
            let result = rd::rd_kafka_event_DeleteTopics_result(event.raw());
            let results = rd::rd_kafka_DeleteTopics_result_topics(result, &raw mut count);
            Ok(topic_results(items(&event, results, count)))
        }
    }

    /// Deletes the records before an offset of each partition, and returns the new first offsets.
    ///
    /// # Errors
    /// The whole request failed.
    pub(crate) fn delete_records<'a>(
        &self,
        before: impl IntoIterator<Item = (&'a str, i32, i64)>,
        timeout: Duration,
    ) -> Result<Vec<PartitionOffset>, ClientError> {
        let list = PartitionList::new(before)?;
        // SAFETY: the list is copied; the object has this destructor.
        let delete = unsafe {
            Owned::new(
                rd::rd_kafka_DeleteRecords_new(list.raw()),
                rd::rd_kafka_DeleteRecords_destroy,
            )?
        };
        let mut pointers = [delete.raw()];
        let answer = rd::RD_KAFKA_EVENT_DELETERECORDS_RESULT;
        let request =
            request("delete records", Operation::RD_KAFKA_ADMIN_OP_DELETERECORDS, answer, timeout);
        // SAFETY: all live during the call, which copies the offsets.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_DeleteRecords(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
        })?;
        // SAFETY: as in `create_topics`.
        let offsets = unsafe {
            let result = rd::rd_kafka_event_DeleteRecords_result(event.raw());
            entries(rd::rd_kafka_DeleteRecords_result_offsets(result))
        };
        Ok(offsets.into_iter().map(PartitionOffset::from).collect())
    }

    /// Looks offsets up, many partitions in one request to each broker. The order of the answers is
    /// not that of the question.
    ///
    /// # Errors
    /// A partition is asked for twice; the whole request failed.
    pub(crate) fn list_offsets<'a>(
        &self,
        partitions: impl IntoIterator<Item = (&'a str, i32, At)>,
        visible: Visible,
        timeout: Duration,
    ) -> Result<Vec<PartitionOffset>, ClientError> {
        let question = partitions
            .into_iter()
            .map(|(topic, partition, at)| (topic, partition, at.specification()));
        let list = PartitionList::new(question)?;
        let answer = rd::RD_KAFKA_EVENT_LISTOFFSETS_RESULT;
        let mut request =
            request("list offsets", Operation::RD_KAFKA_ADMIN_OP_LISTOFFSETS, answer, timeout);
        request.isolation = Some(match visible {
            Visible::All => Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
            Visible::Committed => Isolation::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        });
        // SAFETY: all live during the call, which copies the list.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_ListOffsets(rk, list.raw(), options, queue);
        })?;
        let mut count = 0;
        // SAFETY: as in `create_topics`; each result lends its entry.
        unsafe {
            let result = rd::rd_kafka_event_ListOffsets_result(event.raw());
            let results = rd::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            let one = |&info: &*const _| {
                entry(rd::rd_kafka_ListOffsetsResultInfo_topic_partition(info)).into()
            };
            Ok(items(&event, results, count).iter().map(one).collect())
        }
    }
}

impl At {
    fn specification(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::Timestamp(milliseconds) => milliseconds.max(0),
        }
    }
}

impl From<Entry> for PartitionOffset {
    fn from(entry: Entry) -> Self {
        Self {
            topic: entry.topic,
            partition: entry.partition,
            offset: entry.offset,
            code: entry.code,
        }
    }
}

fn new_topic(topic: &NewTopic<'_>) -> Result<Owned<rd::rd_kafka_NewTopic_t>, ClientError> {
    let name = c_string(topic.name)?;
    // SAFETY: the name is copied; no text of an error is asked for; the object has this destructor.
    let new = unsafe {
        let (none, size) = (std::ptr::null_mut(), 0);
        let new = rd::rd_kafka_NewTopic_new(
            name.as_ptr(),
            topic.partitions,
            topic.replication,
            none,
            size,
        );
        Owned::new(new, rd::rd_kafka_NewTopic_destroy)?
    };
    for (key, value) in topic.settings {
        let (key, value) = (c_string(key)?, c_string(value)?);
        // SAFETY: live; both strings are copied. It fails only for an empty key, which the broker
        // cannot miss.
        unsafe { rd::rd_kafka_NewTopic_set_config(new.raw(), key.as_ptr(), value.as_ptr()) };
    }
    Ok(new)
}
