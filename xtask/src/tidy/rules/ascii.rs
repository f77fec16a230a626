//! Sources are ASCII, save in literals and tests: what looks alike must be alike.

use super::super::finding::Finding;
use super::super::lexer::Class;
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let refused = |(at, found): &(usize, char)| {
        !found.is_ascii() && source.class_at(*at) != Class::Literal && !source.is_test_at(*at)
    };
    let finding = |(at, found): (usize, char)| {
        let what = format!("'{found}' is not ASCII; write it in words or in ASCII signs");
        Finding::new(&source.path, source.line_at(at), what)
    };
    source.text.char_indices().filter(refused).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_comment_outside_ascii_is_refused() {
        check_lines(check, "a/src/a.rs", "// a \u{2192} b\nfn f() {}\n", &[1]);
    }

    #[test]
    fn literals_and_tests_may_hold_anything() {
        check_lines(check, "a/src/a.rs", "const A: &str = \"\u{e9}\";\n", &[]);
        check_lines(check, "a/tests/a.rs", "// \u{e9}\n", &[]);
    }
}
