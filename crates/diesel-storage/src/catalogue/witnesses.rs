//! Some records whose content was there when it was last looked at, spread over a storage.

use diesel::sql_types::{Binary, SmallInt, Text};
use stocktake_domain::FailureKind;
use stocktake_domain::ports::Witness;

use crate::error::DbError;
use crate::key;
use crate::queries::push_in_storage;
use crate::rows::{DISABLED, failure_kind_code, model_of};
use crate::session::Session;
use crate::span::Span;
use crate::sql::Sql;

/// The most records of the storage that are looked at from one place on, to find one.
const NEAR: i64 = 1_000;

/// The records of one model in the storage.
struct Range {
    model: i16,
    first: Vec<u8>,
    last: Vec<u8>,
}

/// See [`stocktake_domain::ports::Catalogue::witnesses`].
pub(super) async fn read<S: Session>(
    session: &mut S,
    storage: String,
    limit: u32,
) -> Result<Vec<Witness>, DbError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let ranges = ranges(session, &storage).await?;
    let share = limit.div_ceil(ranges.len().max(1));
    let mut found = Vec::new();
    for range in &ranges {
        let wanted = share.min(limit.saturating_sub(found.len()));
        let mut from = Vec::new();
        for place in places(&range.first, &range.last, wanted) {
            let near = near(session, &storage, range.model, from.clone().max(place), 1).await?;
            if let Some((key, _)) = near.first() {
                from = key::behind(key.clone());
            }
            found.extend(near.into_iter().map(|(key, path)| (range.model, key, path)));
        }
    }
    // Where they are unevenly spread, the places lead to fewer than there are.
    for range in &ranges {
        if found.len() >= limit {
            break;
        }
        for (key, path) in near(session, &storage, range.model, Vec::new(), limit).await? {
            let is_new = !found.iter().any(|(model, known, _)| *model == range.model && *known == key);
            if is_new && found.len() < limit {
                found.push((range.model, key, path));
            }
        }
    }
    let known = |(model, key, path): (i16, Vec<u8>, String)| {
        Ok(Witness { model: model_of(model)?, key: key::decode(&key)?, path })
    };
    found.into_iter().map(known).collect()
}

/// Where the records of each model in the storage begin and end.
async fn ranges<S: Session>(session: &mut S, storage: &str) -> Result<Vec<Range>, DbError> {
    let sql = Sql::<SmallInt>::new("SELECT q.model FROM queues q WHERE q.storage = ? ORDER BY q.model");
    let models: Vec<i16> = session.load(sql.bind(storage.to_owned())).await?;
    let mut ranges = Vec::new();
    for model in models {
        if model_of(model)?.may_be_absent() {
            continue;
        }
        let first = end(session, storage, model, " ORDER BY r.key LIMIT 1").await?;
        let last = end(session, storage, model, " ORDER BY r.key DESC LIMIT 1").await?;
        // A queue stays when its last record goes.
        if let (Some(first), Some(last)) = (first, last) {
            ranges.push(Range { model, first, last });
        }
    }
    Ok(ranges)
}

async fn end<S: Session>(
    session: &mut S,
    storage: &str,
    model: i16,
    order: &str,
) -> Result<Option<Vec<u8>>, DbError> {
    let sql = push_in_storage::<S, _>(Sql::<Binary>::new("SELECT r.key"), model, storage, &Span::all());
    session.first(sql.push(order)).await
}

/// Such records from this key on, at most `limit` of those near it.
async fn near<S: Session>(
    session: &mut S,
    storage: &str,
    model: i16,
    from: Vec<u8>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, String)>, DbError> {
    let sql = Sql::<(Binary, Text)>::new(
        "SELECT near.key, near.path FROM (SELECT r.key, r.path, r.baseline_at, r.former_baseline_at, r.failed_at, r.failure_kind, r.state",
    );
    let sql = push_in_storage::<S, _>(sql, model, storage, &Span::from(from));
    let sql = sql.push(" ORDER BY r.key LIMIT ? + 0) AS near").bind(NEAR);
    let good = "near.failed_at IS NULL AND COALESCE(near.baseline_at, near.former_baseline_at) IS NOT NULL";
    let sql = sql.push(&format!(" WHERE near.state <> ? AND (near.failure_kind = ? OR ({good}))"));
    let sql = sql.bind(DISABLED).bind(failure_kind_code(FailureKind::Altered));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    session.load(sql.push(" LIMIT ? + 0").bind(limit)).await
}

/// Bytes of keys, as long as the first one, at even distances from that on, up to the last one.
fn places(first: &[u8], last: &[u8], count: usize) -> Vec<Vec<u8>> {
    let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| {
        let mut bytes = [0; size_of::<u64>()];
        for (byte, of_key) in bytes.iter_mut().zip(key.iter().skip(common)) {
            *byte = *of_key;
        }
        u128::from(u64::from_be_bytes(bytes))
    };
    let (begin, end) = (number(first), number(last));
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let between = |index: u64| {
        let step = (end - begin) * u128::from(index) / u128::from(count);
        let bytes = u64::try_from(begin + step).unwrap_or(u64::MAX).to_be_bytes();
        first.iter().take(common).copied().chain(bytes).take(first.len()).collect()
    };
    (0..count).map(|index| if index == 0 { first.to_vec() } else { between(index) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_evenly() {
        let spread = |first: &[u8], last: &[u8]| places(first, last, 4);
        let eight = |number: u64| number.to_be_bytes().to_vec();
        assert_eq!(spread(&eight(0), &eight(8)), [0, 2, 4, 6].map(eight));
        assert_eq!(spread(&eight(0), &eight(u64::MAX))[3], eight(u64::MAX / 4 * 3 + 2));
        assert_eq!(spread(&eight(7), &eight(7)), vec![eight(7); 4]);
        // The part in which they differ counts.
        let two = |a: u64, b: u64| [eight(a), eight(b)].concat();
        let places = spread(&two(5, 0), &two(5, 400));
        assert!(places.is_sorted() && places[2] > two(5, 150) && places[2] < two(5, 250), "{places:?}");
        assert!(places[3] < two(5, 400));
    }
}
