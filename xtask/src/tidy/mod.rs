//! Rules about the text of the workspace: sizes, names, and who may depend on whom.
//!
//! A rule is one file under `rules`: a function from the tree to its findings.

mod finding;
mod lexer;
mod manifest;
mod rules;
mod source;
mod tree;

use std::path::PathBuf;

pub use finding::Finding;
pub use manifest::{Dependency, Manifest, Section};
pub use source::Source;
pub use tree::{TextFile, Tree};

/// The folder that holds the workspace's `Cargo.toml`.
#[must_use]
pub fn workspace_root() -> PathBuf {
    // What cargo says now: several checkouts may share what one of them compiled.
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let this_crate = now.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    this_crate.parent().unwrap_or(&this_crate).to_path_buf()
}

/// Runs every rule; findings are sorted by path and line.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules::ALL.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings.dedup();
    findings
}
