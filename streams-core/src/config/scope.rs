//! The prefixes by which a setting is given to some clients only.

use super::keys::Roles;

/// Which clients a setting is for; the later scopes win over the earlier ones that contain them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Shared,
    Consumer,
    MainConsumer,
    RestoreConsumer,
    GlobalConsumer,
    Producer,
    Admin,
}

impl Scope {
    pub(crate) const PREFIXED: [Self; 6] = [
        Self::Consumer,
        Self::MainConsumer,
        Self::RestoreConsumer,
        Self::GlobalConsumer,
        Self::Producer,
        Self::Admin,
    ];

    /// Scope and bare name of a key.
    pub(crate) fn split(key: &str) -> (Self, &str) {
        Self::PREFIXED
            .into_iter()
            .find_map(|scope| Some((scope, key.strip_prefix(scope.prefix())?)))
            .unwrap_or((Self::Shared, key))
    }

    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Shared => "",
            Self::Consumer => "consumer.",
            Self::MainConsumer => "main.consumer.",
            Self::RestoreConsumer => "restore.consumer.",
            Self::GlobalConsumer => "global.consumer.",
            Self::Producer => "producer.",
            Self::Admin => "admin.",
        }
    }

    pub(crate) fn roles(self) -> Roles {
        match self {
            Self::Shared => Roles::EVERY,
            Self::Producer => Roles::PRODUCER,
            Self::Admin => Roles::ADMIN,
            Self::Consumer | Self::MainConsumer | Self::RestoreConsumer | Self::GlobalConsumer => {
                Roles::CONSUMER
            }
        }
    }
}
