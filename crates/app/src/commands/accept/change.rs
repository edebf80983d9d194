//! What an acceptance changes, or what taking it back does: the former on the left, the new on the right.

use serde_json::{Map, Value, json};
use stocktake_domain::{Acceptance, Digest, Model, Record, RecordKey, Timestamp};
use stocktake_worker::Candidate;

use crate::columns::{fitted, width};
use crate::findings::shortened;
use crate::output::Text;
use crate::quantities::{counted, day};
use crate::{document, terminal};

/// What names a record.
pub(super) type Place = (Model, RecordKey);

/// One side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Side {
    size: Option<u64>,
    digest: Option<Digest>,
    at: Option<Timestamp>,
    /// Nothing is there, and the record is no longer verified.
    is_nothing: bool,
}

/// What changes of a record.
pub(super) struct Change {
    record: Record,
    left: Side,
    right: Side,
    now: Timestamp,
}

impl Change {
    /// What accepting this content changes.
    pub(super) fn new(candidate: &Candidate, now: Timestamp) -> Self {
        let Candidate { record, checksum, size, .. } = candidate;
        let right = Side { size: *size, digest: *checksum, at: Some(now), is_nothing: checksum.is_none() };
        Self { left: recorded(record), right, record: record.clone(), now }
    }

    /// What taking this acceptance of the record back changes.
    pub(super) fn back(record: &Record, acceptance: &Acceptance, now: Timestamp) -> Self {
        let replaced = &acceptance.replaced;
        let expected = replaced.expected.filter(|_| !replaced.accepted);
        let right = Side {
            size: replaced.file_size,
            digest: expected.or(replaced.baseline.map(|baseline| baseline.digest)),
            at: replaced.baseline.map(|baseline| baseline.at),
            is_nothing: false,
        };
        let is_retired = acceptance.accepted.checksum.is_none();
        let left = Side { is_nothing: is_retired, ..recorded(record) };
        Self { left, right, record: record.clone(), now }
    }

    /// The record.
    pub(super) fn place(&self) -> Place {
        (self.record.model, self.record.key.clone())
    }

    /// The change as JSON.
    pub(super) fn json(&self) -> Value {
        let mut fields: Map<String, Value> = document::place(&self.record);
        fields.insert("old".to_owned(), self.left.json());
        fields.insert("new".to_owned(), self.right.json());
        Value::Object(fields)
    }

    fn lines(&self, text: &mut Text, columns: Option<usize>) {
        let Record { model, key, location, .. } = &self.record;
        let place = format!("{}:{}", location.storage, location.path);
        text.line(fitted(&format!("{model} {key}"), &place, "", columns).trim_end());
        let (left, right) = (self.left.text(self.now), self.right.text(self.now));
        let line = format!("  {left}  →  {right}");
        if columns.is_some_and(|columns| width(&line) > columns) {
            text.line(format!("  {left}"));
            text.line(format!("  →  {right}"));
        } else {
            text.line(line);
        }
    }
}

/// What counts of the record as it is.
fn recorded(record: &Record) -> Side {
    let baseline = record.history().baseline;
    let expected = record.expected.filter(|_| !record.accepted);
    Side {
        size: record.file_size,
        digest: expected.or(baseline.map(|baseline| baseline.digest)),
        at: baseline.map(|baseline| baseline.at).or(record.created_at),
        is_nothing: false,
    }
}

impl Side {
    fn text(self, now: Timestamp) -> String {
        if self.is_nothing {
            return "nothing is there: retired, no longer verified".to_owned();
        }
        let at = |at: Timestamp| if at == now { "now".to_owned() } else { day(at, now) };
        let parts = [
            self.size.map(|size| counted(size, "byte")),
            self.digest.map(|digest| format!("{} {}", digest.algorithm(), shortened(digest))),
            self.at.map(at),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "nothing recorded".to_owned() } else { parts.join(", ") }
    }

    fn json(self) -> Value {
        if self.is_nothing {
            return json!({ "size": null, "checksum": null, "at": null, "retired": true });
        }
        json!({
            "size": self.size,
            "checksum": self.digest.map(|digest| digest.tagged()),
            "at": self.at.map(|at| at.to_string()),
            "retired": false,
        })
    }
}

/// The changes for people. No line is wider than the terminal.
pub(super) fn text(changes: &[Change]) -> Text {
    let columns = terminal::size().map(|size| size.columns);
    let mut text = Text::default();
    for change in changes {
        change.lines(&mut text, columns);
    }
    text
}
