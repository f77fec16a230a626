//! The workspace obeys its own rules.

use xtask::tidy;

#[test]
fn the_workspace_is_tidy() {
    let tree = tidy::Tree::read(&tidy::workspace_root()).expect("git lists the files");
    assert!(!tree.sources.is_empty() && !tree.manifests.is_empty(), "nothing was read");
    let findings: Vec<String> = tidy::check(&tree).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
