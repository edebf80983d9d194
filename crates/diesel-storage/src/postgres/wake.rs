//! The signal that there is work: LISTEN on a connection of its own, made anew whenever it is lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;
use stocktake_domain::ports::WakeSignal;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connect::{Connector, Patience};

/// How long after a lost connection the next is tried.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Listens as long as it, or a signal of it, is.
pub(super) struct Listener {
    work: watch::Receiver<()>,
    task: Arc<Listening>,
}

struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    pub(super) fn start(connector: Arc<Connector>) -> Self {
        let (sender, work) = watch::channel(());
        let task = tokio::spawn(async move {
            loop {
                listen(&connector, &sender).await;
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        });
        Self { work, task: Arc::new(Listening(task)) }
    }

    pub(super) fn signal(&self) -> Signal {
        let mut work = self.work.clone();
        work.mark_unchanged();
        Signal { work, _task: Arc::clone(&self.task) }
    }
}

/// Listens until the connection is lost. A signal is given when it begins as well, because what happened
/// before went unheard.
async fn listen(connector: &Connector, work: &watch::Sender<()>) {
    let mut connection = match connector.connect(Patience::Unlimited).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "cannot listen for work");
            return;
        }
    };
    if let Err(error) = connection.batch_execute("LISTEN stocktake_work").await {
        tracing::debug!(%error, "cannot listen for work");
        return;
    }
    work.send_replace(());
    let mut notifications = std::pin::pin!(connection.notifications_stream());
    while let Some(Ok(_)) = notifications.next().await {
        work.send_replace(());
    }
}

/// See [`WakeSignal`].
pub(super) struct Signal {
    work: watch::Receiver<()>,
    _task: Arc<Listening>,
}

#[async_trait]
impl WakeSignal for Signal {
    async fn wait(&mut self) {
        if self.work.changed().await.is_err() {
            // The runtime is going down and took the listener with it.
            std::future::pending::<()>().await;
        }
    }
}
