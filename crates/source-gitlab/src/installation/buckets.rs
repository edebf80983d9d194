//! Which places have a bucket.
//!
//! There are two forms. In the consolidated one, a single connection serves all places, each with a bucket that must
//! be named. In the other, each place has settings of its own; if any has, GitLab forgets the consolidated form,
//! except that pages and secure files of CI may have their own beside it.

use super::connection;
use super::dialect::{self, Own, Setting};
use super::error::InstallationError;
use super::reading::Reading;
use super::{Bucket, Connection, Installation, Shelf};

/// The places that may keep a connection of their own, or need no bucket, beside the consolidated form.
const INDEPENDENT: [Shelf; 2] = [Shelf::CiSecureFiles, Shelf::Pages];

const HINT: &str = "storages.gitlab-…-objects";

/// Sets the buckets, where the file says anything of them.
pub(super) fn apply(
    installation: &mut Installation,
    reading: &mut Reading<'_>,
) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    let all = dialect.object_store();
    let enabled = reading.flag(&all.below("enabled"), HINT)?;
    let mut own = Vec::new();
    for shelf in Shelf::ALL {
        own.push((shelf, Settings::read(reading, shelf)?));
    }
    let connection = all.below("connection");
    let is_forgotten = own.iter().any(|(shelf, own)| {
        !INDEPENDENT.contains(shelf) && (own.enabled == Some(true) || own.has_connection)
    });
    let is_consolidated = enabled == Some(true) && reading.is_said(&connection) && !is_forgotten;
    let common = if is_consolidated { connection::read(reading, &connection, HINT)? } else { None };
    for (shelf, own) in own {
        let is_own = own.enabled == Some(true) && (own.has_connection || !is_consolidated);
        let object = if is_own {
            own_bucket(reading, shelf)?
        } else if is_consolidated {
            consolidated(reading, shelf, &all, common.as_ref())?
        } else {
            None
        };
        if own.enabled.is_some() || enabled.is_some() {
            installation.places.entry(shelf).or_default().object = object;
        }
    }
    Ok(())
}

/// What a place says of its own bucket, as far as it decides which form counts.
struct Settings {
    enabled: Option<bool>,
    has_connection: bool,
}

impl Settings {
    fn read(reading: &mut Reading<'_>, shelf: Shelf) -> Result<Self, InstallationError> {
        let dialect = reading.dialect;
        let hint = dialect::bucket_hint(shelf);
        Ok(Self {
            enabled: reading.flag(&dialect.own(shelf, Own::Enabled), &hint)?,
            has_connection: reading.is_said(&dialect.own(shelf, Own::Connection)),
        })
    }
}

/// The bucket of a place with settings of its own.
fn own_bucket(reading: &mut Reading<'_>, shelf: Shelf) -> Result<Option<Bucket>, InstallationError> {
    let dialect = reading.dialect;
    let hint = dialect::bucket_hint(shelf);
    let (setting, prefix) = (dialect.own(shelf, Own::Bucket), dialect.own(shelf, Own::Prefix));
    let is_unknown = reading.is_said(&setting);
    let name = reading.text(&setting, &hint)?;
    if name.is_none() && is_unknown {
        return Ok(None);
    }
    let name = name.unwrap_or_else(|| dialect::bucket_name(shelf).to_owned());
    let prefix = reading.text(&prefix, &hint)?;
    let connection = connection::read(reading, &dialect.own(shelf, Own::Connection), &hint)?;
    Ok(connection.map(|connection| bucket(&name, prefix.as_deref(), connection)))
}

/// The bucket of a place in the consolidated form.
fn consolidated(
    reading: &mut Reading<'_>,
    shelf: Shelf,
    all: &Setting,
    connection: Option<&Connection>,
) -> Result<Option<Bucket>, InstallationError> {
    let hint = dialect::bucket_hint(shelf);
    let setting = all.below("objects").below(shelf.name());
    if reading.flag(&setting.below("enabled"), &hint)? == Some(false) {
        return Ok(None);
    }
    let name = reading.text(&setting.below("bucket"), &hint)?;
    Ok(name.zip(connection).map(|(name, connection)| bucket(&name, None, connection.clone())))
}

/// A bucket by its name, which may have a prefix in it.
fn bucket(name: &str, prefix: Option<&str>, connection: Connection) -> Bucket {
    let (name, within) = name.split_once('/').unwrap_or((name, ""));
    let parts = [within, prefix.unwrap_or_default()].map(|part| part.trim_matches('/'));
    let prefix = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Bucket { name: name.to_owned(), prefix: Some(prefix).filter(|prefix| !prefix.is_empty()), connection }
}
