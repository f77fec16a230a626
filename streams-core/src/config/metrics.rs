//! What is told of the work that is done.

use std::time::Duration;

use super::reader::Reader;

/// What is told of the work that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSettings {
    /// `log.summary.interval.ms`: how often each worker logs what it has done since, 2 minutes by
    /// default; never where it is not above 0.
    pub log_summary_interval: Option<Duration>,
}

impl MetricsSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        // Says that it is the latest; no other passes the check.
        reader.text("built.in.metrics.version");
        let interval = reader.millis_unless_negative("log.summary.interval.ms");
        Self { log_summary_interval: interval.filter(|interval| !interval.is_zero()) }
    }
}
