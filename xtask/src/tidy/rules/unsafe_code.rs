//! `unsafe` stands in one small module, which is read line by line.

use super::super::finding::Finding;
use super::super::tree::Tree;

const PLACE: &str = "streams-kafka/src/ffi/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.path.starts_with(PLACE)) {
        for token in source.tokens().iter().filter(|token| token.text == "unsafe") {
            let what = format!("`unsafe` outside {PLACE}*; wrap the call there");
            findings.push(Finding::new(&source.path, source.line_at(token.at), what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn unsafe_code_elsewhere_is_refused() {
        check_lines(check, "streams-kafka/src/batch.rs", "\nfn f() { unsafe { g() } }\n", &[2]);
        check_lines(check, "streams-kafka/src/ffi/queue.rs", "fn f() { unsafe { g() } }\n", &[]);
        check_lines(check, "streams-kafka/src/ffi_more.rs", "unsafe fn f() {}\n", &[1]);
        check_lines(check, "a/src/a.rs", "#![forbid(unsafe_code)] // no unsafe\n", &[]);
    }
}
