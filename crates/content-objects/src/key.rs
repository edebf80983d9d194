//! Keys: which can be requested, and how they are written in a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use stocktake_domain::{ContentError, PathText};

/// The longest key, in bytes; the limit is the same with Amazon, Google and Azure.
const MAX_BYTES: usize = 1024;

/// The characters that a signature leaves unescaped in a path.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: AsciiSet = UNRESERVED.remove(b'/');

/// The prefix with a slash at its end, unless it is empty.
pub(crate) fn whole_prefix(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

/// The key of a record's path.
pub(crate) fn of_path(prefix: &str, path: &str) -> Result<String, ContentError> {
    if path.is_empty() {
        return Err(ContentError::Invalid("the key is empty".to_owned()));
    }
    let path = PathText::new(path);
    let path = path.to_bytes();
    let path =
        std::str::from_utf8(&path).map_err(|_| ContentError::Invalid("the key is not UTF-8".to_owned()))?;
    let key = format!("{prefix}{path}");
    check(&key).map_err(|reason| ContentError::Invalid(format!("{reason}: {key}")))?;
    Ok(key)
}

/// Whether the key can be requested; if not, the reason.
pub(crate) fn check(key: &str) -> Result<(), &'static str> {
    if key.len() > MAX_BYTES {
        return Err("the key has more than 1024 bytes");
    }
    // A URL cannot have these, however they are escaped.
    if key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("the key has a part `.` or `..`, which no URL can have");
    }
    Ok(())
}

/// The key as written in a URL's path.
pub(crate) fn in_path(key: &str) -> String {
    utf8_percent_encode(key, &IN_PATH).to_string()
}

/// A value as written in a URL's query.
pub(crate) fn in_query(value: &str) -> String {
    utf8_percent_encode(value, &UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_with_a_slash_and_is_put_before_the_path() {
        assert_eq!(whole_prefix(""), "");
        assert_eq!([whole_prefix("lfs"), whole_prefix("lfs/")], ["lfs/", "lfs/"]);
        assert_eq!(of_path("lfs/", "/ab//c").unwrap(), "lfs//ab//c");
    }

    #[test]
    fn only_what_no_url_can_have_is_refused() {
        for good in ["a", "/a", "a/", "a//b", "...", "..a", "%2e%2e", "ä b+c?d#e&f", "\u{1}"] {
            assert!(of_path("", good).is_ok(), "{good}");
        }
        let long = "é".repeat(513);
        for (bad, reason) in [
            ("", "the key is empty"),
            ("a/../b", "the key has a part `.` or `..`"),
            ("..", "the key has a part `.` or `..`"),
            ("./a", "the key has a part `.` or `..`"),
            (long.as_str(), "the key has more than 1024 bytes"),
        ] {
            let Err(ContentError::Invalid(text)) = of_path("", bad) else { panic!("{bad}") };
            assert!(text.starts_with(reason), "{text}");
        }
    }

    #[test]
    fn keys_are_escaped_byte_for_byte() {
        assert_eq!(in_path("a b/ä+%2F?~"), "a%20b/%C3%A4%2B%252F%3F~");
        assert_eq!(in_query("a/b c"), "a%2Fb%20c");
    }
}
