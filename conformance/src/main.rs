//! `conformance < cases.jsonl > results.jsonl`: runs one case a line.

use std::io::Write;

fn main() -> std::io::Result<()> {
    // A panic of a case is its result; its text would only disturb.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    let cases = std::io::read_to_string(std::io::stdin())?;
    for case in cases.lines().filter(|case| !case.trim().is_empty()) {
        writeln!(out, "{}", conformance::run_case(case, |driver| driver))?;
    }
    Ok(())
}
