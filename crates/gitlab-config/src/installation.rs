//! What is known about an installation: its defaults, and how single facts of it are set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use stocktake_domain::ObjectType;

use crate::connection::Connection;
use crate::dialect;

/// Where a GitLab keeps its data, according to its own configuration.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The storage of files, for every type of objects.
    pub files: BTreeMap<ObjectType, FileStorage>,
    /// The folder `public`, in which local attestations lie.
    pub public: Option<PathBuf>,
    /// Absolute paths under which rows may name the local folder of uploads, without a slash at the end.
    pub uploads_folders: Vec<String>,
    /// The folders of Gitaly's storages, by name.
    pub git: BTreeMap<String, PathBuf>,
    /// The container registry.
    pub registry: Option<RegistryStorage>,
    /// The secret from which the keys of encrypted files are derived.
    pub db_key_base: Option<SecretString>,
    /// What was ignored because it could not be understood: a sentence each, with file and line.
    pub notes: Vec<String>,
    /// What relative paths are relative to: the folder of GitLab's own code.
    pub(crate) root: Option<PathBuf>,
    /// Whether the folder of [`DEFAULT`] is the built-in one, which holds until a file says otherwise.
    git_is_built_in: bool,
}

/// The Gitaly storage that exists without any configuration.
const DEFAULT: &str = "default";

/// Where the files of one type of objects are.
#[derive(Debug, Clone, Default)]
pub struct FileStorage {
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
    /// The prefix of every key, without the slash that follows it.
    pub prefix: Option<String>,
    /// Where the bucket is, and the credentials for it.
    pub connection: Connection,
}

/// Where the container registry is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryStorage {
    /// The folder in which it keeps its data.
    pub folder: Option<PathBuf>,
    /// The URL at which GitLab itself reaches it.
    pub api_url: Option<String>,
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

    fn built_in(built_in: &BuiltIn) -> Self {
        let mut installation = Self::none();
        let public = Path::new(built_in.root).join("public");
        installation.root = Some(built_in.root.into());
        installation.set_shared(Path::new(built_in.shared));
        installation.set_local(ObjectType::Uploads, built_in.uploads.into());
        installation.public = Some(public);
        installation.git.insert(DEFAULT.to_owned(), built_in.repositories.into());
        installation.git_is_built_in = true;
        installation.set_uploads_folders(None);
        installation
    }

    /// Sets every folder that is below the shared folder by default.
    pub(crate) fn set_shared(&mut self, shared: &Path) {
        for object_type in ObjectType::ALL {
            if let Some(name) = dialect::shared_name(object_type) {
                self.set_local(object_type, shared.join(name));
            }
        }
        self.registry.get_or_insert_default().folder = Some(shared.join("registry"));
    }

    pub(crate) fn set_local(&mut self, object_type: ObjectType, folder: PathBuf) {
        self.files.entry(object_type).or_default().local = Some(folder);
    }

    pub(crate) fn set_git(&mut self, name: String, folder: PathBuf) {
        self.git_is_built_in &= name != DEFAULT;
        self.git.insert(name, folder);
    }

    /// Removes the folder of a storage if it is the built-in one.
    pub(crate) fn remove_built_in_git(&mut self, name: &str) {
        if self.git_is_built_in && name == DEFAULT {
            self.git.remove(name);
            self.git_is_built_in = false;
        }
    }

    /// Collects the names of the local folder of uploads, which has two where `public/uploads` is a link to it.
    /// `configured` is one more that a file has for it.
    pub(crate) fn set_uploads_folders(&mut self, configured: Option<PathBuf>) {
        let uploads = self.files.get(&ObjectType::Uploads).and_then(|storage| storage.local.clone());
        let public = self.public.as_ref().map(|public| public.join("uploads"));
        let mut folders = Vec::new();
        for folder in uploads.into_iter().chain(public).chain(configured) {
            let folder = folder.display().to_string();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        self.uploads_folders = folders;
    }
}

/// The defaults of an installation method.
struct BuiltIn {
    root: &'static str,
    shared: &'static str,
    uploads: &'static str,
    repositories: &'static str,
}
