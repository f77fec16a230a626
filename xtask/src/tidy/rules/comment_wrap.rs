//! The lines of a comment are filled: none is broken long before its end.

use super::super::finding::Finding;
use super::super::source::{Line, Source};
use super::super::tree::Tree;

const COLUMNS: usize = 100;
/// Columns that may stay free beside the next line's first word.
const SPARE: usize = 25;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_fenced = false;
    let lines: Vec<Line<'_>> = source.lines().collect();
    for pair in lines.windows(2) {
        let Some((head, text)) = comment(source, &pair[0]) else {
            is_fenced = false;
            continue;
        };
        if text.starts_with("```") {
            is_fenced = !is_fenced;
        }
        let next = comment(source, &pair[1]).filter(|(next_head, _)| *next_head == head);
        let Some((_, next)) = next else { continue };
        let (Some(this), Some(next)) = (prose(text), prose(next)) else { continue };
        let first = next.words.split(' ').next().unwrap_or_default().chars().count();
        let columns = pair[0].text.chars().count() + 1 + first;
        let goes_on = this.indent == next.indent && !next.begins_item;
        if !is_fenced && goes_on && columns + SPARE <= COLUMNS {
            let what = "the comment breaks early; fill its lines to column 100";
            findings.push(Finding::new(&source.path, pair[0].number, what));
        }
    }
    findings
}

/// Where a line is a comment alone: what it begins with, and its text.
fn comment<'a>(source: &Source, line: &Line<'a>) -> Option<(&'a str, &'a str)> {
    if source.holds_code(line) {
        return None;
    }
    let indent = line.text.len() - line.text.trim_start().len();
    let signs = ["///", "//!", "//"];
    let sign = signs.into_iter().find(|sign| line.text[indent..].starts_with(sign))?;
    let (head, text) = line.text.split_at(indent + sign.len());
    Some((head, text.strip_prefix(' ').unwrap_or(text)))
}

/// A line of a paragraph, or of an item of a list.
struct Prose<'a> {
    /// Columns before its words, an item's sign among them.
    indent: usize,
    begins_item: bool,
    words: &'a str,
}

/// None for a heading, a row of a table, a link's target, a fence, nothing, and code by indentation.
fn prose(text: &str) -> Option<Prose<'_>> {
    let words = text.trim_start();
    let indent = text.len() - words.len();
    let number = words.find(". ").filter(|end| words[..*end].parse::<u32>().is_ok());
    let sign = match number {
        Some(end) => end + 2,
        None if words.starts_with("- ") || words.starts_with("* ") => 2,
        None => 0,
    };
    let words = &words[sign..];
    let is_prose = !words.is_empty() && !words.starts_with(['#', '|', '[', '>']);
    let is_prose = is_prose && !words.starts_with("```") && indent < 4;
    is_prose.then_some(Prose { indent: indent + sign, begins_item: sign > 0, words })
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_line_broken_early_is_refused() {
        check_lines(check, "a/src/a.rs", "\n/// A word\n/// and another.\nfn f() {}\n", &[2]);
        check_lines(check, "a/src/a.rs", "//! - A word\n//!   and another.\n", &[1]);
        let full = "word ".repeat(16);
        check_lines(check, "a/src/a.rs", &format!("// {full}\n// and more\n"), &[]);
    }

    #[test]
    fn paragraphs_lists_and_examples_are_left_alone() {
        let text = "/// A word\n///\n/// - one\n/// - two\n///\n/// ```\n/// f(1)\n/// g(2)\n/// ```\n\
            fn f() {} // why\n// a word\n\n// another\n";
        check_lines(check, "a/src/a.rs", text, &[]);
    }
}
