//! Refs in a stack of reftables, of which the newer ones count before the older.
//!
//! They are read here and not by the git program: git 2.47 takes a table whose header or footer is damaged for
//! an empty one, and one with a damaged block for a shorter one, without a word.

use table::{Record, Table, Value};

use super::{Ref, Tell, name};
use crate::id::{ObjectFormat, ObjectId};
use crate::text::shown;
use crate::visit::{Halt, Place, Visit};

mod table;

const LIST: &[u8] = b"reftable/tables.list";

/// The list of a stack of tables is short: git merges them all the time.
const MOST_LIST_BYTES: usize = 64 * 1024;

/// How many symbolic refs are followed, as in git.
const MOST_LINKS: usize = 5;

/// Tells of each ref, as they were at one moment: a table never changes, and the list is replaced as a whole.
pub(super) fn each(
    visit: &Visit<'_>,
    place: &Place,
    format: ObjectFormat,
    tell: &mut Tell<'_>,
) -> Result<(), Halt> {
    let names = list(visit, place)?;
    let open = || Stack::open(visit, place, format, &names);
    let mut stack = open()?;
    while let Some(record) = stack.next()? {
        let Some(value) = record.value.filter(|_| is_shown(&record.name)) else { continue };
        let (id, peeled) = match value {
            Value::Id(id, peeled) => (Some(id), peeled),
            Value::Symbolic(target) => (resolve(place, open, &record.name, target)?, None),
        };
        if let Some(id) = id {
            tell(Ref { name: record.name, id, peeled })?;
        }
    }
    Ok(())
}

/// Whether the ref counts. Others than `HEAD` that are not below `refs` are notes that git makes for itself.
fn is_shown(name: &[u8]) -> bool {
    name == b"HEAD" || name.starts_with(b"refs/")
}

/// The names of the tables, the oldest first.
fn list(visit: &Visit<'_>, place: &Place) -> Result<Vec<Vec<u8>>, Halt> {
    let list = visit.read(place, LIST, MOST_LIST_BYTES)?;
    let list = list.ok_or_else(|| place.suspect(LIST, "is not there"))?;
    let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            if line.contains(&b'/') || line.starts_with(b".") {
                let reason = format!("not the name of a table: {}", shown(line));
                return Err(place.suspect(LIST, reason));
            }
            Ok([b"reftable", line].join(&b'/'))
        })
        .collect()
}

/// The object at the end; `None` if the last ref is not there, as the branch of an empty repository.
fn resolve<'a>(
    place: &Place,
    open: impl Fn() -> Result<Stack<'a>, Halt>,
    name: &[u8],
    mut target: Vec<u8>,
) -> Result<Option<ObjectId>, Halt> {
    for _ in 0..=MOST_LINKS {
        match open()?.find(&target)? {
            Some(Value::Id(id, _)) => return Ok(Some(id)),
            Some(Value::Symbolic(next)) => target = next,
            None => return Ok(None),
        }
    }
    Err(place.suspect(name, "too many symbolic refs behind each other"))
}

/// All tables, read beside each other.
struct Stack<'a> {
    tables: Vec<Table<'a>>,
    /// The next record of each table.
    next: Vec<Option<Record>>,
}

impl<'a> Stack<'a> {
    fn open(
        visit: &'a Visit<'a>,
        place: &'a Place,
        format: ObjectFormat,
        names: &[Vec<u8>],
    ) -> Result<Self, Halt> {
        let tables = names.iter().map(|name| Table::open(visit, place, format, name));
        let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
        let next = tables.iter_mut().map(Table::next).collect::<Result<_, _>>()?;
        Ok(Self { tables, next })
    }

    /// The next record by name: that of the newest table that has one.
    fn next(&mut self) -> Result<Option<Record>, Halt> {
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

    fn find(mut self, name: &[u8]) -> Result<Option<Value>, Halt> {
        while let Some(record) = self.next()? {
            if record.name.as_slice() >= name {
                return Ok(record.value.filter(|_| record.name == name));
            }
        }
        Ok(None)
    }
}

/// Whether a ref in a table can have this name: a ref, or a note such as `ORIG_HEAD`.
fn is_name(name: &[u8]) -> bool {
    let is_note = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    name::is_valid(name) || (!name.is_empty() && name.iter().all(is_note))
}
