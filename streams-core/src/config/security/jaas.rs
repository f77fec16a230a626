//! The login lines of Java, as far as they name a user or a client.

use std::collections::BTreeMap;

use crate::config::secret::Secret;

/// Kinds of login that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginModule {
    Plain,
    Scram,
    OauthBearer,
}

/// A login line: module and options.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) module: LoginModule,
    options: BTreeMap<String, Secret>,
}

impl Login {
    pub(super) fn option(&self, name: &str) -> Option<Secret> {
        self.options.get(name).cloned()
    }

    /// Whether it has no options.
    pub(super) fn is_bare(&self) -> bool {
        self.options.is_empty()
    }

    pub(super) fn options(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value))
    }
}

const FORM: &str = "is not of the form 'module required name=\"value\" ...;' with one module; see Kafka's documentation";
const MODULE: &str = "names a login module that cannot run here; use PlainLoginModule, ScramLoginModule or OAuthBearerLoginModule";
const TOKEN: &str = "logs in by a delegation token, which is not supported; use a SCRAM user";

/// Reads `module flag name="value" ...;`.
pub(super) fn parse(line: &str) -> Result<Login, &'static str> {
    let mut words = words(line)?.into_iter();
    let (Some(module), Some(flag)) = (words.next(), words.next()) else { return Err(FORM) };
    let module = match module.rsplit('.').next() {
        Some("PlainLoginModule") => LoginModule::Plain,
        Some("ScramLoginModule") => LoginModule::Scram,
        Some("OAuthBearerLoginModule") => LoginModule::OauthBearer,
        _ => return Err(MODULE),
    };
    let flags = ["required", "requisite", "sufficient", "optional"];
    if !flags.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
        return Err(FORM);
    }
    let mut options = BTreeMap::new();
    loop {
        match words.next().as_deref() {
            Some(";") => break,
            Some(name) if words.next().as_deref() == Some("=") => {
                let value = words.next().filter(|value| value != ";").ok_or(FORM)?;
                // A value in quotes is marked by its first quote, so that ";" in it is no end.
                let value = value.strip_prefix('"').unwrap_or(&value);
                options.insert(name.to_owned(), Secret::new(value));
            }
            _ => return Err(FORM),
        }
    }
    if words.next().is_some() {
        return Err(FORM);
    }
    let by_token = options.get("tokenauth").is_some_and(|value| value.expose() == "true");
    if by_token { Err(TOKEN) } else { Ok(Login { module, options }) }
}

/// Words, `=` and `;`; a quoted word keeps one quote in front.
fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {}
            '=' | ';' => words.push(c.to_string()),
            '"' | '\'' => words.push(quoted(&mut rest, c)?),
            c => {
                let mut word = String::from(c);
                let is_part = |c: &char| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\'');
                while let Some(next) = rest.next_if(is_part) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    Ok(words)
}

fn quoted(rest: &mut impl Iterator<Item = char>, quote: char) -> Result<String, &'static str> {
    let mut word = String::from('"');
    loop {
        match rest.next().ok_or(FORM)? {
            c if c == quote => return Ok(word),
            '\\' => match rest.next().ok_or(FORM)? {
                'n' => word.push('\n'),
                't' => word.push('\t'),
                'r' => word.push('\r'),
                other => word.push(other),
            },
            c => word.push(c),
        }
    }
}
