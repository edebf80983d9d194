//! The places where a GitLab keeps its files: where they are here, and what they are called.

/// The folder of uploads.
pub(super) const UPLOADS: &str = "uploads";
/// The folder `public`.
pub(super) const PUBLIC: &str = "public";
/// The folder of the container registry.
pub(super) const REGISTRY: &str = "shared/registry";
/// The folder of the object storage.
pub(super) const OBJECTS: &str = "objects";
/// The storages of Gitaly.
pub(super) const GITALY: [(&str, &str); 2] = [("default", "git/default"), ("second", "git/second")];

/// A place of files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// GitLab's name for it.
    pub(super) name: &'static str,
    /// The folder.
    pub(super) folder: &'static str,
    /// The bucket, if it has one.
    pub(super) bucket: Option<&'static str>,
    /// The key in `gitlab.rb` that names the folder.
    pub(super) setting: &'static str,
}

const fn place(
    name: &'static str,
    folder: &'static str,
    bucket: Option<&'static str>,
    setting: &'static str,
) -> Place {
    Place { name, folder, bucket, setting }
}

/// All places of files.
pub(super) const PLACES: [Place; 9] = [
    place("artifacts", "shared/artifacts", Some("gitlab-artifacts"), "artifacts_path"),
    place(
        "ci_secure_files",
        "shared/ci_secure_files",
        Some("gitlab-ci-secure-files"),
        "ci_secure_files_storage_path",
    ),
    place(
        "dependency_proxy",
        "shared/dependency_proxy",
        Some("gitlab-dependency-proxy"),
        "dependency_proxy_storage_path",
    ),
    place("external_diffs", "shared/external-diffs", None, "external_diffs_storage_path"),
    place("lfs", "shared/lfs-objects", Some("gitlab-lfs"), "lfs_storage_path"),
    place("packages", "shared/packages", Some("gitlab-packages"), "packages_storage_path"),
    place("pages", "shared/pages", Some("gitlab-pages"), "pages_path"),
    place(
        "terraform_state",
        "shared/terraform_state",
        Some("gitlab-terraform-state"),
        "terraform_state_storage_path",
    ),
    place("uploads", UPLOADS, Some("gitlab-uploads"), "uploads_directory"),
];

/// Where a storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// A folder.
    Folder(&'static str),
    /// A bucket.
    Bucket(&'static str),
}

/// The site of a storage, by the name that the fixture gives it.
pub(super) fn site(storage: &str) -> Option<Site> {
    match storage {
        "public-disk" => return Some(Site::Folder(PUBLIC)),
        "registry" => return Some(Site::Folder(REGISTRY)),
        _ => {}
    }
    if let Some(name) = storage.strip_prefix("git-") {
        return GITALY.iter().find(|(known, _)| *known == name).map(|(_, folder)| Site::Folder(folder));
    }
    let (name, kind) = storage.rsplit_once('-')?;
    let place = PLACES.iter().find(|place| place.name == name)?;
    match kind {
        "disk" => Some(Site::Folder(place.folder)),
        "bucket" => place.bucket.map(Site::Bucket),
        _ => None,
    }
}

/// Whether the storage is a bucket of a place that has none.
pub(super) fn has_no_bucket(storage: &str) -> bool {
    storage.ends_with("-bucket") && site(storage).is_none()
}

/// How Stocktake calls the storage that the fixture calls so.
pub(super) fn program_name(storage: &str) -> String {
    match storage.rsplit_once('-') {
        None if storage == "registry" => "gitlab-registry".to_owned(),
        Some(("git", name)) => format!("gitlab-git-{name}"),
        Some((place, "disk")) => format!("gitlab-{}", place.replace('_', "-")),
        Some((place, "bucket")) => format!("gitlab-{}-objects", place.replace('_', "-")),
        _ => storage.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storages_have_a_site_and_a_name() {
        for (storage, site_is, name) in [
            ("lfs-disk", Some(Site::Folder("shared/lfs-objects")), "gitlab-lfs"),
            ("ci_secure_files-disk", Some(Site::Folder("shared/ci_secure_files")), "gitlab-ci-secure-files"),
            ("lfs-bucket", Some(Site::Bucket("gitlab-lfs")), "gitlab-lfs-objects"),
            ("external_diffs-bucket", None, "gitlab-external-diffs-objects"),
            ("public-disk", Some(Site::Folder("public")), "gitlab-public"),
            ("git-second", Some(Site::Folder("git/second")), "gitlab-git-second"),
            ("registry", Some(Site::Folder("shared/registry")), "gitlab-registry"),
            ("-", None, "-"),
        ] {
            assert_eq!(site(storage), site_is, "{storage}");
            assert_eq!(program_name(storage), name);
            assert_eq!(has_no_bucket(storage), storage == "external_diffs-bucket");
        }
    }
}
