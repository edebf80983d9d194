//! Which database, and how it is used.

use std::time::Duration;

use secrecy::SecretString;

/// Which database, and how it is used.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `sqlite://relative/or/absolute/path.db` or `postgres://user:password@host:5432/name`.
    /// It may hold a password.
    pub url: SecretString,
    /// The most connections for ordinary calls. An import, a listing of paths and the wait for work each
    /// have one more of their own.
    pub max_connections: u32,
    /// How long to wait for a connection, and then for the answer to an ordinary call. Counts of the whole catalogue,
    /// imports and syncs have no limit. A call without an answer in time is given up and changes nothing; on SQLite the
    /// statement it is at runs to its end first, and the connection is busy until then.
    pub timeout: Duration,
}
