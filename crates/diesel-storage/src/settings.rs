//! Which database, and how it is used.

use std::fmt;
use std::time::Duration;

/// Which database, and how it is used.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite://relative/or/absolute/path.db` or `postgres://user:password@host:5432/name`.
    pub url: String,
    /// The most connections for ordinary calls. An import, a listing of paths and the wait for work each
    /// have one more of their own.
    pub max_connections: u32,
    /// How long to wait for a connection, and then for the answer to an ordinary call. Counts of the whole catalogue,
    /// imports and syncs have no limit. A call without an answer in time is given up and changes nothing; on SQLite the
    /// statement it is at runs to its end first, and the connection is busy until then.
    pub timeout: Duration,
}

/// The URL may hold a password and is left out.
impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings")
            .field("max_connections", &self.max_connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
