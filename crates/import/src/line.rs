//! One import line.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::Error as _};
use stocktake_domain::{Digest, DigestRule, Location, RecordKey, SourceRecord, Timestamp};

/// The longest name of a storage, in bytes.
const LONGEST_STORAGE: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(deserialize_with = "record_identifier")]
    record_identifier: RecordKey,
    #[serde(default, deserialize_with = "created_at")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "file_size")]
    file_size: Option<u64>,
    storage: String,
    path: String,
    #[serde(default, deserialize_with = "expected_checksum")]
    expected_checksum: Option<Digest>,
    #[serde(default, deserialize_with = "rule")]
    rule: DigestRule,
    #[serde(default)]
    mutable: bool,
    #[serde(default)]
    disabled: bool,
}

/// The entry that a line of JSON describes, or what is wrong with the line.
pub(crate) fn parse(text: &str) -> Result<SourceRecord, String> {
    if text.starts_with('[') {
        return Err("no JSON object, but a list".to_owned());
    }
    let line: Line = serde_json::from_str(text).map_err(|error| reason(&error))?;
    let mistake = match (line.storage.as_str(), line.path.as_str()) {
        ("", _) => Some("storage is empty"),
        (_, "") => Some("path is empty"),
        (storage, _) if storage.len() > LONGEST_STORAGE => Some("storage is longer than 255 bytes"),
        (storage, path) if storage.contains('\0') || path.contains('\0') => {
            Some("a name holds a NUL character")
        }
        _ => None,
    };
    match mistake {
        Some(mistake) => Err(mistake.to_owned()),
        None => Ok(SourceRecord {
            created_at: line.created_at,
            file_size: line.file_size,
            expected: line.expected_checksum,
            rule: line.rule,
            mutable: line.mutable,
            disabled: line.disabled,
            ..SourceRecord::new(line.record_identifier, Location { storage: line.storage, path: line.path })
        }),
    }
}

/// What the parser says, without its own count of lines, which is always 1.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let sentence = text.rsplit_once(" at line ").map_or(text.as_str(), |(sentence, _)| sentence);
    if error.is_data() {
        sentence.to_owned()
    } else {
        format!("no JSON object: {sentence} at column {}", error.column())
    }
}

fn record_identifier<'de, D: Deserializer<'de>>(source: D) -> Result<RecordKey, D::Error> {
    struct Identifier;

    impl Visitor<'_> for Identifier {
        type Value = RecordKey;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("record_identifier as an integer or the base64 form of a composite key")
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<RecordKey, E> {
            Ok(RecordKey::integer(value))
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<RecordKey, E> {
            i64::try_from(value)
                .map(RecordKey::integer)
                .map_err(|_| E::custom(format!("record_identifier {value} is too large")))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<RecordKey, E> {
            let key = text.parse::<RecordKey>().ok().filter(|key| key.as_integer().is_none());
            key.ok_or_else(|| {
                E::custom(format!(
                    "record_identifier {text:?} is neither an integer nor the base64 form of a composite key"
                ))
            })
        }
    }

    source.deserialize_any(Identifier)
}

fn created_at<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Timestamp>, D::Error> {
    let parse = |text: String| {
        Timestamp::parse_rfc3339(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "created_at {text:?} is no RFC 3339 time such as 2025-02-05T11:27:10.173Z in one of the years 0001 to 9999"
            ))
        })
    };
    Option::<String>::deserialize(source)?.map(parse).transpose()
}

fn file_size<'de, D: Deserializer<'de>>(source: D) -> Result<Option<u64>, D::Error> {
    // Both databases count in 63 bits.
    let parse = |number: serde_json::Number| {
        number
            .as_i64()
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| D::Error::custom(format!("file_size {number} is no number of bytes")))
    };
    Option::<serde_json::Number>::deserialize(source)?.map(parse).transpose()
}

fn expected_checksum<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Digest>, D::Error> {
    let parse =
        |text: String| text.parse().map_err(|error| D::Error::custom(format!("expected_checksum: {error}")));
    Option::<String>::deserialize(source)?.map(parse).transpose()
}

fn rule<'de, D: Deserializer<'de>>(source: D) -> Result<DigestRule, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    let rule = text.map(|text| text.parse().map_err(|error| D::Error::custom(format!("rule: {error}"))));
    Ok(rule.transpose()?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_is_read() {
        let text = format!(
            r#"{{"record_identifier": 5, "created_at": "2025-02-05T11:27:10.173Z", "file_size": 12,
                 "storage": "main", "path": "ab/cd/file.bin", "expected_checksum": "sha256:{}"}}"#,
            "ab".repeat(32)
        );
        let entry = parse(&text).unwrap();
        assert_eq!(entry.key, RecordKey::integer(5));
        assert_eq!(entry.created_at.unwrap().to_string(), "2025-02-05T11:27:10.173Z");
        assert_eq!(entry.file_size, Some(12));
        assert_eq!(
            entry.location,
            Location { storage: "main".to_owned(), path: "ab/cd/file.bin".to_owned() }
        );
        assert_eq!(entry.expected, Some(Digest::Sha256([0xab; 32])));
        assert!(!entry.disabled);
    }

    #[test]
    fn a_short_line_and_composite_keys_are_read() {
        let entry = parse(
            r#"{"record_identifier":"NSAxMDA","storage":"a","path":"b","file_size":null,"disabled":true}"#,
        )
        .unwrap();
        assert_eq!(entry.key.parts(), [5, 100]);
        assert_eq!((entry.rule, entry.mutable), (DigestRule::Stored, false));
        assert!(entry.disabled && entry.file_size.is_none() && entry.created_at.is_none());
    }

    #[test]
    fn a_line_says_which_rule_applies() {
        let entry = parse(
            r#"{"record_identifier":1,"storage":"a","path":"b","rule":"terraform_state:7","mutable":true}"#,
        )
        .unwrap();
        assert_eq!((entry.rule, entry.mutable), (DigestRule::TerraformState(7), true));
    }

    #[test]
    fn mistakes_are_named() {
        let with = |field: &str| format!(r#"{{"record_identifier":1,"storage":"a","path":"b",{field}}}"#);
        let cases = [
            ("not json".to_owned(), "no JSON object: expected ident at column 2"),
            (r#"{"record_identifier":1,"#.to_owned(), "no JSON object: EOF while parsing"),
            (r#"[1,null,null,"a","b"]"#.to_owned(), "no JSON object, but a list"),
            ("5".to_owned(), "invalid type: integer `5`"),
            ("{}".to_owned(), "missing field `record_identifier`"),
            (r#"{"record_identifier":1,"storage":"a"}"#.to_owned(), "missing field `path`"),
            (
                r#"{"record_identifier":1.5,"storage":"a","path":"b"}"#.to_owned(),
                "expected record_identifier as an integer",
            ),
            (
                r#"{"record_identifier":"1","storage":"a","path":"b"}"#.to_owned(),
                "record_identifier \"1\" is neither",
            ),
            (
                r#"{"record_identifier":99999999999999999999,"storage":"a","path":"b"}"#.to_owned(),
                "expected record_identifier as",
            ),
            (
                r#"{"record_identifier":9223372036854775808,"storage":"a","path":"b"}"#.to_owned(),
                "is too large",
            ),
            (r#"{"record_identifier":1,"storage":"","path":"b"}"#.to_owned(), "storage is empty"),
            (r#"{"record_identifier":1,"storage":"a","path":""}"#.to_owned(), "path is empty"),
            (r#"{"record_identifier":1,"storage":"a","path":"b\u0000"}"#.to_owned(), "NUL"),
            (with(r#""file_size":-1"#), "file_size -1 is no number of bytes"),
            (with(r#""file_size":1.5"#), "file_size 1.5 is no number of bytes"),
            (with(r#""file_size":"1""#), "invalid type: string"),
            (with(r#""created_at":"yesterday""#), "created_at \"yesterday\" is no RFC 3339 time"),
            (with(r#""created_at":"9999-12-31T23:59:60Z""#), "in one of the years 0001 to 9999"),
            (with(r#""created_at":5"#), "invalid type: integer `5`"),
            (
                with(r#""expected_checksum":"abc""#),
                "expected_checksum: a digest begins with sha256:, sha1: or md5:",
            ),
            (with(r#""disabled":"yes""#), "invalid type: string \"yes\", expected a boolean"),
            (with(r#""rule":"secure_file:""#), "rule: the rule secure_file has no key data"),
            (with(r#""rule":"magic""#), "rule: a rule is length:<bytes>"),
            (with(r#""mutable":1"#), "invalid type: integer `1`, expected a boolean"),
            (with(r#""colour":"red""#), "unknown field `colour`"),
            (with(r#""path":"c""#), "duplicate field `path`"),
        ];
        for (text, wanted) in cases {
            let reason = parse(&text).unwrap_err();
            assert!(reason.contains(wanted), "{text}: {reason}");
        }
    }
}
