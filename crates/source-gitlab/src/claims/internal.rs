//! Files that GitLab's own programs keep next to the content, for themselves or temporarily.

use stocktake_domain::ObjectType;

use crate::settings::StorageRole;

/// A pattern of paths within a storage.
enum Pattern {
    /// Below this folder of the root.
    Below(&'static str),
    /// Below this folder of a folder `tmp` at any depth.
    Temporary(&'static str),
    /// Hidden in the root: the first component of the path begins with a dot.
    Hidden,
    /// Files with this name.
    Named(&'static str),
    /// Files whose names begin with this.
    Prefixed(&'static str),
    /// Not below the hashed folder of an id.
    Unhashed,
}

/// Whether a pattern applies to storages of a role.
type AppliesTo = fn(StorageRole) -> bool;

/// The files of GitLab's own programs, by storage.
///
/// "Backup": what GitLab's backup excludes (`lib/backup/tasks`); "uploader": `app/uploaders`; "Gitaly": its
/// `config.GitalyDataPrefix` and <https://docs.gitlab.com/administration/gitaly/>.
const INTERNAL: [(AppliesTo, Pattern); 15] = [
    // Backup and uploader: `tmp/cache`, `tmp/work`, `tmp/uploads`, which hold files until they are complete.
    (is_folder, Pattern::Below("tmp/")),
    // Uploader: the same below the folder of uploads without a project, and below each project's folder.
    (is_uploads, Pattern::Below("-/system/tmp/")),
    // Uploader: attachments of a text that is not saved yet (PersonalFileUploader without a model).
    (is_uploads, Pattern::Below("-/system/temp/")),
    (is_uploads, Pattern::Temporary("cache")),
    (is_uploads, Pattern::Temporary("work")),
    // Backup: GitLab before 14 unpacked pages there.
    (is_pages, Pattern::Below("@pages.tmp/")),
    // Uploader: the base folder of Pages::DeploymentUploader is the hashed one.
    (is_pages, Pattern::Below("@hashed/tmp/")),
    // Backup: files recovered by a file system check.
    (is_on_disk, Pattern::Below("lost+found/")),
    // Locks, and Gitaly's `.gitaly-metadata`.
    (is_on_disk, Pattern::Hidden),
    // NFS keeps deleted files that are still open under such names, in their folders.
    (is_on_disk, Pattern::Prefixed(".nfs")),
    // Installations from source keep their empty folders in git.
    (is_folder, Pattern::Named(".gitkeep")),
    // Uploader: direct uploads in progress (`tmp/uploads`), and logs of running jobs (`tmp/builds`).
    (is_bucket, Pattern::Below("tmp/")),
    // Gitaly: its caches, state and temporary repositories.
    (is_git, Pattern::Below("+gitaly/")),
    // Gitaly Cluster: repositories under names that only Praefect's database knows, where that is not named.
    (is_git_of_one, Pattern::Below("@cluster/")),
    // The web pages, scripts and images of GitLab itself; the only content there are attestations.
    (is_public, Pattern::Unhashed),
];

/// Whether a file is one of GitLab's own programs.
pub(super) fn is_internal(role: StorageRole, path: &str) -> bool {
    INTERNAL.iter().any(|(applies_to, pattern)| applies_to(role) && pattern.matches(path))
}

/// The places of each pattern, and the paths that it is of, for the documentation.
#[cfg(test)]
pub(super) fn described() -> Vec<(String, String)> {
    let folders: Vec<StorageRole> = ObjectType::ALL.into_iter().map(StorageRole::Folder).collect();
    let buckets: Vec<StorageRole> = ObjectType::ALL.into_iter().map(StorageRole::Bucket).collect();
    let describe = |(applies_to, pattern): &(AppliesTo, Pattern)| {
        let mut places = Vec::new();
        for (name, roles) in [("folder", &folders), ("bucket", &buckets)] {
            if roles.iter().all(|role| applies_to(*role)) {
                places.push(format!("every {name}"));
                continue;
            }
            let some = ObjectType::ALL.into_iter().zip(roles).filter(|(_, role)| applies_to(**role));
            places.extend(some.map(|(of, _)| format!("`{of}`, {name}")));
        }
        for (name, role) in [
            ("folder `public`", StorageRole::Public),
            ("Git storages", StorageRole::Git),
            ("nodes of a Gitaly Cluster", StorageRole::Replicas),
            ("container registry", StorageRole::Registry),
        ] {
            places.extend(applies_to(role).then(|| name.to_owned()));
        }
        let paths = match pattern {
            Pattern::Below(folder) => format!("`{folder}**`"),
            Pattern::Temporary(folder) => format!("`**/tmp/{folder}/**`"),
            Pattern::Hidden => "hidden names".to_owned(),
            Pattern::Named(name) => format!("files named `{name}`"),
            Pattern::Prefixed(name) => format!("files whose names begin with `{name}`"),
            Pattern::Unhashed => "all outside of hashed folders".to_owned(),
        };
        (places.join(", "), paths)
    };
    INTERNAL.iter().map(describe).collect()
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Below(folder) => path.starts_with(folder),
            Self::Temporary(folder) => path
                .split("/tmp/")
                .skip(1)
                .any(|rest| rest.strip_prefix(folder).is_some_and(|below| below.starts_with('/'))),
            Self::Hidden => path.starts_with('.'),
            Self::Named(name) => path.rsplit('/').next() == Some(name),
            Self::Prefixed(name) => path.rsplit('/').next().is_some_and(|file| file.starts_with(name)),
            Self::Unhashed => super::files::below_hashed(path).is_none(),
        }
    }
}

fn is_folder(role: StorageRole) -> bool {
    matches!(role, StorageRole::Folder(_))
}

fn is_bucket(role: StorageRole) -> bool {
    matches!(role, StorageRole::Bucket(_))
}

fn is_uploads(role: StorageRole) -> bool {
    role == StorageRole::Folder(ObjectType::Uploads)
}

fn is_pages(role: StorageRole) -> bool {
    role == StorageRole::Folder(ObjectType::Pages)
}

fn is_git(role: StorageRole) -> bool {
    matches!(role, StorageRole::Git | StorageRole::Replicas)
}

fn is_git_of_one(role: StorageRole) -> bool {
    role == StorageRole::Git
}

fn is_on_disk(role: StorageRole) -> bool {
    is_folder(role) || is_git(role) || is_public(role)
}

fn is_public(role: StorageRole) -> bool {
    role == StorageRole::Public
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_gitlabs_own_programs() {
        let hashed = crate::path::hashed(1);
        let (lfs, uploads) = (StorageRole::Folder(ObjectType::Lfs), StorageRole::Folder(ObjectType::Uploads));
        let bucket = StorageRole::Bucket(ObjectType::Artifacts);
        for (role, path, expected) in [
            (lfs, "tmp/cache/1-2/x", true),
            (lfs, "tmpo/x", false),
            (lfs, ".nfs0001", true),
            (lfs, "ab/cd/.nfs0001", true),
            (lfs, "ab/.nfs/x", false),
            (lfs, "ab/x.nfs0001", false),
            (bucket, "ab/.nfs0001", false),
            (StorageRole::Git, "@hashed/6b/86/.nfs0001", true),
            (StorageRole::Public, &format!("{hashed}/attestations/1/.nfs0001"), true),
            (lfs, ".lock/x", true),
            (lfs, "ab/.hidden", false),
            (lfs, "ab/.gitkeep", true),
            (lfs, "lost+found/#12", true),
            (uploads, "-/system/tmp/cache/x", true),
            (uploads, "-/system/temp/0123456789/x.png", true),
            (lfs, "-/system/temp/0123456789/x.png", false),
            (uploads, "group/project/tmp/cache/1-2/x.png", true),
            (uploads, "group/tmp/project/tmp/cache/1-2/x.png", true),
            (uploads, "group/project/tmp/caches/1-2/x.png", false),
            (uploads, "group/tmp/0123456789/x.png", false),
            (uploads, "-/system/user/avatar/1/x.png", false),
            (lfs, "@pages.tmp/x", false),
            (StorageRole::Folder(ObjectType::Pages), "@pages.tmp/x", true),
            (StorageRole::Folder(ObjectType::Pages), "@hashed/tmp/cache/1-2/artifacts.zip", true),
            (StorageRole::Folder(ObjectType::Pages), "@hashed/6b/86/x", false),
            (StorageRole::Bucket(ObjectType::Pages), "@hashed/tmp/x", false),
            (bucket, "tmp/uploads/1-2", true),
            (bucket, "tmp/builds/7/chunks/0.log", true),
            (bucket, "aa/bb/@final/cc", false),
            (bucket, ".hidden", false),
            (StorageRole::Git, "+gitaly/tmp/x.git", true),
            (StorageRole::Git, "@cluster/repositories/ab/cd/1", true),
            (StorageRole::Git, ".gitaly-metadata", true),
            (StorageRole::Replicas, "+gitaly/tmp/x.git", true),
            (StorageRole::Replicas, "@cluster/repositories/ab/cd/1", false),
            (StorageRole::Git, "tmp/project.git", false),
            (StorageRole::Git, "@hashed/6b/86/x.git", false),
            (StorageRole::Public, "assets/application.js", true),
            (StorageRole::Public, "uploads/-/system/user/avatar/1/x.png", true),
            (StorageRole::Public, &format!("{hashed}/attestations/1/a.json"), false),
            (StorageRole::Registry, "tmp/image", false),
        ] {
            assert_eq!(is_internal(role, path), expected, "{role:?} {path}");
        }
    }
}
