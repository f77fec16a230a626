//! How tasks are spread over the processes of the application.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address::HostPort;
use super::reader::Reader;

/// `rack.aware.assignment.strategy`: how far traffic between racks is minded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RackStrategy {
    /// Not at all, the default.
    #[default]
    None,
    /// As little traffic between racks as there can be.
    MinTraffic,
    /// Little traffic, and the tasks of each sub-topology spread evenly.
    BalanceSubtopology,
}

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
    /// `rack.aware.assignment.strategy`.
    pub rack_strategy: RackStrategy,
    /// `rack.aware.assignment.tags`: client tags over which standbys are spread; none by default.
    pub rack_tags: Vec<String>,
    /// `rack.aware.assignment.traffic_cost`; the strategy's own if none.
    pub rack_traffic_cost: Option<u32>,
    /// `rack.aware.assignment.non_overlap_cost`; the strategy's own if none.
    pub rack_non_overlap_cost: Option<u32>,
    /// `client.tag.*`: what this process says of its place.
    pub client_tags: BTreeMap<String, String>,
    /// `application.server`: where this process answers queries; none by default.
    pub application_server: Option<HostPort>,
    /// `upgrade.from`: the Kafka Streams version of the other members during a rolling upgrade.
    pub upgrade_from: Option<String>,
}

impl Assignment {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let client_tags = client_tags(reader);
        Self {
            num_standby_replicas: reader.whole("num.standby.replicas"),
            max_warmup_replicas: reader.whole("max.warmup.replicas"),
            acceptable_recovery_lag: reader.whole("acceptable.recovery.lag"),
            probing_rebalance_interval: reader.millis("probing.rebalance.interval.ms"),
            rack_strategy: match reader.text("rack.aware.assignment.strategy").as_deref() {
                Some("min_traffic") => RackStrategy::MinTraffic,
                Some("balance_subtopology") => RackStrategy::BalanceSubtopology,
                _ => RackStrategy::None,
            },
            rack_tags: reader.text("rack.aware.assignment.tags").map(list).unwrap_or_default(),
            rack_traffic_cost: reader.parsed("rack.aware.assignment.traffic_cost"),
            rack_non_overlap_cost: reader.parsed("rack.aware.assignment.non_overlap_cost"),
            client_tags,
            application_server: reader
                .text("application.server")
                .and_then(|text| HostPort::parse(&text)),
            upgrade_from: reader.text("upgrade.from"),
        }
    }
}

fn list(text: String) -> Vec<String> {
    let items = text.split(',').map(|item| item.trim().to_owned());
    if text.is_empty() { Vec::new() } else { items.collect() }
}

fn client_tags(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (tag, setting) in &reader.settings.tags {
        let value = setting.value.expose().to_owned();
        reader.explain(&setting.written, value.clone(), setting.origin.clone());
        tags.insert(tag.clone(), value);
    }
    tags
}
