//! The bucket in which the container registry keeps its data.
//!
//! The keys are those of the registry's own storage drivers
//! (<https://docs.gitlab.com/administration/packages/container_registry/#use-object-storage>), and not those of the
//! connections of GitLab's other places.

use crate::connection::{AwsCredentials, Connection, GoogleCredentials, Hash, Understood, known};
use crate::dialect::Setting;
use crate::fact::Fact;
use crate::file::InstallationError;
use crate::installation::Bucket;
use crate::node::Node;
use crate::settings_reader::SettingsReader;

/// The keys that are read.
const KEYS: [&str; 16] = [
    "bucket",
    "rootdirectory",
    "region",
    "regionendpoint",
    "secure",
    "pathstyle",
    "accesskey",
    "secretkey",
    "keyfile",
    "credentials",
    "container",
    "accountname",
    "accountkey",
    "realm",
    "legacyrootprefix",
    "trimlegacyrootprefix",
];

/// The realm of Azure's public cloud.
const AZURE: &str = "core.windows.net";

/// A storage driver of the registry that keeps data in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    S3,
    Google,
    Azure,
    /// Its second version, whose keys do not begin with a slash unless that is said.
    AzureV2,
}

/// The names of these drivers, in the order in which they are looked for.
const DRIVERS: [(&str, Driver); 5] = [
    ("s3", Driver::S3),
    ("s3_v2", Driver::S3),
    ("gcs", Driver::Google),
    ("azure", Driver::Azure),
    ("azure_v2", Driver::AzureV2),
];

impl Driver {
    /// The driver that a storage of the registry has a setting of, with its name; none if it keeps data elsewhere, or nobody
    /// knows it.
    pub(crate) fn of(storage: &Node) -> Option<(&'static str, Self)> {
        DRIVERS.into_iter().find(|(name, _)| storage.get(name).is_some())
    }
}

/// Reads the setting of this driver; what cannot be understood is unknown.
pub(crate) fn read(
    reader: &SettingsReader,
    driver: Driver,
    setting: &Setting,
    hint: &str,
) -> Result<Fact<Bucket>, InstallationError> {
    let node = match known(reader, setting, &KEYS, hint)? {
        Fact::Known(node) => node,
        Fact::Absent => return Ok(Fact::Absent),
        Fact::Unknown(unknown) => return Ok(Fact::Unknown(unknown)),
    };
    let hash = Hash { reader, node: &node, setting, hint };
    let bucket = match driver {
        Driver::S3 => s3(&hash),
        Driver::Google => google(&hash),
        Driver::Azure | Driver::AzureV2 => azure(&hash, driver),
    }?;
    Ok(match bucket {
        Ok(bucket) => Fact::Known(bucket),
        Err(why) => {
            let active = format!("has a storage of the registry that {why},");
            Fact::Unknown(reader.unknown(setting, node.place, (&why, &active), hint))
        }
    })
}

fn s3(hash: &Hash<'_>) -> Understood<Bucket> {
    let Some(name) = hash.text("bucket")? else { return Ok(Err("has no `bucket`".to_owned())) };
    let credentials = match hash.text("accesskey")?.zip(hash.secret("secretkey")?) {
        Some((id, secret)) => AwsCredentials::Keys { id, secret },
        None => AwsCredentials::IamProfile,
    };
    let is_plain = hash.said_flag("secure")? == Some(false);
    let endpoint = hash.text("regionendpoint")?.map(|endpoint| {
        let endpoint = endpoint.trim_end_matches('/');
        if endpoint.contains("://") {
            return endpoint.to_owned();
        }
        format!("{}://{endpoint}", if is_plain { "http" } else { "https" })
    });
    // The driver's own default.
    let path_style = hash.said_flag("pathstyle")?.unwrap_or(endpoint.is_some());
    let connection = Connection::Aws { region: hash.text("region")?, endpoint, path_style, credentials };
    Ok(Ok(Bucket { name, prefix: prefix(hash, false)?, connection }))
}

fn google(hash: &Hash<'_>) -> Understood<Bucket> {
    let Some(name) = hash.text("bucket")? else { return Ok(Err("has no `bucket`".to_owned())) };
    let credentials = if let Some(node) = hash.value("keyfile") {
        let setting = hash.setting.below("keyfile");
        let Fact::Known(file) = hash.reader.path_of(&node, &setting, hash.hint)? else {
            return Ok(Err("names a file relative to an unknown folder".to_owned()));
        };
        GoogleCredentials::KeyFile(file)
    } else if hash.value("credentials").is_some() {
        return Ok(Err("has its `credentials` in the file, which is not supported".to_owned()));
    } else {
        GoogleCredentials::ApplicationDefault
    };
    let connection = Connection::Google { project: None, credentials };
    Ok(Ok(Bucket { name, prefix: prefix(hash, false)?, connection }))
}

fn azure(hash: &Hash<'_>, driver: Driver) -> Understood<Bucket> {
    let Some(name) = hash.text("container")? else { return Ok(Err("has no `container`".to_owned())) };
    let Some(account) = hash.text("accountname")? else {
        return Ok(Err("has no `accountname`".to_owned()));
    };
    let said = (hash.said_flag("legacyrootprefix")?, hash.said_flag("trimlegacyrootprefix")?);
    let begins_with_slash = match said {
        (Some(legacy), _) => legacy,
        (None, Some(trimmed)) => !trimmed,
        (None, None) if driver == Driver::AzureV2 => false,
        // The default was changed from one version of the registry to another.
        (None, None) => {
            return Ok(Err(
                "does not say `trimlegacyrootprefix`, so whether keys begin with a slash".to_owned()
            ));
        }
    };
    let domain = hash.text("realm")?.filter(|realm| realm != AZURE).map(|realm| format!("blob.{realm}"));
    let connection = Connection::Azure { account, access_key: hash.secret("accountkey")?, domain };
    Ok(Ok(Bucket { name, prefix: prefix(hash, begins_with_slash)?, connection }))
}

/// What stands before all keys, without the slash that follows it.
fn prefix(hash: &Hash<'_>, begins_with_slash: bool) -> Result<Option<String>, InstallationError> {
    let root = hash.text("rootdirectory")?.unwrap_or_default();
    let root = root.trim_matches('/');
    Ok(match (root.is_empty(), begins_with_slash) {
        (true, false) => None,
        (true, true) => Some("/".to_owned()),
        (false, false) => Some(root.to_owned()),
        (false, true) => Some(format!("/{root}")),
    })
}
