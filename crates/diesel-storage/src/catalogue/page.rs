//! Pages of a list: one statement for the records, as they are at one moment.

use diesel::sql_types::{BigInt, Bool, Nullable};
use stocktake_domain::ports::{Beyond, Page, PageRequest, PageStart, SortOrder};

use crate::encryption::Encryption;
use crate::error::DbError;
use crate::key;
use crate::marks::HeldByMark;
use crate::queries::{Filter, First, STARTED_BY_ROW, mark_number};
use crate::rows::{RECORD, RecordRow, RecordSql, model_code};
use crate::scanning::Scan;
use crate::session::Reading;
use crate::span::Span;
use crate::sql::Sql;

/// The most rows of a look-up.
const LOOKED_UP: i64 = 100;

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
    offset: u64,
    limit: i64,
    /// How many records are looked at: at first, and at most.
    scanned: [u64; 2],
}

/// Where the records of a page and those on the other side are looked for.
struct Scans {
    here: Scan,
    other_side: Option<Scan>,
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
            PageStart::Offset(rows) => rows,
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
            scanned: [request.scanned_first(), request.scanned_ahead()],
        }
    }

    /// Whether it reads few rows, which an index finds: those at a key, among all records of the model.
    pub(super) fn is_look_up(&self) -> bool {
        self.filter.is_all() && self.offset == 0 && self.limit <= LOOKED_UP
    }

    /// Where records are looked for, when so many are looked at ahead.
    async fn scans<S: Reading>(&self, session: &mut S, most: u64) -> Result<Scans, DbError> {
        let here = Scan::within(session, &self.filter, self.span.clone(), self.descending, most).await?;
        let other_side = match &self.other_side {
            // An offset counts from the beginning of the list, which is then the other side as well.
            Some(span) => {
                let away = if self.offset > 0 { self.descending } else { !self.descending };
                let [first, _] = self.scanned;
                Some(Scan::within(session, &self.filter, span.clone(), away, first).await?)
            }
            None => None,
        };
        Ok(Scans { here, other_side })
    }

    /// The rows of the page, one more if there is one, each with whether a lease holds it by its row, the number of the mark on the
    /// model, and whether there is a record on the other side.
    fn rows<S: Reading>(&self, scans: &Scans) -> Sql<(RecordSql, Bool, Nullable<BigInt>, Bool)> {
        let mark = mark_number(self.filter.model);
        let sql = Sql::new(format!("SELECT {}, {STARTED_BY_ROW}, {mark}, ", *RECORD));
        let sql = match &scans.other_side {
            Some(scan) => self.push_exists::<S, _>(sql, &scan.span),
            None => sql.push("FALSE"),
        };
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX);
        let first = First { rows: offset.saturating_add(self.limit + 1), descending: self.descending };
        let sql = self.filter.select_first::<S, _>(sql, &scans.here.span, first);
        let sql = sql.push(" LIMIT ? + 0").bind(self.limit + 1);
        if offset > 0 { sql.push(" OFFSET ? + 0").bind(offset) } else { sql }
    }

    fn push_exists<S: Reading, T>(&self, sql: Sql<T>, span: &Span) -> Sql<T> {
        self.filter.select_from::<S, _>(sql.push("EXISTS (SELECT 1"), span).push(")")
    }
}

/// Reads a page.
pub(super) async fn read<S: Reading>(
    session: &mut S,
    mut plan: Plan,
    encryption: Encryption,
) -> Result<Page, DbError> {
    plan.filter = plan.filter.looking(session).await?;
    let [first, most] = plan.scanned;
    let found = read_within(session, &plan, first, &encryption).await?;
    let ahead = if plan.forward { &found.next } else { &found.previous };
    if first < most && matches!(ahead, Beyond::NotSearched(_)) {
        return read_within(session, &plan, most, &encryption).await;
    }
    Ok(found)
}

/// Reads a page, or what there is of it among so many records.
async fn read_within<S: Reading>(
    session: &mut S,
    plan: &Plan,
    most: u64,
    encryption: &Encryption,
) -> Result<Page, DbError> {
    let scans = plan.scans(session, most).await?;
    let mut rows: Vec<(RecordRow, bool, Option<i64>, bool)> = session.load(plan.rows::<S>(&scans)).await?;
    let wanted = usize::try_from(plan.limit).unwrap_or(usize::MAX);
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let other = match (rows.first(), &scans.other_side) {
        (Some((.., other)), _) => *other,
        (None, Some(scan)) => {
            let sql = plan.push_exists::<S, _>(Sql::<Bool>::new("SELECT "), &scan.span);
            session.one(sql).await?
        }
        (None, None) => false,
    };
    if !plan.forward {
        rows.reverse();
    }
    let number = rows.first().and_then(|(_, _, number, _)| *number);
    let held = HeldByMark::read(session, plan.filter.model, number).await?;
    let records = rows.into_iter().map(|(row, is_started, ..)| {
        let seen = HeldByMark::seen(held.as_ref(), &row, is_started);
        row.into_record(seen, encryption)
    });
    let records = records.collect::<Result<Vec<_>, DbError>>()?;
    let here = scans.here.beyond(more)?;
    let other_side = scans.other_side.map_or(Ok(Beyond::Nothing), |scan| scan.beyond(other))?;
    let (next, previous) = if plan.forward { (here, other_side) } else { (other_side, here) };
    Ok(Page { records, next, previous })
}
