//! Rows of comma-separated values.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;

use crate::columns::Columns;
use crate::row::{self, Fields};
use crate::{ReportError, Row};

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// Bytes that are read of one row at most; a key has 1,024, which are three times as many when they are encoded. What is read
/// at once is more than a row has.
const LONGEST: usize = 1 << 20;

/// What a file compressed with gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl Fields for StringRecord {
    fn text(&self, column: usize) -> Result<Option<&str>, String> {
        Ok(self.get(column).filter(|text| !text.is_empty()))
    }
}

/// Unpacked blocks that wait for the thread that takes the rows from them.
const WAITING: usize = 8;

/// Reads all rows of a file; returns how many there were. A compressed one is unpacked in a thread of its own, which takes
/// about as long as taking the rows from what it has.
pub(crate) fn read(
    file: &Path,
    columns: &Columns,
    progress: &mut impl FnMut(u64),
    each: &mut impl FnMut(Row<'_>) -> Result<(), String>,
) -> Result<u64, ReportError> {
    let unread = |source| ReportError::Read { file: file.to_owned(), source };
    let mut source = File::open(file).map_err(unread)?;
    let mut beginning = Vec::new();
    Read::take(&mut source, 2).read_to_end(&mut beginning).map_err(unread)?;
    let is_compressed = beginning == GZIP;
    let source = io::Cursor::new(beginning).chain(source);
    if !is_compressed {
        return rows(file, Counted { source, progress }, columns, each);
    }
    let (sender, blocks) = sync_channel(WAITING);
    thread::scope(|scope| {
        let unpacking = thread::Builder::new().name("unpack".to_owned());
        unpacking.spawn_scoped(scope, move || unpack(source, &sender)).map_err(unread)?;
        rows(file, Unpacked { blocks, block: io::Cursor::default(), progress }, columns, each)
    })
}

/// Some bytes, and how many of the file had to be read for them.
type Block = (Vec<u8>, u64);

/// Unpacks until the end, an error, or until nobody wants the rest.
fn unpack(source: impl Read, blocks: &SyncSender<io::Result<Block>>) {
    let read = Cell::new(0);
    let mut count = |bytes| read.set(read.get() + bytes);
    let source = BufReader::with_capacity(BUFFER, Counted { source, progress: &mut count });
    let mut source = MultiGzDecoder::new(source);
    loop {
        let mut block = vec![0; BUFFER];
        let unpacked = source.read(&mut block).map(|length| {
            block.truncate(length);
            (block, read.take())
        });
        let is_last = unpacked.as_ref().map_or(true, |(block, _)| block.is_empty());
        if blocks.send(unpacked).is_err() || is_last {
            return;
        }
    }
}

/// What another thread unpacks.
struct Unpacked<'a, F> {
    blocks: Receiver<io::Result<Block>>,
    block: io::Cursor<Vec<u8>>,
    progress: &'a mut F,
}

impl<F: FnMut(u64)> Read for Unpacked<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.block.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        // The last block is an empty one.
        let Ok(block) = self.blocks.recv() else { return Ok(0) };
        let (block, count) = block?;
        (self.progress)(count);
        self.block = io::Cursor::new(block);
        self.block.read(buffer)
    }
}

fn rows(
    file: &Path,
    source: impl Read,
    columns: &Columns,
    each: &mut impl FnMut(Row<'_>) -> Result<(), String>,
) -> Result<u64, ReportError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(Bounded { source, left: LONGEST });
    let mut record = StringRecord::new();
    let mut number = 0;
    loop {
        let wrong = |reason| ReportError::Row { file: file.to_owned(), number: number + 1, reason };
        reader.get_mut().left = LONGEST;
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(number),
            Ok(true) => {}
            Err(error) => return Err(unreadable(file, number + 1, error)),
        }
        if number == 0 && is_header(&record, columns) {
            continue;
        }
        if record.len() != columns.names.len() {
            return Err(wrong(format!("{} fields, not {}", record.len(), columns.names.len())));
        }
        each_row(&record, columns, each).map_err(wrong)?;
        number += 1;
    }
}

fn each_row(
    record: &StringRecord,
    columns: &Columns,
    each: &mut impl FnMut(Row<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let key = row::decoded(record.get(columns.key).unwrap_or_default())?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    let bucket = columns.bucket.and_then(|column| record.get(column));
    each(Row { bucket, key: &key, said: row::said(record, columns)? })
}

/// Whether the row names the columns. Amazon's files have no such row; copies that other programs made may.
fn is_header(record: &StringRecord, columns: &Columns) -> bool {
    record.get(columns.key).is_some_and(|text| text.eq_ignore_ascii_case("key"))
        && record.iter().zip(&columns.names).all(|(text, name)| text.trim().eq_ignore_ascii_case(name))
}

fn unreadable(file: &Path, number: u64, error: csv::Error) -> ReportError {
    let file = file.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == ErrorKind::FileTooLarge => {
            ReportError::Row { file, number, reason: format!("longer than {LONGEST} bytes") }
        }
        csv::ErrorKind::Io(source) => ReportError::Read { file, source },
        csv::ErrorKind::Utf8 { .. } => ReportError::Row { file, number, reason: "not UTF-8".to_owned() },
        other => ReportError::Row { file, number, reason: format!("{other:?}") },
    }
}

/// Fails when too much is read of one row, so that a quote without its end does not fill the memory.
struct Bounded<R> {
    source: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.left = self.left.checked_sub(count).ok_or(ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// Tells how many bytes are read.
struct Counted<'a, R, F> {
    source: R,
    progress: &'a mut F,
}

impl<R: Read, F: FnMut(u64)> Read for Counted<'_, R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        (self.progress)(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const COLUMNS: &str = "Bucket, Key, Size, ETag";

    fn keys(text: &[u8]) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, text).unwrap();
        let (mut keys, mut bytes) = (Vec::new(), 0);
        let mut progress = |count| bytes += count;
        let mut each = |row: Row<'_>| {
            keys.push(row.key.to_owned());
            Ok(())
        };
        let columns = Columns::parse(COLUMNS).unwrap();
        let counted = read(&file, &columns, &mut progress, &mut each).map_err(|error| error.to_string())?;
        assert_eq!((usize::try_from(counted), usize::try_from(bytes)), (Ok(keys.len()), Ok(text.len())));
        Ok(keys)
    }

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn rows_are_read_plain_and_compressed() {
        let text = b"\"b\",\"a%20b\",\"1\",\"\"\n\"b\",\"c,d\",\"\",\"x\"\r\n\"b\",\"e\",\"3\",\"x\"";
        assert_eq!(keys(text).unwrap(), ["a b", "c,d", "e"]);
        assert_eq!(keys(&compressed(text)).unwrap(), ["a b", "c,d", "e"]);
        let two = [compressed(&text[..20]), compressed(&text[20..])].concat();
        assert_eq!(keys(&two).unwrap().len(), 3);
        assert_eq!(keys(b"Bucket,Key,Size,ETag\nb,a,1,\n").unwrap(), ["a"]);
        assert!(keys(b"").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_row_is_named_by_its_number() {
        let told = |text: &[u8]| keys(text).unwrap_err().rsplit_once("list, ").unwrap().1.to_owned();
        assert_eq!(told(b"b,a,1,\nb,c,1\n"), "row 2: 3 fields, not 4");
        assert_eq!(told(b"b,a,one,\n"), "row 1: \"one\" is no number of bytes");
        assert_eq!(told(b"b,a,1,\nb,,1,\n"), "row 2: the key is empty");
        assert_eq!(told(b"b,%FF,1,\n"), "row 1: the key \"%FF\" is not UTF-8");
        assert_eq!(told(b"b,\xff,1,\n"), "row 1: not UTF-8");
        let endless = [b"b,\"".to_vec(), vec![b'x'; 3 << 20]].concat();
        assert_eq!(told(&endless), "row 1: longer than 1048576 bytes");
        let cut = compressed(&b"b,a,1,\n".repeat(99));
        assert!(keys(&cut[..cut.len() - 9]).unwrap_err().ends_with("cannot be read"));
    }
}
