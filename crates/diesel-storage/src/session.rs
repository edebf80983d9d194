//! What the shared code needs of a database: a [`Session`] to run statements in, or a [`Reading`] one for queries alone, and a
//! [`Driver`] that has them.
//!
//! The ports are implemented once, over these two. Each database has its own implementation of both, with
//! its own way to lock, to write many rows at once and to tell that there is work.

use std::future::Future;

use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{PathStream, StoreError, WakeSignal};

use crate::dialect::Dialect;
use crate::error::DbError;
use crate::mark::Mark;
use crate::rows::{JobRow, LeaseRow, NewJobRow, RecordRow, ResultRow, Seen, StagedRow};
use crate::span::Span;

/// A query whose rows are `R`, on both databases.
pub(crate) trait Rows<R>:
    diesel::query_dsl::methods::LoadQuery<'static, SqliteConnection, R>
    + diesel_async::methods::LoadQuery<'static, AsyncPgConnection, R>
    + for<'c> diesel_async::methods::LoadQuery<'static, &'c AsyncPgConnection, R>
    + Send
    + 'static
{
}

impl<T, R> Rows<R> for T where
    T: diesel::query_dsl::methods::LoadQuery<'static, SqliteConnection, R>
        + diesel_async::methods::LoadQuery<'static, AsyncPgConnection, R>
        + for<'c> diesel_async::methods::LoadQuery<'static, &'c AsyncPgConnection, R>
        + Send
        + 'static
{
}

/// A statement without rows, on both databases.
pub(crate) trait Command:
    diesel::query_dsl::methods::ExecuteDsl<SqliteConnection>
    + diesel_async::methods::ExecuteDsl<AsyncPgConnection>
    + diesel::RunQueryDsl<SqliteConnection>
    + Send
    + 'static
{
}

impl<T> Command for T where
    T: diesel::query_dsl::methods::ExecuteDsl<SqliteConnection>
        + diesel_async::methods::ExecuteDsl<AsyncPgConnection>
        + diesel::RunQueryDsl<SqliteConnection>
        + Send
        + 'static
{
}

/// What comes of a step in the database.
pub(crate) trait Step<T>: Future<Output = Result<T, DbError>> + Send {}

impl<T, F> Step<T> for F where F: Future<Output = Result<T, DbError>> + Send {}

/// What runs queries.
pub(crate) trait Reading: Dialect + Send + 'static {
    /// All rows of a query.
    fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> impl Step<Vec<R>>;

    /// The first row of a query.
    fn first<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> impl Step<Option<R>> {
        let rows = self.load(query);
        async { Ok(rows.await?.into_iter().next()) }
    }

    /// The only row of a query that always has one.
    fn one<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> impl Step<R> {
        let row = self.first(query);
        async { row.await?.ok_or_else(|| DbError::data("a query returned no row")) }
    }
}

/// A connection, and the transaction on it if the [`Work`] asked for one.
pub(crate) trait Session: Reading {
    /// Runs a statement; returns how many rows it touched.
    fn execute<Q: Command>(&mut self, statement: Q) -> impl Step<u64>;

    /// The time of the server's clock; `None` of a database that has no server.
    fn server_time(&mut self) -> impl Step<Option<Timestamp>>;

    /// Whether the database was ever migrated.
    fn is_migrated(&mut self) -> impl Step<bool>;

    /// Keeps all else that makes records of this model due, or imports them, out of the way of each other
    /// until the transaction ends, where transactions run side by side.
    fn lock_imports(&mut self, model: i16) -> impl Step<()>;

    /// Keeps marks on the model, and what becomes good without a lease, out of the way of each other until the transaction ends. Whoever
    /// needs it takes it before any other lock; then come queues, leases, records, results by day and, last of all, the mark itself.
    fn lock_marking(&mut self, model: i16, marking: Marking) -> impl Step<()>;

    /// Keeps claims waiting until the transaction ends, so that none takes a record that is about to become due for
    /// one that it holds: claims of this model and storage, or of all.
    fn hold_claims(&mut self, model: Option<i16>, storage: Option<String>) -> impl Step<()>;

    /// Locks the records with these keys, which are sorted, and reads them again, each with how it is seen;
    /// `None` where nobody can have changed them since the transaction began.
    fn lock_records(&mut self, model: i16, keys: Vec<Vec<u8>>) -> impl Step<Option<Vec<(RecordRow, Seen)>>>;

    /// Locks the records of a span, of one storage or of all, before any of them is deleted or changed: in the order of their keys, as
    /// everybody does, which deleting some and changing others in turns would not be.
    fn lock_span(&mut self, model: i16, storage: Option<String>, span: Span) -> impl Step<()>;

    /// Makes what became due now, `now`, due after the claim of any lease on it that is not among the `known`, where
    /// somebody can have claimed since the transaction began.
    fn keep_clear_of_new_leases(&mut self, model: i16, known: Vec<i64>, now: i64) -> impl Step<()>;

    /// Writes results of a lease where the record is still what the lease holds: due no later than it was claimed, by its row or by
    /// the mark on its model, and the attempt the one before the result's. They answer the mark, if that came before the claim.
    /// Returns how many.
    fn write_results(
        &mut self,
        lease: &LeaseRow,
        results: Vec<ResultRow>,
        mark: Option<Mark>,
    ) -> impl Step<u64>;

    /// Adds records that are new.
    fn add_records(&mut self, records: Vec<RecordRow>) -> impl Step<()>;

    /// Writes records that are known, whole, in the order given.
    fn write_records(&mut self, records: Vec<RecordRow>) -> impl Step<()>;

    /// Makes the temporary table of an import.
    fn create_staged(&mut self) -> impl Step<()>;

    /// Adds entries, each key once, to those of the import. One whose key is there already only leaves its number in
    /// `conflict`, if it says something else.
    fn stage(&mut self, entries: Vec<StagedRow>) -> impl Step<()>;

    /// Lets the planner know that so many records of the model were added, where it would not notice for a while.
    fn gather_statistics(&mut self, model: i16, added: u64) -> impl Step<()>;

    /// Moves what was noted of changes into the kept counts, where these are not written with each change. Does nothing while
    /// somebody else does it.
    fn fold_counts(&mut self) -> impl Step<()>;

    /// Tells other processes, when the transaction ends well, that there is work.
    fn announce_work(&mut self) -> impl Step<()>;

    /// Keeps a job, unless the same one has not begun, and tells other processes that there is work. Returns the one or the other. On
    /// a server it is one statement.
    fn enqueue(&mut self, job: NewJobRow, now: Timestamp) -> impl Step<JobRow>;
}

/// What is done where marks may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marking {
    /// A mark is made, by one at a time.
    Make,
    /// Records are written that answer the mark there is.
    Answer,
}

/// What a job needs of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Statements that each see their own moment.
    Read,
    /// One transaction that writes.
    Write,
    /// One statement that writes, and so a transaction by itself.
    Statement,
    /// One transaction that reads the whole catalogue as it is at one moment, however long that takes.
    Survey,
    /// One transaction that writes, however long that takes.
    Import,
    /// Statements that touch nothing but temporary tables, however long that takes.
    Scratch,
}

impl Work {
    /// Whether it is bound by [`crate::StoreSettings::timeout`].
    pub(crate) fn is_ordinary(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Statement)
    }
}

/// Something to be done in a session.
pub(crate) trait Task<S, R>:
    for<'s> FnOnce(&'s mut S) -> BoxFuture<'s, Result<R, DbError>> + Send + 'static
{
}

impl<F, S, R> Task<S, R> for F where
    F: for<'s> FnOnce(&'s mut S) -> BoxFuture<'s, Result<R, DbError>> + Send + 'static
{
}

/// A task that is told the database's time.
pub(crate) trait TimedTask<S, R>:
    for<'s> FnOnce(&'s mut S, Timestamp) -> BoxFuture<'s, Result<R, DbError>> + Send + 'static
{
}

impl<F, S, R> TimedTask<S, R> for F where
    F: for<'s> FnOnce(&'s mut S, Timestamp) -> BoxFuture<'s, Result<R, DbError>> + Send + 'static
{
}

/// A database.
pub(crate) trait Driver: Send + Sync + 'static {
    /// Its sessions.
    type Session: Session;
    /// What look-ups run in.
    type Lookup: Reading;
    /// One connection of its own, outside the pool.
    type Private: Private<Session = Self::Session>;

    /// Whether transactions that write different records run beside each other.
    const WRITES_IN_PARALLEL: bool;

    /// Runs a task in a session of the pool.
    fn run<R: Send + 'static>(
        &self,
        work: Work,
        task: impl Task<Self::Session, R>,
    ) -> impl Future<Output = Result<R, StoreError>> + Send;

    /// Runs a look-up: a task whose queries each read few rows, which an index finds. Others may share its connection, so that none
    /// may keep the next one waiting.
    fn look_up<R: Send + 'static>(
        &self,
        task: impl Task<Self::Lookup, R>,
    ) -> impl Future<Output = Result<R, StoreError>> + Send;

    /// Opens a connection that belongs to the caller.
    fn private(&self) -> impl Future<Output = Result<Self::Private, StoreError>> + Send;

    /// Tells this process that there is work, once it is committed.
    fn wake(&self);

    /// See [`stocktake_domain::ports::Queue::wake_signal`].
    fn wake_signal(&self) -> Box<dyn WakeSignal>;

    /// See [`stocktake_domain::ports::Catalogue::paths`].
    fn paths(
        &self,
        model: Option<i16>,
        storage: String,
    ) -> impl Future<Output = Result<PathStream, StoreError>> + Send;

    /// Fails if nothing can be written now, as far as that can be seen without writing into the database. Cheap: it may
    /// be true of a few seconds ago.
    fn check_writable(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The versions of the migrations that this program knows.
    fn known_migrations(&self) -> Result<Vec<String>, DbError>;
}

/// A connection outside the pool, with what is temporary in it.
pub(crate) trait Private: Send {
    /// Its session.
    type Session: Session;

    /// Runs a task in it.
    fn run<R: Send + 'static>(
        &mut self,
        work: Work,
        task: impl Task<Self::Session, R>,
    ) -> impl Future<Output = Result<R, StoreError>> + Send;
}
