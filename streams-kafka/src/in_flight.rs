//! What is remembered of records on their way: who sent them, and what the task was doing.

use streams_core::outbox::Purpose;
use streams_core::processor::Activity;

/// The sender of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) purpose: Purpose,
    pub(crate) activity: Activity,
}

/// The senders of the records that a producer has not told about yet. Grows to as many as its queue
/// has held at once, 32 bytes each, and uses their places again.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    senders: Vec<Sender>,
    free: Vec<u32>,
}

impl InFlight {
    /// Remembers a sender under the tag that goes with its record.
    pub(crate) fn add(&mut self, sender: Sender) -> u64 {
        if let Some(at) = self.free.pop()
            && let Some(place) = self.senders.get_mut(at as usize)
        {
            *place = sender;
            return u64::from(at);
        }
        self.senders.push(sender);
        self.senders.len() as u64 - 1
    }

    /// Forgets the sender of a record that was told about, or not taken.
    pub(crate) fn take(&mut self, tag: u64) -> Option<Sender> {
        let at = u32::try_from(tag).ok()?;
        let sender = *self.senders.get(at as usize)?;
        self.free.push(at);
        Some(sender)
    }

    /// Nothing is on its way any more.
    pub(crate) fn clear(&mut self) {
        self.senders.clear();
        self.free.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_names_its_sender_and_places_are_used_again() {
        let sender = |offset| Sender {
            purpose: Purpose::Output { task: 7, sink: 1 },
            activity: Activity::Record { input: 0, offset },
        };
        let mut in_flight = InFlight::default();
        let tags: Vec<u64> = (0..3).map(|offset| in_flight.add(sender(offset))).collect();
        assert_eq!(in_flight.take(tags[1]), Some(sender(1)));
        assert_eq!(in_flight.add(sender(3)), tags[1]);
        assert_eq!(in_flight.take(tags[2]), Some(sender(2)));
        assert_eq!(in_flight.take(tags[1]), Some(sender(3)));
        assert_eq!(in_flight.take(99), None);
        assert_eq!(in_flight.senders.len(), 3, "no more than were on their way at once");
        assert_eq!(size_of::<Sender>(), 32);
    }
}
