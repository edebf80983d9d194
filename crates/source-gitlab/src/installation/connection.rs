//! The hash that says how a bucket is reached.

use secrecy::SecretString;

use super::dialect::Setting;
use super::error::InstallationError;
use super::node::{Node, Value};
use super::reading::Reading;
use super::{AwsCredentials, Connection, GoogleCredentials};

/// The keys that matter.
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

/// Amazon's own, which needs no endpoint.
const AMAZON: &str = "s3.amazonaws.com";

/// Reads a connection; if it cannot be understood, it is passed over with a note.
pub(super) fn read(
    reading: &mut Reading<'_>,
    setting: &Setting,
    hint: &str,
) -> Result<Option<Connection>, InstallationError> {
    if !reading.is_said(setting) {
        return Ok(None);
    }
    let Some(node) = reading.value(setting, hint) else { return Ok(None) };
    let Value::Map(map) = &node.value else {
        return Err(reading.wrong(&node, setting, "must be a hash"));
    };
    let unread =
        KEYS.iter().find_map(|key| map.get(*key).and_then(|node| Some((key, node, Reading::unread(node)?))));
    if let Some((key, node, why)) = unread {
        reading.pass_over(&setting.below(key), node.line, why.text(), hint);
        return Ok(None);
    }
    let mut hash = Hash { reading, node: &node, setting, hint };
    match hash.connection()? {
        Ok(connection) => Ok(Some(connection)),
        Err(why) => {
            reading.pass_over(setting, node.line, &why, hint);
            Ok(None)
        }
    }
}

/// A connection's hash, all of whose keys that matter are known.
struct Hash<'h, 'f> {
    reading: &'h mut Reading<'f>,
    node: &'h Node,
    setting: &'h Setting,
    hint: &'h str,
}

/// Either what is asked for, or why there is none.
type Understood<T> = Result<Result<T, String>, InstallationError>;

impl Hash<'_, '_> {
    fn connection(&mut self) -> Understood<Connection> {
        let Some(provider) = self.text("provider")? else {
            return Ok(Err("has no `provider`".to_owned()));
        };
        match provider.to_ascii_lowercase().as_str() {
            "aws" => self.aws(),
            "google" => self.google(),
            "azurerm" => self.azure(),
            _ => Ok(Err(format!("has the provider {provider:?}, which is not known here"))),
        }
    }

    fn aws(&mut self) -> Understood<Connection> {
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

    /// The URL of another service than Amazon's, which may be given as the host only.
    fn endpoint(&mut self) -> Result<Option<String>, InstallationError> {
        if let Some(endpoint) = self.text("endpoint")? {
            return Ok(Some(endpoint.trim_end_matches('/').to_owned()));
        }
        let Some(host) = self.text("host")?.filter(|host| host != AMAZON) else { return Ok(None) };
        let scheme = self.text("scheme")?.unwrap_or_else(|| "https".to_owned());
        let port = self.text("port")?.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Some(format!("{scheme}://{host}{port}")))
    }

    fn google(&mut self) -> Understood<Connection> {
        let credentials = if let Some(node) = self.value("google_json_key_location") {
            let setting = self.setting.below("google_json_key_location");
            let Some(file) = self.reading.path_of(&node, &setting, self.hint)? else {
                return Ok(Err("names a file that is not known".to_owned()));
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

    fn azure(&mut self) -> Understood<Connection> {
        let Some(account) = self.text("azure_storage_account_name")? else {
            return Ok(Err("has no `azure_storage_account_name`".to_owned()));
        };
        let access_key = self.secret("azure_storage_access_key")?;
        Ok(Ok(Connection::Azure { account, access_key, domain: self.text("azure_storage_domain")? }))
    }

    fn value(&self, key: &str) -> Option<Node> {
        self.node.get(key).filter(|node| !node.is_empty()).cloned()
    }

    fn text(&self, key: &str) -> Result<Option<String>, InstallationError> {
        let value = self.value(key);
        value.map(|node| self.reading.text_of(&node, &self.setting.below(key))).transpose()
    }

    fn secret(&self, key: &str) -> Result<Option<SecretString>, InstallationError> {
        Ok(self.text(key)?.map(SecretString::from))
    }

    fn flag(&mut self, key: &str) -> Result<bool, InstallationError> {
        Ok(self.reading.flag(&self.setting.below(key), self.hint)?.unwrap_or(false))
    }
}
