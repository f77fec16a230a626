//! What is measured and how often it is told.

use std::time::Duration;

use super::reader::Reader;

/// `metrics.recording.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordingLevel {
    /// `INFO`, the default.
    #[default]
    Info,
    /// `DEBUG`.
    Debug,
    /// `TRACE`.
    Trace,
}

/// What is measured and how often it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSettings {
    /// `metrics.recording.level`.
    pub recording_level: RecordingLevel,
    /// `metrics.num.samples`: samples that a rate is reckoned from, 2 by default.
    pub num_samples: u32,
    /// `metrics.sample.window.ms`, 30 s by default.
    pub sample_window: Duration,
    /// `log.summary.interval.ms`: how often a summary is logged, 2 minutes by default; none if
    /// negative.
    pub log_summary_interval: Option<Duration>,
}

impl MetricsSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        reader.text("built.in.metrics.version");
        Self {
            recording_level: match reader.text("metrics.recording.level").as_deref() {
                Some("DEBUG") => RecordingLevel::Debug,
                Some("TRACE") => RecordingLevel::Trace,
                _ => RecordingLevel::Info,
            },
            num_samples: reader.whole("metrics.num.samples"),
            sample_window: reader.millis("metrics.sample.window.ms"),
            log_summary_interval: reader.millis_unless_negative("log.summary.interval.ms"),
        }
    }
}
