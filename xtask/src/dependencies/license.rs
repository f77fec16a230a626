//! SPDX expressions: licences with `OR`, `AND` and parentheses.

/// A licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One licence, with its exception where it has one: `Apache-2.0 WITH LLVM-exception`.
    License(String),
    /// The user may choose.
    AnyOf(Vec<Self>),
    /// All of them hold.
    AllOf(Vec<Self>),
}

impl Expression {
    /// Reads an expression; `/` is an old way to write `OR`. `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = &words[..];
        let expression = any_of(&mut rest)?;
        rest.is_empty().then_some(expression)
    }

    /// Whether it can be met with the licences that may be taken.
    #[must_use]
    pub fn is_satisfied(&self, may: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::License(license) => may(license),
            Self::AnyOf(choices) => choices.iter().any(|choice| choice.is_satisfied(may)),
            Self::AllOf(parts) => parts.iter().all(|part| part.is_satisfied(may)),
        }
    }
}

/// `AND` binds closer than `OR`.
fn any_of(words: &mut &[&str]) -> Option<Expression> {
    let mut choices = vec![all_of(words)?];
    while take(words, "OR") {
        choices.push(all_of(words)?);
    }
    Some(if choices.len() == 1 { choices.remove(0) } else { Expression::AnyOf(choices) })
}

fn all_of(words: &mut &[&str]) -> Option<Expression> {
    let mut parts = vec![one(words)?];
    while take(words, "AND") {
        parts.push(one(words)?);
    }
    Some(if parts.len() == 1 { parts.remove(0) } else { Expression::AllOf(parts) })
}

fn one(words: &mut &[&str]) -> Option<Expression> {
    if take(words, "(") {
        let inner = any_of(words)?;
        return take(words, ")").then_some(inner);
    }
    let license = name(words)?;
    if !take(words, "WITH") {
        return Some(Expression::License(license.to_owned()));
    }
    Some(Expression::License(format!("{license} WITH {}", name(words)?)))
}

fn take(words: &mut &[&str], wanted: &str) -> bool {
    let is_next = words.first() == Some(&wanted);
    if is_next {
        *words = &words[1..];
    }
    is_next
}

fn name<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (first, rest) = words.split_first()?;
    if ["OR", "AND", "WITH", "(", ")"].contains(first) {
        return None;
    }
    *words = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_what_may_be_taken() {
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND GPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ];
        let may =
            |license: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&license);
        for (text, expected) in cases {
            let expression = Expression::parse(text).expect(text);
            assert_eq!(expression.is_satisfied(&may), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "WITH MIT", "MIT WITH"] {
            assert_eq!(Expression::parse(text), None, "{text}");
        }
    }
}
