//! The licence of every dependency allows a program under MIT or Apache-2.0 to be distributed with it.

use cargo_metadata::Metadata;

use super::Finding;

/// Licences that require no more than the distribution of their text.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Finds the crates whose licence is not allowed.
pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let forbidden =
        metadata.packages.iter().filter(|package| !package.license.as_deref().is_some_and(is_allowed));
    forbidden
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("no stated licence");
            let message = format!("is under {licence}, which is not among {}", ALLOWED.join(", "));
            Finding::new("licences", format!("{} {}", package.name, package.version), message)
        })
        .collect()
}

/// Whether an SPDX expression (or cargo's older form with `/` for `OR`) can be satisfied with allowed licences.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = any(&mut words);
    allowed == Some(true) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `a OR b`; `None` if it is not a valid expression.
fn any(words: &mut Words<'_>) -> Option<bool> {
    let mut allowed = all(words)?;
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all(words)?;
    }
    Some(allowed)
}

/// `a AND b`, which binds more tightly.
fn all(words: &mut Words<'_>) -> Option<bool> {
    let mut allowed = one(words)?;
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words)?;
    }
    Some(allowed)
}

/// A licence, with its exception if it has one, or an expression in parentheses.
fn one(words: &mut Words<'_>) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let allowed = any(words)?;
        return words.next_if_eq(&")").map(|_| allowed);
    }
    let name = match words.next_if_eq(&"WITH") {
        Some(_) => format!("{word} WITH {}", words.next()?),
        None => word.to_owned(),
    };
    Some(ALLOWED.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_can_be_satisfied() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-3.0-only AND ISC OR MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
    }

    #[test]
    fn expressions_that_cannot_be_satisfied() {
        for bad in [
            "MPL-2.0",
            "MIT AND GPL-3.0-only",
            "(MIT",
            "",
            "MIT OR",
            "MIT Apache-2.0",
            "GPL-2.0 WITH LLVM-exception",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
