//! Pages of a list: one statement for the records, as they are at one moment.

use diesel::sql_types::Bool;
use stocktake_domain::ports::{Page, PageRequest, PageStart, SortOrder};

use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::queries::{Filter, STARTED, Span, by_key};
use crate::rows::{RECORD, RecordRow, RecordSql, model_code};
use crate::session::Session;
use crate::sql::Sql;

/// How a page is read.
pub(super) struct Plan {
    filter: Filter,
    /// The keys among which the page lies.
    span: Span,
    /// Those on the other side of where it begins.
    other_side: Option<Span>,
    /// Whether the rows are read in the list's order, which only a page that ends somewhere is not.
    forward: bool,
    /// Whether the rows are read from the largest key down.
    descending: bool,
    offset: i64,
    limit: i64,
}

impl Plan {
    /// The plan of a request.
    pub(super) fn new(request: &PageRequest) -> Self {
        let forward = !matches!(request.start, PageStart::Before(_));
        let descending = (request.order == SortOrder::Descending) == forward;
        let (span, other_side) = match &request.start {
            PageStart::First | PageStart::Offset(0) => (Span::all(), None),
            PageStart::Offset(_) => (Span::all(), Some(Span::all())),
            PageStart::After(key) | PageStart::Before(key) => {
                let at = key::encode(key);
                let behind = key::behind(at.clone());
                if descending {
                    (Span::before(at.clone()), Some(Span::from(at)))
                } else {
                    (Span::from(behind.clone()), Some(Span::before(behind)))
                }
            }
        };
        let offset = match request.start {
            PageStart::Offset(rows) => i64::try_from(rows).unwrap_or(i64::MAX),
            PageStart::First | PageStart::After(_) | PageStart::Before(_) => 0,
        };
        Self {
            filter: Filter::new(model_code(request.model), &request.selection),
            span,
            other_side,
            forward,
            descending,
            offset,
            limit: i64::from(request.limit.max(1)),
        }
    }

    /// The rows of the page, one more if there is one, each with whether it is started and whether there is
    /// a record on the other side.
    pub(super) fn rows<S: Session>(&self) -> Sql<(RecordSql, Bool, Bool)> {
        let sql = Sql::new(format!("SELECT {}, {STARTED}, ", *RECORD));
        let sql = match &self.other_side {
            Some(span) => self.push_exists::<S, _>(sql, span),
            None => sql.push("FALSE"),
        };
        let sql = self.filter.select_from::<S, _>(sql, &self.span);
        let sql = sql.push(by_key(self.descending)).push(" LIMIT ? + 0").bind(self.limit + 1);
        if self.offset > 0 { sql.push(" OFFSET ? + 0").bind(self.offset) } else { sql }
    }

    fn push_exists<S: Session, T>(&self, sql: Sql<T>, span: &Span) -> Sql<T> {
        self.filter.select_from::<S, _>(sql.push("EXISTS (SELECT 1"), span).push(")")
    }
}

/// Reads a page.
pub(super) async fn read<S: Session>(
    session: &mut S,
    plan: Plan,
    encryption: Encryption,
) -> Result<Page, DbError> {
    let mut rows: Vec<(RecordRow, bool, bool)> = session.load(plan.rows::<S>()).await?;
    let wanted = usize::try_from(plan.limit).unwrap_or(usize::MAX);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let other = match (rows.first(), &plan.other_side) {
        (Some((_, _, other)), _) => *other,
        (None, Some(span)) => {
            let sql = plan.push_exists::<S, _>(Sql::<Bool>::new("SELECT "), span);
            session.one(sql).await?
        }
        (None, None) => false,
    };
    if !plan.forward {
        rows.reverse();
    }
    let records = rows.into_iter().map(|(row, started, _)| row.into_record(started, &encryption));
    let records = records.collect::<Result<Vec<_>, DbError>>()?;
    let (has_next, has_previous) = if plan.forward { (more, other) } else { (other, more) };
    Ok(Page { records, has_next, has_previous })
}
