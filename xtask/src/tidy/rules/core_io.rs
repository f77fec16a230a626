//! The core does no I/O, and what it does has one order: no hash table is iterated in it.

use std::collections::BTreeSet;

use super::super::finding::Finding;
use super::super::lexer::{Token, closing, is_at};
use super::super::source::Source;
use super::super::tree::Tree;

const CORE: &str = "streams-core/src/";
const OUTSIDE: [&str; 5] = ["env", "fs", "net", "process", "thread"];
const TABLES: [&str; 2] = ["HashMap", "HashSet"];
const WALKS: [&str; 10] = [
    "drain",
    "extract_if",
    "into_iter",
    "into_keys",
    "into_values",
    "iter",
    "iter_mut",
    "keys",
    "values",
    "values_mut",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let core = tree.sources.iter().filter(|source| source.path.starts_with(CORE));
    core.flat_map(|source| {
        let all = source.tokens();
        let tokens: Vec<_> = all.into_iter().filter(|t| !source.is_test_at(t.at)).collect();
        [outside(source, &tokens), walks(source, &tokens)].concat()
    })
    .collect()
}

/// Names of the standard library's modules that reach out of the process.
fn outside(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in 0..tokens.len() {
        let is_std = tokens[at].text == "std" && is_at(tokens, at + 1, ":");
        if !is_std || !is_at(tokens, at + 2, ":") {
            continue;
        }
        let end = if is_at(tokens, at + 3, "{") { closing(tokens, at + 3) } else { at + 4 };
        let first = |index: usize| {
            ["{", ",", ":"].iter().any(|before| tokens[index - 1].text == *before)
                && (index == at + 3 || !is_at(tokens, index - 1, ":"))
        };
        let named = (at + 3..end.min(tokens.len()))
            .filter(|index| OUTSIDE.contains(&tokens[*index].text) && first(*index));
        findings.extend(named.map(|index| {
            let name = tokens[index].text;
            let what = format!("the core names std::{name}; take what it gives as an argument");
            Finding::new(&source.path, source.line_at(tokens[index].at), what)
        }));
    }
    findings
}

/// Iteration over what is declared as a hash table in this file.
fn walks(source: &Source, tokens: &[Token<'_>]) -> Vec<Finding> {
    let names = declared(tokens);
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| names.contains(token.text)) {
        let is_called = is_at(tokens, at + 1, ".")
            && tokens.get(at + 2).is_some_and(|method| WALKS.contains(&method.text));
        let is_looped = is_at(tokens, at + 1, "{")
            && (1..=5).any(|back| at >= back && tokens[at - back].text == "in");
        if is_called || is_looped {
            let what = format!(
                "'{}' is a hash table, whose order differs from run to run; use a BTreeMap",
                token.text
            );
            findings.push(Finding::new(&source.path, source.line_at(token.at), what));
        }
    }
    findings
}

/// The names before `: HashMap<`, `: &mut HashMap<` and `= HashMap::`.
fn declared<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let tables = tokens.iter().enumerate().filter(|(_, token)| TABLES.contains(&token.text));
    let name = |(at, _): (usize, &Token<'a>)| {
        let before = tokens[..at].iter().rev();
        let mut before = before.skip_while(|token| matches!(token.text, "&" | "mut"));
        let sign = before.next()?;
        let name = before.next()?;
        (matches!(sign.text, ":" | "=") && name.is_word()).then_some(name.text)
    };
    tables.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[track_caller]
    fn check_core(text: &str, expected: &[usize]) {
        check_lines(check, "streams-core/src/a.rs", text, expected);
    }

    #[test]
    fn the_core_reaches_nothing_outside() {
        check_core("use std::fs::File;\n", &[1]);
        check_core("use std::{fmt,\n    thread};\n", &[2]);
        check_core("fn f() {\n    std::env::var(\"X\");\n}\n", &[2]);
        check_core("use std::fmt;\nuse std::{io::process, rc};\n", &[]);
        check_core("#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n", &[]);
        check_lines(check, "streams-state/src/a.rs", "use std::fs;\n", &[]);
    }

    #[test]
    fn a_hash_table_is_looked_up_only() {
        let declared = "struct A {\n    known: HashMap<u8, u8>,\n}\n";
        check_core(&format!("{declared}fn f(a: &A) {{ a.known.keys(); }}\n"), &[4]);
        check_core(&format!("{declared}fn f(a: &A) {{ for k in &a.known {{}} }}\n"), &[4]);
        check_core(&format!("{declared}fn f(a: &A) {{ a.known.get(&1); }}\n"), &[]);
        check_core("fn f() {\n    let seen = HashSet::new();\n    seen.iter();\n}\n", &[3]);
    }
}
