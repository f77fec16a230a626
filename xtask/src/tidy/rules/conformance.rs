//! The conformance runner, without its tests, stays small and sees only what a user sees.

use super::super::finding::Finding;
use super::super::tree::Tree;

const PACKAGE: &str = "conformance";
const DEPENDENCIES: [&str; 3] = ["millstream", "streams-test", "serde_json"];
const SOURCES: &str = "conformance/src/";
const LINES_MAX: usize = 800;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.manifests.iter().filter(|manifest| manifest.package == PACKAGE) {
        for found in &manifest.dependencies {
            if !DEPENDENCIES.contains(&found.name.as_str()) {
                let what = format!(
                    "{PACKAGE} depends on {} alone; remove '{}'",
                    DEPENDENCIES.join(", "),
                    found.name
                );
                findings.push(Finding::new(&manifest.path, found.line, what));
            }
        }
    }
    let sources = tree.sources.iter().filter(|source| source.path.starts_with(SOURCES));
    let lines: usize = sources.map(|source| source.code_lines().count()).sum();
    if lines > LINES_MAX {
        let what = format!(
            "{SOURCES} has {lines} code lines, over {LINES_MAX}; move logic into the crates it tests"
        );
        findings.push(Finding::new("conformance/Cargo.toml", 1, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{LINES_MAX, check};

    #[test]
    fn another_dependency_is_refused() {
        let manifest = "[package]\nname = \"conformance\"\n[dependencies]\nmillstream = \"1\"\n\
            streams-dsl = \"1\"\n";
        check_lines(check, "conformance/Cargo.toml", manifest, &[5]);
    }

    #[test]
    fn growth_is_refused() {
        let within = "fn f();\n".repeat(LINES_MAX);
        check_lines(check, "conformance/src/main.rs", &within, &[]);
        let over = format!("{within}fn f();\n");
        check_lines(check, "conformance/src/main.rs", &over, &[1]);
        check_lines(check, "conformance/tests/cases.rs", &over, &[]);
    }
}
