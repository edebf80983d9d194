//! `kind = "registry"` and `kind = "registry-directory"`.

use secrecy::SecretString;
use stocktake_content_registry::{Integrity, RegistryDirectorySettings, RegistrySettings};

use super::super::values::{filled_text, folder};
use super::{Content, Section};
use crate::settings::SettingsError;

pub(super) fn api(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::Registry(RegistrySettings {
        url: section.get("url", filled_text)?,
        credentials: credentials(section)?,
        ca_certificates: section.optional_path("ca_certificates")?,
        integrity: integrity(section)?,
        requests: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
    }))
}

pub(super) fn directory(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::RegistryDirectory(RegistryDirectorySettings {
        root: section.get("root", folder)?,
        readers: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
        integrity: integrity(section)?,
    }))
}

fn credentials(section: &mut Section<'_, '_>) -> Result<Option<(String, SecretString)>, SettingsError> {
    match (section.optional_text("username")?, section.optional_secret("password")?) {
        (Some(username), Some(password)) => Ok(Some((username, password))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(section.mistake("password", "is needed beside username")),
        (None, Some(_)) => Err(section.mistake("username", "is needed beside password")),
    }
}

fn integrity(section: &mut Section<'_, '_>) -> Result<Integrity, SettingsError> {
    let words = [("content", Integrity::Content), ("tags", Integrity::Tags)];
    Ok(section.choice("integrity", words)?.unwrap_or_default())
}
