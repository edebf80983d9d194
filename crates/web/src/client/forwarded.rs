//! What proxies say of a request: `Forwarded` (RFC 7239), and the older `X-Forwarded-For`, `-Proto` and `-Host`.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderName};

/// What one proxy says of the request that it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hop {
    /// The address that the request came from; `None` if it is withheld, or cannot be read.
    pub(super) address: Option<IpAddr>,
    /// `http` or `https`.
    pub(super) scheme: Option<&'static str>,
    /// The host that was asked for.
    pub(super) host: Option<String>,
}

/// Whether any of the headers is there.
pub(super) fn is_in(headers: &HeaderMap) -> bool {
    let names =
        [header::FORWARDED, header::X_FORWARDED_FOR, header::X_FORWARDED_PROTO, header::X_FORWARDED_HOST];
    names.iter().any(|name| headers.contains_key(name))
}

/// The hops of `Forwarded`, the nearest proxy's last.
pub(super) fn standard(headers: &HeaderMap) -> Vec<Hop> {
    let text = joined(headers, &header::FORWARDED);
    let elements = split_unquoted(&text, ',').map(str::trim).filter(|element| !element.is_empty());
    elements.map(element).collect()
}

/// The hops of `X-Forwarded-For`, the nearest proxy's last; one without an address if only what was asked for is said.
/// Where each proxy appended its scheme and host, each hop has its own; else all have those said last.
pub(super) fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let [addresses, schemes, hosts] =
        [header::X_FORWARDED_FOR, header::X_FORWARDED_PROTO, header::X_FORWARDED_HOST].map(|name| {
            let text = joined(headers, &name);
            let values = text.split(',').map(|value| value.trim().to_owned());
            values.filter(|value| !value.is_empty()).collect::<Vec<_>>()
        });
    if addresses.is_empty() && schemes.is_empty() && hosts.is_empty() {
        return Vec::new();
    }
    let count = addresses.len().max(1);
    let said = |values: &[String], at: usize| {
        let own = if values.len() == count { values.get(at) } else { values.last() };
        own.cloned()
    };
    let hop = |at| Hop {
        address: addresses.get(at).map(String::as_str).and_then(node),
        scheme: said(&schemes, at).and_then(|text| scheme(&text)),
        host: said(&hosts, at).and_then(host),
    };
    (0..count).map(hop).collect()
}

/// Whether a text is fit to be the host of a URL.
pub fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

/// All values of a header, in their order. What is no text has characters that are in no address and no host.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

/// One element of `Forwarded`: pairs such as `for="[2001:db8::1]:4711";proto=https`. What cannot be read is not there.
fn element(text: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split_unquoted(text, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = node(&value),
            "proto" => hop.scheme = scheme(&value),
            "host" => hop.host = host(value),
            _ => (),
        }
    }
    hop
}

/// The parts of a text between separators that are not inside a quoted string.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = is_quoted && !is_escaped && c == '\\';
        c == separator && !is_quoted
    })
}

/// The value of a token or of a quoted string.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        value.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    value
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`, with an
/// obfuscated port as well. A node may be `unknown`, or have an obfuscated identifier such as `_hidden`, instead.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((v4, port)) if !port.contains(':') => v4,
            _ => text,
        },
    };
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme))
}

fn host(text: String) -> Option<String> {
    Some(text).filter(|text| is_host(text))
}
