//! Relative paths in a configuration file, which are relative to that file.

use std::borrow::Cow;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use toml::Value;

/// The last parts of keys whose values are paths.
const PATHS: [&str; 9] = [
    "root",
    "ca_certificates",
    "configuration",
    "kubernetes_secrets",
    "omnibus_config",
    "profile_file",
    "secrets_file",
    "service_account_file",
    "volumes",
];

/// The last parts of keys whose values are URLs of databases.
const DATABASES: [&str; 5] =
    ["url", "database_url", "ci_database_url", "praefect_database_url", "sec_database_url"];

/// The value of a key in a file of the folder `base`.
pub(super) fn below(base: &Path, key: &str, value: Value) -> Value {
    let name = key.rsplit('.').next().unwrap_or(key);
    match value {
        Value::String(text) if PATHS.contains(&name) => Value::String(join(base, text.trim())),
        Value::String(text) if DATABASES.contains(&name) => Value::String(database(base, text.trim())),
        value => value,
    }
}

/// An empty text is no path.
fn join(base: &Path, path: &str) -> String {
    if path.is_empty() { String::new() } else { base.join(path).to_string_lossy().into_owned() }
}

/// A file of SQLite, or what `sslrootcert` of a PostgreSQL server names.
fn database(base: &Path, url: &str) -> String {
    if let Some(file) = url.strip_prefix("sqlite://") {
        return format!("sqlite://{}", join(base, file));
    }
    let Some((server, query)) = url.split_once('?') else { return url.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.strip_prefix("sslrootcert=") {
        Some(file) if !matches!(file, "" | "system") => {
            let file = join(base, &percent_decode_str(file).decode_utf8_lossy());
            Cow::Owned(format!("sslrootcert={}", utf8_percent_encode(&file, NON_ALPHANUMERIC)))
        }
        _ => Cow::Borrowed(pair),
    });
    format!("{server}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_and_nothing_else_is() {
        for (key, text, expected) in [
            ("storages.main.root", "data", "/etc/x/data"),
            ("storages.main.root", "/srv", "/srv"),
            ("storages.main.root", "", ""),
            ("storages.main.bucket", "data", "data"),
            ("storages.main.url", "http://registry/x?y", "http://registry/x?y"),
            ("database.url", "sqlite://var/s.db", "sqlite:///etc/x/var/s.db"),
            ("database.url", "sqlite:///var/s.db", "sqlite:///var/s.db"),
            ("database.url", "sqlite://", "sqlite://"),
            ("database.url", "postgres://h/d", "postgres://h/d"),
            (
                "sources.gitlab.database_url",
                "postgres://h/d?sslrootcert=system",
                "postgres://h/d?sslrootcert=system",
            ),
            (
                "sources.gitlab.database_url",
                "postgres://h/d?sslmode=verify-full&sslrootcert=a%20b",
                "postgres://h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fx%2Fa%20b",
            ),
            ("sources.gitlab.configuration", "gitlab.rb", "/etc/x/gitlab.rb"),
            ("auth.ca_certificates", "ca.pem", "/etc/x/ca.pem"),
        ] {
            let value = below(Path::new("/etc/x"), key, Value::String(text.to_owned()));
            assert_eq!(value, Value::String(expected.to_owned()), "{key} = {text}");
        }
    }
}
