//! The configuration in force as text, secrets masked.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;
use url::Url;

use super::Loaded;
use super::layers::SettingValue;

const MASK: &str = "***";

/// One line for each key: TOML, with the value's origin as a comment.
pub(crate) fn show(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = loaded
        .table
        .iter()
        .filter(|(_, setting)| !setting.is_empty_section())
        .map(|(key, setting)| {
            let value = match &setting.value {
                SettingValue::Secret(secret) if key.ends_with("url") => masked(secret.expose_secret()),
                SettingValue::Secret(secret) => hidden(secret),
                SettingValue::Plain(Value::String(text)) if may_hold_password(key) => masked(text),
                SettingValue::Plain(value) => value.clone(),
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

/// The URL without its password. What cannot be understood is not shown at all.
fn masked(text: &str) -> Value {
    let unchanged = Value::String(text.to_owned());
    if text.is_empty() || text.starts_with("sqlite:") {
        return unchanged;
    }
    let Ok(mut url) = Url::parse(text) else { return Value::String(MASK.to_owned()) };
    let secret_in_query = url.query_pairs().any(|(name, _)| name.to_lowercase().contains("password"));
    if url.password().is_none() && !secret_in_query {
        return unchanged;
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return Value::String(MASK.to_owned());
    }
    if secret_in_query {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(|(name, value)| {
            let hide = name.to_lowercase().contains("password");
            (name, if hide { MASK.to_owned() } else { value })
        }));
    }
    Value::String(url.to_string())
}
