//! Tokens that nobody signs, from a login line: Java's `OAuthBearerUnsecuredLoginCallbackHandler`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::UnsecuredToken;
use super::jaas::Login;

const PREFIX: &str = "unsecuredLogin";
const LIFETIME_DEFAULT: Duration = Duration::from_secs(3600);

const PRINCIPAL: &str = "names no principal; add unsecuredLoginStringClaim_sub=\"name\", or the claim that unsecuredLoginPrincipalClaimName names";
const NUMBER: &str = "has a claim or lifetime that is no number; write digits";
const RESERVED: &str = "sets the claim 'iat' or 'exp', which is made with the token; remove it";
const UNKNOWN: &str = "has an option beginning with unsecuredLogin that is not known; see Kafka's documentation of unsecured tokens";

/// The token that the line describes; `None` if it describes none.
pub(super) fn token(login: &Login) -> Result<Option<UnsecuredToken>, &'static str> {
    let options = login
        .options()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.expose())));
    let options: BTreeMap<&str, &str> = options.collect();
    if options.is_empty() {
        return Ok(None);
    }
    let given =
        |name: &str| options.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let principal_claim = given("PrincipalClaimName").unwrap_or("sub");
    let lifetime = match given("LifetimeSeconds") {
        Some(seconds) => Duration::from_secs(seconds.parse().map_err(|_| NUMBER)?),
        None => LIFETIME_DEFAULT,
    };
    let (mut claims, mut extensions) = (Vec::new(), BTreeMap::new());
    let mut principal = None;
    for (name, value) in &options {
        let (claim, value) = match name.split_once('_') {
            None if ["PrincipalClaimName", "LifetimeSeconds", "ScopeClaimName"].contains(name) => {
                continue;
            }
            Some(("Extension", extension)) => {
                extensions.insert(extension.to_owned(), (*value).to_owned());
                continue;
            }
            Some(("StringClaim", claim)) => {
                if claim == principal_claim && !value.is_empty() {
                    principal = Some((*value).to_owned());
                }
                (claim, quoted(value))
            }
            Some(("NumberClaim", claim)) => {
                let number: f64 = value.parse().map_err(|_| NUMBER)?;
                (claim, number.is_finite().then(|| number.to_string()).ok_or(NUMBER)?)
            }
            Some(("ListClaim", claim)) => (claim, list(value)),
            _ => return Err(UNKNOWN),
        };
        if matches!(claim, "iat" | "exp") {
            return Err(RESERVED);
        }
        claims.push(format!("{}:{value}", quoted(claim)));
    }
    let principal = principal.ok_or(PRINCIPAL)?;
    Ok(Some(UnsecuredToken { principal, lifetime, claims: claims.join(","), extensions }))
}

/// The first character divides the rest.
fn list(value: &str) -> String {
    let mut rest = value.chars();
    let elements = match rest.next() {
        Some(divider) if !rest.as_str().is_empty() => {
            rest.as_str().split(divider).map(quoted).collect()
        }
        _ => Vec::new(),
    };
    format!("[{}]", elements.join(","))
}

/// As a string of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::jaas;
    use super::*;

    fn of(options: &str) -> Result<Option<UnsecuredToken>, &'static str> {
        token(&jaas::parse(&format!("x.OAuthBearerLoginModule required {options};")).unwrap())
    }

    #[test]
    fn claims_are_written_as_json() {
        let token =
            of("unsecuredLoginStringClaim_sub=\"al\\\\ice\" unsecuredLoginNumberClaim_n=\"1.5\" \
            unsecuredLoginListClaim_scope=\"|a|b\" unsecuredLoginLifetimeSeconds=\"60\" \
            unsecuredLoginExtension_pool=\"p1\"");
        let token = token.unwrap().unwrap();
        assert_eq!(token.principal, "al\\ice");
        assert_eq!(token.claims, r#""scope":["a","b"],"n":1.5,"sub":"al\\ice""#);
        assert_eq!(token.lifetime, Duration::from_secs(60));
        assert_eq!(token.extensions["pool"], "p1");
    }

    #[test]
    fn a_line_that_describes_no_token_is_told_apart_from_a_wrong_one() {
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("clientId=me"), Ok(None));
        for (options, reason) in [
            ("unsecuredLoginStringClaim_name=x", PRINCIPAL),
            ("unsecuredLoginExtension_a=b", PRINCIPAL),
            ("unsecuredLoginStringClaim_sub=x unsecuredLoginNumberClaim_n=x", NUMBER),
            ("unsecuredLoginStringClaim_sub=x unsecuredLoginLifetimeSeconds=x", NUMBER),
            ("unsecuredLoginStringClaim_sub=x unsecuredLoginNumberClaim_exp=1", RESERVED),
            ("unsecuredLoginStringClaim_sub=x unsecuredLoginBool_a=b", UNKNOWN),
        ] {
            assert_eq!(of(options), Err(reason), "{options}");
        }
    }
}
