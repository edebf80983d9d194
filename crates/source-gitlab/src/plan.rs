//! How each model is read: its table, its columns, and what else is needed to say where the content lies.

use stocktake_domain::{Digest, DigestRule, Location, Model, RecordKey, SourceRecord, Timestamp};
use tokio_postgres::Row;

use crate::field::{Column, Kind};
use crate::known::{Known, Wanted};
use crate::schema::Part;
use crate::settings::Storages;

/// Which of GitLab's two databases a table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Main,
    Ci,
}

/// Where GitLab's own verification keeps its results for a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct States {
    pub(crate) table: &'static str,
    /// The table's key, state and checksum.
    pub(crate) columns: &'static [Column],
}

impl States {
    pub(crate) const fn part(&self) -> Part {
        Part { table: self.table, columns: self.columns }
    }
}

/// When GitLab says that a record's content changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Touched {
    /// It does not say so.
    Never,
    /// In a column of the row itself, which is this one alone.
    Own(&'static [Column]),
    /// In a column of the row of another table, whose columns are its key and this one.
    Through { part: Part, by: &'static str },
}

/// How a model is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) model: Model,
    pub(crate) side: Side,
    /// The names that the table has had, the newest first.
    pub(crate) tables: &'static [&'static str],
    /// The columns that are read; the first is the key.
    pub(crate) columns: &'static [Column],
    pub(crate) states: States,
    /// What must be readable besides, in the main database.
    pub(crate) needs: &'static [Part],
    pub(crate) touched: Touched,
}

impl Plan {
    /// The name of the key column.
    pub(crate) fn key(&self) -> &'static str {
        self.columns.first().map_or("id", |column| column.name)
    }

    /// The table under one of its names.
    pub(crate) const fn part(&self, table: &'static str) -> Part {
        Part { table, columns: self.columns }
    }

    /// All that is read for the model, under all names.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.tables.iter().map(|table| self.part(table)).collect();
        parts.push(self.states.part());
        parts.extend_from_slice(self.needs);
        match self.touched {
            Touched::Never => {}
            Touched::Own(columns) => {
                parts.extend(self.tables.iter().map(|table| Part { table, columns }));
            }
            Touched::Through { part, .. } => parts.push(part),
        }
        parts
    }
}

/// The columns of a table of states whose key has this name.
macro_rules! states {
    ($table:literal by $key:literal) => {
        $crate::plan::States {
            table: $table,
            columns: &[
                $crate::plan::needed($key, $crate::field::Kind::Integer),
                $crate::plan::needed("verification_state", $crate::field::Kind::Integer),
                $crate::plan::needed("verification_checksum", $crate::field::Kind::Bytes),
            ],
        }
    };
}

pub(crate) use states;

/// A column that must be there.
pub(crate) const fn needed(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, needed: true }
}

/// A row of a model's table.
pub(crate) trait Table: Sized + Send + Sync + 'static {
    /// How it is read.
    const PLAN: Plan;

    /// Of a row with the columns of the plan.
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error>;

    /// The primary key.
    fn key(&self) -> i64;

    /// Notes what must be looked up to describe it.
    fn want(&self, wanted: &mut Wanted);

    /// What it says.
    fn describe(self, known: &Known, storages: &Storages) -> Facts;

    /// The state and checksum that older versions keep in the row itself.
    fn own_state(&self) -> Option<(i64, Vec<u8>)> {
        None
    }
}

/// Who a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Nobody,
    Project(i64),
    Group(i64),
}

impl Owner {
    pub(crate) fn project(id: Option<i64>) -> Self {
        id.map_or(Self::Nobody, Self::Project)
    }

    pub(crate) fn group(id: Option<i64>) -> Self {
        id.map_or(Self::Nobody, Self::Group)
    }
}

/// What a row says.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) file_size: Option<i64>,
    /// The storage's name, or why it is not known.
    pub(crate) storage: Result<String, String>,
    /// The path within it, or why it is not known.
    pub(crate) path: Result<String, String>,
    pub(crate) expected: Option<Digest>,
    pub(crate) rule: DigestRule,
    pub(crate) mutable: bool,
    pub(crate) disabled: bool,
    pub(crate) owner: Owner,
    /// When the content was last changed: what [`Plan::touched`] looks at.
    pub(crate) content_changed_at: Option<Timestamp>,
}

impl Facts {
    /// What is known of every record: its place.
    pub(crate) fn at(storage: Result<String, String>, path: Result<String, String>) -> Self {
        Self {
            created_at: None,
            file_size: None,
            storage,
            path,
            expected: None,
            rule: DigestRule::Stored,
            mutable: false,
            disabled: false,
            owner: Owner::Nobody,
            content_changed_at: None,
        }
    }

    /// What it says of the record of this key, which belongs to `owner` and has this checksum of GitLab's.
    ///
    /// A part of the place that is not known is left open, and the rule says why: with the row's own reason, if
    /// it has one, for that explains more. What is never read needs no place.
    pub(crate) fn entry(
        self,
        key: i64,
        owner: Option<String>,
        source_checksum: Option<Digest>,
    ) -> SourceRecord {
        let mut why = None;
        let mut known = |part: Result<String, String>| {
            part.unwrap_or_else(|reason| {
                why.get_or_insert(reason);
                Location::UNKNOWN.to_owned()
            })
        };
        let (path, storage) = (known(self.path), known(self.storage));
        let rule = match (self.rule, why) {
            (rule, Some(why)) if !self.disabled && !matches!(rule, DigestRule::Unresolved(_)) => {
                DigestRule::Unresolved(why)
            }
            (rule, _) => rule,
        };
        SourceRecord {
            key: RecordKey::integer(key),
            created_at: self.created_at,
            file_size: self.file_size.and_then(|size| u64::try_from(size).ok()),
            location: Location { storage, path },
            expected: self.expected,
            rule,
            mutable: self.mutable,
            disabled: self.disabled,
            owner,
            source_checksum,
            content_changed_at: self.content_changed_at,
        }
    }
}

/// What GitLab says of a record without a file.
pub(crate) const NO_FILE: &str = "File is not checksummable - file does not exist at: (path unavailable)";

/// The value of a file column.
pub(crate) fn named(file: Option<&String>) -> Result<&String, String> {
    file.filter(|file| !file.is_empty()).ok_or_else(|| NO_FILE.to_owned())
}

/// The value of a column without which there is no path.
pub(crate) fn filled<T>(value: Option<T>, column: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("its {column} is empty"))
}
