//! How far records are looked at that an index finds, where it does not tell which of them match.

use diesel::sql_types::Binary;
use stocktake_domain::ports::Beyond;

use crate::error::DbError;
use crate::key;
use crate::queries::{Filter, First};
use crate::session::Reading;
use crate::span::Span;
use crate::sql::Sql;

/// The part of a span in which records are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) span: Span,
    /// The key of the last record that is looked at, if there are more.
    pub(crate) stop: Option<Vec<u8>>,
}

impl Scan {
    /// All of the span.
    pub(crate) fn whole(span: Span) -> Self {
        Self { span, stop: None }
    }

    /// The part of the span that has at most so many records to look at for the filter, from one of its ends on. All of it, if
    /// only what matches is looked at.
    pub(crate) async fn within<S: Reading>(
        session: &mut S,
        filter: &Filter,
        mut span: Span,
        descending: bool,
        most: u64,
    ) -> Result<Self, DbError> {
        if !filter.is_scanned() {
            return Ok(Self::whole(span));
        }
        let passed = i64::try_from(most.saturating_sub(1)).unwrap_or(i64::MAX);
        let first = First { rows: passed.saturating_add(2), descending };
        let sql = filter.scan_first::<S, _>(Sql::<Binary>::new("SELECT r.key"), &span, first);
        let sql = sql.push(" LIMIT 2 OFFSET ? + 0").bind(passed);
        let last: Vec<Vec<u8>> = session.load(sql).await?;
        let [stop, _] = last.as_slice() else { return Ok(Self::whole(span)) };
        if descending {
            span.from.clone_from(stop);
        } else {
            span.to = key::behind(stop.clone());
        }
        Ok(Self { span, stop: Some(stop.clone()) })
    }

    /// What lies beyond the part, if it has no more matches than were seen.
    pub(crate) fn beyond(&self, has_more: bool) -> Result<Beyond, DbError> {
        match &self.stop {
            _ if has_more => Ok(Beyond::Matches),
            Some(stop) => Ok(Beyond::NotSearched(key::decode(stop)?)),
            None => Ok(Beyond::Nothing),
        }
    }
}
