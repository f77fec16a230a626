//! Every departure from Kafka Streams has a mark in the code and a line in the list, of one name.

use std::collections::BTreeMap;

use super::super::finding::Finding;
use super::super::lexer::Class;
use super::super::tree::Tree;

const LIST: &str = "docs/differences.md";
const MARK: &str = concat!("DIFF", "ERENCE");

/// A place by path and line.
type Place = (String, usize);

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(list) = tree.texts.iter().find(|file| file.path == LIST) else { return Vec::new() };
    let listed = listed(&list.text);
    let mut findings = Vec::new();
    let marked = marked(tree, &mut findings);
    for (name, (path, line)) in &marked {
        if !listed.contains_key(name) {
            let what = format!("the difference '{name}' is not in {LIST}; enter it there");
            findings.push(Finding::new(path, *line, what));
        }
    }
    for (name, line) in &listed {
        if !marked.contains_key(name) {
            let what = format!("no comment `{MARK}({name}):` says where this is; add it");
            findings.push(Finding::new(LIST, *line, what));
        }
    }
    findings
}

/// The first cells of the tables below their heads.
fn listed(text: &str) -> BTreeMap<String, usize> {
    let rows = text.lines().enumerate().filter_map(|(index, line)| {
        let name = line.strip_prefix('|')?.split('|').next()?.trim();
        let is_name =
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        (is_name && !name.trim_matches('-').is_empty()).then(|| (name.to_owned(), index + 1))
    });
    rows.collect()
}

fn marked(tree: &Tree, findings: &mut Vec<Finding>) -> BTreeMap<String, Place> {
    let mut marked = BTreeMap::new();
    for source in &tree.sources {
        let marks = source.text.match_indices(MARK);
        for (at, _) in marks.filter(|(at, _)| source.class_at(*at) == Class::Comment) {
            let line = source.line_at(at);
            let rest = &source.text[at + MARK.len()..];
            let name = rest.strip_prefix('(').and_then(|rest| rest.split_once("):"));
            match name {
                Some((name, _)) => {
                    marked.entry(name.to_owned()).or_insert((source.path.clone(), line));
                }
                None => {
                    let what = format!("write `{MARK}(name):`, with the name that {LIST} gives it");
                    findings.push(Finding::new(&source.path, line, what));
                }
            }
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::{LIST, MARK, check};

    #[track_caller]
    fn check_both(comment: &str, names: &[&str], expected: &[&str]) {
        let rows: String = names.iter().map(|name| format!("| {name} | a | b | c |\n")).collect();
        let list = format!("| Name | Kafka | Millstream | Why |\n|---|---|---|---|\n{rows}");
        let code = format!("// {comment} because.\nfn f() {{}}\n");
        let findings = check(&Tree::of(&[("a/src/a.rs", &code), (LIST, &list)]));
        let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, expected, "{findings:?}");
    }

    #[test]
    fn marks_and_list_hold_the_same_names() {
        check_both(&format!("{MARK}(one-budget):"), &["one-budget"], &[]);
        check_both(&format!("{MARK}(one-budget):"), &[], &["a/src/a.rs"]);
        check_both("nothing", &["one-budget"], &[LIST]);
    }

    #[test]
    fn a_mark_without_a_name_is_refused() {
        check_both(&format!("{MARK}:"), &[], &["a/src/a.rs"]);
    }
}
