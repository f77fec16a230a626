//! What the documents say of a test is about one that is there.

use super::super::finding::Finding;
use super::super::tree::{TextFile, Tree};

/// Between the path of a file and the name of a function in it.
const BETWEEN: &str = ".rs::";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| check_file(tree, file)).collect()
}

fn check_file(tree: &Tree, file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        let named = quoted.filter_map(|text| Some((text, text.split_once(BETWEEN)?)));
        let gone = named.filter(|(_, (path, name))| !is_test(tree, &format!("{path}.rs"), name));
        findings.extend(gone.map(|(text, _)| {
            Finding::new(&file.path, index + 1, format!("there is no test '{text}'; name it anew"))
        }));
    }
    findings
}

/// A function right below the mark of a test, other attributes aside.
fn is_test(tree: &Tree, path: &str, name: &str) -> bool {
    let Some(file) = tree.texts.iter().find(|file| file.path == path) else { return false };
    let head = format!("fn {name}(");
    let mut is_marked = false;
    for line in file.text.lines().map(str::trim) {
        match line {
            "#[test]" => is_marked = true,
            line if line.starts_with(&head) && is_marked => return true,
            line if line.starts_with("#[") => {}
            _ => is_marked = false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    const CODE: &str = "#[test]\n#[expect(a, reason = \"b\")]\nfn there() {}\nfn helper() {}\n";

    #[track_caller]
    fn check_text(text: &str, expected: &[usize]) {
        let findings = check(&Tree::of(&[("docs/a.md", text), ("a/src/b.rs", CODE)]));
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text}\n{findings:?}");
    }

    #[test]
    fn a_test_that_is_gone_is_refused() {
        check_text("\n| `a/src/b.rs::gone` |\n", &[2]);
        check_text("`a/src/gone.rs::there`\n", &[1]);
        check_text("`a/src/b.rs::helper`\n", &[1]);
    }

    #[test]
    fn a_test_that_is_there_passes() {
        check_text("`a/src/b.rs::there`, `a/src/b.rs` `Type::new`\n", &[]);
    }
}
