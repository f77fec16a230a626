//! A lint is switched off only with a reason that a reader can weigh.

use super::super::finding::Finding;
use super::super::lexer::{self, Token, is_at};
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let bracket = index + if is_at(&tokens, index + 1, "!") { 2 } else { 1 };
        if token.text != "#" || !is_at(&tokens, bracket, "[") {
            continue;
        }
        let end = lexer::closing(&tokens, bracket);
        for at in bracket..end {
            let switch =
                matches!(tokens[at].text, "allow" | "expect") && is_at(&tokens, at + 1, "(");
            let last = lexer::closing(&tokens, at + 1);
            if switch && !(at..last).any(|word| gives_reason(source, &tokens, word)) {
                let what = format!(
                    "`{}` without a reason; mend the cause or write `#[expect(.., reason = \"..\")]`",
                    tokens[at].text
                );
                findings.push(Finding::new(&source.path, source.line_at(tokens[at].at), what));
            }
        }
    }
    findings
}

/// `reason = "..."` with something between the quotes.
fn gives_reason(source: &Source, tokens: &[Token<'_>], at: usize) -> bool {
    let Some(sign) = tokens.get(at + 1) else { return false };
    let given = source.text[sign.at + 1..].trim_start().strip_prefix('"');
    let given = given.is_some_and(|text| !text.trim_start().starts_with('"'));
    tokens[at].text == "reason" && sign.text == "=" && given
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_switch_without_reason_is_refused() {
        check_lines(check, "a/src/a.rs", "#[allow(dead_code)]\nfn f() {}\n", &[1]);
        check_lines(check, "a/src/a.rs", "\n#![allow(missing_docs)]\n", &[2]);
        check_lines(check, "a/src/a.rs", "#[expect(dead_code, reason = \"\")]\n", &[1]);
        check_lines(check, "a/src/a.rs", "#[allow(clippy::reason)]\n", &[1]);
        check_lines(check, "a/src/a.rs", "#[cfg_attr(test, expect(dead_code))]\n", &[1]);
    }

    #[test]
    fn a_switch_with_reason_and_a_method_pass() {
        let text = "#[expect(dead_code, reason = \"why\")]\nfn f() { g().expect(\"x\"); }\n";
        check_lines(check, "a/src/a.rs", text, &[]);
    }
}
