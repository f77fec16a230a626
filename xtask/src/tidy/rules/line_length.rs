//! Code ends at column 100 and comments at 120; literals, links and tables may be longer.

use super::super::finding::Finding;
use super::super::lexer::Class;
use super::super::source::{Line, Source};
use super::super::tree::Tree;

const CODE_COLUMNS_MAX: usize = 100;
const COMMENT_COLUMNS_MAX: usize = 120;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        for line in source.lines() {
            let columns_max =
                if source.holds_code(&line) { CODE_COLUMNS_MAX } else { COMMENT_COLUMNS_MAX };
            if line.text.chars().count() > columns_max && is_breakable(source, &line) {
                let what = format!(
                    "line over {columns_max} columns; format the file, then break by hand what is left"
                );
                findings.push(Finding::new(&source.path, line.number, what));
            }
        }
    }
    findings
}

/// A link, a row of a table and a literal have no place to break at.
fn is_breakable(source: &Source, line: &Line<'_>) -> bool {
    let is_table = line.text.trim_start().trim_start_matches(['/', '!', ' ']).starts_with('|');
    let holds_literal =
        (line.at..line.at + line.text.len()).any(|at| source.class_at(at) == Class::Literal);
    !line.text.contains("://") && !is_table && !holds_literal
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_long_line_is_refused() {
        check_lines(check, "a/src/a.rs", &format!("\n// {}\n", "word ".repeat(24)), &[2]);
        check_lines(check, "a/src/a.rs", &format!("// {}\n", "word ".repeat(20)), &[]);
        check_lines(check, "a/src/a.rs", &format!("fn {}() {{}}\n", "a".repeat(100)), &[1]);
    }

    #[test]
    fn literals_links_and_tables_may_be_long() {
        let long = "word ".repeat(30);
        check_lines(check, "a/src/a.rs", &format!("f(\"{long}\");\n"), &[]);
        check_lines(check, "a/src/a.rs", &format!("// https://x/{long}\n"), &[]);
        check_lines(check, "a/src/a.rs", &format!("/// | {long} |\n"), &[]);
    }
}
