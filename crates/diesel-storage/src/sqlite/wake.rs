//! The signal that there is work: at once within this process, and within a second from others.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use diesel::RunQueryDsl as _;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::ports::WakeSignal;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::connect::{blocking, open_to_write};
use crate::sql::Sql;

/// How often the database file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// See [`WakeSignal`].
pub(super) struct Signal {
    work: watch::Receiver<()>,
    runtime: Handle,
    path: PathBuf,
    timeout: Duration,
    /// `data_version` counts what *other* connections wrote, and only from when this one was opened.
    seen: Option<(SqliteConnection, i32)>,
}

impl Signal {
    pub(super) fn new(work: watch::Receiver<()>, runtime: Handle, path: PathBuf, timeout: Duration) -> Self {
        Self { work, runtime, path, timeout, seen: None }
    }

    /// Whether anybody wrote since the last look. A look that fails leaves the next one to begin anew.
    async fn look(&mut self) -> bool {
        let (seen, path, timeout) = (self.seen.take(), self.path.clone(), self.timeout);
        let looked = blocking(&self.runtime, move || {
            let (mut connection, before) = match seen {
                Some((connection, version)) => (connection, Some(version)),
                None => (open_to_write(&path, timeout).ok()?, None),
            };
            let version: i32 = Sql::<Integer>::new("PRAGMA data_version").get_result(&mut connection).ok()?;
            Some((connection, version, before.is_some_and(|before| before != version)))
        });
        let Ok(Some((connection, version, changed))) = looked.await else { return false };
        self.seen = Some((connection, version));
        changed
    }
}

#[async_trait]
impl WakeSignal for Signal {
    async fn wait(&mut self) {
        loop {
            match tokio::time::timeout(LOOK, self.work.changed()).await {
                Ok(Ok(())) => return,
                // The store is gone; only other processes can still give work.
                Ok(Err(_)) => tokio::time::sleep(LOOK).await,
                Err(_) => {}
            }
            if self.look().await {
                return;
            }
        }
    }
}
