//! The same long `# Errors` paragraph twice in a crate says nothing about either function.

use std::collections::BTreeMap;

use super::super::finding::Finding;
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut first: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut findings = Vec::new();
    for source in &tree.sources {
        for (line, paragraph) in paragraphs(source) {
            let place = format!("{}:{line}", source.path);
            let key = (source.crate_folder(), paragraph);
            let Some(earlier) = first.get(&key) else {
                first.insert(key, place);
                continue;
            };
            let what = format!(
                "this `# Errors` paragraph stands at {earlier} too; put it on the error type and refer to it"
            );
            findings.push(Finding::new(&source.path, line, what));
        }
    }
    findings
}

/// The paragraphs of more than one sentence under `# Errors`, with the line of the heading.
fn paragraphs(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in source.lines() {
        let doc = line.text.trim().strip_prefix("///").map(str::trim);
        match (doc, &mut open) {
            (Some("# Errors"), _) => open = Some((line.number, String::new())),
            (Some(""), Some((_, text))) if text.is_empty() => {}
            (Some(words), Some((_, text))) if !words.is_empty() => {
                text.push_str(words);
                text.push(' ');
            }
            _ => found.extend(open.take()),
        }
    }
    found.extend(open);
    found.retain(|(_, text)| text.matches(". ").count() > 1);
    found
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    fn documented(paragraph: &str) -> String {
        format!("/// Does it.\n///\n/// # Errors\n/// {paragraph}\nfn f() {{}}\n")
    }

    #[track_caller]
    fn check_pair(path: &str, paragraph: &str, expected: usize) {
        let text = documented(paragraph);
        let found = check(&Tree::of(&[("a/src/a.rs", &text), (path, &text)]));
        assert_eq!(found.len(), expected, "{found:?}");
    }

    #[test]
    fn the_same_long_paragraph_twice_in_a_crate_is_refused() {
        check_pair("a/src/b.rs", "When it fails. And when\n/// it is closed.", 1);
    }

    #[test]
    fn another_crate_or_one_sentence_may_repeat() {
        check_pair("b/src/b.rs", "When it fails. And when it is closed.", 0);
        check_pair("a/src/b.rs", "When it fails.", 0);
    }
}
