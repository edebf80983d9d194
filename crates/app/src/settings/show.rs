//! The configuration in force as text, secrets masked.

use std::fmt::Write as _;

use config::ValueKind;
use url::Url;

use super::Loaded;

const MASK: &str = "***";

/// The last parts of keys whose values are never shown.
const SECRETS: [&str; 8] = [
    "access_key",
    "db_key_base",
    "password",
    "sas_token",
    "secret_access_key",
    "service_account_key",
    "session_token",
    "token",
];

/// One line for each key: TOML, with the value's origin as a comment.
pub(crate) fn show(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = loaded
        .table
        .iter()
        .filter(|(_, setting)| !setting.is_empty_section())
        .map(|(key, setting)| {
            let value = match key.rsplit('.').next() {
                Some(name) if SECRETS.contains(&name) => hidden(&setting.value),
                Some(name) if name.ends_with("url") || name == "endpoint" => masked(&setting.value),
                _ => setting.value.clone(),
            };
            (format!("{key} = {}", toml(&value)), setting.origin.to_string())
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, origin) in lines {
        let _ = writeln!(text, "{line:width$}  # {origin}");
    }
    text
}

fn toml(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| toml(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Nothing of a secret but whether there is one.
fn hidden(value: &ValueKind) -> ValueKind {
    let text = value.to_string();
    ValueKind::String(if text.is_empty() { text } else { MASK.to_owned() })
}

/// The URL without its password. What cannot be understood is not shown at all.
fn masked(value: &ValueKind) -> ValueKind {
    let text = value.to_string();
    if text.is_empty() || text.starts_with("sqlite:") {
        return value.clone();
    }
    let Ok(mut url) = Url::parse(&text) else { return ValueKind::String(MASK.to_owned()) };
    let secret_in_query = url.query_pairs().any(|(name, _)| name.to_lowercase().contains("password"));
    if url.password().is_none() && !secret_in_query {
        return value.clone();
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return ValueKind::String(MASK.to_owned());
    }
    if secret_in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(|(name, value)| {
            let hide = name.to_lowercase().contains("password");
            (name, if hide { MASK.to_owned() } else { value })
        }));
    }
    ValueKind::String(url.to_string())
}
