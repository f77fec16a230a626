//! Values that are good by themselves and do not go together.

use super::clients::{self, ClientRole, ClientSettings};
use super::error::ConfigError;
use super::keys::codec_level_key;
use super::membership::Membership;
use super::origin::Origin;
use super::processing::{Processing, ProcessingGuarantee};
use super::reader::{MEMBER, PRODUCER};
use super::scope::Scope;
use super::settings::{Setting, Settings, contradiction};

/// What the checks look at.
pub(crate) struct Parts<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) processing: &'a Processing,
    pub(crate) membership: &'a Membership,
    pub(crate) clients: &'a [ClientSettings],
}

impl Parts<'_> {
    /// All faults.
    pub(crate) fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        errors.extend(self.heartbeat());
        errors.extend(self.segments());
        errors.extend(self.delivery());
        errors.extend(self.send_queue());
        errors.extend(self.idempotence());
        errors.extend(self.codec_levels());
        self.clients.iter().flat_map(backoffs).for_each(|error| add_once(&mut errors, error));
        self.prefetch(&mut errors);
        if self.processing.guarantee == ProcessingGuarantee::ExactlyOnce {
            self.exactly_once(&mut errors);
        }
        errors
    }

    fn producer(&self) -> Option<&ClientSettings> {
        self.clients.iter().find(|client| client.role() == ClientRole::Producer)
    }

    fn heartbeat(&self) -> Option<ConfigError> {
        let Membership { heartbeat_interval, session_timeout, .. } = self.membership;
        let (key, other) = ("heartbeat.interval.ms", "session.timeout.ms");
        let reason =
            "heartbeats must be more frequent than the session's timeout; a third of it is usual";
        (heartbeat_interval >= session_timeout).then(|| {
            let at = |key| self.settings.client(&MEMBER, key);
            match (at(key), at(other)) {
                (Some(set), _) => incompatible(set, other, reason),
                (None, Some(set)) => incompatible(set, key, reason),
                (None, None) => incompatible_default(key, other, reason),
            }
        })
    }

    fn segments(&self) -> Option<ConfigError> {
        let segment = self.settings.topics.get("segment.bytes")?;
        let batch = self.settings.client(&PRODUCER, "batch.size")?;
        let reason = "a batch of the producer would not fit into a segment of an internal topic";
        (number(segment)? < number(batch)?).then(|| incompatible(segment, &batch.written, reason))
    }

    fn delivery(&self) -> Option<ConfigError> {
        let delivery = self.settings.client(&PRODUCER, "message.timeout.ms")?;
        let producer = self.producer()?;
        let linger = producer.number("linger.ms").unwrap_or_default();
        let request = producer.number("socket.timeout.ms").unwrap_or(clients::REQUEST_TIMEOUT_MS);
        let total = number(delivery)?;
        let reason =
            "delivery must be given at least 'linger.ms' and 'request.timeout.ms' together";
        (total != 0 && total < linger + request)
            .then(|| incompatible(delivery, "request.timeout.ms", reason))
    }

    fn send_queue(&self) -> Option<ConfigError> {
        let set = self.settings.client(&PRODUCER, "buffer.memory")?;
        let workers = u64::from(self.processing.num_stream_threads);
        let share = self.processing.send_share_bytes(usize::MAX);
        let least = share.saturating_mul(workers);
        let reason = "each worker needs 1 MiB of it, or 'max.request.size' where that is more";
        (self.processing.send_queue_bytes_max < least)
            .then(|| incompatible(set, "num.stream.threads", reason))
    }

    fn prefetch(&self, errors: &mut Vec<ConfigError>) {
        let other = "prefetch.max.bytes";
        let reason = "it is more than all consumers of the process may hold together; lower it, or raise 'prefetch.max.bytes'";
        let most = i64::try_from(self.processing.prefetch_bytes_max).unwrap_or(i64::MAX);
        for client in self.clients {
            for name in ["fetch.max.bytes", "max.partition.fetch.bytes"] {
                if client.number(name).is_some_and(|bytes| bytes > most) {
                    add_once(errors, of_client(client, name, other, reason));
                }
            }
        }
    }

    fn idempotence(&self) -> Option<ConfigError> {
        let asked = self.settings.client(&PRODUCER, "enable.idempotence")?;
        let ruled_out_by = self.producer()?.rules_out_idempotence()?;
        let reason = "idempotence needs acks=all, retries, and at most 5 requests in flight";
        (asked.value.expose() == "true").then(|| incompatible(asked, ruled_out_by, reason))
    }

    /// Java's level of the codec in use and librdkafka's of any must agree.
    fn codec_levels(&self) -> Vec<ConfigError> {
        let codec = self.settings.client(&PRODUCER, "compression.type");
        let Some(level) = codec.and_then(|codec| codec_level_key(codec.value.expose())) else {
            return Vec::new();
        };
        let in_scope = |scope: Scope| {
            let java = self.settings.clients.get(&(scope, level))?;
            contradiction(java, self.settings.clients.get(&(scope, "compression.level"))?)
        };
        PRODUCER.into_iter().filter_map(in_scope).collect()
    }

    fn exactly_once(&self, errors: &mut Vec<ConfigError>) {
        let guarantee = "processing.guarantee";
        if self.processing.transaction_timeout < self.processing.commit_interval {
            let (key, other) = ("commit.interval.ms", "transaction.timeout.ms");
            let reason = "transactions would time out before they are committed";
            let at = self.settings.streams.get(key);
            let at = at.or_else(|| self.settings.client(&PRODUCER, other));
            errors.push(match at {
                Some(set) => incompatible(set, other, reason),
                None => incompatible_default(key, other, reason),
            });
        }
        for client in self.clients {
            let forbidden = [
                (
                    "isolation.level",
                    "read_uncommitted",
                    "exactly-once reads committed records only",
                ),
                ("enable.idempotence", "false", "exactly-once needs an idempotent producer"),
            ];
            for (name, value, reason) in forbidden {
                if client.value(name) == Some(value) {
                    add_once(errors, of_client(client, name, guarantee, reason));
                }
            }
        }
    }
}

/// Back-offs that would begin above their own upper bounds.
fn backoffs(client: &ClientSettings) -> impl Iterator<Item = ConfigError> {
    clients::BACKOFFS.into_iter().filter_map(|(first, most, _)| {
        let reason = "the first wait cannot be longer than the longest";
        (client.number(first)? > client.number(most)?)
            .then(|| of_client(client, first, most, reason))
    })
}

/// One setting can be for several clients.
fn add_once(errors: &mut Vec<ConfigError>, error: ConfigError) {
    if !errors.contains(&error) {
        errors.push(error);
    }
}

fn of_client(
    client: &ClientSettings,
    name: &str,
    other: &str,
    reason: &'static str,
) -> ConfigError {
    ConfigError::Incompatible {
        key: name.to_owned(),
        origin: client.set_at(name).cloned().unwrap_or(Origin::Default),
        other: other.to_owned(),
        reason,
    }
}

fn number(setting: &Setting) -> Option<i64> {
    setting.value.expose().parse().ok()
}

fn incompatible(setting: &Setting, other: &str, reason: &'static str) -> ConfigError {
    ConfigError::Incompatible {
        key: setting.written.clone(),
        origin: setting.origin.clone(),
        other: other.to_owned(),
        reason,
    }
}

fn incompatible_default(key: &str, other: &str, reason: &'static str) -> ConfigError {
    ConfigError::Incompatible {
        key: key.to_owned(),
        origin: Origin::Default,
        other: other.to_owned(),
        reason,
    }
}
