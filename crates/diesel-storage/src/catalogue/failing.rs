//! What failed, counted by storage, kind and model.

use diesel::sql_types::{BigInt, SmallInt, Text};
use stocktake_domain::Model;
use stocktake_domain::ports::FailureGroup;

use crate::error::DbError;
use crate::queries::push_failing;
use crate::rows::{failure_kind_of, model_code, unsigned};
use crate::session::Session;
use crate::sql::Sql;

/// How many records failed, by storage, kind and model. Of each model a part of one index is read.
pub(super) async fn groups<S: Session>(session: &mut S) -> Result<Vec<FailureGroup>, DbError> {
    let mut groups = Vec::new();
    for model in Model::ALL {
        let sql = Sql::<(Text, SmallInt, BigInt)>::new("SELECT r.storage, r.failure_kind, COUNT(*)");
        let sql = push_failing::<S, _>(sql, model_code(model));
        let sql = sql.push(" GROUP BY r.storage, r.failure_kind ORDER BY r.storage, r.failure_kind");
        let rows: Vec<(String, i16, i64)> = session.load(sql).await?;
        for (storage, kind, records) in rows {
            let (kind, records) = (failure_kind_of(kind)?, unsigned(records, "count")?);
            groups.push(FailureGroup { storage, kind, model, records });
        }
    }
    groups.sort_unstable();
    Ok(groups)
}
