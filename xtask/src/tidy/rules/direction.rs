//! Dependencies between the crates of the workspace point one way: dsl, state, core.

use super::super::finding::Finding;
use super::super::manifest::{Manifest, Section};
use super::super::tree::Tree;

/// A member of the workspace and the members that it may depend on.
struct Member {
    name: &'static str,
    normal: &'static [&'static str],
    /// Allowed besides in `[dev-dependencies]`: documented examples run on the test driver.
    dev: &'static [&'static str],
}

const MEMBERS: [Member; 9] = [
    Member { name: "streams-core", normal: &[], dev: &[] },
    Member { name: "streams-state", normal: &["streams-core"], dev: &[] },
    Member {
        name: "streams-dsl",
        normal: &["streams-state", "streams-core"],
        dev: &["streams-test"],
    },
    Member {
        name: "streams-kafka",
        normal: &["streams-core", "streams-state"],
        dev: &["streams-test", "streams-dsl"],
    },
    Member {
        name: "streams-test",
        normal: &["streams-core", "streams-state"],
        dev: &["streams-dsl"],
    },
    Member {
        name: "millstream",
        normal: &["streams-core", "streams-state", "streams-dsl", "streams-kafka", "streams-test"],
        // Its tests run the cases on a broker.
        dev: &["conformance"],
    },
    Member { name: "conformance", normal: &["millstream", "streams-test"], dev: &[] },
    Member { name: "bench-app", normal: &["millstream", "streams-test"], dev: &[] },
    Member { name: "xtask", normal: &[], dev: &[] },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let packages = tree.manifests.iter().filter(|manifest| !manifest.package.is_empty());
    packages.flat_map(check_manifest).collect()
}

fn check_manifest(manifest: &Manifest) -> Vec<Finding> {
    let Some(member) = MEMBERS.iter().find(|member| member.name == manifest.package) else {
        let what = format!(
            "'{}' is new here; say in xtask's rule `direction` what it may depend on",
            manifest.package
        );
        return vec![Finding::new(&manifest.path, manifest.line, what)];
    };
    let mut findings = Vec::new();
    for found in &manifest.dependencies {
        let name = found.name.as_str();
        let inside = MEMBERS.iter().any(|other| other.name == name);
        let allowed = member.normal.contains(&name)
            || (found.section == Section::Dev && member.dev.contains(&name));
        if inside && !allowed && found.section != Section::Workspace {
            let what =
                format!("{} may not depend on {name}; dependencies point to the core", member.name);
            findings.push(Finding::new(&manifest.path, found.line, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[track_caller]
    fn check_member(name: &str, dependencies: &str, expected: &[usize]) {
        let manifest = format!("[package]\nname = \"{name}\"\n{dependencies}\n");
        check_lines(check, "member/Cargo.toml", &manifest, expected);
    }

    #[test]
    fn a_dependency_upwards_is_refused() {
        check_member("streams-core", "[dependencies]\nstreams-state.workspace = true", &[4]);
        check_member("streams-state", "[dependencies]\nstreams-dsl.workspace = true", &[4]);
        check_member("streams-dsl", "[dependencies]\nstreams-kafka.workspace = true", &[4]);
        check_member("streams-dsl", "[dependencies]\nstreams-state.workspace = true", &[]);
    }

    #[test]
    fn a_test_may_see_more() {
        check_member("streams-test", "[dev-dependencies]\nstreams-dsl.workspace = true", &[]);
        check_member("streams-test", "[dependencies]\nstreams-dsl.workspace = true", &[4]);
        check_member("streams-core", "[dev-dependencies]\nstreams-test.workspace = true", &[4]);
    }

    #[test]
    fn nothing_sees_a_leaf_and_a_new_member_is_entered() {
        check_member("millstream", "[build-dependencies]\nxtask = { path = \"xtask\" }", &[4]);
        check_member("streams-new", "", &[2]);
    }
}
