//! What `deny.toml` says.

use toml::{Table, Value};

/// A licence that one crate may have beside those of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The crate.
    pub name: String,
    /// Its licences.
    pub allow: Vec<String>,
}

/// A crate that may not be used, or by some only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The crate.
    pub name: String,
    /// Who may depend on it all the same.
    pub wrappers: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What is read of `deny.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The platforms whose dependencies count.
    pub targets: Vec<String>,
    /// Licences that any crate may have.
    pub licenses: Vec<String>,
    /// Licences that one crate may have.
    pub exceptions: Vec<Exception>,
    /// Crates that may not be used.
    pub bans: Vec<Ban>,
    /// Whether `*` is no version.
    pub denies_wildcards: bool,
    /// Registries that crates may come from.
    pub registries: Vec<String>,
    /// Repositories that they may come from.
    pub repositories: Vec<String>,
}

impl Policy {
    /// Reads `deny.toml`.
    ///
    /// # Errors
    /// The line that is not understood, or the key whose value is of another kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let table = |name: &str| document.get(name).and_then(Value::as_table);
        let list = |name: &str, key: &str| texts(table(name), key);
        Ok(Self {
            targets: list("graph", "targets")?,
            licenses: list("licenses", "allow")?,
            exceptions: tables(table("licenses"), "exceptions")?
                .into_iter()
                .map(|one| {
                    Ok(Exception {
                        name: text_of(one, "crate")?,
                        allow: texts(Some(one), "allow")?,
                    })
                })
                .collect::<Result<_, String>>()?,
            bans: tables(table("bans"), "deny")?
                .into_iter()
                .map(|one| {
                    let (name, reason) = (text_of(one, "crate")?, text_of(one, "reason")?);
                    Ok(Ban { name, wrappers: texts(Some(one), "wrappers")?, reason })
                })
                .collect::<Result<_, String>>()?,
            denies_wildcards: table("bans").and_then(|bans| bans.get("wildcards")?.as_str())
                == Some("deny"),
            registries: list("sources", "allow-registry")?,
            repositories: list("sources", "allow-git")?,
        })
    }

    pub(super) fn allows_license(&self, package: &str, license: &str) -> bool {
        let of = |exception: &&Exception| exception.name == package;
        let own = self.exceptions.iter().filter(of).flat_map(|exception| &exception.allow);
        self.licenses.iter().chain(own).any(|allowed| allowed == license)
    }

    pub(super) fn allows_source(&self, source: &str) -> bool {
        match source.split_once('+') {
            Some(("registry" | "sparse", url)) => self.registries.iter().any(|known| known == url),
            Some(("git", url)) => self.repositories.iter().any(|known| url.starts_with(known)),
            _ => false,
        }
    }
}

/// The texts of a list, none where there is no such key.
fn texts(table: Option<&Table>, key: &str) -> Result<Vec<String>, String> {
    let Some(value) = table.and_then(|table| table.get(key)) else { return Ok(Vec::new()) };
    let no_list = || format!("{key} is no list of texts");
    let values = value.as_array().ok_or_else(no_list)?;
    values.iter().map(|value| Ok(value.as_str().ok_or_else(no_list)?.to_owned())).collect()
}

/// The tables of a list, none where there is no such key.
fn tables<'a>(table: Option<&'a Table>, key: &str) -> Result<Vec<&'a Table>, String> {
    let Some(value) = table.and_then(|table| table.get(key)) else { return Ok(Vec::new()) };
    let no_list = || format!("{key} is no list of tables");
    let values = value.as_array().ok_or_else(no_list)?;
    values.iter().map(|value| value.as_table().ok_or_else(no_list)).collect()
}

fn text_of(table: &Table, key: &str) -> Result<String, String> {
    let text = table.get(key).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("an entry has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_another_kind_is_an_error() {
        let cases = [
            ("[licenses]\nallow = \"MIT\"", "allow is no list of texts"),
            ("[bans]\ndeny = [\"a\"]", "deny is no list of tables"),
            ("[bans]\ndeny = [{ crate = \"a\" }]", "an entry has no reason"),
            ("[licenses]\nexceptions = [{ allow = [\"MIT\"] }]", "an entry has no crate"),
        ];
        for (text, expected) in cases {
            assert_eq!(Policy::parse(text), Err(expected.to_owned()));
        }
    }
    #[test]
    fn what_is_no_toml_is_an_error_that_names_the_line() {
        let cases =
            ["[a", "a", "a = ", "a = \"b", "a = \"\\q\"", "a = [1 2]", "a = { b }", "a = maybe"];
        for text in cases {
            let error = Policy::parse(&format!("[t]\n{text}")).expect_err(text);
            assert!(error.contains("line 2"), "{text}: {error}");
        }
    }
}
