//! The buckets of the types of objects.
//!
//! GitLab has two forms of configuration. In the consolidated form, one connection serves all types, and each names its
//! bucket. In the storage-specific form, each type has its own settings. The consolidated form counts for all types
//! unless one of them has object storage enabled *and* a connection that is not the common one; settings that were left
//! over from before change nothing. Pages and secure files of CI may have a connection of their own beside it.

use std::collections::BTreeMap;

use stocktake_domain::ObjectType;

use crate::connection::{self, Connection};
use crate::dialect::{self, BucketKey, Setting};
use crate::fact::{Fact, Unknown};
use crate::file::InstallationError;
use crate::installation::{Bucket, Installation};
use crate::node::{Map, Node, Value};
use crate::settings_reader::SettingsReader;

/// The types that may have a connection of their own, or no bucket, in the consolidated form.
const INDEPENDENT: [ObjectType; 2] = [ObjectType::CiSecureFiles, ObjectType::Pages];

/// Sets the buckets of the types for which the file configures object storage.
pub(crate) fn apply(
    installation: &mut Installation,
    reader: &SettingsReader,
) -> Result<(), InstallationError> {
    let all = reader.dialect.object_store();
    let any = dialect::bucket_hint(ObjectType::Artifacts);
    let enabled = reader.flag(&all.below("enabled"), &any)?;
    let connection = reader.value(&all.below("connection"), &any);
    let mut own = Vec::new();
    for object_type in ObjectType::ALL {
        own.push(Own::read(reader, object_type)?);
    }
    let form = form(reader, &enabled, &connection, &own);
    for own in own {
        let object = of_type(reader, &own, &form, &all)?;
        if own.is_given() || !matches!(enabled, Fact::Absent) {
            installation.files.entry(own.object_type).or_default().object = object;
        }
    }
    Ok(())
}

/// Which form of configuration counts.
enum Form {
    Consolidated,
    StorageSpecific,
    Unknown(Unknown),
}

/// The settings of one type that decide which form counts.
struct Own {
    object_type: ObjectType,
    enabled: Fact<bool>,
    connection: Fact<Node>,
}

impl Own {
    fn read(reader: &SettingsReader, object_type: ObjectType) -> Result<Self, InstallationError> {
        let hint = dialect::bucket_hint(object_type);
        let setting = |key| reader.dialect.own_bucket(object_type, key);
        Ok(Self {
            object_type,
            enabled: reader.flag(&setting(BucketKey::Enabled), &hint)?,
            connection: reader.value(&setting(BucketKey::Connection), &hint),
        })
    }

    fn is_given(&self) -> bool {
        !matches!(self.enabled, Fact::Absent)
    }

    /// Whether it has a connection of its own beside the common one, which makes the storage-specific form count.
    fn overrides(&self, reader: &SettingsReader, common: &Node) -> Fact<()> {
        if INDEPENDENT.contains(&self.object_type) {
            return Fact::Absent;
        }
        let differs = match &self.connection {
            Fact::Absent => return Fact::Absent,
            Fact::Known(connection) => match same(connection, common) {
                Some(true) => return Fact::Absent,
                Some(false) => Ok(()),
                None => Err(self.unlike(reader, connection)),
            },
            Fact::Unknown(unknown) => Err(unknown.clone()),
        };
        match (&self.enabled, differs) {
            (Fact::Absent | Fact::Known(false), _) => Fact::Absent,
            (Fact::Known(true), Ok(())) => Fact::Known(()),
            (Fact::Unknown(unknown), _) => Fact::Unknown(unknown.clone()),
            (Fact::Known(true), Err(unknown)) => Fact::Unknown(unknown),
        }
    }

    /// Why it is not known whether its connection is the common one.
    fn unlike(&self, reader: &SettingsReader, connection: &Node) -> Unknown {
        let setting = reader.dialect.own_bucket(self.object_type, BucketKey::Connection);
        let why = ("is calculated, as is the common connection", "calculates it");
        reader.unknown(&setting, connection.place, why, &dialect::bucket_hint(self.object_type))
    }
}

fn form(reader: &SettingsReader, enabled: &Fact<bool>, connection: &Fact<Node>, own: &[Own]) -> Form {
    match enabled {
        Fact::Absent | Fact::Known(false) => return Form::StorageSpecific,
        Fact::Unknown(unknown) => return Form::Unknown(unknown.clone()),
        Fact::Known(true) => {}
    }
    let common = match connection {
        Fact::Absent => return Form::StorageSpecific,
        Fact::Unknown(unknown) => return Form::Unknown(unknown.clone()),
        Fact::Known(common) => common,
    };
    let mut unknown = None;
    for own in own {
        match own.overrides(reader, common) {
            Fact::Known(()) => return Form::StorageSpecific,
            Fact::Unknown(why) => unknown = Some(why),
            Fact::Absent => {}
        }
    }
    unknown.map_or(Form::Consolidated, Form::Unknown)
}

/// The bucket of one type.
fn of_type(
    reader: &SettingsReader,
    own: &Own,
    form: &Form,
    all: &Setting,
) -> Result<Fact<Bucket>, InstallationError> {
    let hint = dialect::bucket_hint(own.object_type);
    let is_independent = INDEPENDENT.contains(&own.object_type);
    match (form, &own.enabled, &own.connection) {
        (Form::Unknown(_), Fact::Absent | Fact::Known(false), _) if is_excepted(reader, own, all)? => {
            Ok(Fact::Absent)
        }
        (Form::Unknown(unknown), ..) => Ok(Fact::Unknown(unknown.clone()).instead(&hint)),
        (Form::Consolidated, Fact::Known(true), Fact::Known(_)) if is_independent => {
            own_bucket(reader, own.object_type)
        }
        (Form::Consolidated, Fact::Unknown(unknown), _)
        | (Form::Consolidated, Fact::Known(true), Fact::Unknown(unknown))
            if is_independent =>
        {
            Ok(Fact::Unknown(unknown.clone()))
        }
        (Form::Consolidated, ..) => consolidated(reader, own, all),
        (Form::StorageSpecific, Fact::Known(true), _) => own_bucket(reader, own.object_type),
        (Form::StorageSpecific, Fact::Unknown(unknown), _) => Ok(Fact::Unknown(unknown.clone())),
        (Form::StorageSpecific, ..) => Ok(Fact::Absent),
    }
}

/// Whether the consolidated form, if it counts, has no bucket for the type.
fn is_excepted(reader: &SettingsReader, own: &Own, all: &Setting) -> Result<bool, InstallationError> {
    let setting = all.below("objects").below(own.object_type.name()).below("enabled");
    Ok(reader.flag(&setting, &dialect::bucket_hint(own.object_type))? == Fact::Known(false))
}

/// The bucket of a type in the storage-specific form.
fn own_bucket(reader: &SettingsReader, object_type: ObjectType) -> Result<Fact<Bucket>, InstallationError> {
    let hint = dialect::bucket_hint(object_type);
    let setting = |key| reader.dialect.own_bucket(object_type, key);
    let name = match reader.text(&setting(BucketKey::Bucket), &hint)? {
        Fact::Absent => Fact::Known(dialect::bucket_name(object_type).to_owned()),
        name => name,
    };
    let prefix = reader.text(&setting(BucketKey::Prefix), &hint)?;
    let connection = connection::read(reader, &setting(BucketKey::Connection), &hint)?;
    Ok(bucket(name, &prefix, connection))
}

/// The bucket of a type in the consolidated form.
fn consolidated(
    reader: &SettingsReader,
    own: &Own,
    all: &Setting,
) -> Result<Fact<Bucket>, InstallationError> {
    let hint = dialect::bucket_hint(own.object_type);
    let setting = all.below("objects").below(own.object_type.name());
    match (reader.flag(&setting.below("enabled"), &hint)?, &own.enabled, &own.connection) {
        // What is excepted from the consolidated form has only its own settings.
        (Fact::Known(false), Fact::Known(true), Fact::Known(_)) => {
            return own_bucket(reader, own.object_type);
        }
        (Fact::Known(false), ..) => return Ok(Fact::Absent),
        (Fact::Unknown(unknown), ..) => return Ok(Fact::Unknown(unknown)),
        (Fact::Absent | Fact::Known(true), ..) => {}
    }
    match reader.text(&setting.below("bucket"), &hint)? {
        Fact::Absent => Ok(Fact::Absent),
        name => {
            let connection = connection::read(reader, &all.below("connection"), &hint)?;
            Ok(bucket(name, &Fact::Absent, connection))
        }
    }
}

/// A bucket, whose name may contain a prefix.
fn bucket(name: Fact<String>, prefix: &Fact<String>, connection: Fact<Connection>) -> Fact<Bucket> {
    let (name, connection) = match (name, prefix, connection) {
        (Fact::Unknown(unknown), ..) | (_, _, Fact::Unknown(unknown)) => return Fact::Unknown(unknown),
        (_, Fact::Unknown(unknown), _) => return Fact::Unknown(unknown.clone()),
        (Fact::Absent, ..) | (_, _, Fact::Absent) => return Fact::Absent,
        (Fact::Known(name), _, Fact::Known(connection)) => (name, connection),
    };
    let (name, within) = name.split_once('/').unwrap_or((&name, ""));
    let prefix = prefix.known().map_or("", String::as_str);
    let parts = [within, prefix].map(|part| part.trim_matches('/'));
    let prefix = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    Fact::Known(Bucket { name: name.to_owned(), prefix, connection })
}

/// Whether two values are the same; `None` if that depends on unknown ones.
fn same(one: &Node, other: &Node) -> Option<bool> {
    match (&one.value, &other.value) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => None,
        (Value::Nil, Value::Nil) => Some(true),
        (Value::Flag(one), Value::Flag(other)) => Some(one == other),
        (Value::Number(one), Value::Number(other)) | (Value::Text(one), Value::Text(other)) => {
            Some(one == other)
        }
        (Value::List(one), Value::List(other)) if one.len() == other.len() => {
            all(one.iter().zip(other).map(|(one, other)| same(one, other)))
        }
        (Value::Map(one), Value::Map(other)) => same_pairs(one, other),
        _ => Some(false),
    }
}

fn same_pairs(one: &Map, other: &Map) -> Option<bool> {
    let of = |pairs: &BTreeMap<String, Node>, key: &String| pairs.get(key).cloned();
    let keys: std::collections::BTreeSet<&String> = one.pairs.keys().chain(other.pairs.keys()).collect();
    let known = keys.into_iter().map(|key| match (of(&one.pairs, key), of(&other.pairs, key)) {
        (Some(one), Some(other)) => same(&one, &other),
        _ => Some(false),
    });
    let known = all(known);
    if one.doubts.is_empty() && other.doubts.is_empty() { known } else { known.filter(|same| !same) }
}

/// Whether all are true; a false one decides, an unknown one does not.
fn all(flags: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let flags: Vec<Option<bool>> = flags.collect();
    if flags.contains(&Some(false)) {
        return Some(false);
    }
    (!flags.contains(&None)).then_some(true)
}
