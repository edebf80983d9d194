//! The buckets of the types of objects.
//!
//! GitLab has two forms of configuration. In the consolidated form, one connection serves all types, and each names its
//! bucket. In the storage-specific form, each type has its own settings; if any type has, GitLab ignores the
//! consolidated form, except that pages and secure files of CI may have their own settings in addition to it.

use stocktake_domain::ObjectType;

use crate::connection::{self, Connection};
use crate::dialect::{self, BucketKey, Setting};
use crate::file::InstallationError;
use crate::installation::{Bucket, Installation};
use crate::settings_reader::SettingsReader;

/// The types that may have a connection of their own, or no bucket, in the consolidated form.
const INDEPENDENT: [ObjectType; 2] = [ObjectType::CiSecureFiles, ObjectType::Pages];

const HINT: &str = "storages.gitlab-…-objects";

/// Sets the buckets of the types for which the file configures object storage.
pub(crate) fn apply(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let all = dialect.object_store();
    let enabled = reader.flag(&all.below("enabled"), HINT)?;
    let mut own = Vec::new();
    for object_type in ObjectType::ALL {
        own.push((object_type, OwnSettings::read(reader, object_type)?));
    }
    let connection = all.below("connection");
    let is_overridden = own.iter().any(|(object_type, own)| {
        !INDEPENDENT.contains(object_type) && (own.enabled == Some(true) || own.has_connection)
    });
    let is_consolidated = enabled == Some(true) && reader.is_set(&connection) && !is_overridden;
    let common = if is_consolidated { connection::read(reader, &connection, HINT)? } else { None };
    for (object_type, own) in own {
        let is_own = own.enabled == Some(true) && (own.has_connection || !is_consolidated);
        let object = if is_own {
            own_bucket(reader, object_type)?
        } else if is_consolidated {
            consolidated(reader, object_type, &all, common.as_ref())?
        } else {
            None
        };
        if own.enabled.is_some() || enabled.is_some() {
            installation.files.entry(object_type).or_default().object = object;
        }
    }
    Ok(())
}

/// The settings of one type's own bucket that decide which form counts.
struct OwnSettings {
    enabled: Option<bool>,
    has_connection: bool,
}

impl OwnSettings {
    fn read(reader: &mut SettingsReader<'_>, object_type: ObjectType) -> Result<Self, InstallationError> {
        let dialect = reader.dialect;
        let hint = dialect::bucket_hint(object_type);
        Ok(Self {
            enabled: reader.flag(&dialect.own_bucket(object_type, BucketKey::Enabled), &hint)?,
            has_connection: reader.is_set(&dialect.own_bucket(object_type, BucketKey::Connection)),
        })
    }
}

/// The bucket of a type in the storage-specific form.
fn own_bucket(
    reader: &mut SettingsReader<'_>,
    object_type: ObjectType,
) -> Result<Option<Bucket>, InstallationError> {
    let dialect = reader.dialect;
    let hint = dialect::bucket_hint(object_type);
    let (setting, prefix) = (
        dialect.own_bucket(object_type, BucketKey::Bucket),
        dialect.own_bucket(object_type, BucketKey::Prefix),
    );
    let is_set = reader.is_set(&setting);
    let name = reader.text(&setting, &hint)?;
    if name.is_none() && is_set {
        return Ok(None);
    }
    let name = name.unwrap_or_else(|| dialect::bucket_name(object_type).to_owned());
    let prefix = reader.text(&prefix, &hint)?;
    let connection =
        connection::read(reader, &dialect.own_bucket(object_type, BucketKey::Connection), &hint)?;
    Ok(connection.map(|connection| bucket(&name, prefix.as_deref(), connection)))
}

/// The bucket of a type in the consolidated form.
fn consolidated(
    reader: &mut SettingsReader<'_>,
    object_type: ObjectType,
    all: &Setting,
    connection: Option<&Connection>,
) -> Result<Option<Bucket>, InstallationError> {
    let hint = dialect::bucket_hint(object_type);
    let setting = all.below("objects").below(object_type.name());
    if reader.flag(&setting.below("enabled"), &hint)? == Some(false) {
        return Ok(None);
    }
    let name = reader.text(&setting.below("bucket"), &hint)?;
    Ok(name.zip(connection).map(|(name, connection)| bucket(&name, None, connection.clone())))
}

/// A bucket, whose name may contain a prefix.
fn bucket(name: &str, prefix: Option<&str>, connection: Connection) -> Bucket {
    let (name, within) = name.split_once('/').unwrap_or((name, ""));
    let parts = [within, prefix.unwrap_or_default()].map(|part| part.trim_matches('/'));
    let prefix = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Bucket { name: name.to_owned(), prefix: Some(prefix).filter(|prefix| !prefix.is_empty()), connection }
}
