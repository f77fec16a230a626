//! `cargo run --release -p xtask -- tidy`: runs the checks of the workspace by hand.

#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use xtask::tidy;

const USAGE: &str = "usage: xtask tidy [FOLDER]\n
  tidy    checks the sources under FOLDER (default: this workspace) and lists every finding";

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => run_tidy(&tidy::workspace_root()),
        ["tidy", folder] => run_tidy(Path::new(folder)),
        _ => {
            writeln!(io::stderr().lock(), "{USAGE}")?;
            Ok(ExitCode::from(2))
        }
    }
}

fn run_tidy(root: &Path) -> io::Result<ExitCode> {
    let tree = tidy::Tree::read(root)?;
    let findings = tidy::check(&tree);
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "tidy: {} Rust files, {} findings", tree.sources.len(), findings.len())?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
