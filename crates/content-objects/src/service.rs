//! Opens the storage of a service: S3, Google Cloud Storage or Azure Blob Storage.

use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::ClientOptions;
use object_store::gcp::GoogleCloudStorageBuilder;
use secrecy::ExposeSecret as _;

use crate::connect::Connector;
use crate::dialect::Dialect;
use crate::error::Place;
use crate::remote::{Remote, check_bucket, check_endpoint, host, no_retries, refused};
use crate::s3;
use crate::settings::{AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, Service, SettingsError};
use crate::wire::{Signer, Wire};

/// Sets up the storage. No request is sent yet.
pub(crate) fn open(service: &Service) -> Result<Remote, SettingsError> {
    match service {
        Service::S3(settings) => s3::open(settings, &|name| std::env::var(name).ok()),
        Service::Gcs(settings) => google(settings),
        Service::Azure(settings) => azure(settings),
    }
}

fn google(settings: &GcsSettings) -> Result<Remote, SettingsError> {
    let GcsSettings { bucket, endpoint, credentials, network } = settings;
    check_bucket(bucket)?;
    let connector = Connector::new(network)?;
    let client = connector.client()?;
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_client_options(ClientOptions::new().with_allow_http(network.plain_http))
        .with_http_connector(connector);
    let url = check_endpoint(endpoint.as_deref().unwrap_or("https://storage.googleapis.com"), network)?;
    let builder = match credentials {
        GcsCredentials::ApplicationDefault => match std::env::var("GOOGLE_APPLICATION_CREDENTIALS") {
            Ok(path) => builder.with_application_credentials(path),
            Err(_) => builder,
        },
        GcsCredentials::File(path) => builder.with_service_account_path(path.display().to_string()),
        GcsCredentials::Json(json) => builder.with_service_account_key(json.expose_secret()),
        GcsCredentials::Anonymous => builder,
    };
    let signer = if matches!(credentials, GcsCredentials::Anonymous) {
        Signer::Nothing
    } else {
        let library = builder.build().map_err(|error| refused(&error))?;
        Signer::Google { credentials: Arc::clone(library.credentials()) }
    };
    let place = Place {
        scheme: "gs",
        kind: "bucket",
        bucket: bucket.clone(),
        endpoint: host(&url),
        dialect: Dialect::Google,
        region: None,
    };
    let base = url.as_str().trim_end_matches('/');
    let wire = Wire {
        client,
        dialect: Dialect::Google,
        bucket_url: format!("{base}/{bucket}"),
        listing_url: format!("{base}/storage/v1/b/{bucket}/o"),
        signer,
    };
    Ok(Remote { wire, place })
}

fn azure(settings: &AzureSettings) -> Result<Remote, SettingsError> {
    let AzureSettings { account, container, endpoint, credentials, network } = settings;
    check_bucket(container)?;
    let builder = match credentials {
        AzureCredentials::Environment => MicrosoftAzureBuilder::from_env(),
        _ => MicrosoftAzureBuilder::new(),
    };
    let connector = Connector::new(network)?;
    let client = connector.client()?;
    let builder = builder
        .with_account(account)
        .with_container_name(container)
        .with_retry(no_retries())
        .with_client_options(ClientOptions::new().with_allow_http(network.plain_http))
        .with_http_connector(connector);
    let usual = format!("https://{account}.blob.core.windows.net");
    let url = check_endpoint(endpoint.as_deref().unwrap_or(&usual), network)?;
    let builder = match credentials {
        AzureCredentials::AccessKey(key) => builder.with_access_key(key.expose_secret()),
        AzureCredentials::Sas(query) => builder.with_config(AzureConfigKey::SasKey, query.expose_secret()),
        AzureCredentials::Environment | AzureCredentials::Anonymous => builder,
    };
    let signer = if matches!(credentials, AzureCredentials::Anonymous) {
        Signer::Nothing
    } else {
        let library = builder.build().map_err(|error| refused(&error))?;
        Signer::Azure { credentials: Arc::clone(library.credentials()), account: account.clone() }
    };
    let place = Place {
        scheme: "az",
        kind: "container",
        bucket: container.clone(),
        endpoint: host(&url),
        dialect: Dialect::Azure,
        region: None,
    };
    let bucket_url = format!("{}/{container}", url.as_str().trim_end_matches('/'));
    let wire = Wire { client, dialect: Dialect::Azure, listing_url: bucket_url.clone(), bucket_url, signer };
    Ok(Remote { wire, place })
}
