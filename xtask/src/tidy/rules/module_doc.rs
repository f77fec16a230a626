//! Every file says first what it is for.

use super::super::finding::Finding;
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().filter(|source| !is_documented(source)).map(undocumented).collect()
}

fn is_documented(source: &Source) -> bool {
    let first = source.text.lines().find(|line| !line.trim().is_empty());
    let doc = first.and_then(|line| line.trim().strip_prefix("//!"));
    doc.is_some_and(|words| !words.trim().is_empty())
}

fn undocumented(source: &Source) -> Finding {
    let what = "no module documentation; begin the file with `//!` and what it is for";
    Finding::new(&source.path, 1, what)
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_file_without_documentation_is_refused() {
        check_lines(check, "a/src/a.rs", "use b;\n//! Late.\n", &[1]);
        check_lines(check, "a/src/a.rs", "//!\nuse b;\n", &[1]);
        check_lines(check, "a/src/a.rs", "", &[1]);
        check_lines(check, "a/src/a.rs", "\n//! One noun.\n", &[]);
    }
}
