//! Which database, and how it is used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use stocktake_domain::Clock;

use crate::encryption::Encryption;

/// Which database, and how it is used.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `sqlite://relative/or/absolute/path.db` or `postgres://user:password@host:5432/name`.
    /// It may hold a password.
    pub url: SecretString,
    /// The most connections for ordinary calls. An import, a listing of paths and the wait for work each
    /// have one more of their own.
    pub max_connections: u32,
    /// How many threads with a runtime of their own have one of these connections to themselves, for look-ups; no more than half
    /// of the connections are given away so. PostgreSQL alone.
    pub thread_connections: u32,
    /// How long to wait for a connection, and then for the answer to an ordinary call. Counts of the whole catalogue,
    /// imports and syncs have no limit. A call without an answer in time is given up and changes nothing; on SQLite the
    /// statement it is at runs to its end first, and the connection is busy until then.
    pub timeout: Duration,
    /// What tells the time.
    pub clock: StoreClock,
    /// How key data is kept.
    pub encryption: Encryption,
}

/// What tells the time that decides what is due and which lease is over.
#[derive(Clone)]
pub enum StoreClock {
    /// The database's own clock. That of an embedded database is this host's, unless it is set while leases depend on it.
    Database {
        /// This host's clock; how much it differs from the database's is measured.
        host: Arc<dyn Clock>,
    },
    /// This clock alone, whatever database it is: for tests.
    Fixed(Arc<dyn Clock>),
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database { .. } => "Database",
            Self::Fixed(_) => "Fixed",
        })
    }
}
