//! The core depends on crates that compute, and on none that reaches out of the process.

use super::super::finding::Finding;
use super::super::manifest::Section;
use super::super::tree::Tree;

const CORE: &str = "streams-core";

/// None of them opens a file or a socket, starts a thread, or reads a clock.
const ALLOWED: [&str; 10] = [
    "base64",
    "bytes",
    "hashbrown",
    "indexmap",
    "regex",
    "serde",
    "serde_json",
    "strsim",
    "thiserror",
    "tracing",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.manifests.iter().filter(|manifest| manifest.package == CORE) {
        for found in &manifest.dependencies {
            // Tests run outside of the core.
            let is_free = found.section == Section::Dev;
            if !is_free && !ALLOWED.contains(&found.name.as_str()) {
                let what = format!(
                    "the core does no I/O and does not depend on '{}'; put what needs it into the shell, or enter it in xtask's rule `core_crates`",
                    found.name
                );
                findings.push(Finding::new(&manifest.path, found.line, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[track_caller]
    fn check_package(name: &str, dependencies: &str, expected: &[usize]) {
        let manifest = format!("[package]\nname = \"{name}\"\n{dependencies}\n");
        check_lines(check, "member/Cargo.toml", &manifest, expected);
    }

    #[test]
    fn the_core_takes_no_crate_that_does_io() {
        check_package("streams-core", "[dependencies]\nbytes = \"1\"\ntokio = \"1\"", &[5]);
        check_package("streams-core", "[build-dependencies]\ncc = \"1\"", &[4]);
        check_package("streams-core", "[dev-dependencies]\nproptest = \"1\"", &[]);
        check_package("streams-kafka", "[dependencies]\ntokio = \"1\"", &[]);
    }
}
