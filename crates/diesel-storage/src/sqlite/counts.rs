//! The counts of records on SQLite. The triggers of `records` report each row that comes, goes or changes to a function of the
//! connection, which adds up the differences in memory; [`Changes::write`] writes them before the transaction commits. To
//! write them row by row would take as long as the rows themselves.

#![expect(
    clippy::too_many_arguments,
    reason = "the function is given what a record was and what it is, by SQL"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::RunQueryDsl as _;
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::EvidenceLevel;

use crate::counts::{MEBIBYTE_BITS, slot_of};
use crate::rows::{PENDING, SUCCEEDED, lengths};
use crate::sql::Sql;

const ADD_TO_GROUP: &str = "INSERT INTO record_counts AS c (model, storage, state, failure_kind, answers, \
    records, mebibytes, beside, size_only, said_by_store, computed_at_rest, mismatched, good_before) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (model, storage, state, failure_kind, answers) DO UPDATE SET records = c.records + excluded.records, \
    mebibytes = c.mebibytes + excluded.mebibytes, beside = c.beside + excluded.beside, \
    size_only = c.size_only + excluded.size_only, said_by_store = c.said_by_store + excluded.said_by_store, \
    computed_at_rest = c.computed_at_rest + excluded.computed_at_rest, mismatched = c.mismatched + excluded.mismatched, \
    good_before = c.good_before + excluded.good_before";

const DELETE_EMPTY_GROUP: &str = "DELETE FROM record_counts WHERE model = ? AND storage = ? AND state = ? \
    AND failure_kind = ? AND answers = ? AND records = 0";

const ADD_TO_SLOT: &str = "INSERT INTO success_slots AS s (model, storage, slot, records, oldest) VALUES (?, ?, ?, ?, ?) \
    ON CONFLICT (model, storage, slot) DO UPDATE SET records = s.records + excluded.records, \
    oldest = MIN(s.oldest, excluded.oldest)";

const DELETE_EMPTY_SLOT: &str =
    "DELETE FROM success_slots WHERE model = ? AND storage = ? AND slot = ? AND records = 0";

#[diesel::declare_sql_function]
extern "SQL" {
    /// Takes note of what a record was, if there was one, and of what it is now, if there is one.
    fn count_record(
        model: diesel::sql_types::SmallInt,
        storage: diesel::sql_types::Text,
        old_state: diesel::sql_types::Nullable<diesel::sql_types::SmallInt>,
        old_failure_kind: diesel::sql_types::Nullable<diesel::sql_types::SmallInt>,
        old_file_size: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        old_baseline_length: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        old_baseline_at: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        old_failed_at: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        old_matches_source: diesel::sql_types::Nullable<diesel::sql_types::Bool>,
        old_answers: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        new_state: diesel::sql_types::Nullable<diesel::sql_types::SmallInt>,
        new_failure_kind: diesel::sql_types::Nullable<diesel::sql_types::SmallInt>,
        new_file_size: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        new_baseline_length: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        new_baseline_at: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        new_failed_at: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
        new_matches_source: diesel::sql_types::Nullable<diesel::sql_types::Bool>,
        new_answers: diesel::sql_types::Nullable<diesel::sql_types::BigInt>,
    ) -> diesel::sql_types::Bool;
}

/// A state, kind of failure, size, length and time of the baseline, time of the failure, whether the source agrees, and the number
/// of the mark that is answered.
type Columns =
    (Option<i16>, Option<i16>, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<bool>, Option<i64>);

/// Differences of a row of `record_counts`: records, mebibytes, bytes beside these, how many verdicts rest on a size alone, on
/// what the store says and on what it computed, and how many are mismatched and good before.
type Values = [i64; 8];

/// The records of one group: model, state, kind of failure (0: none), number of the mark that they answer and slot if they succeeded
/// (otherwise 0 and none).
type Group = (i16, i16, i16, i64, Option<i64>);

/// What a transaction changes of the counts.
#[derive(Default)]
struct Differences {
    /// Whether a transaction is under way that will write them.
    is_open: bool,
    /// How many times records were reported.
    reported: u64,
    /// By storage, of which a transaction mostly writes one: a name is copied for the first record alone.
    storages: HashMap<String, HashMap<Group, Difference>>,
}

/// Differences of the records of one group.
#[derive(Debug, Clone, Copy, Default)]
struct Difference {
    /// In the order of the columns of `record_counts`.
    values: Values,
    /// The oldest success that came.
    oldest: Option<i64>,
}

impl Differences {
    fn add(&mut self, model: i16, storage: &str, old: Columns, new: Columns) {
        self.reported += 1;
        if !self.storages.contains_key(storage) {
            self.storages.insert(storage.to_owned(), HashMap::new());
        }
        let Some(groups) = self.storages.get_mut(storage) else { return };
        for (sign, columns) in [(-1, old), (1, new)] {
            let (state, kind, size, baseline_length, baseline_at, failed_at, matches_source, answers) =
                columns;
            let Some(state) = state else { continue };
            let succeeded = state == SUCCEEDED;
            let success_at = baseline_at.filter(|_| succeeded);
            let size = size.unwrap_or(0);
            let rests_on = |level| {
                i64::from(succeeded && baseline_length.is_some_and(|length| lengths(level).contains(&length)))
            };
            let values = [
                1,
                size >> MEBIBYTE_BITS,
                size & ((1 << MEBIBYTE_BITS) - 1),
                rests_on(EvidenceLevel::SizeOnly),
                rests_on(EvidenceLevel::SaidByStore),
                rests_on(EvidenceLevel::ComputedAtRest),
                i64::from(succeeded && matches_source == Some(false)),
                i64::from(state == PENDING && baseline_at.is_some() && failed_at.is_none()),
            ];
            let answers = answers.filter(|_| succeeded).unwrap_or(0);
            let group = (model, state, kind.unwrap_or(0), answers, success_at.map(slot_of));
            let difference = groups.entry(group).or_default();
            for (sum, value) in difference.values.iter_mut().zip(values) {
                *sum += sign * value;
            }
            if sign > 0 {
                difference.oldest = difference.oldest.into_iter().chain(success_at).min();
            }
        }
    }
}

/// What the transaction of a connection changes of the counts.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Mutex<Differences>>);

impl Changes {
    /// Makes the function known to a connection.
    pub(super) fn register(connection: &mut SqliteConnection) -> QueryResult<Self> {
        let changes = Self::default();
        let of_function = changes.clone();
        count_record_utils::register_nondeterministic_impl(
            connection,
            move |model: i16,
                  storage: String,
                  state,
                  kind,
                  size,
                  baseline_length,
                  baseline_at,
                  failed_at,
                  matches_source,
                  answers,
                  new_state,
                  new_kind,
                  new_size,
                  new_baseline_length,
                  new_baseline_at,
                  new_failed_at,
                  new_matches_source,
                  new_answers| {
                let old =
                    (state, kind, size, baseline_length, baseline_at, failed_at, matches_source, answers);
                let new = (
                    new_state,
                    new_kind,
                    new_size,
                    new_baseline_length,
                    new_baseline_at,
                    new_failed_at,
                    new_matches_source,
                    new_answers,
                );
                of_function.report(model, &storage, old, new)
            },
        )?;
        Ok(changes)
    }

    fn lock(&self) -> MutexGuard<'_, Differences> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a record; false if nobody would write it.
    fn report(&self, model: i16, storage: &str, old: Columns, new: Columns) -> bool {
        let mut differences = self.lock();
        if differences.is_open {
            differences.add(model, storage, old, new);
        }
        differences.is_open
    }

    /// How many records were reported in this transaction.
    pub(super) fn reported(&self) -> u64 {
        self.lock().reported
    }

    /// A transaction begins.
    pub(super) fn begin(&self) {
        *self.lock() = Differences { is_open: true, ..Differences::default() };
    }

    /// The transaction is over, in whatever way.
    pub(super) fn end(&self) {
        *self.lock() = Differences::default();
    }

    /// Writes what the transaction changed, which is about to commit.
    pub(super) fn write(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let Differences { storages, .. } = std::mem::take(&mut *self.lock());
        for (storage, groups) in storages {
            for ((model, state, kind, answers, slot), Difference { values, oldest }) in groups {
                let of_group = |sql: &str| {
                    let sql = Sql::<()>::new(sql).bind(model).bind(storage.clone()).bind(state);
                    sql.bind(kind).bind(answers)
                };
                if values.iter().any(|value| *value != 0) {
                    values.into_iter().fold(of_group(ADD_TO_GROUP), Sql::bind).execute(connection)?;
                }
                let [records, ..] = values;
                if records < 0 {
                    of_group(DELETE_EMPTY_GROUP).execute(connection)?;
                }
                if let Some(slot) = slot.filter(|_| records != 0 || oldest.is_some()) {
                    let sql = Sql::<()>::new(ADD_TO_SLOT).bind(model).bind(storage.clone()).bind(slot);
                    sql.bind(records).bind(oldest.unwrap_or(i64::MAX)).execute(connection)?;
                    let sql = Sql::<()>::new(DELETE_EMPTY_SLOT).bind(model).bind(storage.clone()).bind(slot);
                    sql.execute(connection)?;
                }
            }
        }
        Ok(())
    }
}
