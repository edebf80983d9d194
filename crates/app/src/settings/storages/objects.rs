//! `kind = "s3"`, `kind = "gcs"` and `kind = "azure"`.

use stocktake_content_objects::{
    Addressing, AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network,
    ObjectSettings, S3Keys, S3Settings, Service,
};

use super::super::values::{boolean, filled_text};
use super::{Content, Section};
use crate::settings::SettingsError;

/// The region for servers that have no regions.
const USUAL_REGION: &str = "us-east-1";

pub(super) fn s3(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    let service = s3_service(section)?;
    objects(section, service)
}

pub(super) fn s3_service(section: &mut Section<'_, '_>) -> Result<Service, SettingsError> {
    let endpoint = section.optional_text("endpoint")?;
    // Amazon gives each bucket a host name; most other servers do not.
    let path_style = section.optional("path_style", boolean)?.unwrap_or(endpoint.is_some());
    let settings = S3Settings {
        bucket: section.get("bucket", filled_text)?,
        region: section.optional_text("region")?.unwrap_or_else(|| USUAL_REGION.to_owned()),
        endpoint,
        addressing: if path_style { Addressing::PathStyle } else { Addressing::VirtualHost },
        keys: s3_keys(section)?,
        network: network(section)?,
    };
    Ok(Service::S3(settings))
}

/// Where S3's keys come from: what `keys` says; without it, the configured keys if there are any, or else the first that
/// is found.
fn s3_keys(section: &mut Section<'_, '_>) -> Result<S3Keys, SettingsError> {
    #[derive(Clone, Copy, PartialEq)]
    enum From {
        Automatic,
        Configuration,
        Environment,
        Profile,
        Role,
        Anonymous,
    }
    let words = [
        ("automatic", From::Automatic),
        ("configuration", From::Configuration),
        ("environment", From::Environment),
        ("profile", From::Profile),
        ("role", From::Role),
        ("anonymous", From::Anonymous),
    ];
    let pair = s3_pair(section)?;
    let (name, file) = (section.optional_text("profile")?, section.optional_path("profile_file")?);
    let metadata_endpoint = section.optional_text("metadata_endpoint")?;
    let default = if pair.is_some() { From::Configuration } else { From::Automatic };
    let from = section.choice("keys", words)?.unwrap_or(default);
    match (from, pair) {
        (From::Configuration, Some(pair)) => Ok(S3Keys::Pair(pair)),
        (From::Configuration, None) => Err(section.mistake("access_key_id", "is not set")),
        (_, Some(_)) => Err(section.mistake("access_key_id", "is set, but keys says to take others")),
        (From::Automatic, None) if name.is_some() || file.is_some() => Ok(S3Keys::Profile { name, file }),
        (From::Automatic, None) => Ok(S3Keys::Automatic),
        (From::Environment, None) => Ok(S3Keys::Environment),
        (From::Profile, None) => Ok(S3Keys::Profile { name, file }),
        (From::Role, None) => Ok(S3Keys::Role { metadata_endpoint }),
        (From::Anonymous, None) => Ok(S3Keys::Anonymous),
    }
}

fn s3_pair(section: &mut Section<'_, '_>) -> Result<Option<KeyPair>, SettingsError> {
    let session_token = section.optional_secret("session_token")?;
    match (section.optional_text("access_key_id")?, section.optional_secret("secret_access_key")?) {
        (Some(access_key), Some(secret_key)) => Ok(Some(KeyPair { access_key, secret_key, session_token })),
        (None, None) if session_token.is_some() => {
            Err(section.mistake("access_key_id", "is needed beside session_token"))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.mistake("secret_access_key", "is needed beside access_key_id")),
        (None, Some(_)) => Err(section.mistake("access_key_id", "is needed beside secret_access_key")),
    }
}

pub(super) fn gcs(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    let service = gcs_service(section)?;
    objects(section, service)
}

pub(super) fn gcs_service(section: &mut Section<'_, '_>) -> Result<Service, SettingsError> {
    let file = section.optional_path("service_account_file")?;
    let json = section.optional_secret("service_account_key")?;
    let credentials = match (file, json, anonymous(section)?) {
        (None, None, true) => GcsCredentials::Anonymous,
        (None, None, false) => GcsCredentials::ApplicationDefault,
        (Some(file), None, false) => GcsCredentials::File(file),
        (None, Some(json), false) => GcsCredentials::Json(json),
        _ => return Err(only_one(section)),
    };
    let settings = GcsSettings {
        bucket: section.get("bucket", filled_text)?,
        endpoint: section.optional_text("endpoint")?,
        credentials,
        network: network(section)?,
    };
    Ok(Service::Gcs(settings))
}

pub(super) fn azure(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    let service = azure_service(section)?;
    objects(section, service)
}

pub(super) fn azure_service(section: &mut Section<'_, '_>) -> Result<Service, SettingsError> {
    let access_key = section.optional_secret("access_key")?;
    let sas = section.optional_secret("sas_token")?;
    let credentials = match (access_key, sas, anonymous(section)?) {
        (None, None, true) => AzureCredentials::Anonymous,
        (None, None, false) => AzureCredentials::Environment,
        (Some(key), None, false) => AzureCredentials::AccessKey(key),
        (None, Some(sas), false) => AzureCredentials::Sas(sas),
        _ => return Err(only_one(section)),
    };
    let settings = AzureSettings {
        account: section.get("account", filled_text)?,
        container: section.get("container", filled_text)?,
        endpoint: section.optional_text("endpoint")?,
        credentials,
        network: network(section)?,
    };
    Ok(Service::Azure(settings))
}

fn objects(section: &mut Section<'_, '_>, service: Service) -> Result<Content, SettingsError> {
    Ok(Content::Objects(ObjectSettings {
        service,
        prefix: section.optional_text("prefix")?.unwrap_or_default(),
        mode: section
            .choice("content", [("read", Mode::Content), ("metadata", Mode::Metadata)])?
            .unwrap_or(Mode::Content),
        requests: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
    }))
}

fn network(section: &mut Section<'_, '_>) -> Result<Network, SettingsError> {
    Ok(Network {
        certificates: section.optional_path("ca_certificates")?,
        plain_http: section.optional("plain_http", boolean)?.unwrap_or(false),
    })
}

fn anonymous(section: &mut Section<'_, '_>) -> Result<bool, SettingsError> {
    Ok(section.optional("anonymous", boolean)?.unwrap_or(false))
}

fn only_one(section: &Section<'_, '_>) -> SettingsError {
    section.mistake("anonymous", "beside credentials, or two kinds of credentials at once")
}
