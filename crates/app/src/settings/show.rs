//! The configuration in force as text, secrets masked.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;
use url::Url;

use super::Loaded;
use super::layers::SettingValue;

const MASK: &str = "***";

/// One value in force, as it may be shown.
pub(crate) struct Shown {
    pub(crate) key: String,
    /// As TOML.
    pub(crate) value: String,
    /// As JSON.
    pub(crate) json: serde_json::Value,
    /// Where it came from.
    pub(crate) origin: String,
}

/// All values in force.
pub(crate) fn values(loaded: &Loaded) -> Vec<Shown> {
    let shown = loaded.table.iter().filter(|(_, setting)| !setting.is_empty_section());
    shown
        .map(|(key, setting)| {
            let value = harmless(key, &setting.value);
            let (json, origin) =
                (serde_json::to_value(&value).unwrap_or_default(), setting.origin.to_string());
            Shown { key: key.clone(), value: toml(&value), json, origin }
        })
        .collect()
}

/// The value of one key as a text; `None` if it has none, or an empty one.
pub(crate) fn value_of(loaded: &Loaded, key: &str) -> Option<String> {
    let text = match harmless(key, &loaded.table.get(key)?.value) {
        Value::String(text) => text,
        other => toml(&other),
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The value without what is secret of it.
fn harmless(key: &str, value: &SettingValue) -> Value {
    match value {
        SettingValue::Secret(secret) if key.ends_with("url") => masked(secret.expose_secret()),
        SettingValue::Secret(secret) => hidden(secret),
        SettingValue::Plain(Value::String(text)) if may_hold_password(key) => masked(text),
        SettingValue::Plain(value) => value.clone(),
    }
}

/// One line for each key: TOML, with the value's origin as a comment.
pub(crate) fn show(loaded: &Loaded) -> String {
    let lines =
        values(loaded).into_iter().map(|shown| (format!("{} = {}", shown.key, shown.value), shown.origin));
    let lines: Vec<(String, String)> = lines.collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, origin) in lines {
        let _ = writeln!(text, "{line:width$}  # {origin}");
    }
    text
}

fn toml(value: &Value) -> String {
    match value {
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether values of this key are URLs, which somebody may have put a password into.
fn may_hold_password(key: &str) -> bool {
    key.ends_with("url") || key.ends_with(".endpoint")
}

/// Nothing of a secret but whether there is one.
fn hidden(secret: &SecretString) -> Value {
    Value::String(if secret.expose_secret().is_empty() { String::new() } else { MASK.to_owned() })
}

/// The URL without what in it may be a secret: the password, and of a URL of HTTP also a user without one, which is a token, and
/// whatever the query gives (signatures, tokens). What cannot be understood is not shown at all.
fn masked(text: &str) -> Value {
    let unchanged = Value::String(text.to_owned());
    if text.is_empty() || text.starts_with("sqlite:") {
        return unchanged;
    }
    let Ok(mut url) = Url::parse(text) else { return Value::String(MASK.to_owned()) };
    let is_http = matches!(url.scheme(), "http" | "https");
    let is_secret = |name: &str| is_http || name.to_lowercase().contains("password");
    let has_secret_in_query = url.query_pairs().any(|(name, _)| is_secret(&name));
    let is_token = is_http && !url.username().is_empty() && url.password().is_none();
    if url.password().is_none() && !has_secret_in_query && !is_token {
        return unchanged;
    }
    let hidden = match (url.password().is_some(), is_token) {
        (true, _) => url.set_password(Some(MASK)),
        (false, true) => url.set_username(MASK),
        (false, false) => Ok(()),
    };
    if hidden.is_err() {
        return Value::String(MASK.to_owned());
    }
    if has_secret_in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(|(name, value)| {
            let shown = if is_secret(&name) { MASK.to_owned() } else { value };
            (name, shown)
        }));
    }
    Value::String(url.to_string())
}
