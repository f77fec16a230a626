//! Keys out of the names of environment variables, in the manner of Kafka's container images.

/// Variables with this prefix are settings.
pub(crate) const PREFIX: &str = "STREAMS_";
/// The default of `bootstrap.servers`, since most containers set it; not empty.
pub(crate) const BOOTSTRAP_SERVERS: &str = "KAFKA_BOOTSTRAP_SERVERS";
/// Where the default of `state.dir` lies.
pub(crate) const TEMPORARY: &str = "TMPDIR";

/// Why a name stands for no key.
pub(crate) const REASON: &str =
    "one underscore is a dot, two are an underscore, three a dash, four two underscores";

/// The key for the part of a variable's name after the prefix: `_` is a dot, `__` an underscore,
/// `___` a dash, `____` the two underscores of Kafka's internal keys; letters are lowered.
pub(crate) fn key(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if first == '_' {
            let word = rest.trim_start_matches('_');
            key.push_str(match rest.len() - word.len() {
                1 => ".",
                2 => "_",
                3 => "-",
                4 => "__",
                _ => return None,
            });
            rest = word;
        } else {
            key.push(first.to_ascii_lowercase());
            rest = &rest[first.len_utf8()..];
        }
    }
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn underscores_stand_for_what_a_variable_cannot_hold() {
        let cases = [
            ("APPLICATION_ID", Some("application.id")),
            (
                "RACK_AWARE_ASSIGNMENT_NON__OVERLAP__COST",
                Some("rack.aware.assignment.non_overlap_cost"),
            ),
            ("APP_DEAD___LETTER", Some("app.dead-letter")),
            (
                "____EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION____",
                Some("__emit.interval.ms.kstreams.windowed.aggregation__"),
            ),
            ("A_____B", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(key(name).as_deref(), expected, "{name}");
        }
    }
}
