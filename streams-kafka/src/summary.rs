//! What a worker has done, logged from time to time: `log.summary.interval.ms`.

use std::time::Duration;

use streams_core::time::Moment;
use streams_core::worker::TurnReport;

/// What a worker has done since its last summary.
#[derive(Debug)]
pub(crate) struct Summary {
    /// `None` where none is logged.
    interval: Option<Duration>,
    since: Moment,
    processed: u64,
    punctuations: u64,
    commits: u64,
}

impl Summary {
    pub(crate) const fn new(interval: Option<Duration>, now: Moment) -> Self {
        Self { interval, since: now, processed: 0, punctuations: 0, commits: 0 }
    }

    /// Adds a turn. What to log, when it is time.
    pub(crate) fn add(&mut self, report: &TurnReport, now: Moment) -> Option<String> {
        let interval = self.interval?;
        self.processed += report.processed;
        self.punctuations += report.punctuations;
        self.commits += report.commits;
        let passed = now.since(self.since);
        if passed < interval {
            return None;
        }
        let Self { processed, punctuations, commits, .. } = *self;
        *self = Self::new(self.interval, now);
        Some(format!(
            "processed {processed} records, called {punctuations} punctuations and committed {commits} times in the last {} ms",
            passed.as_millis()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn what_was_done_in_an_interval_is_told_at_its_end() {
        let mut summary = Summary::new(Some(Duration::from_millis(100)), at(1_000));
        let turn = TurnReport { processed: 3, commits: 1, ..TurnReport::default() };
        assert_eq!(summary.add(&turn, at(1_099)), None);
        let told = summary.add(&TurnReport { punctuations: 2, ..turn }, at(1_120)).unwrap();
        assert_eq!(
            told,
            "processed 6 records, called 2 punctuations and committed 2 times in the last 120 ms"
        );
        assert_eq!(summary.add(&turn, at(1_219)), None);
        assert!(summary.add(&turn, at(1_220)).unwrap().starts_with("processed 6 records"));
    }

    #[test]
    fn without_an_interval_there_is_none() {
        let mut summary = Summary::new(None, at(0));
        assert_eq!(summary.add(&TurnReport::default(), at(u64::MAX)), None);
    }
}
