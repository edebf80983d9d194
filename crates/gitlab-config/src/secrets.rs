//! `db_key_base`, the one of GitLab's secrets that is needed.

use std::path::Path;

use secrecy::SecretString;
use serde_json::Value as Json;

use crate::file::InstallationError;
use crate::node::{Map, Node, Value};
use crate::{file, yaml};

/// Stocktake's own setting for it.
pub(crate) const HINT: &str = "secrets.db_key_base";

const SEVERAL: &str = "is a list of several keys, and only one is supported: \
                       set `secrets.db_key_base` in Stocktake's configuration to the one that is in use";
const NO_TEXT: &str = "must be a text";

/// Reads it from a file of secrets.
pub(crate) fn db_key_base(file: &Path) -> Result<SecretString, InstallationError> {
    let text = file::text(file)?;
    if file::is_yaml(file) { of_yaml(file, &text) } else { of_json(file, &text) }
}

/// `secrets.yml` of an installation from source, or of the Helm chart.
fn of_yaml(file: &Path, text: &str) -> Result<SecretString, InstallationError> {
    let document = yaml::document(file, text)?;
    let Some(node) = document.root.get("db_key_base").filter(|node| !node.is_empty()) else {
        return Err(InstallationError::file(file, "has no `production.db_key_base`"));
    };
    only(node).map_err(|why| InstallationError::line(file, node.place.line, format!("`db_key_base` {why}")))
}

/// `gitlab-secrets.json` of the Linux package.
fn of_json(file: &Path, text: &str) -> Result<SecretString, InstallationError> {
    let json: Json = serde_json::from_str(text)
        .map_err(|error| InstallationError::line(file, error.line(), "is not JSON"))?;
    let key = json.pointer("/gitlab_rails/db_key_base").map(node);
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(InstallationError::file(file, "has no `gitlab_rails.db_key_base`"));
    };
    only(&key)
        .map_err(|why| InstallationError::file(file, format!("has a `gitlab_rails.db_key_base` that {why}")))
}

/// The value as a single key, or why it is not one.
pub(crate) fn only(node: &Node) -> Result<SecretString, &'static str> {
    match &node.value {
        Value::Text(key) => Ok(key.clone().into()),
        Value::List(keys) => match keys.as_slice() {
            [Node { value: Value::Text(key), .. }] => Ok(key.clone().into()),
            [_] => Err(NO_TEXT),
            _ => Err(SEVERAL),
        },
        Value::Unknown(_) => {
            Err("is calculated: set `secrets.db_key_base` in Stocktake's configuration instead")
        }
        _ => Err(NO_TEXT),
    }
}

fn node(json: &Json) -> Node {
    let value = match json {
        Json::Null => Value::Nil,
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(list) => Value::List(list.iter().map(node).collect()),
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::Object(_) => Value::Map(Map::default()),
    };
    Node::new(1, value)
}
