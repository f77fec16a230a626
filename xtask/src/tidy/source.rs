//! One Rust file, with its comments, literals and test code marked.

use std::ops::Range;

use super::lexer::{self, Class, Token, is_at};

/// A Rust source file as the rules see it.
#[derive(Debug)]
pub struct Source {
    /// Path relative to the root of the workspace, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text with comments and literals blanked; offsets are those of `text`.
    pub code: String,
    classes: Vec<Class>,
    inline_tests: Vec<Range<usize>>,
}

/// One line of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// Offset of its first byte.
    pub(super) at: usize,
    pub(super) text: &'a str,
}

impl Source {
    /// Reads `text` as the file at `path`.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        let classes = lexer::classify(text);
        let code = blanked(text, &classes);
        let inline_tests = inline_tests(&lexer::tokens(&code));
        Self { path: path.to_owned(), text: text.to_owned(), code, classes, inline_tests }
    }

    pub(super) fn tokens(&self) -> Vec<Token<'_>> {
        lexer::tokens(&self.code)
    }

    pub(super) fn class_at(&self, offset: usize) -> Class {
        self.classes.get(offset).copied().unwrap_or(Class::Code)
    }

    /// The number of the line that holds `offset`.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut at = 0;
        self.text.split('\n').enumerate().map(move |(index, text)| {
            let line = Line { number: index + 1, at, text };
            at += text.len() + 1;
            line
        })
    }

    /// The lines that hold code or literals, without inline test modules.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines().filter(|line| self.holds_code(line) && !self.in_inline_test(line.at))
    }

    /// Whether something other than blanks and comments is on the line.
    pub(super) fn holds_code(&self, line: &Line<'_>) -> bool {
        line.text.char_indices().any(|(column, found)| {
            !found.is_whitespace() && self.class_at(line.at + column) != Class::Comment
        })
    }

    /// Whether the code at `offset` is compiled for tests alone.
    pub(super) fn is_test_at(&self, offset: usize) -> bool {
        self.is_test_file() || self.in_inline_test(offset)
    }

    fn in_inline_test(&self, offset: usize) -> bool {
        self.inline_tests.iter().any(|span| span.contains(&offset))
    }

    fn is_test_file(&self) -> bool {
        let stem = self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        stem == "tests"
            || stem.ends_with("_tests")
            || self.path.split('/').any(|part| part == "tests")
    }

    /// The first folder of the path: the crate's own, or `.` for the package at the root.
    pub(super) fn crate_folder(&self) -> &str {
        match self.path.split_once('/') {
            Some(("src" | "tests" | "examples" | "benches", _)) | None => ".",
            Some((folder, _)) => folder,
        }
    }
}

fn blanked(text: &str, classes: &[Class]) -> String {
    let mut code = String::with_capacity(text.len());
    for (at, found) in text.char_indices() {
        if found == '\n' || classes[at] == Class::Code {
            code.push(found);
        } else {
            code.extend(std::iter::repeat_n(' ', found.len_utf8()));
        }
    }
    code
}

/// The spans of `#[cfg(test)] mod name { ... }`, attributes included.
fn inline_tests(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        match inline_test(tokens, index) {
            Some(last) => {
                spans.push(tokens[index].at..tokens[last].at + 1);
                index = last + 1;
            }
            None => index += 1,
        }
    }
    spans
}

/// The index of the brace that ends the test module whose attributes begin at `start`.
fn inline_test(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    let mut index = start;
    let mut for_tests = false;
    while is_at(tokens, index, "#") && is_at(tokens, index + 1, "[") {
        let end = lexer::closing(tokens, index + 1);
        let words: Vec<&str> = tokens[index + 2..end].iter().map(|token| token.text).collect();
        for_tests |=
            words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
        index = end + 1;
    }
    if !for_tests {
        return None;
    }
    while ["pub", "(", "crate", "super", ")"].iter().any(|word| is_at(tokens, index, word)) {
        index += 1;
    }
    (is_at(tokens, index, "mod") && is_at(tokens, index + 2, "{"))
        .then(|| lexer::closing(tokens, index + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! Doc.\n\nfn a() {\n    // why\n    b(\"x\");\n}\n\n\
        #[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n    fn c() {}\n}\n";

    #[test]
    fn code_lines_leave_out_comments_and_inline_tests() {
        let source = Source::new("a/src/lib.rs", TEXT);
        let numbers: Vec<usize> = source.code_lines().map(|line| line.number).collect();
        assert_eq!(numbers, [3, 5, 6]);
    }

    #[test]
    fn test_code_is_known_by_attribute_and_by_path() {
        let source = Source::new("a/src/lib.rs", TEXT);
        assert!(!source.is_test_at(0));
        assert!(source.is_test_at(TEXT.find("fn c").unwrap()));
        assert!(Source::new("a/tests/it.rs", "").is_test_at(0));
        assert!(Source::new("a/src/store/tests.rs", "").is_test_at(0));
        assert!(!Source::new("streams-test/src/lib.rs", "").is_test_at(0));
    }

    #[test]
    fn code_that_excludes_tests_is_not_test_code() {
        let source = Source::new("a/src/lib.rs", "#[cfg(not(test))]\nmod real {\n}\n");
        assert!(!source.is_test_at(20));
    }

    #[test]
    fn the_crate_of_a_path_is_its_first_folder() {
        assert_eq!(Source::new("streams-core/src/a.rs", "").crate_folder(), "streams-core");
        assert_eq!(Source::new("tests/a.rs", "").crate_folder(), ".");
    }
}
