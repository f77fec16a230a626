//! SPDX expressions: licences with `OR`, `AND` and parentheses.

use spdx::{Expression, LicenseReq, ParseMode};

/// Whether an expression can be met with the licences that may be taken; `/` is an old way to write
/// `OR`. `None` when it is no expression.
pub(super) fn is_satisfied(text: &str, may: impl Fn(&str) -> bool) -> Option<bool> {
    let expression = Expression::parse_mode(text, ParseMode::LAX).ok()?;
    Some(expression.evaluate(|license: &LicenseReq| may(&license.to_string())))
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
            assert_eq!(is_satisfied(text, may), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "WITH MIT", "MIT WITH"] {
            assert_eq!(is_satisfied(text, |_| true), None, "{text}");
        }
    }
}
