//! A storage, and the checks of the settings that say where it is.

use std::time::Duration;

use object_store::RetryConfig;
use url::Url;

use crate::error::Place;
use crate::settings::{Network, SettingsError};
use crate::wire::Wire;

/// A storage.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) wire: Wire,
    pub(crate) place: Place,
}

/// The library does not retry its requests for credentials: the throttle of the whole storage decides when to retry.
pub(crate) fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() }
}

/// The library's own refusal of settings. It contains no secret, because it was given only names and files.
pub(crate) fn refused(error: &object_store::Error) -> SettingsError {
    SettingsError::Refused(error.to_string())
}

/// Refuses a name that would not be the name of a bucket in a URL.
pub(crate) fn check_bucket(bucket: &str) -> Result<(), SettingsError> {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
    let good = !bucket.is_empty() && bucket.chars().all(usual) && !matches!(bucket, "." | "..");
    if good { Ok(()) } else { Err(SettingsError::Bucket(bucket.to_owned())) }
}

/// The endpoint as a URL, if it can be used as it is.
pub(crate) fn check_endpoint(text: &str, network: &Network) -> Result<Url, SettingsError> {
    let error = |url: &str, reason: &str| {
        Err(SettingsError::Endpoint { url: url.to_owned(), reason: reason.to_owned() })
    };
    // A text that cannot be parsed is not shown, because it may still contain a password.
    let Ok(url) = Url::parse(text) else { return error("of the settings", "it is no URL") };
    let mut shown = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        let cleaned = shown.set_username("").and_then(|()| shown.set_password(None));
        let shown = if cleaned.is_ok() { shown.as_str() } else { "of the settings" };
        return error(shown, "user and password do not belong here");
    }
    match url.scheme() {
        "https" => {}
        "http" if network.plain_http => {}
        "http" => return error(shown.as_str(), "http:// is not encrypted; plain_http = true allows it"),
        _ => return error(shown.as_str(), "it begins with neither https:// nor http://"),
    }
    if url.query().is_some() || url.fragment().is_some() {
        shown.set_query(None);
        shown.set_fragment(None);
        return error(shown.as_str(), "it has a query or a fragment");
    }
    Ok(url)
}

/// Host and port.
pub(crate) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_cannot_be_used_are_refused_without_a_password() {
        let plain = Network { certificates: None, plain_http: true };
        assert_eq!(host(&check_endpoint("http://h:9000/", &plain).unwrap()), "h:9000");
        assert_eq!(host(&check_endpoint("https://h", &Network::default()).unwrap()), "h");
        for (url, reason) in [
            ("nowhere", "endpoint of the settings: it is no URL"),
            ("ftp://h", "endpoint ftp://h/: it begins with neither https:// nor http://"),
            ("http://h", "endpoint http://h/: http:// is not encrypted; plain_http = true allows it"),
            ("https://u:secret@h", "endpoint https://h/: user and password do not belong here"),
            ("https://h/?secret", "endpoint https://h/: it has a query or a fragment"),
        ] {
            assert_eq!(check_endpoint(url, &Network::default()).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn names_that_would_be_paths_are_no_buckets() {
        assert!(["lfs", "a.b-c_d", "$web"].iter().all(|name| check_bucket(name).is_ok()));
        assert!(["", "..", "a/b", "a b", "a?"].iter().all(|name| check_bucket(name).is_err()));
    }
}
