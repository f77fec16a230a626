//! A file holds one noun: at most 500 code lines, tests beside the code not counted.

use super::super::finding::Finding;
use super::super::tree::Tree;

const LINES_MAX: usize = 500;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        let lines = source.code_lines().count();
        if lines > LINES_MAX {
            let what = format!("{lines} code lines, over {LINES_MAX}; split the file by its nouns");
            findings.push(Finding::new(&source.path, 1, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{LINES_MAX, check};

    #[test]
    fn a_long_file_is_refused() {
        let text = "const A: u8 = 1;\n".repeat(LINES_MAX + 1);
        check_lines(check, "a/src/a.rs", &text, &[1]);
        check_lines(check, "a/src/codes_generated.rs", &text, &[1]);
    }

    #[test]
    fn comments_blanks_and_inline_tests_are_free() {
        let mut text = "const A: u8 = 1;\n\n// why\n".repeat(LINES_MAX);
        text.push_str("#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n");
        check_lines(check, "a/src/a.rs", &text, &[]);
    }
}
