//! Which APIs are used, in which version.

use std::fmt;

/// How lengths are written: the newer, flexible versions have compact lengths and tagged fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Fixed-size lengths.
    Classic,
    /// Lengths as variable-size integers, and tagged fields after each structure.
    Flexible,
}

/// A version of an API and the encoding that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The version's number.
    pub number: i16,
    /// How that version is encoded.
    pub encoding: Encoding,
}

/// The APIs of group membership.
#[expect(clippy::enum_variant_names, reason = "the names are the protocol's own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// Brokers, topics and partitions.
    Metadata,
    /// Stores positions.
    OffsetCommit,
    /// Reads positions.
    OffsetFetch,
    /// Which broker coordinates a group.
    FindCoordinator,
    /// Enters a rebalance.
    JoinGroup,
    /// Says that a member lives.
    Heartbeat,
    /// Takes members out of a group.
    LeaveGroup,
    /// Hands out and fetches an assignment.
    SyncGroup,
    /// Chooses a SASL mechanism.
    SaslHandshake,
    /// Which versions a broker speaks.
    ApiVersions,
    /// One message of a SASL exchange.
    SaslAuthenticate,
}

impl Api {
    /// All APIs.
    pub const ALL: [Self; 11] = [
        Self::Metadata,
        Self::OffsetCommit,
        Self::OffsetFetch,
        Self::FindCoordinator,
        Self::JoinGroup,
        Self::Heartbeat,
        Self::LeaveGroup,
        Self::SyncGroup,
        Self::SaslHandshake,
        Self::ApiVersions,
        Self::SaslAuthenticate,
    ];

    /// The key that stands for the API in a request.
    #[must_use]
    pub const fn key(self) -> i16 {
        match self {
            Self::Metadata => 3,
            Self::OffsetCommit => 8,
            Self::OffsetFetch => 9,
            Self::FindCoordinator => 10,
            Self::JoinGroup => 11,
            Self::Heartbeat => 12,
            Self::LeaveGroup => 13,
            Self::SyncGroup => 14,
            Self::SaslHandshake => 17,
            Self::ApiVersions => 18,
            Self::SaslAuthenticate => 36,
        }
    }

    /// The API of a key, if it is one of these.
    #[must_use]
    pub fn from_key(key: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.key() == key)
    }

    /// The versions that may be used, the best first. One each, spoken by every broker since 2.5;
    /// Metadata has a second one, which adds topic ids where the broker knows them (since 2.8).
    #[must_use]
    pub const fn versions(self) -> &'static [i16] {
        match self {
            Self::Metadata => &[12, 9],
            Self::OffsetCommit | Self::OffsetFetch => &[7],
            Self::FindCoordinator => &[2],
            Self::JoinGroup => &[5],
            Self::Heartbeat | Self::LeaveGroup | Self::SyncGroup | Self::ApiVersions => &[3],
            Self::SaslHandshake | Self::SaslAuthenticate => &[1],
        }
    }

    /// The first version with the flexible encoding; `None` if there is none.
    const fn flexible_since(self) -> Option<i16> {
        match self {
            Self::Metadata => Some(9),
            Self::OffsetCommit => Some(8),
            Self::OffsetFetch | Self::JoinGroup => Some(6),
            Self::FindCoordinator | Self::ApiVersions => Some(3),
            Self::Heartbeat | Self::LeaveGroup | Self::SyncGroup => Some(4),
            Self::SaslHandshake => None,
            Self::SaslAuthenticate => Some(2),
        }
    }

    /// A version of this API with its encoding.
    #[must_use]
    pub const fn version(self, number: i16) -> Version {
        let encoding = match self.flexible_since() {
            Some(first) if number >= first => Encoding::Flexible,
            _ => Encoding::Classic,
        };
        Version { number, encoding }
    }

    /// The version that is used with a broker that speaks `min` to `max`.
    #[must_use]
    pub fn choose(self, min: i16, max: i16) -> Option<Version> {
        let number = self.versions().iter().find(|version| (min..=max).contains(*version))?;
        Some(self.version(*number))
    }

    /// The version that is used where nothing has been negotiated.
    #[must_use]
    pub fn best(self) -> Version {
        self.version(self.versions().first().copied().unwrap_or_default())
    }
}

impl fmt::Display for Api {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}
