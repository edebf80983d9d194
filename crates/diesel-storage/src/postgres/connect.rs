//! Connecting to PostgreSQL.

use std::time::Duration;

use diesel::ConnectionResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use stocktake_domain::ports::StoreError;
use stocktake_net::error::ErrorChain;
use stocktake_net::postgres as net;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::error::DbError;

/// Our statements are written so that one index serves each of them, in its order; these settings keep the
/// planner, whose statistics may be older than the last import, from taking anything else for cheaper.
const PLANNER: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET enable_sort = off; SET enable_material = off; SET jit = off";

/// What our statements are written for, whatever is the default of the database: none of them fails because of what others
/// change at the same time.
const ISOLATION: &str = "SET default_transaction_isolation = 'read committed'";

/// How long a transaction of ours may do nothing before the server ends it with its connection. None of them waits for
/// anything but the database, so that one which is idle for this long belongs to a host that stopped or vanished.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(20);

/// How often a server at work looks whether its client is still there.
const CLIENT_CHECK: Duration = Duration::from_secs(10);

/// Connects to one database.
pub(super) struct Connector(net::Connector);

/// How long a statement of a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// As long as an ordinary call.
    Limited(Duration),
    /// As long as it takes.
    Unlimited,
}

impl Patience {
    /// The statements that give a connection this patience, and the plans that suit it.
    fn settings(self) -> String {
        match self {
            // We stop waiting first; the server only makes an end of what nobody waits for any more.
            Self::Limited(time) => {
                let millis = time.as_millis().saturating_add(1000).min(0x7fff_ffff);
                // Each has one good plan, whatever its values: to look for it anew takes longer than to read a page.
                format!(
                    "SET statement_timeout = {millis}; SET lock_timeout = {millis}; \
                     SET plan_cache_mode = force_generic_plan"
                )
            }
            // What takes long joins tables that grow meanwhile: each batch is planned for what is there.
            Self::Unlimited => "SET statement_timeout = 0; SET lock_timeout = 0; \
                 SET plan_cache_mode = force_custom_plan"
                .to_owned(),
        }
    }
}

/// The statement that lets the server notice that we are gone, and keep us while we are not, as far as this server knows these
/// settings.
fn notice_lost_clients() -> String {
    let settings = [
        ("tcp_keepalives_idle", format!("{}s", net::KEEPALIVE_IDLE.as_secs())),
        ("tcp_keepalives_interval", format!("{}s", net::KEEPALIVE_INTERVAL.as_secs())),
        ("tcp_keepalives_count", net::KEEPALIVE_RETRIES.to_string()),
        ("tcp_user_timeout", format!("{}s", net::UNACKNOWLEDGED.as_secs())),
        ("client_connection_check_interval", format!("{}s", CLIENT_CHECK.as_secs())),
        // What an import has gathered waits in its session for a source that may be slow.
        ("idle_session_timeout", "0".to_owned()),
    ];
    let values: Vec<String> = settings.iter().map(|(name, value)| format!("('{name}', '{value}')")).collect();
    format!(
        "SELECT set_config(wanted.name, wanted.value, false) FROM (VALUES {}) AS wanted (name, value) \
         JOIN pg_settings AS known ON known.name = wanted.name",
        values.join(", ")
    )
}

impl Connector {
    /// Reads a URL; see [`stocktake_net::postgres`] for what it may say of TLS. `timeout` is for connecting.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        let connector = net::Connector::new(url, "stocktake", timeout);
        Ok(Self(connector.map_err(|error| DbError::data(error.to_string()))?))
    }

    /// See [`net::Connector::place`].
    pub(super) fn place(&self) -> String {
        self.0.place()
    }

    /// Connects.
    pub(super) async fn connect(&self, patience: Patience) -> Result<AsyncPgConnection, DbError> {
        let (client, connection) = self.dial().await?;
        let connection = AsyncPgConnection::try_from_client_and_connection(client, connection).await;
        set_up(connection, patience).await
    }

    /// Connects, and has the connection driven by a task of its own in this runtime, which ends with it.
    pub(super) async fn connect_here(
        &self,
        patience: Patience,
    ) -> Result<(AsyncPgConnection, JoinHandle<()>), DbError> {
        let (client, connection) = self.dial().await?;
        let driving = tokio::spawn(async {
            if let Err(error) = connection.await {
                tracing::debug!(error = %ErrorChain(&error), "a connection to the database is lost");
            }
        });
        let connection = set_up(AsyncPgConnection::try_from(client).await, patience).await?;
        Ok((connection, driving))
    }

    async fn dial(&self) -> Result<(Client, net::PostgresConnection), DbError> {
        self.0.connect().await.map_err(|error| {
            let text = format!("{}: {}", self.place(), ErrorChain(&error));
            if net::is_busy(&error) { DbError::Busy(text) } else { DbError::Unavailable(text) }
        })
    }
}

/// A connection that was made, with the settings that all of ours have.
async fn set_up(
    connection: ConnectionResult<AsyncPgConnection>,
    patience: Patience,
) -> Result<AsyncPgConnection, DbError> {
    let mut connection = connection.map_err(|error| DbError::Unavailable(error.to_string()))?;
    let settings = format!(
        "{}; SET idle_in_transaction_session_timeout = {}; {ISOLATION}; {PLANNER}",
        patience.settings(),
        IDLE_IN_TRANSACTION.as_millis(),
    );
    let set = connection.batch_execute(&settings).await;
    set.map_err(|error| DbError::Unavailable(format!("the connection cannot be set up: {error}")))?;
    if let Err(error) = connection.batch_execute(&notice_lost_clients()).await {
        tracing::debug!(%error, "the server does not notice all clients that vanish");
    }
    Ok(connection)
}
