//! How a bucket is reached: the connection's hash, and what it means.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::dialect::Setting;
use crate::fact::Fact;
use crate::file::InstallationError;
use crate::node::{Node, Value};
use crate::settings_reader::{SettingsReader, texts};

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub enum Connection {
    /// S3, or a service with the same API.
    Aws {
        /// The region.
        region: Option<String>,
        /// The URL of the service, if it is not Amazon's.
        endpoint: Option<String>,
        /// Whether the bucket is a part of the URL's path instead of the host name.
        path_style: bool,
        /// The credentials.
        credentials: AwsCredentials,
    },
    /// Google Cloud Storage.
    Google {
        /// The project.
        project: Option<String>,
        /// The credentials.
        credentials: GoogleCredentials,
    },
    /// Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// The account's key; without one, the machine's identity is used.
        access_key: Option<SecretString>,
        /// The domain, if it is not `blob.core.windows.net`.
        domain: Option<String>,
    },
}

/// Credentials for S3.
#[derive(Debug, Clone)]
pub enum AwsCredentials {
    /// A pair of keys.
    Keys {
        /// The access key, which is not secret.
        id: String,
        /// The secret key.
        secret: SecretString,
    },
    /// The role of the machine.
    IamProfile,
}

/// Credentials for Google Cloud Storage.
#[derive(Debug, Clone)]
pub enum GoogleCredentials {
    /// A service account whose key is in this file.
    KeyFile(PathBuf),
    /// A service account with this key, which is JSON.
    Key(SecretString),
    /// The machine's default credentials.
    ApplicationDefault,
}

/// The keys that are read.
const KEYS: [&str; 17] = [
    "provider",
    "region",
    "endpoint",
    "host",
    "scheme",
    "port",
    "path_style",
    "use_iam_profile",
    "aws_access_key_id",
    "aws_secret_access_key",
    "google_project",
    "google_json_key_location",
    "google_json_key_string",
    "google_application_default",
    "azure_storage_account_name",
    "azure_storage_access_key",
    "azure_storage_domain",
];

/// Amazon's own service, which needs no endpoint.
const AMAZON: &str = "s3.amazonaws.com";

/// Reads a connection; one that cannot be understood is unknown.
pub(crate) fn read(
    reader: &SettingsReader,
    setting: &Setting,
    hint: &str,
) -> Result<Fact<Connection>, InstallationError> {
    let node = match known(reader, setting, &KEYS, hint)? {
        Fact::Known(node) => node,
        Fact::Absent => return Ok(Fact::Absent),
        Fact::Unknown(unknown) => return Ok(Fact::Unknown(unknown)),
    };
    let hash = Hash { reader, node: &node, setting, hint };
    Ok(match hash.connection()? {
        Ok(connection) => Fact::Known(connection),
        Err(why) => Fact::Unknown(reader.unknown(
            setting,
            node.place,
            (&why, &format!("has a connection that {why},")),
            hint,
        )),
    })
}

/// A hash in which the values of all these keys are known; one with another value is unknown.
pub(crate) fn known(
    reader: &SettingsReader,
    setting: &Setting,
    keys: &[&str],
    hint: &str,
) -> Result<Fact<Node>, InstallationError> {
    let node = match reader.value(setting, hint) {
        Fact::Known(node) => node,
        other => return Ok(other),
    };
    if !matches!(node.value, Value::Map(_)) {
        return Err(reader.wrong(&node, setting, "must be a hash"));
    }
    for key in keys {
        if let Some(Node { value: Value::Unknown(why), place }) = node.get(key) {
            return Ok(Fact::Unknown(reader.unknown(&setting.below(key), *place, texts(*why), hint)));
        }
    }
    Ok(Fact::Known(node))
}

/// A hash, in which all values that are read are known.
pub(crate) struct Hash<'h> {
    pub(crate) reader: &'h SettingsReader,
    pub(crate) node: &'h Node,
    pub(crate) setting: &'h Setting,
    pub(crate) hint: &'h str,
}

/// Either the value, or why the connection cannot be used; an error if the file is malformed.
pub(crate) type Understood<T> = Result<Result<T, String>, InstallationError>;

impl Hash<'_> {
    fn connection(&self) -> Understood<Connection> {
        let Some(provider) = self.text("provider")? else {
            return Ok(Err("has no `provider`".to_owned()));
        };
        match provider.to_ascii_lowercase().as_str() {
            "aws" => self.aws(),
            "google" => self.google(),
            "azurerm" => self.azure(),
            _ => Ok(Err(format!("has the provider {provider:?}, which is not supported"))),
        }
    }

    fn aws(&self) -> Understood<Connection> {
        let keys = self.text("aws_access_key_id")?.zip(self.secret("aws_secret_access_key")?);
        let credentials = if self.flag("use_iam_profile")? {
            AwsCredentials::IamProfile
        } else if let Some((id, secret)) = keys {
            AwsCredentials::Keys { id, secret }
        } else {
            return Ok(Err("has neither both keys nor `use_iam_profile`".to_owned()));
        };
        Ok(Ok(Connection::Aws {
            region: self.text("region")?,
            endpoint: self.endpoint()?,
            path_style: self.flag("path_style")?,
            credentials,
        }))
    }

    /// The URL of a service other than Amazon's, which may be given as a host name only.
    fn endpoint(&self) -> Result<Option<String>, InstallationError> {
        if let Some(endpoint) = self.text("endpoint")? {
            return Ok(Some(endpoint.trim_end_matches('/').to_owned()));
        }
        let Some(host) = self.text("host")?.filter(|host| host != AMAZON) else { return Ok(None) };
        let scheme = self.text("scheme")?.unwrap_or_else(|| "https".to_owned());
        let port = self.text("port")?.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Some(format!("{scheme}://{host}{port}")))
    }

    fn google(&self) -> Understood<Connection> {
        let credentials = if let Some(node) = self.value("google_json_key_location") {
            let setting = self.setting.below("google_json_key_location");
            let Fact::Known(file) = self.reader.path_of(&node, &setting, self.hint)? else {
                return Ok(Err("names a file relative to an unknown folder".to_owned()));
            };
            GoogleCredentials::KeyFile(file)
        } else if let Some(key) = self.secret("google_json_key_string")? {
            GoogleCredentials::Key(key)
        } else if self.flag("google_application_default")? {
            GoogleCredentials::ApplicationDefault
        } else {
            return Ok(Err("has neither a key nor `google_application_default`".to_owned()));
        };
        Ok(Ok(Connection::Google { project: self.text("google_project")?, credentials }))
    }

    fn azure(&self) -> Understood<Connection> {
        let Some(account) = self.text("azure_storage_account_name")? else {
            return Ok(Err("has no `azure_storage_account_name`".to_owned()));
        };
        let access_key = self.secret("azure_storage_access_key")?;
        Ok(Ok(Connection::Azure { account, access_key, domain: self.text("azure_storage_domain")? }))
    }

    pub(crate) fn value(&self, key: &str) -> Option<Node> {
        self.node.get(key).filter(|node| !node.is_empty()).cloned()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, InstallationError> {
        let value = self.value(key);
        value.map(|node| self.reader.text_of(&node, &self.setting.below(key))).transpose()
    }

    pub(crate) fn secret(&self, key: &str) -> Result<Option<SecretString>, InstallationError> {
        Ok(self.text(key)?.map(SecretString::from))
    }

    fn flag(&self, key: &str) -> Result<bool, InstallationError> {
        Ok(self.said_flag(key)? == Some(true))
    }

    /// `true` or `false`, if either is said.
    pub(crate) fn said_flag(&self, key: &str) -> Result<Option<bool>, InstallationError> {
        Ok(self.reader.flag(&self.setting.below(key), self.hint)?.known().copied())
    }
}
