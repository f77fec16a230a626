//! How tasks are spread over the processes of the application.

use std::time::Duration;

use super::reader::Reader;

/// How tasks are spread over the processes of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// `num.standby.replicas`, 0 by default.
    pub num_standby_replicas: u32,
    /// `max.warmup.replicas`: copies of state built up at a time ahead of a move, 2 by default.
    pub max_warmup_replicas: u32,
    /// `acceptable.recovery.lag`: records behind at which a copy counts as caught up, 10000 by
    /// default.
    pub acceptable_recovery_lag: u64,
    /// `probing.rebalance.interval.ms`: how often to see whether a copy has caught up, 10 minutes
    /// by default.
    pub probing_rebalance_interval: Duration,
    /// `upgrade.from`: the Kafka Streams version of the other members during a rolling upgrade.
    pub upgrade_from: Option<String>,
}

impl Assignment {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            num_standby_replicas: reader.whole("num.standby.replicas"),
            max_warmup_replicas: reader.whole("max.warmup.replicas"),
            acceptable_recovery_lag: reader.whole("acceptable.recovery.lag"),
            probing_rebalance_interval: reader.millis("probing.rebalance.interval.ms"),
            upgrade_from: reader.text("upgrade.from"),
        }
    }
}
