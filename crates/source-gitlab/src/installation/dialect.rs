//! How GitLab's two configurations call the same settings.

use super::Shelf;

/// Which of the two a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `gitlab.rb`, of the Linux package.
    Rb,
    /// `gitlab.yml`, which GitLab itself reads.
    Yml,
}

/// The keys that lead to a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting(pub(super) Vec<String>);

impl Setting {
    fn new<const N: usize>(keys: [&str; N]) -> Self {
        Self(keys.map(ToOwned::to_owned).into())
    }

    /// The setting below this one.
    pub(super) fn below(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }
}

/// What each place says of a bucket of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Own {
    Enabled,
    Bucket,
    Prefix,
    Connection,
}

impl Dialect {
    /// The name of a setting, as the configuration has it.
    pub(super) fn name(self, setting: &[String]) -> String {
        match (self, setting) {
            (Self::Rb, [root, keys @ ..]) => {
                keys.iter().fold(root.clone(), |name, key| format!("{name}['{key}']"))
            }
            _ => setting.join("."),
        }
    }

    /// The local folder of a place; the first that is set counts.
    pub(super) fn local(self, place: Shelf) -> Vec<Setting> {
        let name = place.name();
        match (self, place) {
            (Self::Rb, Shelf::Artifacts) => vec![rails("artifacts_path")],
            (Self::Rb, Shelf::Pages) => vec![rails("pages_local_store_path"), rails("pages_path")],
            (Self::Rb, Shelf::Uploads) => vec![rails("uploads_directory")],
            (Self::Rb, _) => vec![rails(&format!("{name}_storage_path"))],
            // It follows from the folder `public`.
            (Self::Yml, Shelf::Uploads) => Vec::new(),
            (Self::Yml, Shelf::Pages) => {
                vec![Setting::new([name, "local_store", "path"]), Setting::new([name, "path"])]
            }
            (Self::Yml, Shelf::Artifacts) => {
                vec![Setting::new([name, "path"]), Setting::new([name, "storage_path"])]
            }
            (Self::Yml, _) => vec![Setting::new([name, "storage_path"]), Setting::new([name, "path"])],
        }
    }

    /// What a place says of its own bucket.
    pub(super) fn own(self, place: Shelf, own: Own) -> Setting {
        let key = match own {
            Own::Enabled => "enabled",
            Own::Bucket => "remote_directory",
            Own::Prefix => "bucket_prefix",
            Own::Connection => "connection",
        };
        match self {
            Self::Rb => rails(&format!("{}_object_store_{key}", place.name())),
            Self::Yml => Setting::new([place.name(), "object_store", key]),
        }
    }

    /// The one configuration for the buckets of all places.
    pub(super) fn object_store(self) -> Setting {
        self.either("object_store", ["object_store"])
    }

    /// The folder in which those of the places are, unless they are named.
    pub(super) fn shared(self) -> Setting {
        self.either("shared_path", ["shared", "path"])
    }

    /// The folder `public`.
    pub(super) fn public(self) -> Setting {
        self.either("uploads_storage_path", ["uploads", "storage_path"])
    }

    /// The folder of uploads, from `public`, as rows have it.
    pub(super) fn uploads_base(self) -> Setting {
        self.either("uploads_base_dir", ["uploads", "base_dir"])
    }

    /// The folder of the container registry.
    pub(super) fn registry_folder(self) -> Setting {
        self.either("registry_path", ["registry", "path"])
    }

    /// Where GitLab itself asks the container registry.
    pub(super) fn registry_url(self) -> Setting {
        self.either("registry_api_url", ["registry", "api_url"])
    }

    /// The registry's own configuration of its storage.
    pub(super) fn registry_storage(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["registry", "storage"]))
    }

    /// Whether the registry runs here.
    pub(super) fn registry_enabled(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["registry", "enabled"]))
    }

    /// Whether the registry keeps in a database which images there are: yes, no, or where it can.
    pub(super) fn registry_database(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["registry", "database", "enabled"]))
    }

    /// The secret from which keys follow.
    pub(super) fn db_key_base(self) -> Option<Setting> {
        (self == Self::Rb).then(|| rails("db_key_base"))
    }

    /// Where Rails finds each of Gitaly's storages.
    pub(super) fn git_storages(self) -> Setting {
        self.either("repositories_storages", ["repositories", "storages"])
    }

    /// The storages of the Linux package, until GitLab 18.
    pub(super) fn git_data_dirs(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["git_data_dirs"]))
    }

    /// Gitaly's own storages.
    pub(super) fn gitaly_storages(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["gitaly", "configuration", "storage"]))
    }

    fn either<const N: usize>(self, rb: &str, yml: [&str; N]) -> Setting {
        match self {
            Self::Rb => rails(rb),
            Self::Yml => Setting::new(yml),
        }
    }
}

fn rails(key: &str) -> Setting {
    Setting::new(["gitlab_rails", key])
}

/// The name of a place's folder within the shared one, if it is there by itself.
pub(super) const fn shared_name(shelf: Shelf) -> Option<&'static str> {
    match shelf {
        Shelf::Uploads => None,
        Shelf::Lfs => Some("lfs-objects"),
        Shelf::ExternalDiffs => Some("external-diffs"),
        Shelf::Artifacts
        | Shelf::Packages
        | Shelf::DependencyProxy
        | Shelf::TerraformState
        | Shelf::CiSecureFiles
        | Shelf::Pages => Some(shelf.name()),
    }
}

/// The bucket of a place with a bucket of its own that has no name.
pub(super) const fn bucket_name(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Lfs => "lfs-objects",
        Shelf::TerraformState => "terraform",
        Shelf::CiSecureFiles => "ci-secure-files",
        Shelf::ExternalDiffs => "external-diffs",
        Shelf::Artifacts | Shelf::Uploads | Shelf::Packages | Shelf::DependencyProxy | Shelf::Pages => {
            shelf.name()
        }
    }
}

/// Where Stocktake's own configuration has the local folder of a place.
pub(super) fn local_hint(shelf: Shelf) -> String {
    format!("storages.gitlab-{}.root", shelf.name().replace('_', "-"))
}

/// Where Stocktake's own configuration has the bucket of a place.
pub(super) fn bucket_hint(shelf: Shelf) -> String {
    format!("storages.gitlab-{}-objects", shelf.name().replace('_', "-"))
}
