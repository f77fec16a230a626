//! What is remembered of records on their way: who sent them, and what the task was doing. It is in
//! the tag that goes with the record, so that nothing is kept that is far from the processor's cache
//! when the record's report comes.

use streams_core::outbox::Purpose;
use streams_core::processor::Activity;

/// The sender of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) purpose: Purpose,
    pub(crate) activity: Activity,
}

/// The bits of a tag, from the lowest: of the record's offset those that tell it from others on their
/// way, the input, the number of the sink or store, whether it is a store, and the task.
const OFFSET_BITS: u32 = 28;
const INPUT_BITS: u32 = 8;
const NUMBER_BITS: u32 = 11;
const TASK_BITS: u32 = 16;

const INPUT_AT: u32 = OFFSET_BITS;
const NUMBER_AT: u32 = INPUT_AT + INPUT_BITS;
const IS_STORE: u64 = 1 << (NUMBER_AT + NUMBER_BITS);
const TASK_AT: u32 = NUMBER_AT + NUMBER_BITS + 1;

/// What stands for the input where there is no record.
const WITHOUT_RECORD: [Activity; 5] = [
    Activity::Punctuation,
    Activity::Restoration,
    Activity::Start,
    Activity::Commit,
    Activity::Close,
];
/// The input of a tag whose offset is a place among the senders that fit in no tag.
const ELSEWHERE: u64 = (1 << INPUT_BITS) - 1;
const INPUTS_MAX: u64 = ELSEWHERE - WITHOUT_RECORD.len() as u64;

/// The senders of the records that a producer has not told about yet.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// By task and input, the last offset, which says what the others' high bits are.
    latest: Vec<Vec<i64>>,
    /// By task, how many there are.
    counts: Vec<u32>,
    /// Those that fit in no tag: of tasks with hundreds of inputs and thousands of stores.
    elsewhere: Vec<Sender>,
    free: Vec<u32>,
}

impl InFlight {
    /// The tag that tells the sender of a record.
    pub(crate) fn add(&mut self, sender: Sender) -> u64 {
        let task = sender.purpose.task() as usize;
        if self.counts.len() <= task {
            self.counts.resize(task + 1, 0);
        }
        self.counts[task] += 1;
        self.packed(sender).unwrap_or_else(|| self.kept(sender))
    }

    /// How many records of a task nothing has been told about.
    pub(crate) fn of_task(&self, task: u32) -> usize {
        self.counts.get(task as usize).map_or(0, |count| *count as usize)
    }

    fn packed(&mut self, Sender { purpose, activity }: Sender) -> Option<u64> {
        let (task, number, kind) = match purpose {
            Purpose::Output { task, sink } => (task, sink, 0),
            Purpose::Changelog { task, store } => (task, store, IS_STORE),
        };
        if task >> TASK_BITS > 0 || number >> NUMBER_BITS > 0 {
            return None;
        }
        let (input, offset) = match activity {
            Activity::Record { input, offset } => {
                if u64::from(input) >= INPUTS_MAX {
                    return None;
                }
                *self.latest_of(task, input) = offset;
                (u64::from(input), offset.cast_unsigned() & ((1 << OFFSET_BITS) - 1))
            }
            other => {
                let at = WITHOUT_RECORD.iter().position(|activity| *activity == other)?;
                (INPUTS_MAX + at as u64, 0)
            }
        };
        let numbers = u64::from(task) << TASK_AT | u64::from(number) << NUMBER_AT;
        Some(numbers | kind | input << INPUT_AT | offset)
    }

    fn kept(&mut self, sender: Sender) -> u64 {
        let at = if let Some(at) = self.free.pop() {
            self.elsewhere[at as usize] = sender;
            at
        } else {
            self.elsewhere.push(sender);
            u32::try_from(self.elsewhere.len() - 1).unwrap_or(u32::MAX)
        };
        ELSEWHERE << INPUT_AT | u64::from(at)
    }

    fn latest_of(&mut self, task: u32, input: u32) -> &mut i64 {
        let (task, input) = (task as usize, input as usize);
        if self.latest.len() <= task {
            self.latest.resize_with(task + 1, Vec::new);
        }
        let of_task = &mut self.latest[task];
        if of_task.len() <= input {
            of_task.resize(input + 1, 0);
        }
        &mut of_task[input]
    }

    /// Forgets the sender of a record that was told about, or not taken.
    pub(crate) fn take(&mut self, tag: u64) -> Option<Sender> {
        let sender = self.sender(tag)?;
        if let Some(count) = self.counts.get_mut(sender.purpose.task() as usize) {
            *count = count.saturating_sub(1);
        }
        Some(sender)
    }

    fn sender(&mut self, tag: u64) -> Option<Sender> {
        let bits = |at: u32, count: u32| tag >> at & ((1 << count) - 1);
        let (input, low) = (bits(INPUT_AT, INPUT_BITS), bits(0, OFFSET_BITS));
        if input == ELSEWHERE {
            let at = u32::try_from(low).ok()?;
            let sender = *self.elsewhere.get(at as usize)?;
            self.free.push(at);
            return Some(sender);
        }
        let [task, number] = [bits(TASK_AT, TASK_BITS), bits(NUMBER_AT, NUMBER_BITS)]
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let purpose = match tag & IS_STORE {
            0 => Purpose::Output { task, sink: number },
            _ => Purpose::Changelog { task, store: number },
        };
        let activity = match input.checked_sub(INPUTS_MAX) {
            Some(at) => *WITHOUT_RECORD.get(usize::try_from(at).ok()?)?,
            None => {
                let input = u32::try_from(input).ok()?;
                let latest = *self.latest_of(task, input);
                Activity::Record { input, offset: nearest(latest, low) }
            }
        };
        Some(Sender { purpose, activity })
    }

    /// Nothing is on its way any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The offset with these low bits that is nearest to `latest`.
const fn nearest(latest: i64, low: u64) -> i64 {
    let unused = u64::BITS - OFFSET_BITS;
    let ahead = low.wrapping_sub(latest.cast_unsigned()) << unused;
    latest.wrapping_add(ahead.cast_signed() >> unused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn activities() -> impl Strategy<Value = Activity> {
        prop_oneof![
            (0..300_u32, 0..1_i64 << 40)
                .prop_map(|(input, offset)| Activity::Record { input, offset }),
            prop::sample::select(&WITHOUT_RECORD[..]),
        ]
    }

    fn purposes() -> impl Strategy<Value = Purpose> {
        (0..70_000_u32, 0..2_100_u32, any::<bool>()).prop_map(|(task, number, is_store)| {
            if is_store {
                Purpose::Changelog { task, store: number }
            } else {
                Purpose::Output { task, sink: number }
            }
        })
    }

    proptest! {
        #[test]
        fn a_tag_tells_its_sender(purpose in purposes(), activity in activities()) {
            let mut in_flight = InFlight::default();
            let sender = Sender { purpose, activity };
            let tag = in_flight.add(sender);
            prop_assert_eq!(in_flight.take(tag), Some(sender));
        }

        #[test]
        fn offsets_around_the_latest_are_told(
            latest in 0..1_i64 << 50,
            apart in -(1_i64 << 27)..1 << 27,
        ) {
            let low = (latest + apart).cast_unsigned() & ((1 << OFFSET_BITS) - 1);
            prop_assert_eq!(nearest(latest, low), latest + apart);
        }
    }

    #[test]
    fn records_on_their_way_are_told_apart() {
        let sender = |task, offset| Sender {
            purpose: Purpose::Output { task, sink: 1 },
            activity: Activity::Record { input: 0, offset },
        };
        let senders = [(7, 1 << 28), (7, (1 << 28) + 1), (8, 0), (70_000, 5), (70_000, 6)]
            .map(|(task, offset)| sender(task, offset));
        let mut in_flight = InFlight::default();
        let tags = senders.map(|sender| in_flight.add(sender));
        assert_eq!([7, 8, 9, 70_000].map(|task| in_flight.of_task(task)), [2, 1, 0, 2]);
        assert_eq!(tags.map(|tag| in_flight.take(tag)), senders.map(Some));
        assert_eq!([7, 8, 9, 70_000].map(|task| in_flight.of_task(task)), [0; 4]);
        in_flight.add(sender(70_000, 7));
        assert_eq!(in_flight.elsewhere.len(), 2, "places are used again");
    }
}
