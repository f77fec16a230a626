//! What is built comes from crates.io; mirrors are a matter of the user's own configuration.

use super::super::finding::Finding;
use super::super::tree::{TextFile, Tree};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.texts {
        let refused: fn(&str) -> bool = match file.path.rsplit('/').next() {
            Some("Cargo.lock") => is_other_source,
            Some("Cargo.toml" | "config.toml" | "config") => is_replacement,
            _ => continue,
        };
        findings.extend(refused_lines(file, refused));
    }
    findings
}

fn refused_lines(file: &TextFile, refused: fn(&str) -> bool) -> Vec<Finding> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| refused(line.trim()));
    let what = "another source than crates.io; take the released crate from there";
    lines.map(|(index, _)| Finding::new(&file.path, index + 1, what)).collect()
}

fn is_other_source(line: &str) -> bool {
    line.strip_prefix("source = ").is_some_and(|source| source.trim_matches('"') != CRATES_IO)
}

fn is_replacement(line: &str) -> bool {
    ["[source.", "[registries", "[registry", "replace-with"]
        .iter()
        .any(|start| line.starts_with(start))
        || ["git = \"", "registry = \""].iter().any(|key| line.contains(key))
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{CRATES_IO, check};

    #[test]
    fn a_source_other_than_crates_io_is_refused() {
        let lock = format!("source = \"{CRATES_IO}\"\nsource = \"git+https://a.org/b\"\n");
        check_lines(check, "Cargo.lock", &lock, &[2]);
        let manifest = "[dependencies]\na = \"1\"\nb = { git = \"https://a.org/b\" }\n";
        check_lines(check, "a/Cargo.toml", manifest, &[3]);
        let mirror = "[source.crates-io]\nreplace-with = \"near\"\n";
        check_lines(check, ".cargo/config.toml", mirror, &[1, 2]);
    }
}
