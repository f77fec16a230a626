//! What goes wrong again and again is told at once, and then now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use streams_core::membership::{Moment, Trouble};

/// How long the same words are not repeated.
const QUIET: Duration = Duration::from_secs(30);
/// Texts that are remembered; one for each broker and topic is enough.
const TEXTS_MAX: usize = 64;

/// When each problem was told last.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: BTreeMap<String, Moment>,
}

impl Complaints {
    /// Whether these words are new, or were not told for a while.
    pub(super) fn is_due(&mut self, text: &str, now: Moment) -> bool {
        self.told.retain(|_, told| now.since(*told) < QUIET);
        if self.told.contains_key(text) {
            return false;
        }
        if self.told.len() < TEXTS_MAX {
            self.told.insert(text.to_owned(), now);
        }
        true
    }
}

/// By which words a trouble is remembered: those that are the same each time.
pub(super) fn known_by(trouble: &Trouble) -> String {
    match trouble {
        Trouble::ProtocolMismatch { group, .. } => format!("members of another kind in '{group}'"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_time_is_left_makes_no_other_trouble() {
        let with = |seconds| {
            let (group, left) = ("group".into(), Duration::from_secs(seconds));
            known_by(&Trouble::ProtocolMismatch { group, left })
        };
        assert_eq!(with(59), with(58));
    }

    #[test]
    fn the_same_words_are_told_every_30_s() {
        let mut complaints = Complaints::default();
        let told = |complaints: &mut Complaints, text: &str| {
            let seconds =
                (0..61).filter(|s| complaints.is_due(text, Moment::from_millis(s * 1000)));
            seconds.collect::<Vec<u64>>()
        };
        assert_eq!(told(&mut complaints, "no broker"), [0, 30, 60]);
    }

    #[test]
    fn other_words_are_told_at_once() {
        let mut complaints = Complaints::default();
        let at = Moment::from_millis;
        assert!(complaints.is_due("no broker", at(0)));
        assert!(complaints.is_due("no topic", at(1)));
        assert!(!complaints.is_due("no broker", at(2)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut complaints = Complaints::default();
        let mut texts = (0..2 * TEXTS_MAX).map(|number| number.to_string());
        assert!(texts.all(|text| complaints.is_due(&text, Moment::from_millis(0))));
        assert_eq!(complaints.told.len(), TEXTS_MAX);
    }
}
