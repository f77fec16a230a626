//! What `deny.toml` says of the crates that the workspace is built from: their licences, which are
//! banned, and where they come from.
//!
//! The same rules as those of `cargo deny check licenses bans sources`, for machines without it. Of
//! the dependencies, those for tests are held to them too.

mod license;
mod policy;

pub use self::policy::{Ban, Exception, Policy};

/// A crate of the dependency graph, as `cargo metadata` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The SPDX expression of its manifest.
    pub license: Option<String>,
    /// Where it comes from; `None` for a member of the workspace.
    pub source: Option<String>,
    /// The crates that depend on it.
    pub dependents: Vec<String>,
    /// What it names from a registry in any version (`*`).
    pub wildcards: Vec<String>,
}

/// What is wrong with the crates, one sentence for each.
#[must_use]
pub fn check(packages: &[Package], policy: &Policy) -> Vec<String> {
    let mut findings: Vec<String> =
        packages.iter().flat_map(|one| check_one(one, policy)).collect();
    let known = |name: &String| packages.iter().any(|package| package.name == *name);
    let stale = policy.exceptions.iter().filter(|exception| !known(&exception.name));
    findings.extend(stale.map(|exception| {
        let name = &exception.name;
        format!("nothing depends on {name}: remove its exception from deny.toml")
    }));
    findings.sort();
    findings.dedup();
    findings
}

fn check_one(package: &Package, policy: &Policy) -> Vec<String> {
    let name = &package.name;
    let mut findings = Vec::new();
    findings.extend(check_license(package, policy).map(|why| format!("{name}: {why}")));
    if let Some(source) = package.source.as_deref().filter(|source| !policy.allows_source(source)) {
        findings.push(format!("{name}: comes from {source}, which deny.toml does not allow"));
    }
    for ban in policy.bans.iter().filter(|ban| ban.name == *name) {
        let strangers = package.dependents.iter().filter(|user| !ban.wrappers.contains(user));
        let users = if ban.wrappers.is_empty() {
            package.dependents.clone()
        } else {
            strangers.cloned().collect()
        };
        if ban.wrappers.is_empty() || !users.is_empty() {
            let (users, reason) = (users.join(", "), &ban.reason);
            findings.push(format!("{name}: banned, but used by {users}; {reason}"));
        }
    }
    if policy.denies_wildcards {
        let named = package.wildcards.iter();
        findings.extend(named.map(|of| format!("{name}: takes any version of {of}; name one")));
    }
    findings
}

/// Why a crate's licence cannot be taken.
fn check_license(package: &Package, policy: &Policy) -> Option<String> {
    let Some(text) = &package.license else {
        return Some("its manifest names no licence".to_owned());
    };
    let may = |license: &str| policy.allows_license(&package.name, license);
    let Some(is_satisfied) = license::is_satisfied(text, may) else {
        return Some(format!("its licence \"{text}\" is no SPDX expression"));
    };
    (!is_satisfied).then(|| format!("its licence {text} is not among those that deny.toml allows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "[licenses]\nallow = [\"MIT\", \"ISC\"]\n\
        exceptions = [{ crate = \"roots\", allow = [\"CDLA-Permissive-2.0\"] }]\n\
        [bans]\nwildcards = \"deny\"\n\
        deny = [\n    { crate = \"tls\", reason = \"another is there\" },\n\
        \x20   { crate = \"tls-sys\", wrappers = [\"client\"], reason = \"one way in\" },\n]\n\
        [sources]\nallow-registry = [\"https://crates.example\"]\n";

    fn package(name: &str, license: &str) -> Package {
        Package {
            name: name.to_owned(),
            license: Some(license.to_owned()),
            source: Some("registry+https://crates.example".to_owned()),
            ..Package::default()
        }
    }

    fn findings(package: Package) -> Vec<String> {
        let policy = Policy::parse(POLICY).expect("it is read");
        let roots = self::package("roots", "CDLA-Permissive-2.0");
        check(&[package, roots], &policy)
    }

    #[test]
    fn what_deny_toml_allows_passes() {
        assert_eq!(findings(package("a", "GPL-3.0 OR (MIT AND ISC)")), [""; 0]);
        let member = Package { source: None, ..package("a", "MIT") };
        assert_eq!(findings(member), [""; 0]);
        let wrapped =
            Package { dependents: vec!["client".to_owned()], ..package("tls-sys", "MIT") };
        assert_eq!(findings(wrapped), [""; 0]);
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        let found = "a: its licence GPL-3.0 is not among those that deny.toml allows";
        assert_eq!(findings(package("a", "GPL-3.0")), [found]);
        assert_eq!(
            findings(package("a", "CDLA-Permissive-2.0")).len(),
            1,
            "an exception of another"
        );
        let none = Package { license: None, ..package("a", "") };
        assert_eq!(findings(none), ["a: its manifest names no licence"]);
        assert_eq!(
            findings(package("a", "MIT OR"))[0],
            "a: its licence \"MIT OR\" is no SPDX expression"
        );
    }

    #[test]
    fn a_banned_crate_is_found() {
        let banned = Package { dependents: vec!["client".to_owned()], ..package("tls", "MIT") };
        assert_eq!(findings(banned), ["tls: banned, but used by client; another is there"]);
        let dependents = vec!["client".to_owned(), "other".to_owned()];
        let unwrapped = Package { dependents, ..package("tls-sys", "MIT") };
        assert_eq!(findings(unwrapped), ["tls-sys: banned, but used by other; one way in"]);
    }

    #[test]
    fn a_foreign_source_and_any_version_are_found() {
        let git =
            Package { source: Some("git+https://a.example/b".to_owned()), ..package("b", "MIT") };
        let found = "b: comes from git+https://a.example/b, which deny.toml does not allow";
        assert_eq!(findings(git), [found]);
        let any = Package { wildcards: vec!["c".to_owned()], ..package("b", "MIT") };
        assert_eq!(findings(any), ["b: takes any version of c; name one"]);
    }

    #[test]
    fn an_exception_for_a_crate_that_is_gone_is_found() {
        let policy = Policy::parse(POLICY).expect("it is read");
        let stale = "nothing depends on roots: remove its exception from deny.toml";
        assert_eq!(check(&[package("a", "MIT")], &policy), [stale]);
    }
}
