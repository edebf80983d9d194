//! The names of the same settings in GitLab's two configuration formats.

use stocktake_domain::ObjectType;

use crate::helm;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `gitlab.rb`, of the Linux package.
    Rb,
    /// `gitlab.yml`, the file that GitLab itself reads.
    Yml,
    /// The values of the Helm chart, as the `gitlab.yml` that it makes of them.
    Helm,
}

/// The path of keys of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting(pub(crate) Vec<String>);

impl Setting {
    fn new<const N: usize>(keys: [&str; N]) -> Self {
        Self(keys.map(ToOwned::to_owned).into())
    }

    /// The setting below this one.
    pub(crate) fn below(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }
}

/// The settings of a bucket that is configured for one type of objects alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BucketKey {
    Enabled,
    Bucket,
    Prefix,
    Connection,
}

impl Dialect {
    /// The name of a setting, as the file writes it.
    pub(crate) fn name(self, setting: &[String]) -> String {
        match (self, setting) {
            (Self::Rb, [root, keys @ ..]) => {
                keys.iter().fold(root.clone(), |name, key| format!("{name}['{key}']"))
            }
            (Self::Helm, _) => helm::name(setting),
            _ => setting.join("."),
        }
    }

    /// The settings for a type's local folder; the first one that is set counts.
    pub(crate) fn local(self, object_type: ObjectType) -> Vec<Setting> {
        let name = object_type.name();
        match (self, object_type) {
            (Self::Rb, ObjectType::Artifacts) => vec![rails("artifacts_path")],
            // `pages_local_store_path` is used nowhere: pages are written to `pages.path`.
            (Self::Rb, ObjectType::Pages) => vec![rails("pages_path")],
            (Self::Rb, ObjectType::Uploads) => vec![rails("uploads_directory")],
            (Self::Rb, _) => vec![rails(&format!("{name}_storage_path"))],
            // It is below the folder `public`.
            (Self::Yml | Self::Helm, ObjectType::Uploads) => Vec::new(),
            (Self::Yml | Self::Helm, ObjectType::Pages) => vec![Setting::new([name, "path"])],
            (Self::Yml | Self::Helm, ObjectType::Artifacts) => {
                vec![Setting::new([name, "path"]), Setting::new([name, "storage_path"])]
            }
            (Self::Yml | Self::Helm, _) => vec![Setting::new([name, "storage_path"])],
        }
    }

    /// A setting of the bucket that is configured for one type alone.
    pub(crate) fn own_bucket(self, object_type: ObjectType, key: BucketKey) -> Setting {
        let key = match key {
            BucketKey::Enabled => "enabled",
            BucketKey::Bucket => "remote_directory",
            BucketKey::Prefix => "bucket_prefix",
            BucketKey::Connection => "connection",
        };
        match self {
            Self::Rb => rails(&format!("{}_object_store_{key}", object_type.name())),
            Self::Yml | Self::Helm => Setting::new([object_type.name(), "object_store", key]),
        }
    }

    /// The consolidated configuration of all buckets.
    pub(crate) fn object_store(self) -> Setting {
        self.either("object_store", ["object_store"])
    }

    /// The folder below which the local folders are by default.
    pub(crate) fn shared(self) -> Setting {
        self.either("shared_path", ["shared", "path"])
    }

    /// The folder `public`.
    pub(crate) fn public(self) -> Setting {
        self.either("uploads_storage_path", ["uploads", "storage_path"])
    }

    /// The folder of uploads relative to `public`, as rows contain it.
    pub(crate) fn uploads_base(self) -> Setting {
        self.either("uploads_base_dir", ["uploads", "base_dir"])
    }

    /// The folder of the container registry.
    pub(crate) fn registry_folder(self) -> Setting {
        self.either("registry_path", ["registry", "path"])
    }

    /// The URL at which GitLab itself reaches the container registry.
    pub(crate) fn registry_url(self) -> Setting {
        self.either("registry_api_url", ["registry", "api_url"])
    }

    /// The registry's storage drivers.
    pub(crate) fn registry_storage(self) -> Option<Setting> {
        (self != Self::Yml).then(|| Setting::new(["registry", "storage"]))
    }

    /// Whether the registry runs on this machine.
    pub(crate) fn registry_enabled(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["registry", "enable"]))
    }

    /// Whether the registry has a metadata database: yes, no, or `prefer`.
    pub(crate) fn registry_database(self) -> Option<Setting> {
        (self != Self::Yml).then(|| Setting::new(["registry", "database", "enabled"]))
    }

    /// The secret from which keys are derived.
    pub(crate) fn db_key_base(self) -> Option<Setting> {
        (self == Self::Rb).then(|| rails("db_key_base"))
    }

    /// Gitaly's storages as GitLab's Rails application knows them.
    pub(crate) fn git_storages(self) -> Setting {
        self.either("repositories_storages", ["repositories", "storages"])
    }

    /// The storages of the Linux package, until GitLab 18.
    pub(crate) fn git_data_dirs(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["git_data_dirs"]))
    }

    /// The storages in Gitaly's own configuration.
    pub(crate) fn gitaly_storages(self) -> Option<Setting> {
        (self == Self::Rb).then(|| Setting::new(["gitaly", "configuration", "storage"]))
    }

    fn either<const N: usize>(self, rb: &str, yml: [&str; N]) -> Setting {
        match self {
            Self::Rb => rails(rb),
            Self::Yml | Self::Helm => Setting::new(yml),
        }
    }
}

fn rails(key: &str) -> Setting {
    Setting::new(["gitlab_rails", key])
}

/// The name of a type's folder below the shared one, if that is its default.
pub(crate) const fn shared_name(object_type: ObjectType) -> Option<&'static str> {
    match object_type {
        ObjectType::Uploads => None,
        ObjectType::Lfs => Some("lfs-objects"),
        ObjectType::ExternalDiffs => Some("external-diffs"),
        ObjectType::Artifacts
        | ObjectType::Packages
        | ObjectType::DependencyProxy
        | ObjectType::TerraformState
        | ObjectType::CiSecureFiles
        | ObjectType::Pages => Some(object_type.name()),
    }
}

/// The default name of a bucket that is configured for one type alone.
pub(crate) const fn bucket_name(object_type: ObjectType) -> &'static str {
    match object_type {
        ObjectType::Lfs => "lfs-objects",
        ObjectType::TerraformState => "terraform",
        ObjectType::CiSecureFiles => "ci-secure-files",
        ObjectType::ExternalDiffs => "external-diffs",
        ObjectType::Artifacts
        | ObjectType::Uploads
        | ObjectType::Packages
        | ObjectType::DependencyProxy
        | ObjectType::Pages => object_type.name(),
    }
}

/// Stocktake's own section for the registry.
pub(crate) const REGISTRY_HINT: &str = "storages.gitlab-registry";

/// Stocktake's own setting for the local folder of a type.
pub(crate) fn local_hint(object_type: ObjectType) -> String {
    format!("storages.gitlab-{}.root", object_type.name().replace('_', "-"))
}

/// Stocktake's own section for the bucket of a type.
pub(crate) fn bucket_hint(object_type: ObjectType) -> String {
    format!("storages.gitlab-{}-objects", object_type.name().replace('_', "-"))
}
