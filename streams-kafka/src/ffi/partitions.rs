//! The list of partitions that librdkafka's calls take and give.

use super::config::c_string;
use super::error::{ClientError, Code, text};
use rdkafka::bindings as rd;
use std::ptr::NonNull;

/// An owned list of topic, partition, offset and code.
#[derive(Debug)]
pub(super) struct PartitionList(NonNull<rd::rd_kafka_topic_partition_list_t>);

/// One entry, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) code: Code,
}

impl PartitionList {
    pub(super) fn new<'a>(
        entries: impl IntoIterator<Item = (&'a str, i32, i64)>,
    ) -> Result<Self, ClientError> {
        // SAFETY: makes an empty list, owned by `Self`.
        let list = NonNull::new(unsafe { rd::rd_kafka_topic_partition_list_new(8) })
            .map(Self)
            .ok_or_else(|| ClientError::Create { reason: "out of memory".to_owned() })?;
        for (topic, partition, offset) in entries {
            let topic = c_string(topic)?;
            // SAFETY: the list is live, the name is copied; the new entry is valid until the list
            // grows again.
            unsafe {
                let entry =
                    rd::rd_kafka_topic_partition_list_add(list.raw(), topic.as_ptr(), partition);
                (*entry).offset = offset;
            }
        }
        Ok(list)
    }

    pub(super) fn raw(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        // SAFETY: the list is live.
        unsafe { entries(self.raw()) }
    }
}

/// Copies the entries of a list.
///
/// # Safety
/// `list` points at a live list.
pub(super) unsafe fn entries(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    // SAFETY: by this function's contract.
    let (first, count) = unsafe { ((*list).elems, usize::try_from((*list).cnt).unwrap_or(0)) };
    // SAFETY: `count` entries lie one after the other from `first`.
    (0..count).map(|index| unsafe { entry(first.add(index)) }).collect()
}

/// Copies one entry.
///
/// # Safety
/// `raw` points at a live entry.
pub(super) unsafe fn entry(raw: *const rd::rd_kafka_topic_partition_t) -> Entry {
    // SAFETY: fields are read one by one: no reference to the whole is made, since its code may lie
    // outside the enum.
    unsafe {
        Entry {
            topic: text((*raw).topic),
            partition: (*raw).partition,
            offset: (*raw).offset,
            code: Code((&raw const (*raw).err).cast::<i32>().read()),
        }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: live and ours.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.raw()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_went_in() {
        let list = PartitionList::new([("a", 3, 7), ("b", 0, 9)]).unwrap();
        let entry = |topic: &str, partition, offset| Entry {
            topic: topic.to_owned(),
            partition,
            offset,
            code: Code::NONE,
        };
        assert_eq!(list.entries(), [entry("a", 3, 7), entry("b", 0, 9)]);
        assert!(PartitionList::new([("a\0", 0, 0)]).is_err());
    }
}
