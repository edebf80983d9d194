//! Connecting to PostgreSQL.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use stocktake_domain::ports::StoreError;
use stocktake_net::error::ErrorChain;
use stocktake_net::postgres as net;

use crate::error::DbError;

/// Our statements are written so that one index serves each of them, in its order; these settings keep the
/// planner, whose statistics may be older than the last import, from taking anything else for cheaper.
const PLANNER: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET enable_sort = off; SET enable_material = off; SET jit = off";

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

impl Connector {
    /// Reads a URL; see [`stocktake_net::postgres`] for what it may say of TLS. `timeout` is for connecting.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        let connector = net::Connector::new(url, "stocktake", timeout);
        Ok(Self(connector.map_err(|error| DbError::data(error.to_string()))?))
    }

    /// Connects.
    pub(super) async fn connect(&self, patience: Patience) -> ConnectionResult<AsyncPgConnection> {
        let connected = self.0.connect().await;
        let (client, connection) =
            connected.map_err(|error| ConnectionError::BadConnection(ErrorChain(&error).to_string()))?;
        let mut connection = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
        let settings = match patience {
            // We stop waiting first; the server only makes an end of what nobody waits for any more.
            Patience::Limited(time) => {
                let millis = time.as_millis().saturating_add(1000).min(0x7fff_ffff);
                format!("SET statement_timeout = {millis}; {PLANNER}")
            }
            // What takes long joins tables that grow meanwhile: each batch is planned for what is there.
            Patience::Unlimited => {
                format!("SET statement_timeout = 0; SET plan_cache_mode = force_custom_plan; {PLANNER}")
            }
        };
        connection.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }
}
