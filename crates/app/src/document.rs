//! The JSON documents that commands print: what all of them have.

use serde_json::{Map, Value, json};
use stocktake_domain::{Record, RecordKey};

use crate::output::Text;

/// The version of the documents. It grows when a field goes or means something else, and not when one is added.
const VERSION: u32 = 1;

/// The document with these fields, which is an object.
pub(crate) fn text(fields: Value) -> Text {
    Text::json(&with_version(fields))
}

/// The same as a value.
pub(crate) fn with_version(fields: Value) -> Value {
    joined(json!({ "version": VERSION }), fields)
}

/// The fields of both, which are objects.
pub(crate) fn joined(mut one: Value, other: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut one, other) {
        all.extend(more);
    }
    one
}

/// What comes before and behind a list of this name in the document with these fields, for a list that is printed piece by
/// piece.
pub(crate) fn around(list: &str, fields: Value) -> (String, String) {
    let head = format!("{:#}", with_version(fields));
    (format!("{},\n  \"{list}\": [", head.strip_suffix("\n}").unwrap_or(&head)), "]\n}\n".to_owned())
}

/// A record's key, as the API writes it.
pub(crate) fn identifier(key: &RecordKey) -> Value {
    key.as_integer().map_or_else(|| Value::from(key.to_string()), Value::from)
}

/// What names a record and its place.
pub(crate) fn place(record: &Record) -> Map<String, Value> {
    Map::from_iter([
        ("model_name".to_owned(), Value::from(record.model.name())),
        ("record_identifier".to_owned(), identifier(&record.key)),
        ("storage".to_owned(), Value::from(record.location.storage.clone())),
        ("path".to_owned(), Value::from(record.location.path.clone())),
    ])
}
