//! A test waits for an event with a deadline, never for time to pass.

use super::super::finding::Finding;
use super::super::lexer::{Token, is_at};
use super::super::source::Source;
use super::super::tree::Tree;

/// Each can let time pass. A channel's `recv_timeout` waits for an event, so its result is used.
const SLEEPS: [&str; 3] = ["sleep", "park_timeout", "sleep_until"];
/// The one place that looks again after a while, until a deadline.
const LOOKS_AGAIN: &str = "streams-kafka/tests/kafka/support/wait.rs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    if source.path == LOOKS_AGAIN {
        return Vec::new();
    }
    let tokens = source.tokens();
    let sleeps = |at: usize| {
        SLEEPS.contains(&tokens[at].text) && is_at(&tokens, at + 1, "(")
            || tokens[at].text == "recv_timeout" && is_ignored(&tokens, at)
    };
    let in_tests = (0..tokens.len()).filter(|at| sleeps(*at) && source.is_test_at(tokens[*at].at));
    let what = "a test sleeps; advance its clock or wait for the event with a deadline";
    in_tests.map(|at| Finding::new(&source.path, source.line_at(tokens[at].at), what)).collect()
}

/// Whether what a call gives back goes to `_` or `drop`.
fn is_ignored(tokens: &[Token<'_>], at: usize) -> bool {
    let start = tokens[..at].iter().rposition(|token| matches!(token.text, ";" | "{" | "}"));
    let statement = &tokens[start.map_or(0, |start| start + 1)..at];
    let first: Vec<&str> = statement.iter().take(3).map(|token| token.text).collect();
    matches!(first.as_slice(), ["let", "_", "="] | ["drop", "(", ..] | ["_", "=", ..])
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_sleeping_test_is_refused() {
        check_lines(check, "tests/a.rs", "\nfn f() { thread::sleep(SECOND); }\n", &[2]);
        check_lines(check, "tests/a.rs", "fn f() { thread::park_timeout(SECOND); }\n", &[1]);
        check_lines(check, "tests/a.rs", "fn f() { let _ = a.recv_timeout(SECOND); }\n", &[1]);
        check_lines(check, "tests/a.rs", "fn f() { a.recv_timeout(SECOND).unwrap(); }\n", &[]);
        let inline =
            "fn g() { sleep(1); }\n#[cfg(test)]\nmod tests {\n    fn f() { sleep(1); }\n}\n";
        check_lines(check, "a/src/a.rs", inline, &[4]);
    }
}
