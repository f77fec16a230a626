//! `conformance < cases.jsonl > results.jsonl`: runs one case a line.

use std::io::Write;

fn main() -> std::io::Result<()> {
    // A panic of a case is its result; its text would only disturb.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    let is_empty = |line: &String| line.trim().is_empty();
    for case in std::io::stdin().lines().filter(|line| !line.as_ref().is_ok_and(is_empty)) {
        writeln!(out, "{}", conformance::run_case(&case?, |driver| driver))?;
    }
    Ok(())
}
