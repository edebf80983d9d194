//! The port `Catalogue`, over any driver.

mod acceptances;
mod failing;
mod import;
pub(crate) mod key_data;
mod page;
mod reports;
mod sorted_page;
mod summary;
pub(crate) mod upsert;
mod witnesses;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, SmallInt, Text};
use stocktake_domain::ports::{
    Amount, Applied, Catalogue, CountDifference, CountLimit, Counted, CountedTo, DayResults, FailureGroup,
    ImportError, ModelSummary, Page, PageRequest, PathStream, ReportApplied, ReportedRecord, ScanBasis,
    SortedPage, SortedPageRequest, SourceRecordStream, StoreError, Witness,
};
use stocktake_domain::{
    Acceptance, Digest, Model, NewAcceptance, Record, RecordFilter, RecordKey, ReportRules, Selection,
    StoredRecord,
};

use crate::adapter::{Adapter, call};
use crate::dialect::{Index, RECORDS_OF_EVERY_MODEL};
use crate::encryption::Encryption;
use crate::error::{DbError, refuse_unknown};
use crate::key;
use crate::marks::HeldByMark;
use crate::queries::{
    Filter, STARTED_BY_ROW, by_key, mark_number, push_findings, push_in_storage, push_mismatched, push_model,
    push_one, seen,
};
use crate::rows::{AcceptedColumns, RECORD, RecordRow, RecordSql, Seen, digest_bytes, model_code, storable};
use crate::scanning::Scan;
use crate::session::{Driver, Reading, Session, Work};
use crate::span::Span;
use crate::sql::Sql;

/// How many bytes of a checksum its index has.
const CHECKSUM_PREFIX: usize = 12;

/// The most records that are looked at within the time of an ordinary call.
const READ_AT_ONCE: u64 = 100_000;

/// The work that looks at so many records at most. Without an end that is near, it takes as long as there are records.
const fn work_of(at_most: u64) -> Work {
    if at_most > READ_AT_ONCE { Work::Survey } else { Work::Read }
}

#[async_trait]
impl<D: Driver> Catalogue for Adapter<D> {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let call = call!("db.catalogue.page", model = %request.model);
        let (plan, encryption) = (page::Plan::new(request), self.encryption.clone());
        if plan.is_look_up() {
            self.look_up(call, move |session| Box::pin(page::read(session, plan, encryption))).await
        } else {
            self.run(call, Work::Read, move |session| Box::pin(page::read(session, plan, encryption))).await
        }
    }

    async fn sorted_page(&self, request: &SortedPageRequest) -> Result<SortedPage, StoreError> {
        let call = call!("db.catalogue.sorted_page", model = %request.model);
        let (plan, encryption) = (sorted_page::Plan::new(request), self.encryption.clone());
        let work = work_of(request.sorted_at_most.records().into());
        self.run(call, work, move |session| Box::pin(sorted_page::read(session, plan, encryption))).await
    }

    async fn count(
        &self,
        model: Model,
        selection: &Selection,
        limit: CountLimit,
    ) -> Result<Counted, StoreError> {
        let call = call!("db.catalogue.count", model = %model);
        if selection.is_counted() {
            let (state, filter) = (selection.state, selection.filter.clone());
            return self
                .run(call, Work::Read, move |session| {
                    Box::pin(summary::kept_count(session, model, state, filter))
                })
                .await;
        }
        let filter = Filter::new(model_code(model), selection);
        let scanned = limit.scanned.records_for(selection).into();
        self.run(call, Work::Read, move |session| Box::pin(count(session, filter, scanned, limit.matches)))
            .await
    }

    async fn amount(&self, model: Model, selection: &Selection) -> Result<Amount, StoreError> {
        let call = call!("db.catalogue.amount", model = %model);
        let filter = Filter::new(model_code(model), selection);
        self.run(call, Work::Survey, move |session| Box::pin(summary::amount(session, filter))).await
    }

    async fn count_in_storage(&self, storage: &str) -> Result<u64, StoreError> {
        let storage = storable(storage, "storage")?;
        self.run(call!("db.catalogue.count_in_storage"), Work::Read, move |session| {
            Box::pin(summary::count_in_storage(session, storage))
        })
        .await
    }

    async fn witnesses(&self, storage: &str, limit: u32) -> Result<Vec<Witness>, StoreError> {
        let storage = storable(storage, "storage")?;
        self.run(call!("db.catalogue.witnesses"), Work::Read, move |session| {
            Box::pin(witnesses::read(session, storage, limit))
        })
        .await
    }

    async fn knows_shape(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError> {
        let call = call!("db.catalogue.knows_shape", model = %model);
        let (model, key) = (model_code(model), key::encode(key));
        self.look_up(call, move |session| Box::pin(knows_shape(session, model, key))).await
    }

    async fn get(&self, model: Model, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        let call = call!("db.catalogue.get", model = %model);
        let (model, key, encryption) = (model_code(model), key::encode(key), self.encryption.clone());
        self.look_up(call, move |session| Box::pin(get(session, model, key, encryption))).await
    }

    async fn import<'a>(
        &self,
        model: Model,
        entries: SourceRecordStream<'a>,
    ) -> Result<Applied, ImportError> {
        let call = call!("db.catalogue.import", model = %model);
        call.trace(Work::Import, import::run(self, model_code(model), None, entries)).await
    }

    async fn import_scanned<'a>(
        &self,
        model: Model,
        basis: &ScanBasis,
        entries: SourceRecordStream<'a>,
    ) -> Result<Applied, ImportError> {
        let call = call!("db.catalogue.import_scanned", model = %model);
        call.trace(Work::Import, import::run(self, model_code(model), Some(basis), entries)).await
    }

    async fn paths(&self, model: Option<Model>, storage: &str) -> Result<PathStream, StoreError> {
        let call = call!("db.catalogue.paths", storage);
        call.trace(Work::Read, self.driver.paths(model.map(model_code), storage.to_owned())).await
    }

    async fn stored(
        &self,
        model: Model,
        storage: &str,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let call = call!("db.catalogue.stored", model = %model, storage);
        let (model, span) = (model_code(model), Span::behind(after.as_ref().map(key::encode)));
        let (storage, encryption) = (storage.to_owned(), self.encryption.clone());
        self.run(call, Work::Read, move |session| {
            Box::pin(reports::stored(session, (model, storage), span, limit, encryption))
        })
        .await
    }

    async fn apply_report(
        &self,
        model: Model,
        storage: &str,
        rules: ReportRules,
        said: Vec<ReportedRecord>,
    ) -> Result<ReportApplied, StoreError> {
        let call = call!("db.catalogue.apply_report", model = %model, storage);
        let (model, storage, encryption) = (model_code(model), storage.to_owned(), self.encryption.clone());
        self.run(call, Work::Write, move |session| {
            Box::pin(reports::apply(session, (model, storage), rules, said, encryption))
        })
        .await
    }

    async fn mismatched(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let call = call!("db.catalogue.mismatched", model = %model);
        let (model, span) = (model_code(model), Span::behind(after.as_ref().map(key::encode)));
        let encryption = self.encryption.clone();
        self.run(call, Work::Read, move |session| {
            Box::pin(mismatched(session, model, span, limit, encryption))
        })
        .await
    }

    async fn findings(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let call = call!("db.catalogue.findings", model = %model);
        let (model, span) = (model_code(model), Span::behind(after.as_ref().map(key::encode)));
        let encryption = self.encryption.clone();
        self.run(call, Work::Read, move |session| Box::pin(findings(session, model, span, limit, encryption)))
            .await
    }

    async fn failure_groups(&self) -> Result<Vec<FailureGroup>, StoreError> {
        self.run(call!("db.catalogue.failure_groups"), Work::Read, |session| {
            Box::pin(failing::groups(session))
        })
        .await
    }

    async fn results_by_day(&self, days: u32) -> Result<Vec<DayResults>, StoreError> {
        let read = self.timed(move |session, now| {
            Box::pin(crate::queue::results_by_day::read(session, days, now.day()))
        });
        self.run(call!("db.catalogue.results_by_day"), Work::Read, read).await
    }

    async fn with_checksum(&self, checksum: &Digest, limit: u32) -> Result<Vec<Record>, StoreError> {
        let (checksum, encryption) = (digest_bytes(*checksum), self.encryption.clone());
        self.run(call!("db.catalogue.with_checksum"), Work::Read, move |session| {
            Box::pin(with_checksum(session, checksum, limit, encryption))
        })
        .await
    }

    async fn largest_key(&self, model: Model) -> Result<Option<RecordKey>, StoreError> {
        let call = call!("db.catalogue.largest_key", model = %model);
        let model = model_code(model);
        self.run(call, Work::Read, move |session| Box::pin(largest_key(session, model))).await
    }

    async fn largest_key_in(&self, model: Model, storage: &str) -> Result<Option<RecordKey>, StoreError> {
        let call = call!("db.catalogue.largest_key_in", model = %model);
        let (model, storage) = (model_code(model), storage.to_owned());
        self.run(call, Work::Read, move |session| Box::pin(largest_key_in(session, model, storage))).await
    }

    async fn accept(
        &self,
        model: Model,
        key: &RecordKey,
        acceptance: &NewAcceptance,
    ) -> Result<Option<Record>, StoreError> {
        let call = call!("db.catalogue.accept", model = %model);
        let (model, key) = (model_code(model), key::encode(key));
        let (accepted, encryption) = (AcceptedColumns::new(acceptance)?, self.encryption.clone());
        let accept = self.timed(move |session, now| {
            Box::pin(acceptances::accept(session, (model, key), accepted, now.millis(), encryption))
        });
        self.run(call, Work::Write, accept).await
    }

    async fn take_back(
        &self,
        model: Model,
        key: &RecordKey,
        by: &str,
        reason: Option<String>,
    ) -> Result<Option<Record>, StoreError> {
        let call = call!("db.catalogue.take_back", model = %model);
        let (model, key, by) = (model_code(model), key::encode(key), storable(by, "by")?);
        let reason = reason.as_deref().map(|reason| storable(reason, "reason")).transpose()?;
        let encryption = self.encryption.clone();
        let take_back = self.timed(move |session, now| {
            Box::pin(acceptances::take_back(session, (model, key), (by, reason), now.millis(), encryption))
        });
        self.run_waking(call, Work::Write, take_back).await
    }

    async fn acceptances(&self, model: Model, key: &RecordKey) -> Result<Vec<Acceptance>, StoreError> {
        let call = call!("db.catalogue.acceptances", model = %model);
        let (model, key) = (model_code(model), key::encode(key));
        self.run(call, Work::Read, move |session| Box::pin(acceptances::list(session, model, key))).await
    }

    async fn summary_of(&self, filter: &RecordFilter) -> Result<Vec<ModelSummary>, StoreError> {
        let (call, filter) = (call!("db.catalogue.summary"), filter.clone());
        if filter.is_counted() {
            return self.run(call, Work::Read, move |session| Box::pin(summary::kept(session, filter))).await;
        }
        self.run(call, Work::Survey, move |session| Box::pin(summary::read(session, filter))).await
    }

    async fn count_differences(&self) -> Result<Vec<CountDifference>, StoreError> {
        self.run(call!("db.catalogue.count_differences"), Work::Survey, |session| {
            Box::pin(summary::differences(session))
        })
        .await
    }

    async fn storages(&self) -> Result<Vec<(Model, String)>, StoreError> {
        self.run(call!("db.catalogue.storages"), Work::Read, |session| Box::pin(summary::storages(session)))
            .await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let known = self.driver.known_migrations()?;
        self.run(call!("db.catalogue.check"), Work::Read, move |session| Box::pin(check(session, known)))
            .await?;
        self.driver.check_writable().await
    }
}

/// Reads one record.
pub(crate) async fn get<S: Reading>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
    encryption: Encryption,
) -> Result<Option<Record>, DbError> {
    let found = row(session, model, key).await?;
    found.map(|(row, seen)| row.into_record(seen, &encryption)).transpose()
}

/// Reads the row of one record, with how it is seen.
async fn row<S: Reading>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
) -> Result<Option<(RecordRow, Seen)>, DbError> {
    let mark = mark_number(model);
    let sql = Sql::<(RecordSql, Bool, Nullable<BigInt>)>::new(format!(
        "SELECT {}, {STARTED_BY_ROW}, {mark}",
        *RECORD
    ));
    let found: Option<(RecordRow, bool, Option<i64>)> =
        session.first(push_one::<S, _>(sql, model, key)).await?;
    let Some((row, is_started, number)) = found else { return Ok(None) };
    let held = HeldByMark::read(session, model, number).await?;
    let seen = HeldByMark::seen(held.as_ref(), &row, is_started);
    Ok(Some((row, seen)))
}

/// The record's row, which nobody else changes until the transaction ends, with how it is seen.
async fn locked<S: Session>(
    session: &mut S,
    model: i16,
    key: Vec<u8>,
) -> Result<Option<(RecordRow, Seen)>, DbError> {
    match session.lock_records(model, vec![key.clone()]).await? {
        Some(rows) => Ok(rows.into_iter().next()),
        None => row(session, model, key).await,
    }
}

async fn mismatched<S: Session>(
    session: &mut S,
    model: i16,
    span: Span,
    limit: u32,
    encryption: Encryption,
) -> Result<Vec<Record>, DbError> {
    let sql = Sql::<RecordSql>::new(format!("SELECT {}", *RECORD));
    let sql = push_mismatched::<S, _>(sql, model, &span).push(by_key(false));
    let rows: Vec<RecordRow> = session.load(sql.push(" LIMIT ? + 0").bind(i64::from(limit))).await?;
    // One that succeeded and is not marked is not due, and so no lease holds it.
    rows.into_iter().map(|row| row.into_record(Seen::STORED, &encryption)).collect()
}

async fn findings<S: Session>(
    session: &mut S,
    model: i16,
    span: Span,
    limit: u32,
    encryption: Encryption,
) -> Result<Vec<Record>, DbError> {
    let sql = Sql::<(RecordSql, SmallInt)>::new(format!("SELECT {}, {}", *RECORD, seen(Some(model))));
    let sql = push_findings::<S, _>(sql, model, &span).push(by_key(false));
    let rows: Vec<(RecordRow, Seen)> = session.load(sql.push(" LIMIT ? + 0").bind(i64::from(limit))).await?;
    rows.into_iter().map(|(row, seen)| row.into_record(seen, &encryption)).collect()
}

async fn with_checksum<S: Session>(
    session: &mut S,
    checksum: Vec<u8>,
    limit: u32,
    encryption: Encryption,
) -> Result<Vec<Record>, DbError> {
    let first = checksum.iter().copied().take(CHECKSUM_PREFIX).collect::<Vec<u8>>();
    let last = checksum.iter().copied().last().into_iter().collect::<Vec<u8>>();
    let sql = Sql::<(RecordSql, SmallInt)>::new(format!(
        "SELECT {}, {} FROM {RECORDS_OF_EVERY_MODEL} AS r",
        *RECORD,
        seen(None)
    ));
    let sql = sql.push(S::indexed_by(Index::ByChecksum)).push(
        " WHERE r.baseline IS NOT NULL AND substr(r.baseline, length(r.baseline), 1) = ? \
         AND substr(r.baseline, 1, 12) = ? AND r.baseline = ? ORDER BY r.model, r.key LIMIT ? + 0",
    );
    let sql = sql.bind(last).bind(first).bind(checksum).bind(i64::from(limit));
    let rows: Vec<(RecordRow, Seen)> = session.load(sql).await?;
    rows.into_iter().map(|(row, seen)| row.into_record(seen, &encryption)).collect()
}

async fn count<S: Session>(
    session: &mut S,
    filter: Filter,
    scanned: u64,
    at_most: u64,
) -> Result<Counted, DbError> {
    let filter = filter.looking(session).await?;
    let scan = Scan::within(session, &filter, Span::all(), false, scanned).await?;
    let sql = Sql::<BigInt>::new("SELECT COUNT(*) FROM (SELECT 1");
    let sql = filter.select_from::<S, _>(sql, &scan.span);
    let sql = sql.push(" LIMIT ? + 0) AS matching").bind(i64::try_from(at_most).unwrap_or(i64::MAX));
    let counted: i64 = session.one(sql).await?;
    let matches = crate::rows::unsigned(counted, "count")?;
    let to = match scan.stop {
        _ if matches >= at_most => CountedTo::MatchLimit,
        Some(_) => CountedTo::ScanLimit,
        None => CountedTo::End,
    };
    Ok(Counted { matches, to })
}

async fn knows_shape<S: Reading>(session: &mut S, model: i16, key: Vec<u8>) -> Result<bool, DbError> {
    let sql = push_one::<S, _>(Sql::<Binary>::new("SELECT r.key"), model, key.clone());
    let sql = push_model::<S, _>(sql.push(" UNION ALL SELECT * FROM (SELECT r.key"), model);
    let sql = sql.push(" ORDER BY r.key LIMIT 1) AS a UNION ALL SELECT * FROM (SELECT r.key");
    let sql = push_model::<S, _>(sql, model).push(" ORDER BY r.key DESC LIMIT 1) AS b");
    let known: Vec<Vec<u8>> = session.load(sql).await?;
    Ok(known.is_empty() || known.iter().any(|other| other.len() == key.len()))
}

async fn largest_key<S: Session>(session: &mut S, model: i16) -> Result<Option<RecordKey>, DbError> {
    let sql = push_model::<S, _>(Sql::<Binary>::new("SELECT r.key"), model);
    let found: Option<Vec<u8>> = session.first(sql.push(" ORDER BY r.key DESC LIMIT 1")).await?;
    found.map(|bytes| key::decode(&bytes)).transpose()
}

async fn largest_key_in<S: Session>(
    session: &mut S,
    model: i16,
    storage: String,
) -> Result<Option<RecordKey>, DbError> {
    let sql = push_in_storage::<S, _>(Sql::<Binary>::new("SELECT r.key"), model, &storage, &Span::all());
    let found: Option<Vec<u8>> = session.first(sql.push(" ORDER BY r.key DESC LIMIT 1")).await?;
    found.map(|bytes| key::decode(&bytes)).transpose()
}

/// The versions of the migrations that were applied, all of which this program knows; `None` if it was never migrated.
pub(crate) async fn applied_migrations<S: Session>(
    session: &mut S,
    known: &[String],
) -> Result<Option<Vec<String>>, DbError> {
    if !session.is_migrated().await? {
        return Ok(None);
    }
    let sql = Sql::<Text>::new("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    let applied: Vec<String> = session.load(sql).await?;
    refuse_unknown(known, applied.iter().cloned())?;
    Ok(Some(applied))
}

async fn check<S: Session>(session: &mut S, known: Vec<String>) -> Result<(), DbError> {
    let applied = applied_migrations(session, &known).await?;
    let applied = applied.ok_or_else(|| DbError::Schema("it was never migrated".to_owned()))?;
    match known.iter().find(|version| !applied.contains(version)) {
        Some(version) => Err(DbError::Schema(format!("migration {version} is pending"))),
        None => Ok(()),
    }
}
