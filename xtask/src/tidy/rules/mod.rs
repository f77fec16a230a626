//! The rules, one file each; every file holds an example that its rule refuses.

mod ascii;
mod clients;
mod comment_wrap;
mod conformance;
mod core_crates;
mod core_io;
mod differences;
mod direction;
mod erasure;
mod errors_paragraph;
mod file_size;
mod function_size;
mod line_length;
mod lint_reason;
mod local_words;
mod lockfile;
mod module_doc;
mod named_tests;
mod names;
mod paths;
mod script_options;
mod similar;
mod sleep;
mod unfinished;
mod unread_setting;
mod unsafe_code;
mod unused_crate;

use super::finding::Finding;
use super::tree::Tree;

pub(super) type Rule = fn(&Tree) -> Vec<Finding>;

pub(super) const ALL: &[Rule] = &[
    ascii::check,
    clients::check,
    comment_wrap::check,
    conformance::check,
    core_crates::check,
    core_io::check,
    differences::check,
    direction::check,
    erasure::check,
    errors_paragraph::check,
    file_size::check,
    function_size::check,
    line_length::check,
    lint_reason::check,
    local_words::check,
    lockfile::check,
    module_doc::check,
    named_tests::check,
    names::check,
    paths::check,
    script_options::check,
    similar::check,
    sleep::check,
    unfinished::check,
    unread_setting::check,
    unsafe_code::check,
    unused_crate::check,
];

/// Asserts that `rule` finds exactly the lines `expected` in one file.
#[cfg(test)]
#[track_caller]
fn check_lines(rule: Rule, path: &str, text: &str, expected: &[usize]) {
    let lines: Vec<usize> =
        rule(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect();
    assert_eq!(lines, expected, "{path}:\n{text}");
}
