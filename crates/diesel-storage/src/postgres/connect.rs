//! Connecting to PostgreSQL.

use std::str::FromStr as _;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use stocktake_domain::ports::StoreError;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls;
use crate::error::Fault;

/// Our statements are written so that one index serves each of them, in its order; these settings keep the
/// planner, whose statistics may be older than the last import, from taking anything else for cheaper.
const PLANNER: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off; SET enable_sort = off; SET enable_material = off; SET jit = off";

/// Connects to one database.
pub(super) struct Connector {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

/// How long a statement of a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// As long as an ordinary call.
    Limited(Duration),
    /// As long as it takes.
    Unlimited,
}

impl Connector {
    /// Reads a URL; see [`tls::Demand`] for what it may say of TLS. `timeout` is for connecting.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, StoreError> {
        let (url, demand) = tls::Demand::take_from(url)?;
        // The error is not shown: it might quote the password.
        let mut config = tokio_postgres::Config::from_str(&url)
            .map_err(|_| Fault::data("the PostgreSQL URL cannot be read"))?;
        config.ssl_mode(if demand.is_some() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(timeout);
        config.keepalives_idle(Duration::from_secs(60));
        if config.get_application_name().is_none() {
            config.application_name("stocktake");
        }
        let tls = demand.map(|demand| demand.client()).transpose()?.map(MakeRustlsConnect::new);
        Ok(Self { config, tls })
    }

    /// Connects.
    pub(super) async fn connect(&self, patience: Patience) -> ConnectionResult<AsyncPgConnection> {
        let mut connection = if let Some(tls) = &self.tls {
            let connected = self.config.connect(tls.clone()).await;
            let (client, connection) = connected.map_err(|error| bad(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        } else {
            let connected = self.config.connect(tokio_postgres::NoTls).await;
            let (client, connection) = connected.map_err(|error| bad(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await?
        };
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

/// The server's own words, which the error's text leaves to its source.
fn bad(error: &tokio_postgres::Error) -> ConnectionError {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    ConnectionError::BadConnection(format!("{error}{source}"))
}
