//! How HTTP requests are sent, ours and those of the library: clients with our own settings for TLS and time-outs.

use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientConfigKey, ClientOptions};
use stocktake_net::http::HttpClientBuilder;

use crate::settings::{Network, SettingsError};

/// How long to wait for the next bytes of a response.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the clients of one storage.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    builder: HttpClientBuilder,
    plain_http: bool,
}

impl Connector {
    /// Clients that trust the system's authorities and those of the settings.
    pub(crate) fn new(network: &Network) -> Result<Self, SettingsError> {
        let builder = HttpClientBuilder::new(network.certificates.clone(), network.plain_http)?
            // One connection per object: streams that share a connection would share its flow-control window.
            .http1_only()
            .read_timeout(READ_TIMEOUT);
        Ok(Self { builder, plain_http: network.plain_http })
    }

    /// A client for requests of our own.
    pub(crate) fn client(&self) -> Result<reqwest::Client, SettingsError> {
        self.client_with(self.plain_http).map_err(|error| SettingsError::Refused(error.to_string()))
    }

    fn client_with(&self, allow_http: bool) -> Result<reqwest::Client, reqwest::Error> {
        self.builder.clone().https_only(!allow_http).build()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // The metadata services of machines, which give keys, speak plain HTTP.
        let asked = options.get_config_value(&ClientConfigKey::AllowHttp);
        let allow_http = self.plain_http || asked.as_deref() == Some("true");
        let client = self
            .client_with(allow_http)
            .map_err(|error| object_store::Error::Generic { store: "HTTP", source: Box::new(error) })?;
        Ok(HttpClient::new(client))
    }
}
