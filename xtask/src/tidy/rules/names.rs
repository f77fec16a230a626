//! Names say what a thing is: no `Manager`, `Helper`, `Util`, no `Impl` at the end, no `get_`.
//!
//! Only names that are made here count; those of other libraries are used as they are.

use super::super::finding::Finding;
use super::super::lexer::{self, Token};
use super::super::source::Source;
use super::super::tree::Tree;

const EMPTY_WORDS: [&str; 6] = ["manager", "managers", "helper", "helpers", "util", "utils"];
const DEFINERS: [&str; 11] =
    ["fn", "struct", "enum", "union", "trait", "type", "mod", "const", "static", "let", "mut"];
/// Names in the manner of the standard library.
const ALLOWED: [&str; 2] = ["get_mut", "get_or_"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let mut findings = Vec::new();
    for index in defined(&tokens) {
        let token = tokens[index];
        if let Some(why) = fault(token.text) {
            let what = format!("'{}' {why}", token.text);
            findings.push(Finding::new(&source.path, source.line_at(token.at), what));
        }
    }
    findings
}

/// The indices of the names that items, bindings, fields, parameters and variants introduce.
fn defined(tokens: &[Token<'_>]) -> Vec<usize> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text);
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_word()) {
        let before = text(index.wrapping_sub(1));
        let typed = text(index + 1) == ":" && text(index + 2) != ":" && before != ":";
        if DEFINERS.contains(&before) || before == "as" || typed {
            found.push(index);
        }
        if token.text == "enum" {
            found.extend(variants(tokens, index));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn variants(tokens: &[Token<'_>], start: usize) -> Vec<usize> {
    let Some(open) = (start..tokens.len()).find(|index| tokens[*index].text == "{") else {
        return Vec::new();
    };
    let end = lexer::closing(tokens, open);
    let mut found = Vec::new();
    let mut index = open + 1;
    while index < end {
        let token = tokens[index];
        let opens = matches!(token.text, "(" | "[" | "{");
        if token.is_word() && matches!(tokens[index - 1].text, "{" | "," | "]") {
            found.push(index);
        }
        index = if opens { lexer::closing(tokens, index) } else { index + 1 };
    }
    found
}

/// What is wrong with a name, if anything is.
fn fault(name: &str) -> Option<&'static str> {
    let words = words(name);
    if words.iter().any(|word| EMPTY_WORDS.contains(&word.as_str())) {
        return Some("holds a word that names nothing; say what the thing is or does");
    }
    if words.len() > 1 && words.last().is_some_and(|word| word == "impl") {
        return Some("ends in Impl; name it by how it differs from its trait");
    }
    if name.starts_with("get_") && !ALLOWED.iter().any(|allowed| name.starts_with(allowed)) {
        return Some("begins with get_; name what is returned");
    }
    None
}

/// The words of a name in snake case or camel case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut starts = true;
    let mut after_lower = false;
    for letter in name.chars() {
        starts |= letter.is_uppercase() && after_lower;
        after_lower = letter.is_lowercase() || letter.is_numeric();
        if letter == '_' {
            starts = true;
            continue;
        }
        if starts {
            found.push(String::new());
            starts = false;
        }
        if let Some(word) = found.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[track_caller]
    fn refused(text: &str) {
        check_lines(check, "a/src/a.rs", text, &[1]);
    }

    #[track_caller]
    fn passes(text: &str) {
        check_lines(check, "a/src/a.rs", text, &[]);
    }

    #[test]
    fn empty_names_are_refused_where_they_are_made() {
        refused("struct TaskManager;");
        refused("mod util;");
        refused("fn parse_helper() {}");
        refused("struct A { task_manager: u8 }");
        refused("enum A { B(u8), C { d: u8 }, UtilE }");
        refused("use a::b as helper;");
        refused("fn f() { let mut utils = 1; }");
    }

    #[test]
    fn an_impl_suffix_and_a_getter_are_refused() {
        refused("struct StoreImpl;");
        refused("fn get_store() {}");
    }

    #[test]
    fn names_of_others_comments_and_literals_pass() {
        passes("use rdkafka::util::Timeout; // TaskManager");
        passes("fn f() { a.get_ref(\"Helper\"); }");
        passes("fn get_mut() {} fn get_or_insert() {}");
        passes("struct Utility; fn implement() {}");
        passes("impl A for B {}");
    }
}
