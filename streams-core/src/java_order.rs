//! The orders of Java's collections, where Kafka Streams' results depend on them.
//!
//! ```
//! use streams_core::java_order::HashSetOrder;
//!
//! let mut keys = ["q", "b", "a"];
//! HashSetOrder::default().sort(&mut keys, |key| key.as_bytes());
//! assert_eq!(keys, ["q", "a", "b"]);
//! ```

use std::cmp::Ordering;

use crate::names::TopicPartition;

/// The hash of a text in Java, over its UTF-16 units.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

/// The order in which a `java.util.HashSet` that was filled with these texts, in this order, gives
/// them back. (Buckets of eight and more, which Java turns into trees, keep their order here.)
pub(crate) fn hash_set_order<T: AsRef<str>>(items: Vec<T>) -> Vec<T> {
    let capacity = capacity_for(items.len());
    in_buckets(items, capacity)
}

/// The order of a `java.util.HashSet` of bytes, as Kafka compares them, that is filled and emptied
/// again and again: it keeps the room that it once had.
#[derive(Debug, Default)]
pub struct HashSetOrder {
    items_max: usize,
}

impl HashSetOrder {
    /// Puts what the set was filled with, in this order and each once, into the order in which it
    /// gives it back.
    pub fn sort<'bytes, T>(&mut self, items: &mut [T], bytes_of: impl Fn(&T) -> &'bytes [u8]) {
        self.items_max = self.items_max.max(items.len());
        let last = capacity_for(self.items_max) - 1;
        items.sort_by_cached_key(|item| bucket(java_hash_of_bytes(bytes_of(item)), last));
    }
}

/// The hash of bytes in Java, which are signed there.
fn java_hash_of_bytes(bytes: &[u8]) -> u32 {
    bytes.iter().fold(1_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(i32::from(byte.cast_signed()).cast_unsigned())
    })
}

fn in_buckets<T: AsRef<str>>(mut items: Vec<T>, capacity: u32) -> Vec<T> {
    items.sort_by_key(|item| bucket(java_hash(item.as_ref()), capacity - 1));
    items
}

/// The order in which a `java.util.HashSet` prints that was made of a collection with these items.
/// It makes room before it takes them.
pub(crate) fn hash_set_copy_order<T: AsRef<str>>(items: Vec<T>) -> Vec<T> {
    let room = items.len() + 1;
    in_buckets(items, capacity_for(room))
}

/// How many buckets hold so many items.
const fn capacity_for(items: usize) -> u32 {
    let mut capacity = 16_u32;
    while items > (capacity / 4 * 3) as usize {
        capacity *= 2;
    }
    capacity
}

const fn bucket(hash: u32, last: u32) -> u32 {
    (hash ^ (hash >> 16)) & last
}

/// The order in which a `java.util.HashMap` by partition gives back the input partitions of a task,
/// as indices into `partitions`.
pub(crate) fn partition_map_order(partitions: &[TopicPartition]) -> Vec<usize> {
    let topics = partitions.iter().enumerate();
    let mut order: Vec<(usize, u32, u32)> = topics
        .map(|(at, partition)| {
            let topic = java_hash(partition.topic.as_str());
            let number = partition.partition.cast_unsigned();
            (at, topic, number.wrapping_add(31).wrapping_mul(31).wrapping_add(topic))
        })
        .collect();
    let last = capacity_for(order.len()) - 1;
    // In one bucket they keep the order in which the map by topic gave them.
    order.sort_by_key(|(_, topic, _)| bucket(*topic, last));
    order.sort_by_key(|(.., partition)| bucket(*partition, last));
    order.into_iter().map(|(at, ..)| at).collect()
}

/// A binary heap with the sift order of `java.util.PriorityQueue`: which of two equal items comes
/// first depends on it. Records of equal time are chosen in this order.
#[derive(Debug)]
pub(crate) struct PriorityQueue<T>(Vec<T>);

impl<T> PriorityQueue<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<&T> {
        self.0.first()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds an item.
    pub(crate) fn offer(&mut self, item: T, compare: impl Fn(&T, &T) -> Ordering) {
        self.0.push(item);
        let mut at = self.0.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if compare(&self.0[at], &self.0[parent]) != Ordering::Less {
                break;
            }
            self.0.swap(at, parent);
            at = parent;
        }
    }

    /// All items, in no order. What they compare by must stay.
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    /// Takes out what `keep` does not hold for.
    pub(crate) fn retain(
        &mut self,
        keep: impl FnMut(&T) -> bool,
        compare: impl Fn(&T, &T) -> Ordering,
    ) {
        let mut items = std::mem::take(&mut self.0);
        items.retain(keep);
        items.into_iter().for_each(|item| self.offer(item, &compare));
    }

    /// Takes the least item.
    pub(crate) fn poll(&mut self, compare: impl Fn(&T, &T) -> Ordering) -> Option<T> {
        if self.0.is_empty() {
            return None;
        }
        let least = self.0.swap_remove(0);
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= self.0.len() {
                break;
            }
            let right = left + 1;
            let mut child = left;
            if right < self.0.len() && compare(&self.0[left], &self.0[right]) == Ordering::Greater {
                child = right;
            }
            if compare(&self.0[at], &self.0[child]) != Ordering::Greater {
                break;
            }
            self.0.swap(at, child);
            at = child;
        }
        Some(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_hash_as_in_java() {
        assert_eq!(java_hash("KSTREAM-SOURCE-0000000000").cast_signed(), 1_861_603_632);
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("ab"), 97 * 31 + 98);
    }

    #[test]
    fn a_set_that_is_made_of_a_collection_makes_room_first() {
        let names: Vec<String> = (0..12).map(|at| format!("topic-{}", at * 7)).collect();
        let numbers = |order: Vec<String>| -> Vec<u32> {
            let numbers = order.iter().filter_map(|name| name.rsplit('-').next()?.parse().ok());
            numbers.collect()
        };
        let printed = [7, 70, 0, 63, 42, 21, 77, 56, 35, 14, 49, 28];
        assert_eq!(numbers(hash_set_copy_order(names.clone())), printed, "as java.util.HashSet");
        let five = names.into_iter().take(5).collect();
        assert_eq!(numbers(hash_set_copy_order(five)), [7, 14, 28, 0, 21], "as java.util.HashSet");
    }

    #[test]
    fn partitions_come_as_javas_map_gives_them() {
        let topics = ["stream-0", "table-1", "extra-n0", "app-x-repartition", "left", "right"];
        let more = ["orders", "clicks", "in", "out", "stream-1", "table-2", "aaa", "bbb"];
        let partitions: Vec<TopicPartition> =
            topics.iter().chain(&more).map(|topic| TopicPartition::new(*topic, 0)).collect();
        let order: Vec<&str> = partition_map_order(&partitions)
            .into_iter()
            .map(|at| partitions[at].topic.as_str())
            .collect();
        let first = ["bbb", "aaa", "table-1", "table-2", "in", "extra-n0", "right", "out"];
        let rest = ["app-x-repartition", "orders", "left", "stream-1", "stream-0", "clicks"];
        assert_eq!(order, [&first[..], &rest[..]].concat(), "as java.util.HashMap gave them");
    }

    #[test]
    fn equal_items_come_out_as_javas_queue_gives_them() {
        let by_time = |a: &(i64, char), b: &(i64, char)| a.0.cmp(&b.0);
        let mut queue = PriorityQueue::new();
        for item in [(1, 'a'), (1, 'b'), (1, 'c'), (0, 'd')] {
            queue.offer(item, by_time);
        }
        let order: Vec<char> =
            std::iter::from_fn(|| queue.poll(by_time)).map(|(_, name)| name).collect();
        assert_eq!(order, ['d', 'b', 'c', 'a'], "as java.util.PriorityQueue gave them");
    }
}
