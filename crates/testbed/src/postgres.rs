//! Throw-away `PostgreSQL` clusters.

mod account;
mod binaries;
mod cluster;
mod reaper;
mod script;

use std::sync::LazyLock;

use anyhow::Context as _;

pub use binaries::PgBinaries;
pub use cluster::PgCluster;
pub(crate) use script::run_script;

/// The variable that holds the URL of a running cluster for the tests of several processes to share; an
/// account that may create databases, without a database's name.
pub const TEST_POSTGRES: &str = "STOCKTAKE_TEST_POSTGRES";

static SHARED: LazyLock<Result<PgCluster, String>> =
    LazyLock::new(|| shared().map_err(|error| format!("{error:#}")));

/// The cluster for this test process: the one named by [`TEST_POSTGRES`], else one started now and removed
/// when the process ends, however it ends.
///
/// # Panics
/// If `PostgreSQL` cannot be had; a test is never skipped for it.
pub fn postgres() -> &'static PgCluster {
    match &*SHARED {
        Ok(cluster) => cluster,
        Err(reason) => {
            panic!("This test needs PostgreSQL: {reason}. `cargo xtask test` installs and starts it.")
        }
    }
}

fn shared() -> anyhow::Result<PgCluster> {
    match std::env::var(TEST_POSTGRES) {
        Ok(url) => PgCluster::at(&url).with_context(|| format!("{TEST_POSTGRES} is set to {url:?}")),
        Err(_) => PgCluster::start(),
    }
}
