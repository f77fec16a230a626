//! Each foreign engine is named in one place: Kafka's client in one crate, the database in one
//! file.

use super::super::finding::Finding;
use super::super::manifest::Section;
use super::super::source::Source;
use super::super::tree::Tree;

struct Engine {
    packages: &'static [&'static str],
    /// The only crate whose manifest may name it, beside [`MEASURED_BY`] and [`SHOWN_BY`].
    owner: &'static str,
    /// What the paths begin with whose code may name it.
    code: &'static str,
}

/// Never published: it measures what the engines allow without a framework.
const MEASURED_BY: Exception = Exception { package: "bench-app", code: "bench-app/src/limit/" };
/// Its example writes and reads topics as the rest of a user's system does, by an ordinary client.
const SHOWN_BY: Exception = Exception { package: "millstream", code: "examples/on_kafka/" };

struct Exception {
    package: &'static str,
    code: &'static str,
}

const ENGINES: [Engine; 2] = [
    Engine {
        packages: &["rdkafka", "rdkafka-sys"],
        owner: "streams-kafka",
        code: "streams-kafka/",
    },
    Engine {
        packages: &["rocksdb", "librocksdb-sys"],
        owner: "streams-state",
        code: "streams-state/src/bytes/rocks",
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for engine in &ENGINES {
        findings.extend(in_manifests(tree, engine));
        findings.extend(tree.sources.iter().filter_map(|source| in_code(source, engine)));
    }
    findings
}

fn in_manifests(tree: &Tree, engine: &Engine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = tree.manifests.iter().filter(|manifest| {
        manifest.package != engine.owner && manifest.package != MEASURED_BY.package
    });
    for manifest in others {
        for found in &manifest.dependencies {
            let is_shown = manifest.package == SHOWN_BY.package && found.section == Section::Dev;
            let named = engine.packages.contains(&found.name.as_str());
            if named && !is_shown && found.section != Section::Workspace {
                let (name, owner) = (&found.name, engine.owner);
                let what = format!("only {owner} depends on '{name}'; go through {owner}");
                findings.push(Finding::new(&manifest.path, found.line, what));
            }
        }
    }
    findings
}

/// The first mention in a file is enough to say so.
fn in_code(source: &Source, engine: &Engine) -> Option<Finding> {
    if [engine.code, MEASURED_BY.code, SHOWN_BY.code].iter().any(|at| source.path.starts_with(at)) {
        return None;
    }
    let names = |text: &str| engine.packages.iter().any(|name| name.replace('-', "_") == text);
    let token = source.tokens().into_iter().find(|token| names(token.text))?;
    let (name, place) = (token.text, engine.code);
    let what = format!("only files under {place}* name '{name}'; move this there");
    Some(Finding::new(&source.path, source.line_at(token.at), what))
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_client_outside_its_crate_is_refused() {
        check_lines(check, "streams-core/src/a.rs", "use rdkafka::Message;\n", &[1]);
        check_lines(check, "streams-kafka/src/a.rs", "use rdkafka::Message;\n", &[]);
        check_lines(check, "examples/on_kafka/mod.rs", "use rdkafka::Message;\n", &[]);
        check_lines(check, "examples/word_count.rs", "use rdkafka::Message;\n", &[1]);
    }

    #[test]
    fn the_database_outside_its_file_is_refused() {
        check_lines(check, "streams-state/src/layers.rs", "\nuse rocksdb::DB;\n", &[2]);
        check_lines(check, "streams-state/src/bytes/rocks/batch.rs", "use rocksdb::DB;\n", &[]);
    }

    #[test]
    fn the_name_of_a_path_or_text_is_no_mention() {
        check_lines(check, "streams-core/src/a.rs", "// as rocksdb does\nf(\"rdkafka\");\n", &[]);
    }

    #[test]
    fn a_manifest_outside_the_owner_is_refused() {
        let manifest = "[package]\nname = \"streams-core\"\n[dev-dependencies]\nrdkafka = \"1\"\n";
        check_lines(check, "streams-core/Cargo.toml", manifest, &[4]);
        let facade = "[package]\nname = \"millstream\"\n[dependencies]\nrdkafka = \"1\"\n\
            [dev-dependencies]\nrdkafka = \"1\"\n";
        check_lines(check, "Cargo.toml", facade, &[4]);
        let versions = "[workspace.dependencies]\nrocksdb = \"1\"\n";
        check_lines(check, "Cargo.toml", versions, &[]);
    }
}
