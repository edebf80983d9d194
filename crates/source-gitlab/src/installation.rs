//! Where a GitLab keeps its data, read out of its own configuration, so that nobody need say it twice.
//!
//! An [`Installation`] begins with what is built into a kind of installation, and each file that is read overlays
//! it. `gitlab.rb` and `gitlab.yml` become the same tree (`node.rs`), the first by `ruby.rs`, the second by
//! `yaml.rs`; `overlay.rs` takes the settings out of it, whose names `dialect.rs` knows. Nothing of a file is ever
//! run: what is calculated is passed over, with a note if it would have mattered.

mod buckets;
mod connection;
mod dialect;
mod erb;
mod error;
mod file;
mod git;
mod node;
mod overlay;
mod reading;
mod ruby;
mod secrets;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use self::error::InstallationError;

use self::dialect::Dialect;
use crate::settings::Shelf;

/// Where a GitLab keeps its data, as its own configuration says.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The places of files, all of them.
    pub places: BTreeMap<Shelf, Place>,
    /// The folder `public`, in which local attestations lie.
    pub public: Option<PathBuf>,
    /// Absolute paths of the local folder of uploads, as [`crate::Storages::uploads_folders`] has them.
    pub uploads_folders: Vec<String>,
    /// The folders of Gitaly's storages, by name.
    pub git: BTreeMap<String, PathBuf>,
    /// The container registry.
    pub registry: Option<RegistryPlace>,
    /// The secret from which keys of encrypted files follow.
    pub db_key_base: Option<SecretString>,
    /// What was passed over because it could not be understood: a sentence each, with file and line.
    pub notes: Vec<String>,
    /// What relative paths are relative to: the folder of GitLab's own code.
    root: Option<PathBuf>,
    /// Whether the folder of [`DEFAULT`] is the one that is built in, which holds until a file says otherwise.
    git_is_built_in: bool,
}

/// The storage of Gitaly's that there is by itself.
const DEFAULT: &str = "default";

/// The two storages of one place.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The local folder.
    pub local: Option<PathBuf>,
    /// The bucket, if object storage is enabled.
    pub object: Option<Bucket>,
}

/// A bucket, or a part of one.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The name.
    pub name: String,
    /// What stands before every key, without the slash that follows it.
    pub prefix: Option<String>,
    /// Where it is, and who may read it.
    pub connection: Connection,
}

/// How a bucket is reached.
#[derive(Debug, Clone)]
pub enum Connection {
    /// S3, or a service with the same interface.
    Aws {
        /// The region.
        region: Option<String>,
        /// The URL of the service, where it is not Amazon's own.
        endpoint: Option<String>,
        /// Whether the bucket is a part of the path instead of the host's name.
        path_style: bool,
        /// Who asks.
        credentials: AwsCredentials,
    },
    /// Google Cloud Storage.
    Google {
        /// The project.
        project: Option<String>,
        /// Who asks.
        credentials: GoogleCredentials,
    },
    /// Azure's blobs.
    Azure {
        /// The storage account.
        account: String,
        /// The account's key; without one, the identity of the machine.
        access_key: Option<SecretString>,
        /// The domain, where it is not `blob.core.windows.net`.
        domain: Option<String>,
    },
}

/// Who asks S3.
#[derive(Debug, Clone)]
pub enum AwsCredentials {
    /// A pair of keys.
    Keys {
        /// The access key, which is no secret.
        id: String,
        /// The secret key.
        secret: SecretString,
    },
    /// The role of the machine.
    IamProfile,
}

/// Who asks Google.
#[derive(Debug, Clone)]
pub enum GoogleCredentials {
    /// A service account whose key is in this file.
    KeyFile(PathBuf),
    /// A service account with this key, which is JSON.
    Key(SecretString),
    /// What the machine has.
    ApplicationDefault,
}

/// Where the container registry is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryPlace {
    /// The folder in which it keeps its data.
    pub folder: Option<PathBuf>,
    /// The URL by which GitLab itself asks it.
    pub api_url: Option<String>,
}

impl Installation {
    /// As the Linux package has it by itself.
    pub fn omnibus() -> Self {
        Self::built_in(&BuiltIn {
            root: "/opt/gitlab/embedded/service/gitlab-rails",
            shared: "/var/opt/gitlab/gitlab-rails/shared",
            uploads: "/var/opt/gitlab/gitlab-rails/uploads",
            repositories: "/var/opt/gitlab/git-data/repositories",
        })
    }

    /// As an installation from source has it by itself.
    pub fn source() -> Self {
        Self::built_in(&BuiltIn {
            root: "/home/git/gitlab",
            shared: "/home/git/gitlab/shared",
            uploads: "/home/git/gitlab/public/uploads",
            repositories: "/home/git/repositories",
        })
    }

    /// Nothing is known.
    pub fn none() -> Self {
        Self {
            places: Shelf::ALL.into_iter().map(|shelf| (shelf, Place::default())).collect(),
            public: None,
            uploads_folders: Vec::new(),
            git: BTreeMap::new(),
            registry: None,
            db_key_base: None,
            notes: Vec::new(),
            root: None,
            git_is_built_in: false,
        }
    }

    /// Overlays what a file says: a `gitlab.yml` if its name ends so, else a `gitlab.rb`.
    pub fn read(self, file: &Path) -> Result<Self, InstallationError> {
        let text = file::text(file)?;
        let (dialect, source) = if file::is_yaml(file) {
            (Dialect::Yml, yaml::source(file, &text)?)
        } else {
            (Dialect::Rb, ruby::source(&text))
        };
        overlay::apply(self, file, dialect, source)
    }

    /// Takes `db_key_base` out of a `gitlab-secrets.json`, or out of a `secrets.yml`.
    pub fn read_secrets(mut self, file: &Path) -> Result<Self, InstallationError> {
        self.db_key_base = Some(secrets::db_key_base(file)?);
        Ok(self)
    }

    fn built_in(built_in: &BuiltIn) -> Self {
        let mut installation = Self::none();
        let public = Path::new(built_in.root).join("public");
        installation.root = Some(built_in.root.into());
        installation.set_shared(Path::new(built_in.shared));
        installation.set_local(Shelf::Uploads, built_in.uploads.into());
        installation.public = Some(public);
        installation.git.insert(DEFAULT.to_owned(), built_in.repositories.into());
        installation.git_is_built_in = true;
        installation.set_uploads_folders(None);
        installation
    }

    /// All that lies below the shared folder unless something else is said.
    fn set_shared(&mut self, shared: &Path) {
        for shelf in Shelf::ALL {
            if let Some(name) = dialect::shared_name(shelf) {
                self.set_local(shelf, shared.join(name));
            }
        }
        self.registry.get_or_insert_default().folder = Some(shared.join("registry"));
    }

    fn set_local(&mut self, place: Shelf, folder: PathBuf) {
        self.places.entry(place).or_default().local = Some(folder);
    }

    fn set_git(&mut self, name: String, folder: PathBuf) {
        self.git_is_built_in &= name != DEFAULT;
        self.git.insert(name, folder);
    }

    /// Takes the folder of a storage away if no file has named it.
    fn drop_built_in_git(&mut self, name: &str) {
        if self.git_is_built_in && name == DEFAULT {
            self.git.remove(name);
            self.git_is_built_in = false;
        }
    }

    /// The folder of uploads has two names where `public/uploads` only leads to it. `named` is one more that a file
    /// has for it.
    fn set_uploads_folders(&mut self, named: Option<PathBuf>) {
        let uploads = self.places.get(&Shelf::Uploads).and_then(|place| place.local.clone());
        let public = self.public.as_ref().map(|public| public.join("uploads"));
        let mut folders = Vec::new();
        for folder in uploads.into_iter().chain(public).chain(named) {
            let folder = folder.display().to_string();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        self.uploads_folders = folders;
    }
}

/// What a kind of installation has by itself.
struct BuiltIn {
    root: &'static str,
    shared: &'static str,
    uploads: &'static str,
    repositories: &'static str,
}
