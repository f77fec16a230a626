//! What brokers tell about topics: ids, partitions and settings.

use super::admin::{Admin, Owned};
use super::config::c_string;
use super::error::{Code, raw, text};
use super::topics::{Each, TopicError, items, request};
use rd::rd_kafka_ResourceType_t as Resource;
use rd::rd_kafka_admin_op_t as Operation;
use rdkafka::bindings as rd;
use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::time::Duration;

/// A topic that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) topic: String,
    /// `None` from a broker that gives topics none.
    pub(crate) id: Option<[u8; 16]>,
    /// How many partitions it has.
    pub(crate) partitions: usize,
}

/// The settings of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configured {
    pub(crate) topic: String,
    pub(crate) settings: BTreeMap<String, String>,
}

impl Admin {
    /// Asks for the ids and partitions of topics, and makes none. The order of the answers is not that
    /// of the question.
    ///
    /// # Errors
    /// The whole request failed.
    pub(crate) fn describe_topics(&self, topics: &[&str], timeout: Duration) -> Each<Described> {
        let names = topics.iter().map(|topic| c_string(topic)).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: the names are copied; the object has this destructor.
        let topics = unsafe {
            Owned::new(
                rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
                rd::rd_kafka_TopicCollection_destroy,
            )?
        };
        let answer = rd::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT;
        let operation = Operation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let request = request("describe topics", operation, answer, timeout);
        // SAFETY: all live during the call, which copies the topics.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_DescribeTopics(rk, topics.raw(), options, queue);
        })?;
        let mut count = 0;
        // SAFETY: the event is of this kind, as `request` has checked, and owns its results.
        unsafe {
            let result = rd::rd_kafka_event_DescribeTopics_result(event.raw());
            let results = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            Ok(items(&event, results, count).iter().map(|topic| described(*topic)).collect())
        }
    }

    /// Asks for the settings of topics. The order of the answers is not that of the question.
    ///
    /// # Errors
    /// The whole request failed.
    pub(crate) fn describe_configs(&self, topics: &[&str], timeout: Duration) -> Each<Configured> {
        let resource = |topic: &&str| {
            let name: CString = c_string(topic)?;
            // SAFETY: the name is copied; the object has this destructor.
            unsafe {
                Owned::new(
                    rd::rd_kafka_ConfigResource_new(
                        Resource::RD_KAFKA_RESOURCE_TOPIC,
                        name.as_ptr(),
                    ),
                    rd::rd_kafka_ConfigResource_destroy,
                )
            }
        };
        let topics = topics.iter().map(resource).collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = topics.iter().map(Owned::raw).collect();
        let answer = rd::RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT;
        let operation = Operation::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        let request = request("describe configs", operation, answer, timeout);
        // SAFETY: all live during the call, which copies the resources.
        let event = self.request(&request, |rk, options, queue| unsafe {
            rd::rd_kafka_DescribeConfigs(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
        })?;
        let mut count = 0;
        // SAFETY: as in `describe_topics`.
        unsafe {
            let result = rd::rd_kafka_event_DescribeConfigs_result(event.raw());
            let results = rd::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            let results = items(&event, results, count).iter();
            Ok(results.map(|resource| configured(*resource)).collect())
        }
    }
}

/// # Safety
/// `topic` is live.
unsafe fn described(
    topic: *const rd::rd_kafka_TopicDescription_t,
) -> Result<Described, TopicError> {
    // SAFETY: by this function's contract; the error and the id belong to the topic, and are null
    // where there is none.
    unsafe {
        let name = text(rd::rd_kafka_TopicDescription_name(topic));
        let error = rd::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            let code = Code(raw::rd_kafka_error_code(error));
            TopicError::check(name.clone(), code, || text(rd::rd_kafka_error_string(error)))?;
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        let id = (!id.is_null()).then(|| {
            let high = rd::rd_kafka_Uuid_most_significant_bits(id).to_be_bytes();
            let low = rd::rd_kafka_Uuid_least_significant_bits(id).to_be_bytes();
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&high);
            bytes[8..].copy_from_slice(&low);
            bytes
        });
        let mut partitions = 0;
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        Ok(Described { topic: name, id: id.filter(|id| *id != [0; 16]), partitions })
    }
}

/// # Safety
/// `resource` is live.
unsafe fn configured(
    resource: *const rd::rd_kafka_ConfigResource_t,
) -> Result<Configured, TopicError> {
    // SAFETY: by this function's contract; the entries belong to the resource.
    unsafe {
        let topic = text(rd::rd_kafka_ConfigResource_name(resource));
        let code = Code(raw::rd_kafka_ConfigResource_error(resource));
        let message = || text(rd::rd_kafka_ConfigResource_error_string(resource));
        let topic = TopicError::check(topic, code, message)?;
        let mut count = 0;
        let entries = rd::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        let mut settings = BTreeMap::new();
        for at in 0..count {
            let entry = *entries.add(at);
            let name = text(rd::rd_kafka_ConfigEntry_name(entry));
            settings.insert(name, text(rd::rd_kafka_ConfigEntry_value(entry)));
        }
        Ok(Configured { topic, settings })
    }
}
