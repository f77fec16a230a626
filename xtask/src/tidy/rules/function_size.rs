//! A function fits on a screen: at most 70 code lines in its body.

use super::super::finding::Finding;
use super::super::lexer::{self, Token};
use super::super::source::Source;
use super::super::tree::Tree;

const LINES_MAX: usize = 70;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        if pair[0].text != "fn" || !pair[1].is_word() {
            continue;
        }
        let Some(open) = body(&tokens, index) else { continue };
        let close = lexer::closing(&tokens, open);
        let (first, last) = (source.line_at(tokens[open].at), source.line_at(tokens[close].at));
        let inside = |number: usize| number > first && number < last;
        let lines =
            source.lines().filter(|line| inside(line.number) && source.holds_code(line)).count();
        if lines > LINES_MAX {
            let what = format!(
                "function '{}' has {lines} code lines, over {LINES_MAX}; give its parts names",
                pair[1].text
            );
            findings.push(Finding::new(&source.path, source.line_at(pair[0].at), what));
        }
    }
    findings
}

/// The index of the brace that opens the body of the function at `start`, if it has one.
fn body(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    let mut index = start;
    while let Some(token) = tokens.get(index) {
        match token.text {
            "{" => return Some(index),
            ";" => return None,
            "(" | "[" => index = lexer::closing(tokens, index),
            _ => {}
        }
        index += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{LINES_MAX, check};

    fn function(lines: usize) -> String {
        format!("fn g(a: [u8; 2]);\nfn f() {{\n{}}}\n", "    g();\n    // why\n".repeat(lines))
    }

    #[test]
    fn a_long_function_is_refused() {
        check_lines(check, "a/src/a.rs", &function(LINES_MAX + 1), &[2]);
        check_lines(check, "a/src/a.rs", &function(LINES_MAX), &[]);
    }
}
