//! Java's `.properties` syntax.

use std::iter::Peekable;
use std::str::Chars;

/// Text of a `.properties` file, read by the caller.
#[derive(Clone)]
pub struct PropertiesText {
    /// Name of the file, for messages.
    pub origin: String,
    /// Its text, of at most 1 MiB.
    pub text: String,
}

impl std::fmt::Debug for PropertiesText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text can hold secrets.
        f.debug_struct("PropertiesText").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxFault {
    /// `\u` is not followed by four hexadecimal digits.
    #[error("'\\u' must be followed by four hexadecimal digits; write a backslash as '\\\\'")]
    UnicodeEscape,
    /// Half of a surrogate pair.
    #[error("'\\u' escapes of a character above U+FFFF must come in pairs")]
    Surrogate,
    /// The text is longer than 1 MiB.
    #[error("the text is longer than 1 MiB")]
    TooLong,
}

const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// One entry, with the line on which it begins.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) line: u32,
}

/// A fault with the line of the entry in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: u32,
    pub(crate) fault: SyntaxFault,
}

/// All entries in order, or a fault in place of an entry.
pub(crate) fn parse(text: &str) -> Vec<Result<Property, SyntaxError>> {
    if text.len() > TEXT_BYTES_MAX {
        return vec![Err(SyntaxError { line: 1, fault: SyntaxFault::TooLong })];
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    logical_lines(text)
        .into_iter()
        .map(|(line, content)| entry(&content, line).map_err(|fault| SyntaxError { line, fault }))
        .collect()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines with their continuations joined; comments and blank lines are left out.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = unified.split('\n').zip(1_u32..);
    let mut logical = Vec::new();
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut joined = line.to_owned();
        while is_continued(&joined) {
            joined.pop();
            let Some((next, _)) = lines.next() else { break };
            joined.push_str(next.trim_start_matches(is_blank));
        }
        logical.push((number, joined));
    }
    logical
}

fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn entry(line: &str, number: u32) -> Result<Property, SyntaxFault> {
    let mut rest = line.chars().peekable();
    let key = unescape(&mut rest, |c| is_blank(c) || matches!(c, '=' | ':'))?;
    skip_blanks(&mut rest);
    if rest.next_if(|c| matches!(c, '=' | ':')).is_some() {
        skip_blanks(&mut rest);
    }
    let value = unescape(&mut rest, |_| false)?;
    Ok(Property { key, value, line: number })
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| is_blank(*c)).is_some() {}
}

/// Text up to the first character that is not escaped and ends it.
fn unescape(
    rest: &mut Peekable<Chars<'_>>,
    ends: impl Fn(char) -> bool,
) -> Result<String, SyntaxFault> {
    let mut text = String::new();
    while let Some(c) = rest.next_if(|c| !ends(*c)) {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(unicode(rest)?),
            Some(other) => text.push(other),
            None => {}
        }
    }
    Ok(text)
}

fn unicode(rest: &mut Peekable<Chars<'_>>) -> Result<char, SyntaxFault> {
    let high = code_unit(rest)?;
    if !(0xD800..0xDC00).contains(&high) {
        return char::from_u32(high).ok_or(SyntaxFault::Surrogate);
    }
    if rest.next() != Some('\\') || rest.next() != Some('u') {
        return Err(SyntaxFault::Surrogate);
    }
    let low = code_unit(rest)?;
    if !(0xDC00..0xE000).contains(&low) {
        return Err(SyntaxFault::Surrogate);
    }
    char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        .ok_or(SyntaxFault::Surrogate)
}

fn code_unit(rest: &mut Peekable<Chars<'_>>) -> Result<u32, SyntaxFault> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = rest.next().and_then(|c| c.to_digit(16)).ok_or(SyntaxFault::UnicodeEscape)?;
        unit = unit * 16 + digit;
    }
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let entries: Vec<_> = parse(text)
            .into_iter()
            .map(|entry| match entry {
                Ok(Property { key, value, .. }) => (key, value),
                Err(error) => panic!("line {}: {}", error.line, error.fault),
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(entries, expected);
    }

    /// The examples of `java.util.Properties.load`.
    #[test]
    fn examples_of_the_java_documentation() {
        for text in ["Truth = Beauty", " Truth:Beauty", "Truth                    :Beauty"] {
            check(text, &[("Truth", "Beauty")]);
        }
        check(
            "fruits                           apple, banana, pear, \\\n\
             \x20                                 cantaloupe, watermelon, \\\n\
             \x20                                 kiwi, mango",
            &[("fruits", "apple, banana, pear, cantaloupe, watermelon, kiwi, mango")],
        );
        check("cheeses", &[("cheeses", "")]);
        check("\\:\\=", &[(":=", "")]);
    }

    #[test]
    fn comments_and_blank_lines_are_left_out() {
        check("# a=1\n  ! b=2\n\n \t\x0c\nc=3\r\nd=4\re=5", &[("c", "3"), ("d", "4"), ("e", "5")]);
        check("# never continued \\\na=1", &[("a", "1")]);
        check("a=1\\\n# part of the value", &[("a", "1# part of the value")]);
    }

    #[test]
    fn separators_are_one_sign_with_blanks_about_it() {
        check("a==b", &[("a", "=b")]);
        check("a = = b", &[("a", "= b")]);
        check("a\t\x0cb c ", &[("a", "b c ")]);
        check("=x", &[("", "x")]);
        check("a:=b", &[("a", "=b")]);
    }

    #[test]
    fn escapes() {
        check("a\\ b=\\tc\\n\\q\\\\", &[("a b", "\tc\nq\\")]);
        check("k=\\u00e9\\uD83D\\uDE00", &[("k", "é😀")]);
        check("path=c:\\\\temp", &[("path", "c:\\temp")]);
        check("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]);
        check("a=b\\", &[("a", "b")]);
        check("\u{feff}a=b", &[("a", "b")]);
    }

    #[test]
    fn faults_name_their_line_and_spare_the_rest() {
        let fault = |line, fault| Err(SyntaxError { line, fault });
        let good = Property { key: "b".to_owned(), value: "1".to_owned(), line: 3 };
        let parsed = parse("\na=\\u12g4\nb=1\nc=\\uD83Dx\nd=\\uDE00");
        let expected = [
            fault(2, SyntaxFault::UnicodeEscape),
            Ok(good),
            fault(4, SyntaxFault::Surrogate),
            fault(5, SyntaxFault::Surrogate),
        ];
        assert!(parsed == expected);
        let long = "a".repeat(TEXT_BYTES_MAX + 1);
        assert!(parse(&long) == [fault(1, SyntaxFault::TooLong)]);
    }

    fn escaped(text: &str) -> String {
        text.chars()
            .flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
            .fold(String::new(), |written, unit| format!("{written}\\u{unit:04x}"))
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*|[ \\t=:#!\\\\\r\nu0-9a-f]*") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_escaped_is_read_back(key in "\\PC+", value in "\\PC*") {
            check(&format!("{}={}", escaped(&key), escaped(&value)), &[(&key, &value)]);
        }
    }
}
