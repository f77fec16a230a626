//! A setting that is parsed is used: each field that the configuration reads is named by other code.
//!
//! A field of another type may bear the same name, so that the rule finds most, not all.

use super::super::finding::Finding;
use super::super::lexer::is_at;
use super::super::source::Source;
use super::super::tree::Tree;

const CONFIG: &str = "streams-core/src/config/";
/// What fills the fields from settings.
const READER: &str = "Reader";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let reads = |source: &&Source| {
        source.path.starts_with(CONFIG) && source.tokens().iter().any(|token| token.text == READER)
    };
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(reads) {
        for (name, line) in fields(source) {
            let others = tree.sources.iter().filter(|other| other.path != source.path);
            if !others.into_iter().any(|other| names(other, name)) {
                let what = format!(
                    "the setting '{name}' is read by nobody; use it, or refuse its key or list it without meaning"
                );
                findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    findings
}

/// Public fields with their lines.
fn fields(source: &Source) -> Vec<(&str, usize)> {
    let tokens = source.tokens();
    let field = |at: usize| {
        let is_field = tokens[at].text == "pub"
            && tokens.get(at + 1).is_some_and(|name| name.is_word())
            && is_at(&tokens, at + 2, ":")
            && !is_at(&tokens, at + 3, ":");
        is_field.then(|| (tokens[at + 1].text, source.line_at(tokens[at + 1].at)))
    };
    (0..tokens.len()).filter_map(field).collect()
}

/// Whether code other than tests says `.name`.
fn names(source: &Source, name: &str) -> bool {
    if !source.code.contains(&format!(".{name}")) {
        return false;
    }
    let tokens = source.tokens();
    (1..tokens.len()).any(|at| {
        tokens[at].text == name && tokens[at - 1].text == "." && !source.is_test_at(tokens[at].at)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    const SETTINGS: &str = "pub struct A {\n    pub used: u32,\n    pub idle: u32,\n}\n\
        impl A {\n    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {}\n}\n";

    #[track_caller]
    fn check_use(path: &str, text: &str, expected: &[usize]) {
        let files = [("streams-core/src/config/a.rs", SETTINGS), (path, text)];
        let lines: Vec<usize> =
            check(&Tree::of(&files)).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{path}");
    }

    #[test]
    fn a_setting_that_nobody_reads_is_refused() {
        let both = "fn f(a: &A) { g(a.used, a.idle) }\n";
        check_use("streams-kafka/src/a.rs", both, &[]);
        check_use("streams-kafka/src/a.rs", "fn f(a: &A) { g(a.used, idle) }\n", &[3]);
        check_use("streams-kafka/tests/a.rs", both, &[2, 3]);
        check_use("streams-kafka/src/a.rs", "", &[2, 3]);
    }
}
