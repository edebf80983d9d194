//! Look-ups: queries that each read few rows, on a connection that belongs to the thread that asks.
//!
//! A thread that has a runtime to itself, as those that answer requests have, has a connection that is driven by this runtime: a
//! query on it wakes no other thread, and neither does its answer. All look-ups of the thread share it. They are pipelined: a query
//! is sent without waiting for the answers to those before it, so that those that come together are sent, and answered, together.
//! Since the server answers in turn, nothing else than look-ups is run there ([ADR 26](../../../docs/adr/0026-a-connection-for-each-thread.md)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::Object;
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task::JoinHandle;

use super::connect::{Connector, Patience};
use super::session::Postgresql;
use crate::error::DbError;
use crate::session::{Reading, Rows};

/// How long after a vain try to connect the next one comes at the earliest.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// The connections of threads, of which each has its own.
pub(super) struct ThreadConnections {
    connector: Arc<Connector>,
    patience: Patience,
    /// How many threads have one at most.
    most: usize,
    threads: Arc<Threads>,
}

/// What there is of each thread, by the runtime that it has to itself.
type Threads = Mutex<HashMap<Id, Slot>>;

enum Slot {
    /// The connection is being made by this task.
    Making(JoinHandle<()>),
    Made(Arc<ThreadConnection>),
}

impl Slot {
    /// Whether there is no connection, nor will be one: it is lost, was not to be had, or its runtime is over.
    fn is_void(&self) -> bool {
        match self {
            Self::Making(making) => making.is_finished(),
            Self::Made(made) => made.driving.is_finished(),
        }
    }

    fn holds(&self, connection: &Arc<ThreadConnection>) -> bool {
        matches!(self, Self::Made(made) if Arc::ptr_eq(made, connection))
    }
}

/// A connection that one thread's runtime drives.
pub(crate) struct ThreadConnection {
    connection: AsyncPgConnection,
    driving: JoinHandle<()>,
}

impl ThreadConnections {
    pub(super) fn new(connector: Arc<Connector>, patience: Patience, most: usize) -> Self {
        Self { connector, patience, most, threads: Arc::default() }
    }

    /// The connection of this thread. If there is none it is made, without anybody waiting for it, unless the thread is to have
    /// none: its runtime has other threads, or enough of them have one.
    pub(super) fn of_this_thread(&self) -> Option<Arc<ThreadConnection>> {
        let runtime = Handle::current();
        if self.most == 0 || runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let mut threads = locked(&self.threads);
        match threads.get(&runtime.id()) {
            Some(slot) if slot.is_void() => {}
            Some(Slot::Made(made)) => return Some(Arc::clone(made)),
            Some(Slot::Making(_)) => return None,
            None => {}
        }
        threads.retain(|_, slot| !slot.is_void());
        if threads.len() < self.most {
            threads.insert(runtime.id(), Slot::Making(self.make(&runtime)));
        }
        None
    }

    fn make(&self, runtime: &Handle) -> JoinHandle<()> {
        let (connector, patience, threads) =
            (Arc::clone(&self.connector), self.patience, Arc::clone(&self.threads));
        let id = runtime.id();
        runtime.spawn(async move {
            match connector.connect_here(patience).await {
                Ok((connection, driving)) => {
                    let made = Arc::new(ThreadConnection { connection, driving });
                    locked(&threads).insert(id, Slot::Made(made));
                }
                Err(error) => {
                    // Whoever asks meanwhile is served, or told what is wrong, by the pool.
                    tracing::debug!(%error, "no connection for the look-ups of a thread");
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        })
    }

    /// Lets the next look-up of this thread have another connection than this one, on which an answer does not come.
    pub(super) fn give_up(&self, connection: &Arc<ThreadConnection>) {
        locked(&self.threads).retain(|_, slot| !slot.holds(connection));
    }
}

fn locked(threads: &Threads) -> MutexGuard<'_, HashMap<Id, Slot>> {
    threads.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a look-up runs in.
pub(crate) enum Lookup {
    /// The connection of the thread.
    Shared(Arc<ThreadConnection>),
    /// One of the pool.
    Pooled(Box<Object<AsyncPgConnection>>),
}

impl Lookup {
    pub(super) fn connection(&self) -> &AsyncPgConnection {
        match self {
            Self::Shared(shared) => &shared.connection,
            Self::Pooled(pooled) => pooled,
        }
    }
}

impl Postgresql for Lookup {}

impl Reading for Lookup {
    async fn load<R: Send + 'static, Q: Rows<R>>(&mut self, query: Q) -> Result<Vec<R>, DbError> {
        Ok(diesel_async::RunQueryDsl::load(query, &mut self.connection()).await?)
    }
}
