//! Pages of a list in another order than that of the keys: one statement finds what matches, sorts it if it is not too much,
//! and reads the records of the page, as they are at one moment.

use diesel::sql_types::{Bool, SmallInt};
use stocktake_domain::ports::{
    Beyond, Page, SortField, SortOrder, SortPosition, SortedPage, SortedPageRequest, SortedStart,
};

use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::{Filter, seen};
use crate::rows::{RECORD, RecordRow, RecordSql, Seen, model_code};
use crate::scanning::Scan;
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// How a page is read.
pub(super) struct Plan {
    filter: Filter,
    value: &'static str,
    place: Option<Place>,
    /// Whether the rows are read in the list's order, which only a page that ends somewhere is not.
    forward: bool,
    /// Whether the rows are read from the largest value down.
    descending: bool,
    sorted_at_most: i64,
    limit: i64,
    scan_at_most: u64,
}

/// A place in the list.
struct Place {
    value: Option<i64>,
    key: Vec<u8>,
}

impl Place {
    fn new(position: &SortPosition) -> Self {
        Self { value: position.value, key: key::encode(&position.key) }
    }
}

impl Plan {
    /// The plan of a request.
    pub(super) fn new(request: &SortedPageRequest) -> Self {
        let (place, forward) = match &request.start {
            SortedStart::First => (None, true),
            SortedStart::After(place) => (Some(Place::new(place)), true),
            SortedStart::Before(place) => (Some(Place::new(place)), false),
        };
        Self {
            filter: Filter::new(model_code(request.model), &request.selection),
            value: match request.field {
                SortField::LastCheck => "COALESCE(r.failed_at, r.baseline_at)",
                SortField::Size => "r.file_size",
                SortField::FirstFailure => "COALESCE(r.failing_since, r.failed_at)",
            },
            place,
            forward,
            descending: (request.order == SortOrder::Descending) == forward,
            sorted_at_most: i64::from(request.sorted_at_most.records()),
            limit: i64::from(request.limit.max(1)),
            scan_at_most: request.scan_at_most.records_for(&request.selection).into(),
        }
    }

    /// The rows of the page, one more if there is one, each with how it is seen, whether too many match, and whether
    /// there is a record on the other side.
    fn rows<S: Session>(&self) -> Sql<(RecordSql, SmallInt, Bool, Bool)> {
        let sql = self.push_matching::<S, _>(Sql::new(""));
        let sql = sql.push(&format!("SELECT {}, {}, ", *RECORD, seen(Some(self.filter.model))));
        let sql = self.push_facts(sql);
        let order = self.order();
        let sql = sql.push(" FROM (SELECT m.key, m.value FROM matching m WHERE ");
        let sql = self.push_behind(sql).push(&format!(" ORDER BY {order} LIMIT ? + 0) AS m"));
        let sql = S::push_each_of_page(sql.bind(self.limit + 1), self.filter.model);
        sql.push(&format!(" ORDER BY {order}"))
    }

    /// Whether too many match, and whether there is a record on the other side.
    fn facts<S: Session>(&self) -> Sql<(Bool, Bool)> {
        self.push_facts(self.push_matching::<S, _>(Sql::new("")).push("SELECT "))
    }

    /// Adds the keys and values of what matches, to one more than may be sorted.
    fn push_matching<S: Session, T>(&self, sql: Sql<T>) -> Sql<T> {
        let sql =
            sql.push(&format!("WITH matching AS MATERIALIZED (SELECT r.key AS key, {} AS value", self.value));
        let sql = self.filter.select_from::<S, _>(sql, &Span::all());
        sql.push(" LIMIT ? + 0) ").bind(self.sorted_at_most.saturating_add(1))
    }

    fn push_facts<T>(&self, sql: Sql<T>) -> Sql<T> {
        let sql = sql.push("(SELECT COUNT(*) FROM matching) > ?, ").bind(self.sorted_at_most);
        match &self.place {
            None => sql.push("FALSE"),
            Some(_) => self.push_behind(sql.push("EXISTS (SELECT 1 FROM matching m WHERE NOT ")).push(")"),
        }
    }

    /// Adds that the match `m` comes behind the place, in the order in which the rows are read.
    fn push_behind<T>(&self, sql: Sql<T>) -> Sql<T> {
        let beyond = if self.descending { "<" } else { ">" };
        // Those without a value are at the end of the list, and so come first of a page that is read towards its beginning.
        match &self.place {
            None => sql.push("TRUE"),
            Some(Place { value: Some(value), key }) => sql
                .push(&format!(
                    "COALESCE(m.value {beyond} ? OR (m.value = ? AND m.key {beyond} ?), {})",
                    if self.forward { "TRUE" } else { "FALSE" }
                ))
                .bind(*value)
                .bind(*value)
                .bind(key.clone()),
            Some(Place { value: None, key }) if self.forward => {
                sql.push(&format!("(m.value IS NULL AND m.key {beyond} ?)")).bind(key.clone())
            }
            Some(Place { value: None, key }) => {
                sql.push(&format!("(m.value IS NOT NULL OR m.key {beyond} ?)")).bind(key.clone())
            }
        }
    }

    fn order(&self) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        let lacking = if self.forward { "" } else { " DESC" };
        format!("m.value IS NULL{lacking}, m.value{direction}, m.key{direction}")
    }
}

/// Reads a page.
pub(super) async fn read<S: Session>(
    session: &mut S,
    mut plan: Plan,
    encryption: Encryption,
) -> Result<SortedPage, DbError> {
    plan.filter = plan.filter.looking(session).await?;
    let scan = Scan::within(session, &plan.filter, Span::all(), false, plan.scan_at_most).await?;
    if scan.stop.is_some() {
        return Ok(SortedPage::NotSearched);
    }
    let mut rows: Vec<(RecordRow, Seen, bool, bool)> = session.load(plan.rows::<S>()).await?;
    let (too_many, other) = match rows.first() {
        Some((_, _, too_many, other)) => (*too_many, *other),
        None => session.one(plan.facts::<S>()).await?,
    };
    if too_many {
        return Ok(SortedPage::TooMany);
    }
    let wanted = usize::try_from(plan.limit).unwrap_or(usize::MAX);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    if !plan.forward {
        rows.reverse();
    }
    let records = rows.into_iter().map(|(row, seen, ..)| row.into_record(seen, &encryption));
    let records = records.collect::<Result<Vec<_>, DbError>>()?;
    let beyond = |is_more| if is_more { Beyond::Matches } else { Beyond::Nothing };
    let (next, previous) = if plan.forward { (more, other) } else { (other, more) };
    Ok(SortedPage::Page(Page { records, next: beyond(next), previous: beyond(previous) }))
}
