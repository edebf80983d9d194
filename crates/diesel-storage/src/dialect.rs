//! Where the SQL text of the two databases differs. What they do differently is in [`crate::session::Session`].

use std::borrow::Cow;

use stocktake_domain::PathGlob;

use crate::sql::Sql;

/// An index of `records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// On state and key.
    ByState,
    /// On what is due.
    InQueue,
    /// On what is not due, by storage; on SQLite on everything.
    InStorage,
    /// On what is to be tried again.
    ToRetry,
    /// On what does not match the source's own checksums.
    Mismatched,
    /// On what failed last.
    Findings,
    /// On what failed last, by storage and kind.
    Failing,
    /// On the digest with which the content was last good.
    ByChecksum,
    /// On rules with key data.
    WithKeyData,
}

/// How the rows that a SELECT returns are locked until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Against everybody who locks or changes them.
    Update,
    /// The same; rows that somebody else has locked are left out.
    UpdateSkipLocked,
    /// Against those who lock them for update, though not against a change of other columns than the key.
    KeyShare,
}

/// The table of the records of every model. On PostgreSQL each statement about it concerns all of its partitions, which the plans
/// that are kept cannot tell apart: only for statements that are about no model in particular ([`Dialect::records`]).
pub(crate) const RECORDS_OF_EVERY_MODEL: &str = "records";

/// A database's own SQL.
pub(crate) trait Dialect {
    /// The table that holds the records of a model. Whoever reads or writes records of one model names this one.
    fn records(model: i16) -> Cow<'static, str>;

    /// FROM and WHERE, without the end of the condition: the records `r` of a model, or of every model, that leases hold, by their
    /// rows or by marks, lease by lease, each by its range.
    fn held(model: Option<i16>) -> String;

    /// What comes before and after a query for keys, to make it the condition that the record `r` is of a model and
    /// has one of these keys. One value: the model.
    const KEY_IN: (&'static str, &'static str);

    /// Whether parts of a UNION ALL that are each read in the order of the keys are merged without a word in each about order and number.
    const MERGES: bool;

    /// Names the index to a database that would choose another.
    fn indexed_by(index: Index) -> &'static str;

    /// FROM and WHERE, without the end of the condition: the records `r` of one model in a storage. Two values: the model, as an
    /// integer, and the storage.
    fn in_storage(model: i16) -> String;

    /// The locking clause, for a database where transactions run side by side.
    fn locking(lock: Lock) -> &'static str;

    /// A number below a million, another one for each row.
    const LOT: &'static str;

    /// The function that tells at which character of a text, counted from 1, another one begins in it; 0 if nowhere.
    const POSITION: &'static str;

    /// What is kept of the counts at this moment: a table, or a query in brackets, with the columns of `record_counts`, in
    /// which a group may have several rows.
    const COUNTS: &'static str;

    /// The oldest success that is counted of each model and storage: a query for model, storage and oldest.
    const OLDEST_SUCCESSES: &'static str;

    /// Adds that the path of the record `r` matches.
    fn push_path_matches<T>(sql: Sql<T>, path: &PathGlob) -> Sql<T>;

    /// Adds, behind the keys `m` of a page's records in FROM, these records `r` of a model, each looked up by its key.
    fn push_each_of_page<T>(sql: Sql<T>, model: i16) -> Sql<T>;

    /// Adds FROM and WHERE: the records `r` of a model with these keys, each looked up by its key.
    fn push_with_keys<T>(sql: Sql<T>, model: i16, keys: &[Vec<u8>]) -> Sql<T>;
}
