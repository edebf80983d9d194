//! Refs in a stack of reftables, of which newer ones override older ones.
//!
//! They are read here and not by the git program: git 2.47 treats a table whose header or footer is damaged as
//! empty, and one with a damaged block as shorter, without an error.

use table::{Record, Table, Value};

use super::name::{MAX_LINKS, Ref, RefVisitor};
use crate::error::{ReadError, display_name};
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::space::trim_end;

mod table;

const LIST: &[u8] = b"reftable/tables.list";

/// What the file `HEAD` contains beside reftables, for programs that do not know them.
const STUB: &[u8] = b"ref: refs/heads/.invalid";

/// The list of a stack of tables is short: git merges them all the time.
const MAX_LIST_BYTES: usize = 64 * 1024;

/// Visits each ref, as they were at one moment: a table never changes, and the list is replaced as a whole.
pub(super) fn visit(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: ObjectFormat,
    visitor: &mut RefVisitor<'_>,
) -> Result<(), ReadError> {
    let stub = reader.read(folder, b"HEAD", MAX_LIST_BYTES)?.unwrap_or_default();
    if trim_end(&stub) != STUB {
        return Err(folder.suspect(b"HEAD", "not what it is beside reftables"));
    }
    let names = list(reader, folder)?;
    if names.is_empty() {
        return Err(folder.suspect(LIST, "the list of tables is empty"));
    }
    let open = || Stack::open(reader, folder, format, &names);
    let mut stack = open()?;
    while let Some(record) = stack.next()? {
        let Some(value) = record.value.filter(|_| is_display_name(&record.name)) else { continue };
        let (id, peeled) = match value {
            Value::Id(id, peeled) => (Some(id), peeled),
            Value::Symbolic(target) if record.name == b"HEAD" && !target.starts_with(super::BRANCHES) => {
                return Err(folder.suspect(b"HEAD", super::NO_BRANCH));
            }
            Value::Symbolic(target) => (resolve(folder, open, &record.name, target)?, None),
        };
        if let Some(id) = id {
            visitor(Ref { name: record.name, id, peeled })?;
        }
    }
    Ok(())
}

/// Whether git shows the ref. Those outside `refs`, except `HEAD`, are for its own use.
fn is_display_name(name: &[u8]) -> bool {
    name == b"HEAD" || name.starts_with(b"refs/")
}

/// The names of the tables, the oldest first.
fn list(reader: &RepoReader<'_>, folder: &RepoFolder) -> Result<Vec<Vec<u8>>, ReadError> {
    let list = reader.read(folder, LIST, MAX_LIST_BYTES)?;
    let list = list.ok_or_else(|| folder.suspect(LIST, "is not there"))?;
    let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            if line.contains(&b'/') || line.starts_with(b".") {
                let reason = format!("not the name of a table: {}", display_name(line));
                return Err(folder.suspect(LIST, reason));
            }
            Ok([b"reftable", line].join(&b'/'))
        })
        .collect()
}

/// The object that a ref leads to; `None` if the last ref does not exist, like the branch of an empty repository.
fn resolve<'a>(
    folder: &RepoFolder,
    open: impl Fn() -> Result<Stack<'a>, ReadError>,
    name: &[u8],
    mut target: Vec<u8>,
) -> Result<Option<ObjectId>, ReadError> {
    for _ in 0..=MAX_LINKS {
        match open()?.find(&target)? {
            Some(Value::Id(id, _)) => return Ok(Some(id)),
            Some(Value::Symbolic(next)) => target = next,
            None => return Ok(None),
        }
    }
    Err(folder.suspect(name, "too many symbolic refs behind each other"))
}

/// All tables, read in parallel.
struct Stack<'a> {
    tables: Vec<Table<'a>>,
    /// The next record of each table.
    next: Vec<Option<Record>>,
}

impl<'a> Stack<'a> {
    fn open(
        reader: &'a RepoReader<'a>,
        folder: &'a RepoFolder,
        format: ObjectFormat,
        names: &[Vec<u8>],
    ) -> Result<Self, ReadError> {
        let tables = names.iter().map(|name| Table::open(reader, folder, format, name));
        let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
        let next = tables.iter_mut().map(Table::next).collect::<Result<_, _>>()?;
        Ok(Self { tables, next })
    }

    /// The next record by name, from the newest table that has one.
    fn next(&mut self) -> Result<Option<Record>, ReadError> {
        let first = self.next.iter().flatten().map(|record| &record.name).min().cloned();
        let Some(name) = first else { return Ok(None) };
        let mut newest = None;
        for (table, next) in self.tables.iter_mut().zip(&mut self.next) {
            if let Some(record) = next.take_if(|record| record.name == name) {
                newest = Some(record);
                *next = table.next()?;
            }
        }
        Ok(newest)
    }

    fn find(mut self, name: &[u8]) -> Result<Option<Value>, ReadError> {
        while let Some(record) = self.next()? {
            if record.name.as_slice() >= name {
                return Ok(record.value.filter(|_| record.name == name));
            }
        }
        Ok(None)
    }
}
