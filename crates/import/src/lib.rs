//! Reading import lines, the form in which records are handed to the catalogue from outside: NDJSON, one record a
//! line, in batches, with bounded memory.

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod line;
mod lines;

use std::collections::BTreeSet;
use std::io::BufRead;

use stocktake_domain::ports::{NumberedRecord, RecordBatch};
use tokio::sync::mpsc::Sender;

use lines::Lines;

/// Entries handed on at once.
const BATCH: usize = 1_000;

/// The most different unknown storages to warn about.
const MOST_WARNINGS: usize = 100;

/// Why an import's source cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// This line is wrong.
    #[error("line {number}: {reason}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// The source cannot be read.
    #[error("line {number} cannot be read")]
    Read {
        /// The line that was to be read, counted from 1.
        number: u64,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Reads all lines and sends their entries in batches; the first error, a [`SourceError`], is the last thing sent.
/// Blank lines are passed over. Calls `unknown_storage` once for each storage that is not among `storages`, for the
/// first hundred of them. Blocks while the channel is full, and ends early if nobody receives any more.
pub fn send_entries(
    source: impl BufRead,
    storages: &BTreeSet<String>,
    mut unknown_storage: impl FnMut(&str),
    batches: &Sender<RecordBatch>,
) {
    let mut warned = BTreeSet::new();
    let mut batch = Vec::with_capacity(BATCH);
    for entry in entries(source) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let _ = batches.blocking_send(Err(Box::new(error)));
                return;
            }
        };
        let storage = &entry.1.location.storage;
        if !storages.contains(storage) && warned.len() < MOST_WARNINGS && warned.insert(storage.clone()) {
            unknown_storage(storage);
        }
        batch.push(entry);
        if batch.len() == BATCH && batches.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
            return;
        }
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(Ok(batch));
    }
}

/// The entries of all lines, with the numbers of these, counted from 1. The first error is the last item that counts.
fn entries(source: impl BufRead) -> impl Iterator<Item = Result<NumberedRecord, SourceError>> {
    let mut lines = Lines::new(source);
    std::iter::from_fn(move || {
        loop {
            let number = lines.next_number();
            let text = match lines.next_line() {
                Ok(text) => text?,
                Err(error) => return Some(Err(error)),
            };
            let text = text.trim();
            if !text.is_empty() {
                let entry = line::parse(text).map_err(|reason| SourceError::Line { number, reason });
                return Some(entry.map(|entry| (number, entry)));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_the_line_number_and_blank_lines_count() {
        let text = "\n{\"record_identifier\":1,\"storage\":\"a\",\"path\":\"b\"}\n  \r\n{}\n";
        let all: Vec<_> = entries(text.as_bytes()).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].as_ref().unwrap().0, 2);
        assert_eq!(all[1].as_ref().unwrap_err().to_string(), "line 4: missing field `record_identifier`");
    }

    #[test]
    fn an_unknown_storage_is_told_once_and_batches_end_with_the_error() {
        let line =
            |storage: &str| format!("{{\"record_identifier\":1,\"storage\":\"{storage}\",\"path\":\"b\"}}\n");
        let text = [line("known"), line("other"), line("other"), "oops".to_owned()].concat();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
        let mut unknown = Vec::new();
        let storages = BTreeSet::from(["known".to_owned()]);
        send_entries(text.as_bytes(), &storages, |name| unknown.push(name.to_owned()), &sender);
        drop(sender);
        assert_eq!(unknown, ["other"]);
        let last = receiver.blocking_recv().unwrap().unwrap_err().to_string();
        assert!(last.starts_with("line 4: "), "{last}");
        assert!(receiver.blocking_recv().is_none());
    }
}
