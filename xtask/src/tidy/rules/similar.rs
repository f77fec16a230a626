//! Two files that are alike for the most part are one file with a parameter.

use std::collections::BTreeSet;

use super::super::finding::Finding;
use super::super::lexer::Class;
use super::super::source::Source;
use super::super::tree::Tree;

/// Files of so few code lines may resemble each other.
const LINES_FREE: usize = 100;
const SHARED_PERCENT_MAX: usize = 60;
/// Shorter lines, once blanks and literals are gone, stand everywhere.
const LETTERS_MIN: usize = 4;

struct Lines<'a> {
    path: &'a str,
    distinct: BTreeSet<String>,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let large = tree.sources.iter().filter(|source| source.code_lines().count() > LINES_FREE);
    let files: Vec<Lines<'_>> = large.map(distinct_lines).collect();
    let mut findings = Vec::new();
    for (index, later) in files.iter().enumerate() {
        for earlier in &files[..index] {
            let percent = shared_percent(earlier, later);
            if percent > SHARED_PERCENT_MAX {
                let what = format!(
                    "{percent} % of the smaller file stands in {} too; make one piece serve both",
                    earlier.path
                );
                findings.push(Finding::new(later.path, 1, what));
            }
        }
    }
    findings
}

fn distinct_lines(source: &Source) -> Lines<'_> {
    let mut distinct = BTreeSet::new();
    for line in source.code_lines() {
        let bare: String = line
            .text
            .char_indices()
            .filter(|(column, letter)| {
                !letter.is_whitespace() && source.class_at(line.at + column) == Class::Code
            })
            .map(|(_, letter)| letter)
            .collect();
        if bare.chars().count() >= LETTERS_MIN {
            distinct.insert(bare);
        }
    }
    Lines { path: &source.path, distinct }
}

/// How much of the smaller file stands in the other.
fn shared_percent(a: &Lines<'_>, b: &Lines<'_>) -> usize {
    let smaller = a.distinct.len().min(b.distinct.len()).max(1);
    100 * a.distinct.intersection(&b.distinct).count() / smaller
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    /// 110 lines, the first `shared` of them the same for every `name`.
    fn file(name: &str, shared: usize) -> String {
        let line = |index: usize| {
            let prefix = if index < shared { "common" } else { name };
            format!("fn {prefix}_{index}() {{}} // {name}\n")
        };
        (0..110).map(line).collect()
    }

    #[track_caller]
    fn check_shared(shared: usize, expected: usize) {
        let files = [("a/src/a.rs", file("a", shared)), ("b/src/b.rs", file("b", shared))];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        assert_eq!(check(&Tree::of(&files)).len(), expected);
    }

    #[test]
    fn files_that_are_mostly_alike_are_refused() {
        check_shared(80, 1);
        check_shared(110, 1);
    }

    #[test]
    fn files_that_share_some_lines_pass() {
        check_shared(60, 0);
    }
}
