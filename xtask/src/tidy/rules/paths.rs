//! What the documents point at is there.

use super::super::finding::Finding;
use super::super::tree::{TextFile, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| check_file(tree, file)).collect()
}

fn check_file(tree: &Tree, file: &TextFile) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2).filter(|text| is_path(tree, text));
        let quoted = quoted.flat_map(expanded);
        let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let linked = linked.filter(|target| !target.is_empty() && !target.contains(':'));
        let linked = linked.map(|target| joined(folder, target));
        findings.extend(quoted.chain(linked).filter(|path| !is_there(tree, path)).map(|path| {
            Finding::new(&file.path, index + 1, format!("'{path}' does not exist; name it anew"))
        }));
    }
    findings
}

/// Text in backquotes means a path where it has a slash and begins as one of ours does, ends in a
/// slash, or ends in a file's extension.
fn is_path(tree: &Tree, text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-/*{},".contains(c);
    let Some((first, rest)) = text.split_once('/') else { return false };
    let last = rest.rsplit('/').next().unwrap_or(rest);
    text.chars().all(is_name)
        && !matches!(first, "" | "..")
        && (last.is_empty() || last.contains('.') || is_there(tree, first))
}

/// `a/{b,c}.rs` names two files.
fn expanded(text: &str) -> Vec<String> {
    match text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (choices, after))) => {
            choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
        }
        None => vec![text.to_owned()],
    }
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A file, a folder, or with a star at its end what begins so; without extension also a module.
fn is_there(tree: &Tree, path: &str) -> bool {
    let (path, starred) = match path.strip_suffix('*') {
        Some(path) => (path, true),
        None => (path.trim_end_matches('/'), false),
    };
    tree.texts.iter().any(|file| match file.path.strip_prefix(path) {
        Some(rest) => starred || rest.is_empty() || rest.starts_with('/') || rest == ".rs",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    #[track_caller]
    fn check_text(text: &str, expected: &[usize]) {
        let files = [("docs/a.md", text), ("a/src/b/c.rs", ""), ("a/src/d.rs", ""), ("e.md", "")];
        let findings = check(&Tree::of(&files));
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text}\n{findings:?}");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        check_text("\n`a/src/gone.rs`\n", &[2]);
        check_text("`a/src/gone/`\n", &[1]);
        check_text("`a/src/{d,gone}.rs`\n", &[1]);
        check_text("`gone/src/d.rs`\n", &[1]);
        check_text("[e](e.md)\n", &[1]);
    }

    #[test]
    fn files_folders_modules_and_stars_are_found() {
        check_text("`a/src/b/c.rs`, `a/src/b/`, `a/src/{b,d.rs}`, `a/src/{b,d}`, `a/sr*`\n", &[]);
        check_text("[e](../e.md#top) [web](https://e.org/e)\n", &[]);
    }

    #[test]
    fn what_is_no_path_passes() {
        check_text("`apache/kafka` `a/b c` `1/2` `../x.rs` `/tmp/x.rs` `d.rs`\n", &[]);
    }
}
