//! Amazon S3 and compatible services.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::connect::Connector;
use crate::dialect::Dialect;
use crate::error::Place;
use crate::remote::{Remote, check_bucket, check_endpoint, host, no_retries, refused};
use crate::settings::{Addressing, S3Settings, SettingsError};
use crate::wire::{Signer, Wire};
use profile::{Environment, Signing};

pub(crate) mod profile;

/// The environment variables about the role of a container or service account, and the library's names for them.
const ROLE_VARIABLES: [(&str, AmazonS3ConfigKey); 7] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
];

/// Sets up the storage with these settings.
pub(crate) fn open(settings: &S3Settings, environment: Environment<'_>) -> Result<Remote, SettingsError> {
    let S3Settings { bucket, region, network, .. } = settings;
    check_bucket(bucket)?;
    let amazon = format!("https://s3.{region}.amazonaws.com");
    let endpoint = check_endpoint(settings.endpoint.as_deref().unwrap_or(&amazon), network)?;
    let url = bucket_url(&endpoint, bucket, settings.addressing)?;
    let connector = Connector::new(network)?;
    let client = connector.client()?;
    let signing = profile::find(&settings.keys, environment)?;
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_retry(no_retries())
        .with_client_options(ClientOptions::new().with_allow_http(network.plain_http))
        .with_http_connector(connector);
    let signer = if matches!(signing, Signing::Nothing) {
        Signer::Nothing
    } else {
        let library = with_keys(builder, &signing, environment).build();
        let library = library.map_err(|error| refused(&error))?;
        Signer::S3 { credentials: Arc::clone(library.credentials()), region: region.clone() }
    };
    let place = Place {
        scheme: "s3",
        kind: "bucket",
        bucket: bucket.clone(),
        endpoint: host(&endpoint),
        dialect: Dialect::S3,
        region: Some(region.clone()),
    };
    let wire = Wire { client, dialect: Dialect::S3, listing_url: format!("{url}/"), bucket_url: url, signer };
    Ok(Remote { wire, place })
}

fn with_keys(builder: AmazonS3Builder, signing: &Signing, environment: Environment<'_>) -> AmazonS3Builder {
    match signing {
        Signing::With(pair) => {
            let builder = builder
                .with_access_key_id(&pair.access_key)
                .with_secret_access_key(pair.secret_key.expose_secret());
            match &pair.session_token {
                Some(token) => builder.with_token(token.expose_secret()),
                None => builder,
            }
        }
        Signing::Role { metadata_endpoint } => {
            let set = |builder: AmazonS3Builder, (name, key)| match environment(name) {
                Some(value) => builder.with_config(key, value),
                None => builder,
            };
            let builder = ROLE_VARIABLES.into_iter().fold(builder, set);
            let other = || environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
            match metadata_endpoint.clone().or_else(other) {
                Some(url) => builder.with_metadata_endpoint(url),
                None => builder,
            }
        }
        Signing::Nothing => builder,
    }
}

/// The URL of the bucket, without a slash at its end.
fn bucket_url(endpoint: &Url, bucket: &str, addressing: Addressing) -> Result<String, SettingsError> {
    let mut url = endpoint.clone();
    let base = url.as_str().trim_end_matches('/').to_owned();
    match addressing {
        Addressing::PathStyle => Ok(format!("{base}/{bucket}")),
        Addressing::VirtualHost => {
            let named = url.domain().map(|domain| format!("{bucket}.{domain}"));
            let set = named.is_some_and(|name| url.set_host(Some(&name)).is_ok());
            if !set || endpoint.path() != "/" {
                let reason = "the bucket can stand in front of a host name only, without a path".to_owned();
                return Err(SettingsError::Endpoint { url: base, reason });
            }
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use Addressing::{PathStyle, VirtualHost};

    use super::*;

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_host() {
        let url = |endpoint: &str, addressing| {
            bucket_url(&Url::parse(endpoint).unwrap(), "b", addressing).map_err(|error| error.to_string())
        };
        assert_eq!(url("https://h:1/", PathStyle).as_deref(), Ok("https://h:1/b"));
        assert_eq!(url("https://h/x/", PathStyle).as_deref(), Ok("https://h/x/b"));
        assert_eq!(url("https://h:1", VirtualHost).as_deref(), Ok("https://b.h:1"));
        assert!(url("https://127.0.0.1", VirtualHost).unwrap_err().contains("host name only"));
        assert!(url("https://h/x", VirtualHost).unwrap_err().contains("without a path"));
    }
}
