//! The tables, columns, privileges and locks that a database really has, which are probed instead of assumed.

use std::collections::{HashMap, HashSet};

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::column::{Column, Field as _};
use crate::database::{Snapshot, Value};
use crate::error::refused;

/// The tables and columns that are read, as far as they exist.
///
/// GitLab locks tables that live in its other database by triggers with this function
/// (<https://docs.gitlab.com/administration/postgresql/multiple_databases/>).
const PROBE: &str = r"
    SELECT t.name, a.attname::text, y.typname::text, has_column_privilege(t.class, a.attnum, 'SELECT'),
           EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
                   WHERE i.indrelid = t.class AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
                   AND m.amname = 'btree'),
           EXISTS (SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
                   WHERE g.tgrelid = t.class AND g.tgenabled <> 'D' AND p.proname = 'gitlab_schema_prevent_write')
    FROM (SELECT name, to_regclass(quote_ident(name))::oid AS class FROM unnest($1) AS name) AS t
    JOIN pg_attribute a ON a.attrelid = t.class AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid
    WHERE a.attname = ANY ($2)";

/// The planner's estimates of the numbers of rows; of a partitioned table, the sum over its partitions.
const ESTIMATES: &str = "
    SELECT t.name, sum(c.reltuples)::bigint
    FROM (SELECT name, to_regclass(quote_ident(name)) AS class FROM unnest($1) AS name) AS t
    CROSS JOIN LATERAL (SELECT t.class UNION SELECT relid FROM pg_partition_tree(t.class)) AS parts (class)
    JOIN pg_class c ON c.oid = parts.class AND c.relkind <> 'p' AND c.reltuples > 0
    GROUP BY t.name";

/// Columns by which tables record where their files are: the store of a file, or its name.
const RECORDING: &str = r"
    SELECT c.relname::text, a.attname::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_table_is_visible(c.oid)
          AND ((a.attname LIKE '%\_store' AND y.typname IN ('int2', 'int4', 'int8'))
               OR (a.attname LIKE '%\_file' AND y.typname IN ('text', 'varchar')))
    ORDER BY 1, 2";

/// GitLab 19 verifies uploads by their owners' types: a table of states for each, whose key is that of `uploads`.
const UPLOAD_STATES: &str = r"
    SELECT quote_ident(c.relname), quote_ident(k.attname),
           (SELECT count(*) FROM pg_attribute v WHERE v.attrelid = c.oid
            AND v.attname IN (k.attname, 'verification_state', 'verification_checksum')
            AND has_column_privilege(c.oid, v.attnum, 'SELECT')) = 3
    FROM pg_class c JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped
    WHERE c.relname LIKE '%\_upload\_states' AND k.attname LIKE '%\_upload\_id' AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND pg_table_is_visible(c.oid)
    ORDER BY 1";

/// Columns of this kind that no record and no claim needs.
const UNUSED: [(&str, &str); 6] = [
    // States without versions, which GitLab has not had since version 14.
    ("terraform_states", "file_store"),
    // Content with a place of its own (`ai_catalog`, `agent_plan_content`, `ci_catalog_bundles`), which is not walked.
    ("ai_catalog_item_versions", "yaml_definition_file"),
    ("ai_catalog_item_versions", "yaml_definition_file_store"),
    ("work_item_agent_plans", "file_store"),
    ("catalog_bundled_resource_components", "file_store"),
    ("catalog_bundled_resource_versions", "file_store"),
];

/// The part of a database's schema that is read.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    tables: HashMap<String, Table>,
    filled: HashSet<&'static str>,
    estimates: HashMap<String, u64>,
    /// Tables and columns in which files are recorded and that no rule knows.
    not_understood: Vec<(String, String)>,
    /// The tables of states by owners of uploads that have rows.
    upload_states: Vec<UploadStates>,
    /// Those that may not be read.
    hidden_states: Vec<String>,
}

/// A table of the states of uploads of one type of owner, as a name in a statement.
#[derive(Debug, Clone)]
pub(crate) struct UploadStates {
    pub(crate) table: String,
    pub(crate) key: String,
}

#[derive(Debug, Default)]
struct Table {
    /// No longer written to: a copy that remains from before the table was moved to the other database.
    locked: bool,
    columns: HashMap<String, Present>,
}

#[derive(Debug)]
struct Present {
    type_name: String,
    readable: bool,
    /// An index that has all rows begins with it.
    indexed: bool,
}

/// A table and the columns of it that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableColumns {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [Column],
}

impl Schema {
    /// Probes these tables and columns of a database. The files of `owners` are recorded as uploads.
    pub(crate) async fn probe(
        snapshot: &Snapshot<'_>,
        parts: &[TableColumns],
        owners: &[&str],
    ) -> Result<Self, SourceError> {
        let mut tables: Vec<&str> = parts.iter().map(|part| part.table).collect();
        tables.sort_unstable();
        tables.dedup();
        let columns = parts.iter().flat_map(|part| part.columns).map(|column| column.name);
        let mut columns: Vec<&str> = columns.collect();
        columns.sort_unstable();
        columns.dedup();
        let values: [Value<'_>; 2] = [(&tables, Type::TEXT_ARRAY), (&columns, Type::TEXT_ARRAY)];
        let found = snapshot.rows(PROBE, &values, Found::read).await?;
        let mut schema = Self::default();
        for Found { table, column, present, locked } in found {
            let table = schema.tables.entry(table).or_default();
            table.locked = locked;
            table.columns.insert(column, present);
        }
        let recording = snapshot.rows(RECORDING, &[], |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?;
        let is_known = |(table, column): &(String, String)| {
            let mut of_table = parts.iter().filter(|part| part.table == table).peekable();
            let is_read = of_table.peek().is_some()
                && (column.ends_with("_file")
                    || of_table.any(|part| part.columns.iter().any(|known| known.name == column)));
            is_read || owners.contains(&table.as_str()) || UNUSED.contains(&(table.as_str(), column.as_str()))
        };
        schema.not_understood = recording.into_iter().filter(|found| !is_known(found)).collect();
        Ok(schema)
    }

    /// Finds out which of these tables have rows: those of GitLab's own verification have none without Geo.
    pub(crate) async fn find_filled(
        &mut self,
        snapshot: &Snapshot<'_>,
        parts: impl Iterator<Item = TableColumns>,
    ) -> Result<(), SourceError> {
        let readable: Vec<_> = parts.filter(|part| self.check(part).is_ok()).map(|part| part.table).collect();
        let each = readable
            .iter()
            .enumerate()
            .map(|(index, table)| format!("SELECT {index}::bigint WHERE EXISTS (SELECT FROM {table})"));
        let statement = each.collect::<Vec<_>>().join(" UNION ALL ");
        self.find_upload_states(snapshot).await?;
        if !statement.is_empty() {
            let filled = snapshot.rows(&statement, &[], |row| i64::read(row, 0)).await?;
            let tables = filled.into_iter().filter_map(|index| readable.get(usize::try_from(index).ok()?));
            self.filled = tables.copied().collect();
        }
        Ok(())
    }

    async fn find_upload_states(&mut self, snapshot: &Snapshot<'_>) -> Result<(), SourceError> {
        let read = |row: &Row| {
            let states = UploadStates { table: row.try_get(0)?, key: row.try_get(1)? };
            Ok((states, row.try_get::<_, bool>(2)?))
        };
        for (states, readable) in snapshot.rows(UPLOAD_STATES, &[], read).await? {
            if !readable {
                self.hidden_states.push(states.table);
                continue;
            }
            let statement = format!("SELECT EXISTS (SELECT FROM {})", states.table);
            let filled = snapshot.rows(&statement, &[], |row| row.try_get::<_, bool>(0)).await?;
            self.upload_states.extend(filled.contains(&true).then_some(states));
        }
        Ok(())
    }

    /// The tables of the states of uploads by their owners' types that have rows.
    pub(crate) fn upload_states(&self) -> &[UploadStates] {
        &self.upload_states
    }

    /// Reads the planner's estimates of the numbers of rows.
    pub(crate) async fn estimate(
        &mut self,
        snapshot: &Snapshot<'_>,
        tables: &[&str],
    ) -> Result<(), SourceError> {
        let values: [Value<'_>; 1] = [(&tables, Type::TEXT_ARRAY)];
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?));
        let found: Vec<(String, i64)> = snapshot.rows(ESTIMATES, &values, read).await?;
        let known = found.into_iter().filter_map(|(table, rows)| Some((table, u64::try_from(rows).ok()?)));
        self.estimates = known.collect();
        Ok(())
    }

    /// The estimated number of rows; `None` if the planner has no estimate.
    pub(crate) fn estimated(&self, table: &str) -> Option<u64> {
        self.estimates.get(table).copied()
    }

    /// Whether an index that has all rows of the table begins with this column.
    pub(crate) fn is_indexed(&self, table: &str, column: &str) -> bool {
        let found = self.tables.get(table).and_then(|table| table.columns.get(column));
        found.is_some_and(|column| column.indexed)
    }

    /// Tables in which files are recorded and that no rule knows.
    pub(crate) fn unknown_tables(&self) -> impl Iterator<Item = &str> {
        self.not_understood.iter().map(|(table, _)| table.as_str())
    }

    /// The same, each with the column that says so.
    pub(crate) fn not_understood(&self) -> impl Iterator<Item = String> {
        self.not_understood.iter().map(|(table, column)| format!("{table}.{column}"))
    }

    /// Columns that exist, would be read and may not be.
    pub(crate) fn missing_rights(&self) -> impl Iterator<Item = String> {
        let live = self.tables.iter().filter(|(_, table)| !table.locked);
        let columns = live.flat_map(|(name, table)| {
            let hidden = table.columns.iter().filter(|(_, column)| !column.readable);
            hidden.map(move |(column, _)| format!("{name}.{column}"))
        });
        columns.chain(self.hidden_states.iter().cloned())
    }

    /// Whether nothing was seen, because the database was unreachable.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether the table exists with all required columns, readable or not.
    pub(crate) fn has(&self, part: &TableColumns) -> bool {
        self.tables.get(part.table).is_some_and(|table| {
            let mut required = part.columns.iter().filter(|column| column.required);
            required.all(|column| table.columns.contains_key(column.name))
        })
    }

    /// Whether the table had rows when it was probed.
    pub(crate) fn is_filled(&self, table: &str) -> bool {
        self.filled.contains(table)
    }

    /// Whether the table has this column, readable or not.
    pub(crate) fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|table| table.columns.contains_key(column))
    }

    pub(crate) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether the table is a copy that is no longer written to.
    pub(crate) fn is_locked(&self, table: &str) -> bool {
        self.tables.get(table).is_some_and(|table| table.locked)
    }

    /// Whether these columns can be read, and show what there is.
    pub(crate) fn is_live(&self, part: &TableColumns) -> bool {
        self.check(part).is_ok() && !self.is_locked(part.table)
    }

    /// Why these columns of the table cannot be read, if they cannot.
    pub(crate) fn check(&self, part: &TableColumns) -> Result<(), String> {
        let TableColumns { table, columns } = part;
        let found = self.tables.get(*table).ok_or_else(|| format!("GitLab's table {table} is not there"))?;
        for column in *columns {
            let name = column.name;
            match found.columns.get(name) {
                None if column.required => {
                    return Err(format!("GitLab's table {table} has no column {name}"));
                }
                Some(Present { readable: false, .. }) => {
                    return Err(format!("the database's role may not read {table}.{name}"));
                }
                Some(Present { type_name, .. }) if !column.data_type.accepts(type_name) => {
                    return Err(format!("{table}.{name} is of the type {type_name}, which is not supported"));
                }
                None | Some(_) => {}
            }
        }
        Ok(())
    }

    /// The columns for a `SELECT`, in their order, with NULL for those that do not exist.
    pub(crate) fn select(&self, part: &TableColumns) -> String {
        let found = self.tables.get(part.table);
        let shown = part.columns.iter().map(|column| {
            let there = found.is_some_and(|table| table.columns.contains_key(column.name));
            if there { format!("\"{}\"", column.name) } else { column.data_type.null().to_owned() }
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A database at one moment, with what its schema is known to be.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'s> {
    pub(crate) snapshot: &'s Snapshot<'s>,
    pub(crate) schema: &'s Schema,
}

impl Tables<'_> {
    /// Whether these columns can be read: `false` if this version of GitLab does not have the table, an error if it has and
    /// some are not there or the role may not read them, because then nothing follows from finding no row.
    pub(crate) fn can_read(&self, part: &TableColumns) -> Result<bool, SourceError> {
        if !self.schema.has_table(part.table) {
            return Ok(false);
        }
        self.schema.check(part).map(|()| true).map_err(refused)
    }
}

/// A row of the probe.
struct Found {
    table: String,
    column: String,
    present: Present,
    locked: bool,
}

impl Found {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let present =
            Present { type_name: row.try_get(2)?, readable: row.try_get(3)?, indexed: row.try_get(4)? };
        Ok(Self { table: row.try_get(0)?, column: row.try_get(1)?, present, locked: row.try_get(5)? })
    }
}
