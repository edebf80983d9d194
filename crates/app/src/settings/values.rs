//! From raw values to checked ones. Each function says in half a sentence what it wanted.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use stocktake_web::{Network, NotANetwork};
use toml::Value;

/// What was wanted instead of the value; completes "`key`: …".
pub(crate) type Wanted = String;

/// A text, possibly empty.
pub(crate) fn text(value: &Value) -> Result<String, Wanted> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        _ => Err("must be a text in quotation marks".to_owned()),
    }
}

/// A text that is not empty.
pub(crate) fn filled_text(value: &Value) -> Result<String, Wanted> {
    text(value).and_then(|text| if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) })
}

/// True or false.
pub(crate) fn boolean(value: &Value) -> Result<bool, Wanted> {
    match value {
        Value::Boolean(value) => Ok(*value),
        Value::String(text) => text.trim().to_lowercase().parse().map_err(|_| wanted_boolean()),
        _ => Err(wanted_boolean()),
    }
}

fn wanted_boolean() -> Wanted {
    "must be true or false".to_owned()
}

/// A whole number within the bounds.
pub(crate) fn whole<T: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(&Value) -> Result<T, Wanted> {
    move |value| {
        let number = match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| (least..=most).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }
}

/// A whole number from 1 to `most`.
pub(crate) fn positive(most: u64) -> impl Fn(&Value) -> Result<NonZeroUsize, Wanted> {
    move |value| whole(1, most)(value).map(|number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN))
}

/// The path of a folder, made absolute.
pub(crate) fn folder(value: &Value) -> Result<PathBuf, Wanted> {
    let text = filled_text(value)?;
    std::path::absolute(&text).map_err(|error| format!("{text:?} is no path: {error}"))
}

/// A span of time from `least` on, at most a hundred years.
pub(crate) fn duration(least: Duration) -> impl Fn(&Value) -> Result<Duration, Wanted> {
    const MOST: Duration = Duration::from_secs(100 * 365 * 86_400);
    move |value| {
        let wanted = || "must be a duration such as \"90d\", \"8h\" or \"500ms\"".to_owned();
        let text = text(value).map_err(|_| wanted())?;
        let span = humantime::parse_duration(&text).map_err(|_| wanted())?;
        if span < least {
            return Err(format!("must be at least {}", stocktake_domain::format_duration(least)));
        }
        if span > MOST { Err("must be at most 100 years".to_owned()) } else { Ok(span) }
    }
}

/// A number of bytes: a whole number, or one with a unit (`100MB` is a hundred million, `1MiB` is 1048576).
pub(crate) fn bytes(value: &Value) -> Result<u64, Wanted> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("B", 1),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KIB", 1 << 10),
        ("MIB", 1 << 20),
        ("GIB", 1 << 30),
        ("TIB", 1 << 40),
    ];
    let wanted = || "must be an amount of bytes such as 1048576, \"100MB\" or \"1MiB\"".to_owned();
    let text = match value {
        Value::Integer(number) => number.to_string(),
        Value::String(text) => text.trim().to_uppercase(),
        _ => return Err(wanted()),
    };
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    let number = digits.parse::<u64>().ok();
    // Both databases and the file system count in 63 bits.
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(wanted)
}

/// A list of texts: an array, or (as in a variable) one text with commas.
pub(crate) fn list(value: &Value) -> Result<Vec<String>, Wanted> {
    let wanted = || "must be a list of texts".to_owned();
    let items: Vec<String> = match value {
        Value::Array(items) => items.iter().map(text).collect::<Result<_, _>>().map_err(|_| wanted())?,
        Value::String(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        _ => return Err(wanted()),
    };
    Ok(items.into_iter().filter(|item| !item.is_empty()).collect())
}

/// A list of IP addresses, and of networks in CIDR notation.
pub(crate) fn networks(value: &Value) -> Result<Vec<Network>, Wanted> {
    let network = |text: String| text.parse().map_err(|error: NotANetwork| error.to_string());
    list(value)?.into_iter().map(network).collect()
}

/// A list of origins of web pages: scheme, host and, where it is not the scheme's own, port.
pub(crate) fn origins(value: &Value) -> Result<Vec<String>, Wanted> {
    let origin = |text: String| match url::Url::parse(&text) {
        Ok(url) if url.has_host() && url.origin().ascii_serialization() == text => Ok(text),
        _ => Err(format!("{text:?} is not an origin such as \"https://dashboard.example.com\"")),
    };
    list(value)?.into_iter().map(origin).collect()
}

/// An IP address (or `localhost`) with a port.
pub(crate) fn address(value: &Value) -> Result<SocketAddr, Wanted> {
    let wanted = || "must be an IP address and a port such as 127.0.0.1:8080".to_owned();
    let text = text(value).map_err(|_| wanted())?;
    text.replacen("localhost:", "127.0.0.1:", 1).parse().map_err(|_| wanted())
}

/// The same, or nothing for an empty text.
pub(crate) fn optional_address(value: &Value) -> Result<Option<SocketAddr>, Wanted> {
    if text(value).is_ok_and(|text| text.is_empty()) { Ok(None) } else { address(value).map(Some) }
}

/// An `http` or `https` URL without a trailing slash, or nothing for an empty text.
pub(crate) fn optional_base_url(value: &Value) -> Result<Option<String>, Wanted> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    url::Url::parse(&text)
        .ok()
        .filter(|url| {
            let has_more = url.query().is_some() || url.fragment().is_some();
            // Whoever is sent a link would be sent these.
            let has_credentials = !url.username().is_empty() || url.password().is_some();
            matches!(url.scheme(), "http" | "https") && !has_more && !has_credentials
        })
        .map(|_| Some(text.trim_end_matches('/').to_owned()))
        .ok_or_else(|| "must be a URL such as https://stocktake.example.com".to_owned())
}

/// A value that its type parses from a text.
pub(crate) fn parsed<T: std::str::FromStr>(wanted: &'static str) -> impl Fn(&Value) -> Result<T, Wanted> {
    move |value| text(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(&Value::Integer(17)), Ok(17));
        assert_eq!(bytes(&string("100MB")), Ok(100_000_000));
        assert_eq!(bytes(&string("64 KiB")), Ok(65_536));
        for wrong in ["", "MB", "-1", "1.5GB", "1 parsec", "99999999TB"] {
            assert!(bytes(&string(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_bounds() {
        assert_eq!(duration(Duration::ZERO)(&string("90d")), Ok(Duration::from_secs(90 * 86_400)));
        assert!(duration(Duration::ZERO)(&string("soon")).is_err());
        assert!(duration(Duration::from_secs(1))(&string("10ms")).unwrap_err().contains("at least 1s"));
        assert!(duration(Duration::ZERO)(&string("101years")).is_err());
    }

    #[test]
    fn lists_come_as_arrays_or_with_commas() {
        assert_eq!(list(&string("a, b,,c")), Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert_eq!(list(&string("")), Ok(vec![]));
        assert!(list(&Value::Integer(1)).is_err());
    }

    #[test]
    fn networks_are_addresses_or_in_cidr_notation() {
        let found = networks(&string("10.0.0.0/8, 2001:db8::1")).unwrap();
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "2001:db8::1/128"]
        );
        assert_eq!(networks(&string("")), Ok(vec![]));
        let wrong = networks(&string("10.0.0.1, proxy.test")).unwrap_err();
        assert_eq!(wrong, "\"proxy.test\" is neither an IP address nor a network such as 10.0.0.0/8");
    }

    #[test]
    fn origins_have_no_path() {
        let found = origins(&string("https://a.test,http://b.test:81")).unwrap();
        assert_eq!(found, ["https://a.test", "http://b.test:81"]);
        for wrong in ["*", "https://a.test/", "https://a.test:443", "a.test", "null", "https://A.test"] {
            assert!(origins(&string(wrong)).unwrap_err().contains("is not an origin such as"), "{wrong}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        assert_eq!(address(&string("localhost:80")), Ok(([127, 0, 0, 1], 80).into()));
        assert!(address(&string("127.0.0.1")).is_err());
        assert_eq!(optional_address(&string("")), Ok(None));
        for refused in ["ftp://x", "https://x/?a=b", "https://x/#a", "https://me:hush@x", "https://hush@x"] {
            assert!(optional_base_url(&string(refused)).is_err(), "{refused}");
        }
        assert_eq!(optional_base_url(&string("https://x/y/")), Ok(Some("https://x/y".to_owned())));
    }
}
