//! What failed, counted by storage, kind and model.

use diesel::sql_types::{BigInt, SmallInt, Text};
use stocktake_domain::ports::FailureGroup;

use crate::error::DbError;
use crate::rows::{failure_kind_of, model_of, unsigned};
use crate::session::Session;
use crate::sql::Sql;

/// How many records failed, by storage, kind and model, from the counts that are kept.
pub(super) async fn groups<S: Session>(session: &mut S) -> Result<Vec<FailureGroup>, DbError> {
    let sql = Sql::<(Text, SmallInt, SmallInt, BigInt)>::new(format!(
        "SELECT c.storage, c.failure_kind, c.model, CAST(SUM(c.records) AS bigint) FROM {} AS c \
         WHERE c.failure_kind <> 0 GROUP BY c.storage, c.failure_kind, c.model HAVING SUM(c.records) <> 0",
        S::COUNTS
    ));
    let rows: Vec<(String, i16, i16, i64)> = session.load(sql).await?;
    let group = |(storage, kind, model, records)| {
        let (kind, model, records) = (failure_kind_of(kind)?, model_of(model)?, unsigned(records, "count")?);
        Ok(FailureGroup { storage, kind, model, records })
    };
    let mut groups = rows.into_iter().map(group).collect::<Result<Vec<_>, DbError>>()?;
    // Sorted here, so that the order depends on no database.
    groups.sort_unstable();
    Ok(groups)
}
