//! What is known about an installation: its defaults, and how single facts of it are set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use stocktake_domain::ObjectType;

use crate::connection::Connection;
use crate::dialect;
use crate::fact::{Fact, Unknown};
use crate::version::Version;
use crate::volumes::Volumes;

/// Where a GitLab keeps its data, according to its own configuration.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The storage of files, for every type of objects.
    pub files: BTreeMap<ObjectType, FileStorage>,
    /// The folder `public`, in which local attestations lie.
    pub public: Fact<PathBuf>,
    /// Absolute paths under which rows may name the local folder of uploads, without a slash at the end.
    pub uploads_folders: Vec<String>,
    /// The folders of Gitaly's storages, by name.
    pub git: BTreeMap<String, Fact<PathBuf>>,
    /// Why there may be other storages of Gitaly's, if there may be.
    pub other_git: Option<Unknown>,
    /// The container registry.
    pub registry: Option<RegistryStorage>,
    /// The secret from which the keys of encrypted files are derived.
    pub db_key_base: Fact<SecretString>,
    /// What else was ignored because it could not be understood: a sentence each, with file and line.
    pub notes: Vec<String>,
    /// What relative paths are relative to: the folder of GitLab's own code.
    pub(crate) root: Option<PathBuf>,
    /// The version, as far as it is known; else the newest one's rules are taken.
    pub(crate) version: Option<Version>,
    /// Where the folders of a container are on this machine.
    pub(crate) volumes: Option<Volumes>,
    /// A folder with the secrets of Kubernetes that the Helm chart's values name.
    pub(crate) kubernetes_secrets: Option<PathBuf>,
    /// Whether the file that was read last sets nothing.
    pub(crate) is_silent: bool,
    /// Whether the storages of Gitaly's are the built-in ones, which hold until a file says otherwise.
    git_is_built_in: bool,
}

/// The Gitaly storage that exists without any configuration.
const DEFAULT: &str = "default";

/// Where the files of one type of objects are.
#[derive(Debug, Clone, Default)]
pub struct FileStorage {
    /// The local folder.
    pub local: Fact<PathBuf>,
    /// The bucket, if object storage is enabled.
    pub object: Fact<Bucket>,
}

/// A bucket, or a part of one.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The name.
    pub name: String,
    /// The prefix of every key, without the slash that follows it.
    pub prefix: Option<String>,
    /// Where the bucket is, and the credentials for it.
    pub connection: Connection,
}

/// Where the container registry keeps its data.
#[derive(Debug, Clone)]
pub enum RegistryData {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Box<Bucket>),
}

impl RegistryData {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }
}

/// Where the container registry is.
#[derive(Debug, Clone, Default)]
pub struct RegistryStorage {
    /// Where it keeps its data. If that is not known, [`RegistryStorage::api_url`] counts.
    pub data: Fact<RegistryData>,
    /// The URL at which GitLab itself reaches it.
    pub api_url: Option<String>,
    /// Whether the file says whether it has a metadata database.
    pub(crate) is_database_set: bool,
    /// Whether the file says that it has one if it can, as it is without a word from 19.0 on.
    pub(crate) prefers_database: bool,
}

impl RegistryStorage {
    /// The folder that counts unless a storage driver keeps the data elsewhere.
    pub(crate) fn set_default_folder(&mut self, folder: &Fact<PathBuf>) {
        if !matches!(self.data, Fact::Known(RegistryData::Bucket(_))) {
            self.data = folder.map(|folder| RegistryData::Folder(folder.clone()));
        }
    }
}

impl Installation {
    /// The defaults of the Linux package.
    pub fn omnibus() -> Self {
        Self::built_in(&BuiltIn {
            root: "/opt/gitlab/embedded/service/gitlab-rails",
            shared: "/var/opt/gitlab/gitlab-rails/shared",
            uploads: "/var/opt/gitlab/gitlab-rails/uploads",
            repositories: "/var/opt/gitlab/git-data/repositories",
        })
    }

    /// The defaults of the container image, whose volumes are the folders `config` and `data` below this one.
    pub fn docker(volumes: &Path) -> Self {
        Self { volumes: Some(Volumes::below(volumes)), ..Self::omnibus() }
    }

    /// The defaults of an installation from source.
    pub fn source() -> Self {
        Self::built_in(&BuiltIn {
            root: "/home/git/gitlab",
            shared: "/home/git/gitlab/shared",
            uploads: "/home/git/gitlab/public/uploads",
            repositories: "/home/git/repositories",
        })
    }

    /// No defaults.
    pub fn none() -> Self {
        Self {
            files: ObjectType::ALL.into_iter().map(|of| (of, FileStorage::default())).collect(),
            public: Fact::Absent,
            uploads_folders: Vec::new(),
            git: BTreeMap::new(),
            other_git: None,
            registry: None,
            db_key_base: Fact::Absent,
            notes: Vec::new(),
            root: None,
            version: None,
            volumes: None,
            kubernetes_secrets: None,
            is_silent: false,
            git_is_built_in: false,
        }
    }

    fn built_in(built_in: &BuiltIn) -> Self {
        let mut installation = Self::none();
        let public = Path::new(built_in.root).join("public");
        installation.root = Some(built_in.root.into());
        installation.set_shared(&Fact::Known(built_in.shared.into()));
        installation.set_local(ObjectType::Uploads, Fact::Known(built_in.uploads.into()));
        installation.public = Fact::Known(public);
        installation.git.insert(DEFAULT.to_owned(), Fact::Known(built_in.repositories.into()));
        installation.git_is_built_in = true;
        installation.set_uploads_folders(None);
        installation
    }

    /// Takes the rules of a version; without one, those of the version that a file of the installation names, else the
    /// newest ones.
    #[must_use]
    pub fn of_version(mut self, version: Option<Version>) -> Self {
        let mut files: Vec<PathBuf> = self.root.iter().map(|root| root.join("VERSION")).collect();
        if let Some(volumes) = &self.volumes {
            // The code is in the image; the data have a copy of the file.
            files = volumes.of_host(Path::new("/var/opt/gitlab/gitlab-rails/VERSION")).into_iter().collect();
        }
        self.version = version.or_else(|| files.iter().find_map(|file| Version::of_file(file)));
        self
    }

    /// Has the secrets that the Helm chart's values name read out of this folder, in which each is a folder with a file for
    /// each key.
    #[must_use]
    pub fn with_kubernetes_secrets(self, folder: Option<PathBuf>) -> Self {
        Self { kubernetes_secrets: folder, ..self }
    }

    /// Sets every folder that is below the shared folder by default.
    pub(crate) fn set_shared(&mut self, shared: &Fact<PathBuf>) {
        for object_type in ObjectType::ALL {
            if let Some(name) = dialect::shared_name(object_type) {
                let folder = shared.map(|shared| shared.join(name));
                self.set_local(object_type, folder.instead(&dialect::local_hint(object_type)));
            }
        }
        let folder = shared.map(|shared| shared.join("registry"));
        self.registry.get_or_insert_default().set_default_folder(&folder.instead(dialect::REGISTRY_HINT));
    }

    pub(crate) fn set_local(&mut self, object_type: ObjectType, folder: Fact<PathBuf>) {
        self.files.entry(object_type).or_default().local = folder;
    }

    /// Removes the storage that there is without any configuration.
    pub(crate) fn remove_built_in_git(&mut self) {
        if self.git_is_built_in {
            self.git.remove(DEFAULT);
            self.git_is_built_in = false;
        }
    }

    /// Collects the names of the local folder of uploads, which has two where `public/uploads` is a link to it.
    /// `configured` is one more that a file has for it.
    pub(crate) fn set_uploads_folders(&mut self, configured: Option<PathBuf>) {
        let uploads = self.files.get(&ObjectType::Uploads).and_then(|storage| storage.local.known().cloned());
        let public = self.public.known().map(|public| public.join("uploads"));
        let mut folders = Vec::new();
        for folder in uploads.into_iter().chain(public).chain(configured) {
            let folder = folder.display().to_string();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        self.uploads_folders = folders;
    }

    /// Everything that is unknown, in the order of the settings.
    pub fn unknown(&self) -> impl Iterator<Item = &Unknown> {
        let files = self
            .files
            .values()
            .flat_map(|storage| storage.local.unknown().into_iter().chain(storage.object.unknown()));
        let git = self.git.values().filter_map(Fact::unknown).chain(&self.other_git);
        let registry = self.registry.iter().filter(|registry| registry.api_url.is_none());
        let registry = registry.filter_map(|registry| registry.data.unknown());
        let single = self.public.unknown().into_iter().chain(self.db_key_base.unknown());
        files.chain(single).chain(git).chain(registry)
    }
}

/// The defaults of an installation method.
struct BuiltIn {
    root: &'static str,
    shared: &'static str,
    uploads: &'static str,
    repositories: &'static str,
}
