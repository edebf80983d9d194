//! The rows of a model's own table, read a page at a time.

use stocktake_domain::ports::SourceError;
use tokio_postgres::types::Type;

use crate::database::Value;
use crate::mapping::{ChangedAt, ModelRow};
use crate::schema::{Schema, TableColumns, Tables};

/// How many times more rows are examined for changes than may be returned: most were not changed.
const WINDOW: u32 = 10;

/// Which rows of a model to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'r> {
    pub(crate) after: i64,
    pub(crate) limit: u32,
    /// Only what was changed then or later.
    pub(crate) since: Option<&'r str>,
}

/// Rows, and the key up to which the table was read.
pub(crate) struct Batch<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) read_to: Option<i64>,
}

/// Reads a page.
pub(crate) async fn batch<T: ModelRow>(
    tables: Tables<'_>,
    table: &'static str,
    range: Range<'_>,
) -> Result<Batch<T>, SourceError> {
    let mapping = T::MAPPING;
    let Some(since) = range.since else {
        let rows = page::<T>(tables, table, range, "").await?;
        let read_to = full(&rows, range.limit);
        return Ok(Batch { rows, read_to });
    };
    let Some(changed) = changed_since(tables.schema, table, mapping.changed_at, since) else {
        return Ok(Batch { rows: Vec::new(), read_to: None });
    };
    if changed.is_indexed {
        let rows = page::<T>(tables, table, range, &changed.condition).await?;
        let read_to = full(&rows, range.limit);
        return Ok(Batch { rows, read_to });
    }
    let window = window(tables, table, mapping.key(), range).await?;
    let condition = format!("AND {} <= {} {}", mapping.key(), window.end, changed.condition);
    let rows = page::<T>(tables, table, range, &condition).await?;
    let read_to = full(&rows, range.limit).or(window.is_full.then_some(window.end));
    Ok(Batch { rows, read_to })
}

async fn page<T: ModelRow>(
    tables: Tables<'_>,
    table: &'static str,
    range: Range<'_>,
    condition: &str,
) -> Result<Vec<T>, SourceError> {
    let statement = page_statement(tables.schema, &T::MAPPING.part(table), T::MAPPING.key(), condition);
    let limit = i64::from(range.limit);
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&limit, Type::INT8)];
    tables.snapshot.rows(&statement, &values, T::read).await
}

/// The last key, if there may be more rows after it.
fn full<T: ModelRow>(rows: &[T], limit: u32) -> Option<i64> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    rows.last().filter(|_| is_full).map(ModelRow::key)
}

/// `$1` is the key after which to continue, `$2` the number of rows.
pub(crate) fn page_statement(schema: &Schema, part: &TableColumns, key: &str, condition: &str) -> String {
    let columns = schema.select(part);
    let table = part.table;
    format!("SELECT {columns} FROM {table} WHERE {key} > $1 {condition} ORDER BY {key} LIMIT $2")
}

/// How the rows that were changed are selected.
struct Changed {
    condition: String,
    /// An index finds them. Without one, the other rows have to be examined as well.
    is_indexed: bool,
}

/// `None` if the changes cannot be seen.
fn changed_since(
    schema: &Schema,
    table: &'static str,
    changed_at: ChangedAt,
    since: &str,
) -> Option<Changed> {
    // The text is formatted here, and has no type, so that it takes the column's.
    match changed_at {
        ChangedAt::Never => None,
        ChangedAt::Own(columns) => {
            schema.check(&TableColumns { table, columns }).ok()?;
            let column = columns.first()?.name;
            let condition = format!("AND {column} >= '{since}'");
            Some(Changed { condition, is_indexed: schema.is_indexed(table, column) })
        }
        ChangedAt::Through { part, by } => {
            schema.check(&part).ok()?;
            let TableColumns { table: other, columns } = part;
            let (key, column) = columns.first().zip(columns.last())?;
            let (key, column) = (key.name, column.name);
            let condition = format!(
                "AND EXISTS (SELECT FROM {other} o WHERE o.{key} = {table}.{by} AND o.{column} >= '{since}')"
            );
            let is_indexed = schema.is_indexed(other, column) && schema.is_indexed(table, by);
            Some(Changed { condition, is_indexed })
        }
    }
}

/// The next rows to examine for changes: a bounded number, however few of them were changed.
struct Window {
    end: i64,
    is_full: bool,
}

async fn window(tables: Tables<'_>, table: &str, key: &str, range: Range<'_>) -> Result<Window, SourceError> {
    let size = i64::from(range.limit.saturating_mul(WINDOW));
    let statement = format!(
        "SELECT coalesce(max(k), $1)::bigint, count(*) FROM \
         (SELECT {key} AS k FROM {table} WHERE {key} > $1 ORDER BY {key} LIMIT $2) AS w"
    );
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&size, Type::INT8)];
    let found =
        tables.snapshot.rows(&statement, &values, |row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?)));
    let (end, count) = found.await?.first().copied().unwrap_or((range.after, 0));
    Ok(Window { end, is_full: count == size })
}
