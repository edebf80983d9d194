//! How the rows of a model's table become records: the table, its columns, and what else must be readable.

use stocktake_domain::{DigestRule, Location, Model, PathText, RecordKey, SourceRecord};
use tokio_postgres::Row;

use crate::column::Column;
use crate::lookups::{LookupKeys, Lookups};
use crate::schema::TableColumns;
use crate::settings::Storages;

/// Which of GitLab's databases a table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DbKind {
    Main,
    Ci,
    /// That of security, since GitLab 18; no model is there, but owners of uploads are.
    Sec,
}

/// Where GitLab's own verification keeps its results for a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateTable {
    pub(crate) table: &'static str,
    /// The table's key, state and checksum.
    pub(crate) columns: &'static [Column],
}

impl StateTable {
    pub(crate) const fn part(&self) -> TableColumns {
        TableColumns { table: self.table, columns: self.columns }
    }
}

/// Where GitLab records when the content of a record changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChangedAt {
    /// Nowhere.
    Never,
    /// In a column of the row itself, which is this one alone.
    Own(&'static [Column]),
    /// In a column of a row of another table, whose columns are its key and this one.
    Through { part: TableColumns, by: &'static str },
}

/// How a model is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelMapping {
    pub(crate) model: Model,
    pub(crate) db: DbKind,
    /// The names that the table has had, the newest first.
    pub(crate) tables: &'static [&'static str],
    /// The columns that are read; the first is the key.
    pub(crate) columns: &'static [Column],
    pub(crate) states: StateTable,
    /// What must also be readable, in the main database.
    pub(crate) lookups: &'static [TableColumns],
    pub(crate) changed_at: ChangedAt,
}

impl ModelMapping {
    /// A model whose table is in the main database and can be read by itself, and whose content never changes.
    pub(crate) const fn new(
        model: Model,
        tables: &'static [&'static str],
        columns: &'static [Column],
        states: StateTable,
    ) -> Self {
        Self { model, db: DbKind::Main, tables, columns, states, lookups: &[], changed_at: ChangedAt::Never }
    }

    /// The name of the key column.
    pub(crate) fn key(&self) -> &'static str {
        self.columns.first().map_or("id", |column| column.name)
    }

    /// The table under one of its names.
    pub(crate) const fn part(&self, table: &'static str) -> TableColumns {
        TableColumns { table, columns: self.columns }
    }

    /// Everything that is read for the model, under all names.
    pub(crate) fn parts(&self) -> Vec<TableColumns> {
        let mut parts: Vec<TableColumns> = self.tables.iter().map(|table| self.part(table)).collect();
        parts.push(self.states.part());
        parts.extend_from_slice(self.lookups);
        match self.changed_at {
            ChangedAt::Never => {}
            ChangedAt::Own(columns) => {
                parts.extend(self.tables.iter().map(|table| TableColumns { table, columns }));
            }
            ChangedAt::Through { part, .. } => parts.push(part),
        }
        parts
    }
}

/// A row of a model's table, with the columns of its mapping. It is made of a row of the database, and becomes the
/// record with what was looked up for the page.
pub(crate) trait ModelRow: Sized + Send + Sync + 'static {
    /// How it is read.
    const MAPPING: ModelMapping;

    /// Reads the columns of the mapping, in their order.
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error>;

    /// The primary key.
    fn key(&self) -> i64;

    /// Adds the keys of the rows in other tables that [`ModelRow::record`] needs.
    fn add_keys(&self, keys: &mut LookupKeys);

    /// The record, without the checksum of GitLab's own verification.
    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord;

    /// The state and the checksum of GitLab's own verification, where older versions keep them in the row itself.
    fn own_state(&self) -> Option<(i64, &[u8])> {
        None
    }
}

/// A record at this place, whose content is read by this rule.
///
/// The place is a storage's name and a path, each of which may be unknown for a reason. An unknown part is left open,
/// and the rule says why, unless the row has a reason of its own, which explains more.
pub(crate) fn record_at(
    key: i64,
    storage: Result<String, String>,
    path: Result<String, String>,
    rule: DigestRule,
) -> SourceRecord {
    let mut unknown = None;
    let mut known = |part: Result<String, String>| {
        part.unwrap_or_else(|reason| {
            unknown.get_or_insert(reason);
            Location::UNKNOWN.to_owned()
        })
    };
    let (path, storage) = (known(path), known(storage));
    let rule = match (rule, unknown) {
        (rule @ DigestRule::Unresolved(_), _) | (rule, None) => rule,
        (_, Some(reason)) => DigestRule::Unresolved(reason),
    };
    let path = PathText::of_bytes(path.as_bytes()).into_string();
    SourceRecord { rule, ..SourceRecord::new(RecordKey::integer(key), Location { storage, path }) }
}

/// GitLab's message for a record without a file.
const NO_FILE: &str = "File is not checksummable - file does not exist at: (path unavailable)";

/// The value of a file column.
pub(crate) fn file_name(file: Option<&String>) -> Result<&String, String> {
    file.filter(|file| !file.is_empty()).ok_or_else(|| NO_FILE.to_owned())
}

/// The value of a column without which the path is unknown.
pub(crate) fn not_null<T>(value: Option<T>, column: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("its {column} is empty"))
}

/// The value of a size column, in bytes.
pub(crate) fn file_size(size: Option<i64>) -> Option<u64> {
    size.and_then(|size| u64::try_from(size).ok())
}
