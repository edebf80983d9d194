//! Key data that is kept in another form than the settings ask for: it is written anew when the database is opened.

use stocktake_domain::RowPart;
use stocktake_domain::ports::StoreError;

use super::locked;
use crate::adapter::{Adapter, call};
use crate::dialect::{Index, RECORDS_OF_EVERY_MODEL};
use crate::encryption::{Encryption, WITH_KEY_DATA};
use crate::error::DbError;
use crate::rows::{RECORD, RecordRow, RecordSql};
use crate::session::{Driver, Session, Work};
use crate::sql::Sql;

/// Records looked at at once.
const AT_ONCE: usize = 500;

/// A record's model and key.
type Place = (i16, Vec<u8>);

/// Writes anew what is to be encrypted otherwise. Nothing is written where there is nothing, nor what is damaged, or
/// encrypted with a key that is not known.
pub(crate) async fn renew<D: Driver>(adapter: &Adapter<D>) -> Result<(), StoreError> {
    if !adapter.encryption.has_keys() {
        return Ok(());
    }
    let (mut after, mut renewed) = ((i16::MIN, Vec::new()), 0);
    loop {
        let look = call!("db.key_data.look");
        let rows = adapter.run(look, Work::Read, |session| Box::pin(next(session, after))).await?;
        let Some(last) = rows.last() else { break };
        after = (last.model, last.key.clone());
        let mut places = Vec::new();
        for row in rows {
            if rewritten(&row, &adapter.encryption)?.is_some() {
                places.push((row.model, row.key));
            }
        }
        if !places.is_empty() {
            let encryption = adapter.encryption.clone();
            let write = call!("db.key_data.write");
            renewed += adapter
                .run(write, Work::Write, move |session| Box::pin(rewrite(session, places, encryption)))
                .await?;
        }
    }
    if renewed > 0 {
        tracing::info!(
            "the key data of {renewed} records was encrypted anew, as database.encryption_key says"
        );
    }
    Ok(())
}

/// The next records with key data.
async fn next<S: Session>(session: &mut S, (model, key): Place) -> Result<Vec<RecordRow>, DbError> {
    let sql = Sql::<RecordSql>::new(format!(
        "SELECT {} FROM {RECORDS_OF_EVERY_MODEL} AS r{} WHERE substr(r.rule, 1, 11) = '{WITH_KEY_DATA}' \
         AND (r.model, r.key) > (?, ?) ORDER BY r.model, r.key LIMIT {AT_ONCE}",
        *RECORD,
        S::indexed_by(Index::WithKeyData),
    ));
    session.load(sql.bind(model).bind(key)).await
}

/// The row as it would be kept now, if that is another one.
fn rewritten(row: &RecordRow, encryption: &Encryption) -> Result<Option<RecordRow>, DbError> {
    let now = row.clone().renewed(encryption)?;
    Ok(Some(now).filter(|now| now.source != row.source && !row.is_damaged(RowPart::Recorded)))
}

/// Writes these records anew, each as it now is; returns how many.
async fn rewrite<S: Session>(
    session: &mut S,
    places: Vec<Place>,
    encryption: Encryption,
) -> Result<usize, DbError> {
    let mut rows = Vec::new();
    for (model, key) in places {
        let Some((row, _)) = locked(session, model, key).await? else { continue };
        rows.extend(rewritten(&row, &encryption)?);
    }
    let renewed = rows.len();
    if renewed > 0 {
        session.write_records(rows).await?;
    }
    Ok(renewed)
}
