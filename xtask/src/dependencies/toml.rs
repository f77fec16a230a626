//! As much of TOML as `deny.toml` is written in: tables, and keys with texts, flags, numbers, lists
//! and inline tables. What it does not understand is an error, never left out.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Number(f64),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
}

/// Reads a document: its tables by name, with their keys.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, BTreeMap<String, Value>>, String> {
    let mut document = BTreeMap::<String, BTreeMap<String, Value>>::new();
    let mut reader = Reader { text, at: 0 };
    let mut table = String::new();
    loop {
        reader.skip_blank();
        if reader.rest().is_empty() {
            return Ok(document);
        }
        if reader.take('[') {
            table = reader.name()?.to_owned();
            reader.expect(']')?;
            document.entry(table.clone()).or_default();
        } else {
            let (key, value) = reader.pair()?;
            document.entry(table.clone()).or_default().insert(key, value);
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// White space, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_blank();
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.at += wanted.len_utf8();
        }
        is_next
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> String {
        let line = self.text[..self.at].lines().count().max(1);
        let found = self.rest().lines().next().unwrap_or("the end");
        format!("line {line} is not understood at: {found}")
    }

    fn name(&mut self) -> Result<&'a str, String> {
        self.skip_blank();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.unexpected());
        }
        self.at += name.len();
        Ok(name)
    }

    fn pair(&mut self) -> Result<(String, Value), String> {
        let key = self.name()?.to_owned();
        self.expect('=')?;
        Ok((key, self.value()?))
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.take('"') {
            return self.text_value();
        }
        if self.take('[') {
            return self.until(']', Self::value).map(Value::List);
        }
        if self.take('{') {
            let pairs = self.until('}', Self::pair)?;
            return Ok(Value::Table(pairs.into_iter().collect()));
        }
        let before = self.at;
        let word = self.name()?;
        match (word, word.parse()) {
            ("true", _) => Ok(Value::Flag(true)),
            ("false", _) => Ok(Value::Flag(false)),
            (_, Ok(number)) => Ok(Value::Number(number)),
            _ => {
                self.at = before;
                Err(self.unexpected())
            }
        }
    }

    /// The rest of a text, without escapes.
    fn text_value(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        let end = rest.find(['"', '\\', '\n']).filter(|at| rest[*at..].starts_with('"'));
        let end = end.ok_or_else(|| self.unexpected())?;
        self.at += end + 1;
        Ok(Value::Text(rest[..end].to_owned()))
    }

    /// What stands before `end`, divided by commas.
    fn until<T>(
        &mut self,
        end: char,
        one: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        while !self.take(end) {
            all.push(one(self)?);
            if !self.take(',') {
                self.expect(end)?;
                break;
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lists_and_comments_are_read() {
        let text = "# first\n[a.b] # one\nkey = \"v\" # two\nlist = [\n    1.5, # three\n    true,\n]\n\
            [c]\nx = [{ y = \"#\", z = [] }]\n";
        let document = parse(text).expect("it is read");
        assert_eq!(document["a.b"]["key"], Value::Text("v".to_owned()));
        let list = vec![Value::Number(1.5), Value::Flag(true)];
        assert_eq!(document["a.b"]["list"], Value::List(list));
        let inner = [
            ("y".to_owned(), Value::Text("#".to_owned())),
            ("z".to_owned(), Value::List(Vec::new())),
        ];
        assert_eq!(document["c"]["x"], Value::List(vec![Value::Table(inner.into())]));
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_the_line() {
        let cases =
            ["[a", "a", "a = ", "a = \"b", "a = \"\\n\"", "a = [1 2]", "a = { b }", "a = maybe"];
        for text in cases {
            let error = parse(&format!("[t]\n{text}")).expect_err(text);
            assert!(error.starts_with("line 2 is not understood"), "{text}: {error}");
        }
    }
}
