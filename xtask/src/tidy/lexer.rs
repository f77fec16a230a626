//! Tells code, comments and literals of a Rust file apart, and splits code into tokens.

/// What a byte of a source file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Code,
    Comment,
    Literal,
}

/// An identifier, a keyword, a number or one character of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Offset of its first byte in the file.
    pub(super) at: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_char)
    }
}

/// One class for every byte of `text`.
pub(super) fn classify(text: &str) -> Vec<Class> {
    let mut classes = vec![Class::Code; text.len()];
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let previous = text[..at].chars().next_back();
        let (class, length) = match piece(&text[at..], previous) {
            Some(found) => found,
            None => (Class::Code, first.len_utf8()),
        };
        classes[at..at + length].fill(class);
        at += length;
    }
    classes
}

/// The comment or literal that `rest` begins with, if it begins with one.
fn piece(rest: &str, previous: Option<char>) -> Option<(Class, usize)> {
    if rest.starts_with("//") {
        return Some((Class::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Class::Comment, block_comment(rest)));
    }
    if rest.starts_with('\'') {
        return char_literal(rest).map(|length| (Class::Literal, length));
    }
    if previous.is_some_and(is_word_char) && !rest.starts_with('"') {
        return None;
    }
    string_literal(rest).map(|length| (Class::Literal, length))
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// A quote opens a character literal or a lifetime; only the literal is closed again.
fn char_literal(rest: &str) -> Option<usize> {
    let body = &rest[1..];
    if body.starts_with('\\') {
        return escaped_until(rest, 1, '\'');
    }
    let first = body.chars().next()?;
    let closing = 1 + first.len_utf8();
    rest[closing..].starts_with('\'').then_some(closing + 1)
}

fn string_literal(rest: &str) -> Option<usize> {
    let prefix = ["b'", "\"", "b\"", "c\"", "r", "br", "cr"]
        .into_iter()
        .filter(|prefix| rest.starts_with(prefix))
        .max_by_key(|prefix| prefix.len())?;
    match prefix {
        "b'" => char_literal(&rest[1..]).map(|length| length + 1),
        "r" | "br" | "cr" => raw_string(rest, prefix.len()),
        _ => Some(escaped_until(rest, prefix.len(), '"').unwrap_or(rest.len())),
    }
}

/// The end of a literal whose body begins at `from` and in which a backslash escapes.
fn escaped_until(rest: &str, from: usize, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, found) in rest[from..].char_indices() {
        match found {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if found == quote => return Some(from + at + 1),
            _ => {}
        }
    }
    None
}

fn raw_string(rest: &str, prefix: usize) -> Option<usize> {
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let body = prefix + hashes;
    if !rest[body..].starts_with('"') {
        return None;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = rest[body + 1..].find(&closing);
    Some(end.map_or(rest.len(), |end| body + 1 + end + closing.len()))
}

pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits `code`, in which comments and literals are blanked, into tokens.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = if is_word_char(first) {
            rest.find(|c| !is_word_char(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push(Token { text: &rest[..length], at });
        }
        at += length;
    }
    found
}

/// Whether the token at `index` is there and reads `text`.
pub(super) fn is_at(tokens: &[Token<'_>], index: usize, text: &str) -> bool {
    tokens.get(index).is_some_and(|token| token.text == text)
}

/// The index of the token that closes the bracket opened at index `open`, or the last index.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown: String = classify(text)
            .iter()
            .map(|class| match class {
                Class::Code => 'c',
                Class::Comment => '/',
                Class::Literal => '"',
            })
            .collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn comments_and_literals_are_told_from_code() {
        check("a // b", "cc////");
        check("a/* /* */ */b", "c///////////c");
        check(r#"f("a\"b")"#, r#"cc""""""c"#);
        check(r##"r#"a"b"#;"##, r#"""""""""c"#);
        check("r#type", "cccccc");
        check("br\"\\\";", "\"\"\"\"\"c");
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        check("&'a str", "ccccccc");
        check("'a'", "\"\"\"");
        check(r"'\''+b'x'", "\"\"\"\"c\"\"\"\"");
    }

    #[test]
    fn words_are_whole_and_punctuation_single() {
        let words: Vec<&str> = tokens("a_b::c(1)").iter().map(|token| token.text).collect();
        assert_eq!(words, ["a_b", ":", ":", "c", "(", "1", ")"]);
    }

    #[test]
    fn brackets_are_matched() {
        let tokens = tokens("f(a, (b), c) d");
        assert_eq!(closing(&tokens, 1), 9);
        assert_eq!(closing(&tokens, 4), 6);
    }
}
