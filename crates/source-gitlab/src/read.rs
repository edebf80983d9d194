//! The rows of a model's own table, a page at a time.

use stocktake_domain::ports::SourceError;
use tokio_postgres::types::Type;

use crate::database::{Snapshot, Value};
use crate::layout::Home;
use crate::plan::{Table, Touched};
use crate::schema::{Part, Schema};

/// How many times more rows are looked at for a change than may come back: most were not changed.
const WINDOW: u32 = 10;

/// Which rows of a model to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range<'r> {
    pub(crate) after: i64,
    pub(crate) limit: u32,
    /// Only what was changed then or later.
    pub(crate) since: Option<&'r str>,
}

/// Rows, and how far was looked.
pub(crate) struct Batch<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) read_to: Option<i64>,
}

/// Reads a page.
pub(crate) async fn batch<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    home: Home,
    range: Range<'_>,
) -> Result<Batch<T>, SourceError> {
    let plan = T::PLAN;
    let Some(since) = range.since else {
        let rows = page::<T>(snapshot, schema, home, range, "").await?;
        let read_to = full(&rows, range.limit);
        return Ok(Batch { rows, read_to });
    };
    let Some(changed) = changed_since(schema, home.table, plan.touched, since) else {
        return Ok(Batch { rows: Vec::new(), read_to: None });
    };
    if changed.is_indexed {
        let rows = page::<T>(snapshot, schema, home, range, &changed.condition).await?;
        let read_to = full(&rows, range.limit);
        return Ok(Batch { rows, read_to });
    }
    let window = window(snapshot, home.table, plan.key(), range).await?;
    let condition = format!("AND {} <= {} {}", plan.key(), window.end, changed.condition);
    let rows = page::<T>(snapshot, schema, home, range, &condition).await?;
    let read_to = full(&rows, range.limit).or(window.is_full.then_some(window.end));
    Ok(Batch { rows, read_to })
}

async fn page<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    home: Home,
    range: Range<'_>,
    condition: &str,
) -> Result<Vec<T>, SourceError> {
    let statement = page_statement(schema, &T::PLAN.part(home.table), T::PLAN.key(), condition);
    let limit = i64::from(range.limit);
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&limit, Type::INT8)];
    snapshot.rows(&statement, &values, T::read).await
}

/// The last key, if there may be more rows behind it.
fn full<T: Table>(rows: &[T], limit: u32) -> Option<i64> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    rows.last().filter(|_| is_full).map(Table::key)
}

/// `$1` is the key to go on behind, `$2` the number of rows.
pub(crate) fn page_statement(schema: &Schema, part: &Part, key: &str, condition: &str) -> String {
    let columns = schema.select(part);
    let table = part.table;
    format!("SELECT {columns} FROM {table} WHERE {key} > $1 {condition} ORDER BY {key} LIMIT $2")
}

/// How rows that were changed are told from the others.
struct Changed {
    condition: String,
    /// An index leads to them. Without one, what was not changed has to be looked at as well.
    is_indexed: bool,
}

/// `None` if it is not to be seen what was changed.
fn changed_since(schema: &Schema, table: &'static str, touched: Touched, since: &str) -> Option<Changed> {
    // The text is a time of ours. It has no type of its own, so that it takes the column's.
    match touched {
        Touched::Never => None,
        Touched::Own(columns) => {
            schema.check(&Part { table, columns }).ok()?;
            let column = columns.first()?.name;
            let condition = format!("AND {column} >= '{since}'");
            Some(Changed { condition, is_indexed: schema.is_indexed(table, column) })
        }
        Touched::Through { part, by } => {
            schema.check(&part).ok()?;
            let Part { table: other, columns } = part;
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

/// The next rows to look at for changes: a bounded number, however few of them were changed.
struct Window {
    end: i64,
    is_full: bool,
}

async fn window(
    snapshot: &Snapshot<'_>,
    table: &str,
    key: &str,
    range: Range<'_>,
) -> Result<Window, SourceError> {
    let size = i64::from(range.limit.saturating_mul(WINDOW));
    let statement = format!(
        "SELECT coalesce(max(k), $1)::bigint, count(*) FROM \
         (SELECT {key} AS k FROM {table} WHERE {key} > $1 ORDER BY {key} LIMIT $2) AS w"
    );
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&size, Type::INT8)];
    let found = snapshot.rows(&statement, &values, |row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?)));
    let (end, count) = found.await?.first().copied().unwrap_or((range.after, 0));
    Ok(Window { end, is_full: count == size })
}
