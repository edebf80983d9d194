//! The parameters of a URL that are about TLS, most of which the driver does not know.

use std::path::PathBuf;

use super::PostgresUrlError;
use crate::tls::{Roots, Verification};

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslmode` and `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlTls {
    pub(super) mode: Mode,
    /// The authorities that the URL names.
    roots: Option<Roots>,
}

impl Mode {
    fn parse(name: &str) -> Result<Self, PostgresUrlError> {
        Ok(match name {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return Err(PostgresUrlError::UnknownMode(name.to_owned())),
        })
    }
}

impl UrlTls {
    /// What is verified when TLS is spoken.
    pub(super) fn verification(&self) -> Verification {
        let roots = self.roots.clone();
        match self.mode {
            Mode::Disable => Verification::Nothing,
            Mode::Allow | Mode::Prefer => roots.map_or(Verification::Nothing, Verification::Authority),
            Mode::VerifyCa => Verification::Authority(roots.unwrap_or_else(Roots::system)),
            Mode::Require | Mode::VerifyFull => Verification::Full(roots.unwrap_or_else(Roots::system)),
        }
    }
}

/// Takes `sslmode` and `sslrootcert` out of a URL. Of several, the last counts.
pub(super) fn split(url: &str) -> Result<(String, UrlTls), PostgresUrlError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(PostgresUrlError::Unreadable);
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut file, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "sslmode" => mode = Some(decode(value)),
            "sslrootcert" => file = Some(decode(value)),
            _ => rest.push(pair),
        }
    }
    let tls = from_parameters(mode.as_deref(), file.as_deref())?;
    let separator = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{address}{separator}{}", rest.join("&")), tls))
}

fn from_parameters(mode: Option<&str>, file: Option<&str>) -> Result<UrlTls, PostgresUrlError> {
    let chosen = mode.map(Mode::parse).transpose()?;
    match file {
        None => Ok(UrlTls { mode: chosen.unwrap_or(Mode::Prefer), roots: None }),
        Some("") => Err(PostgresUrlError::NoFile),
        Some("system") => match (mode, chosen) {
            (Some(name), Some(chosen)) if chosen != Mode::VerifyFull => {
                Err(PostgresUrlError::TooWeak(name.to_owned()))
            }
            _ => Ok(UrlTls { mode: Mode::VerifyFull, roots: Some(Roots::system()) }),
        },
        Some(file) => {
            let roots = Some(Roots::file(PathBuf::from(file)));
            Ok(UrlTls { mode: chosen.unwrap_or(Mode::Prefer), roots })
        }
    }
}

/// Undoes percent-encoding, in which a plus sign stands for itself.
fn decode(value: &str) -> String {
    let pair = format!("={}", value.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    decoded.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(query: &str) -> Result<UrlTls, PostgresUrlError> {
        split(&format!("postgres://a/b{query}")).map(|(_, tls)| tls)
    }

    #[test]
    fn what_a_url_says_of_tls_is_taken_out_of_it() {
        let (url, tls) =
            split("postgres://a/b?host=%2Ftmp&sslmode=verify-ca&sslrootcert=%2Fetc%2Fa+b%26.pem&x=1")
                .unwrap();
        assert_eq!(url, "postgres://a/b?host=%2Ftmp&x=1");
        assert_eq!(tls, UrlTls { mode: Mode::VerifyCa, roots: Some(Roots::file("/etc/a+b&.pem")) });
        assert_eq!(split("postgresql://a/b?sslmode=disable").unwrap().0, "postgresql://a/b");
        assert_eq!(split("host=a sslmode=disable").unwrap_err(), PostgresUrlError::Unreadable);
    }

    #[test]
    fn each_mode_verifies_what_it_should() {
        let system = Roots::system;
        for (query, mode, verification) in [
            ("", Mode::Prefer, Verification::Nothing),
            ("?sslmode=disable", Mode::Disable, Verification::Nothing),
            ("?sslmode=allow", Mode::Allow, Verification::Nothing),
            ("?sslmode=prefer", Mode::Prefer, Verification::Nothing),
            ("?sslmode=require", Mode::Require, Verification::Full(system())),
            ("?sslmode=verify-ca", Mode::VerifyCa, Verification::Authority(system())),
            ("?sslmode=verify-full", Mode::VerifyFull, Verification::Full(system())),
            ("?sslrootcert=system", Mode::VerifyFull, Verification::Full(system())),
            ("?sslrootcert=system&sslmode=verify-full", Mode::VerifyFull, Verification::Full(system())),
            ("?sslrootcert=f", Mode::Prefer, Verification::Authority(Roots::file("f"))),
            ("?sslrootcert=f&sslmode=allow", Mode::Allow, Verification::Authority(Roots::file("f"))),
            ("?sslrootcert=f&sslmode=require", Mode::Require, Verification::Full(Roots::file("f"))),
            ("?sslrootcert=f&sslmode=verify-full", Mode::VerifyFull, Verification::Full(Roots::file("f"))),
        ] {
            let tls = tls(query).unwrap();
            assert_eq!((tls.mode, tls.verification()), (mode, verification), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (query, text) in [
            (
                "?sslmode=maybe",
                "sslmode=maybe is not known: disable, allow, prefer, require, verify-ca or verify-full",
            ),
            ("?sslrootcert=", "sslrootcert= names no file: leave it out, or name a PEM file or system"),
            (
                "?sslrootcert=system&sslmode=verify-ca",
                "sslmode=verify-ca is too weak for sslrootcert=system: use verify-full",
            ),
        ] {
            assert_eq!(tls(query).unwrap_err().to_string(), text);
        }
    }
}
