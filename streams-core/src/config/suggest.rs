//! The known key nearest to a mistaken one.

use super::keys::{ClientKey, STREAMS_KEYS, StreamsMeaning, TOPIC_KEYS, Treatment, client_keys};
use super::scope::Scope;

/// Keys longer than this are not compared.
const LENGTH_MAX: usize = 100;

/// The key that the user most likely meant, if one is near enough.
pub(crate) fn nearest(key: &str) -> Option<String> {
    if key.len() > LENGTH_MAX {
        return None;
    }
    if TOPIC_KEYS.contains(&key) {
        return Some(format!("topic.{key}"));
    }
    // Two slips in a short key, one in every five letters of a long one.
    let slips_max = (key.len() / 5).max(2);
    candidates()
        .map(|candidate| (strsim::damerau_levenshtein(key, &candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The same setting under a prefix that fits it.
pub(crate) fn under_right_prefix(key: &ClientKey) -> String {
    let fits = |scope: &Scope| key.roles.meets(scope.roles());
    let scope = Scope::PREFIXED.into_iter().find(fits).unwrap_or(Scope::Shared);
    format!("{}{}", scope.prefix(), key.name)
}

fn candidates() -> impl Iterator<Item = String> {
    let streams = STREAMS_KEYS
        .iter()
        .filter(|key| {
            !matches!(key.meaning, StreamsMeaning::Refused(_) | StreamsMeaning::Ignored(_))
        })
        .map(|key| key.name.to_owned());
    let useful = || {
        client_keys()
            .filter(|key| !matches!(key.treatment, Treatment::Refused(_) | Treatment::Ignored(_)))
    };
    let shared = useful().map(|key| key.name.to_owned());
    let prefixed = Scope::PREFIXED.into_iter().flat_map(move |scope| {
        useful()
            .filter(move |key| key.roles.meets(scope.roles()))
            .filter(|key| !matches!(key.treatment, Treatment::Security { .. }))
            .map(move |key| format!("{}{}", scope.prefix(), key.name))
    });
    let topics = TOPIC_KEYS.iter().map(|name| format!("topic.{name}"));
    streams.chain(shared).chain(prefixed).chain(topics)
}
