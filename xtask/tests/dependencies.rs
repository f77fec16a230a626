//! The crates that the workspace is built from have licences that it can take, and none is banned.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use xtask::dependencies::{Package, Policy, check};
use xtask::tidy::workspace_root;

/// What cargo tells about the workspace and all that it depends on, on one platform.
fn metadata(target: &str) -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args(["metadata", "--format-version", "1", "--locked"]);
    let output = cargo.args(["--all-features", "--filter-platform", target]).output();
    let output = output.expect("cargo starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed for {target}:\n{told}");
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The packages of a platform's graph, by their ids.
fn packages(metadata: &Value) -> BTreeMap<String, Package> {
    let is_any = |of: &&Value| of["req"] == "*" && !of["source"].is_null();
    let package = |found: &Value| Package {
        name: text(&found["name"]).expect("a package has a name"),
        license: text(&found["license"]),
        source: text(&found["source"]),
        dependents: Vec::new(),
        wildcards: if found["source"].is_null() {
            each(&found["dependencies"]).filter(is_any).filter_map(|of| text(&of["name"])).collect()
        } else {
            Vec::new()
        },
    };
    let id = |found: &Value| text(&found["id"]).expect("a package has an id");
    let mut all: BTreeMap<String, Package> =
        each(&metadata["packages"]).map(|found| (id(found), package(found))).collect();
    for node in each(&metadata["resolve"]["nodes"]) {
        let user = all.get(&id(node)).map(|package| package.name.clone());
        for used in each(&node["dependencies"]).filter_map(Value::as_str) {
            all.get_mut(used).into_iter().for_each(|used| used.dependents.extend(user.clone()));
        }
    }
    all
}

#[test]
fn all_dependencies_are_as_deny_toml_allows() {
    let text = std::fs::read_to_string(workspace_root().join("deny.toml")).expect("it is there");
    let policy = Policy::parse(&text).expect("deny.toml is understood");
    assert!(!policy.targets.is_empty() && !policy.licenses.is_empty() && !policy.bans.is_empty());
    let mut all = BTreeMap::new();
    for target in &policy.targets {
        let found = packages(&metadata(target));
        assert!(found.values().any(|package| package.name == "rdkafka-sys"), "{target}");
        all.extend(found.into_iter().map(|(id, package)| ((target, id), package)));
    }
    let all: Vec<Package> = all.into_values().collect();
    let findings = check(&all, &policy);
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
