//! What is here is finished: no marks of later work, no test that is switched off.

use super::super::finding::Finding;
use super::super::lexer::{self, Class};
use super::super::source::Source;
use super::super::tree::Tree;

const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const MACROS: [&str; 2] = ["todo", "unimplemented"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = marks(source);
    findings.extend(switches(source));
    findings.extend(fences(source));
    findings
}

fn marks(source: &Source) -> Vec<Finding> {
    let words = lexer::tokens(&source.text).into_iter();
    let marks = words
        .filter(|word| MARKS.contains(&word.text) && source.class_at(word.at) != Class::Literal);
    let finding = |word: lexer::Token<'_>| {
        let what = format!("`{}` left behind; do it, or open an issue", word.text);
        Finding::new(&source.path, source.line_at(word.at), what)
    };
    marks.map(finding).collect()
}

fn switches(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tokens = source.tokens();
    for pair in tokens.windows(2) {
        let (first, second) = (pair[0].text, pair[1].text);
        let what = match (first, second) {
            (name, "!") if MACROS.contains(&name) => "code is missing; write it",
            ("[", "ignore") => "a test is switched off; mend it or delete it",
            (_, "should_panic") => "`should_panic` takes any panic; compare the error instead",
            _ => continue,
        };
        findings.push(Finding::new(&source.path, source.line_at(pair[0].at), what));
    }
    findings
}

/// Examples in the documentation that are not run.
fn fences(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in source.lines() {
        let text = line.text.trim_start();
        let doc = text.strip_prefix("///").or_else(|| text.strip_prefix("//!"));
        let fence = doc.and_then(|doc| doc.trim_start().strip_prefix("```"));
        let words = fence.into_iter().flat_map(|fence| fence.split([',', ' ']));
        if words.into_iter().any(|word| matches!(word, "ignore" | "should_panic")) {
            let what = "an example that is not run; make it run, or mark it `text`";
            findings.push(Finding::new(&source.path, line.number, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{MARKS, check};

    #[track_caller]
    fn refused(text: &str) {
        check_lines(check, "a/src/a.rs", text, &[1]);
    }

    #[test]
    fn marks_are_refused_in_comments() {
        for mark in MARKS {
            refused(&format!("// {mark}: later\n"));
            refused(&format!("/* {mark} */ fn f() {{}}\n"));
        }
    }

    #[test]
    fn missing_code_and_switched_off_tests_are_refused() {
        refused("fn f() { todo!() }");
        refused("fn f() { unimplemented!(\"x\") }");
        refused("#[ignore = \"slow\"] fn f() {}");
        refused("#[should_panic] fn f() {}");
        refused("/// ```ignore\n/// ```\n");
    }

    #[test]
    fn words_that_only_look_alike_pass() {
        let text = "/// ```no_run\n// todo list, TODOS\nfn f(ignore: u8) { g(\"XXX\"); }\n";
        check_lines(check, "a/src/a.rs", text, &[]);
    }
}
