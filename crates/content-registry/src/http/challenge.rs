//! The authentication that a registry requests: the header `WWW-Authenticate` (RFC 9110, 11.3).

/// A way of authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password.
    Basic,
    /// A token, from a token server.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// The service that the token is for.
        service: Option<String>,
        /// The scope of the token.
        scope: Option<String>,
        /// What is wrong with the token that was sent.
        error: Option<String>,
    },
}

/// The challenge to respond to among these headers: a token is preferred to a password.
pub(crate) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut challenges: Vec<_> = headers.flat_map(parse).collect();
    challenges.sort_by_key(|challenge| *challenge == Challenge::Basic);
    challenges.into_iter().next()
}

/// The supported challenges of one header.
fn parse(header: &str) -> Vec<Challenge> {
    let mut schemes: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in split_quoted(header) {
        let part = part.trim();
        let (before, value) = part.split_once('=').unwrap_or((part, ""));
        // `Bearer realm="…"` begins a scheme, `service="…"` continues it.
        let (scheme, name) = match before.trim().split_once(' ') {
            Some((scheme, name)) => (Some(scheme), name.trim()),
            None if part.contains('=') => (None, before.trim()),
            None => (Some(before.trim()), ""),
        };
        schemes.extend(scheme.map(|scheme| (scheme.to_ascii_lowercase(), Vec::new())));
        if let Some((_, parameters)) = schemes.last_mut().filter(|_| !name.is_empty()) {
            parameters.push((name.to_ascii_lowercase(), unquote(value.trim())));
        }
    }
    schemes.into_iter().filter_map(|(scheme, parameters)| challenge(&scheme, parameters)).collect()
}

fn challenge(scheme: &str, parameters: Vec<(String, String)>) -> Option<Challenge> {
    let (mut realm, mut service, mut scope, mut error) = (None, None, None, None);
    for (name, value) in parameters {
        match name.as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            "scope" => scope = Some(value),
            "error" => error = Some(value),
            _ => {}
        }
    }
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: realm?, service, scope, error }),
        _ => None,
    }
}

/// The parts between commas outside of quotes.
fn split_quoted(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    header
        .split(|c| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ',' if !quoted => return true,
                _ => {}
            }
            false
        })
        .collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_in_all_their_forms() {
        let bearer = |scope: &str, error: Option<&str>| Challenge::Bearer {
            realm: "https://example.com/jwt/auth".to_owned(),
            service: Some("container_registry".to_owned()),
            scope: Some(scope.to_owned()),
            error: error.map(str::to_owned),
        };
        let plain = r#"Bearer realm="https://example.com/jwt/auth",service="container_registry",scope="repository:a/b:pull,push""#;
        assert_eq!(choose([plain].into_iter()), Some(bearer("repository:a/b:pull,push", None)));
        let spaced = r#"bearer Realm="https://example.com/jwt/auth", service=container_registry , scope="a\"b", error="insufficient_scope""#;
        assert_eq!(choose([spaced].into_iter()), Some(bearer("a\"b", Some("insufficient_scope"))));
        assert_eq!(choose([r#"Basic realm="a, b""#].into_iter()), Some(Challenge::Basic));
        assert_eq!(choose(["Basic"].into_iter()), Some(Challenge::Basic));
        assert!(matches!(choose(["Basic realm=x", plain].into_iter()), Some(Challenge::Bearer { .. })));
        let both = format!("Basic realm=\"x\", {plain}");
        assert_eq!(choose([both.as_str()].into_iter()), Some(bearer("repository:a/b:pull,push", None)));
    }

    #[test]
    fn what_we_cannot_take_up_is_left() {
        for header in ["", "Negotiate", "Digest realm=\"a\"", "Bearer", "Bearer service=x", "=\"", ",,"] {
            assert_eq!(choose([header].into_iter()), None, "{header}");
        }
    }
}
