//! How many attempts ended well and badly, by day.

use diesel::sql_types::{BigInt, SmallInt};
use stocktake_domain::ports::{DayResults, Results};

use crate::error::DbError;
use crate::rows::{model_of, unsigned};
use crate::session::Session;
use crate::sql::Sql;

/// So many parts has each day's number of a model. Who adds to the same part waits for the other transaction.
const PARTS: i64 = 16;

/// The days that are kept.
const KEPT: i64 = 90;

/// Adds the results of a lease.
pub(crate) async fn add<S: Session>(
    session: &mut S,
    model: i16,
    lease: i64,
    results: &Results,
) -> Result<(), DbError> {
    for (day, succeeded, failed) in results.by_day() {
        let sql = Sql::<()>::new(
            "INSERT INTO result_days AS d (day, model, part, succeeded, failed) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (day, model, part) DO UPDATE SET \
             succeeded = d.succeeded + excluded.succeeded, failed = d.failed + excluded.failed",
        );
        let part = i16::try_from(lease.rem_euclid(PARTS)).unwrap_or_default();
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let sql = sql.bind(day).bind(model).bind(part).bind(count(succeeded)).bind(count(failed));
        session.execute(sql).await?;
    }
    Ok(())
}

/// See [`stocktake_domain::ports::Catalogue::results_by_day`].
pub(crate) async fn read<S: Session>(
    session: &mut S,
    days: u32,
    today: i64,
) -> Result<Vec<DayResults>, DbError> {
    let sql = Sql::<(BigInt, SmallInt, BigInt, BigInt)>::new(
        "SELECT d.day, d.model, CAST(SUM(d.succeeded) AS bigint), CAST(SUM(d.failed) AS bigint) \
         FROM result_days d WHERE d.day > ? AND d.day <= ? GROUP BY d.day, d.model",
    );
    let sql = sql.bind(today - i64::from(days)).bind(today);
    let rows: Vec<(i64, i16, i64, i64)> = session.load(sql).await?;
    let of = |(day, model, succeeded, failed): (i64, i16, i64, i64)| {
        let (succeeded, failed) = (unsigned(succeeded, "count")?, unsigned(failed, "count")?);
        Ok(DayResults { day, model: model_of(model)?, succeeded, failed })
    };
    let mut results = rows.into_iter().map(of).collect::<Result<Vec<_>, DbError>>()?;
    results.sort_unstable();
    Ok(results)
}

/// Forgets what nobody asks for any more, and what a clock that was ahead has counted.
pub(super) async fn forget<S: Session>(session: &mut S, today: i64) -> Result<(), DbError> {
    let sql = Sql::<()>::new("DELETE FROM result_days WHERE day <= ? OR day > ?");
    session.execute(sql.bind(today - KEPT).bind(today + 1)).await?;
    Ok(())
}
