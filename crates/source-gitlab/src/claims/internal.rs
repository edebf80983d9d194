//! What GitLab's own programs keep beside the content, for themselves or for a while.

use stocktake_domain::ObjectType;

use crate::settings::StorageRole;

/// Which places of a storage.
enum At {
    /// Those below this folder of the root.
    Below(&'static str),
    /// Those below this folder of a folder `tmp`, wherever that is.
    Temporary(&'static str),
    /// What is hidden in the root: its name, or that of its folder there, begins with a dot.
    Hidden,
    /// Files of this name.
    Named(&'static str),
    /// Files whose names begin so.
    Beginning(&'static str),
    /// All that does not lie in the folder of a hashed id.
    Unhashed,
}

/// Whether a storage is one of those that are meant.
type Of = fn(StorageRole) -> bool;

/// Storages on disks and buckets, and what is GitLab's own in them.
///
/// "Backup": what GitLab's backup leaves out (`lib/backup/tasks`); "uploader": `app/uploaders`; "Gitaly": its
/// `config.GitalyDataPrefix` and <https://docs.gitlab.com/administration/gitaly/>.
const INTERNAL: [(Of, At); 15] = [
    // Backup and uploader: `tmp/cache`, `tmp/work`, `tmp/uploads`, in which files are until they are complete.
    (is_folder, At::Below("tmp/")),
    // Uploader: the same below the folder of what belongs to nobody's project, and below each project's.
    (is_uploads, At::Below("-/system/tmp/")),
    // Uploader: what is attached to a text that nobody has saved yet (PersonalFileUploader without a model).
    (is_uploads, At::Below("-/system/temp/")),
    (is_uploads, At::Temporary("cache")),
    (is_uploads, At::Temporary("work")),
    // Backup: GitLab before 14 unpacked pages there.
    (is_pages, At::Below("@pages.tmp/")),
    // Uploader: the base folder of Pages::DeploymentUploader is the hashed one.
    (is_pages, At::Below("@hashed/tmp/")),
    // Backup: what a file system's check has found.
    (is_on_disk, At::Below("lost+found/")),
    // Locks, and Gitaly's `.gitaly-metadata`.
    (is_on_disk, At::Hidden),
    // What network file systems keep of deleted files that are still open, beside where they were.
    (is_on_disk, At::Beginning(".nfs")),
    // Installations from source keep their empty folders in git.
    (is_folder, At::Named(".gitkeep")),
    // Uploader: direct uploads that are under way (`tmp/uploads`), and logs of running jobs (`tmp/builds`).
    (is_bucket, At::Below("tmp/")),
    // Gitaly: its caches, state and temporary repositories.
    (is_git, At::Below("+gitaly/")),
    // Gitaly Cluster: repositories under names that only Praefect's database knows.
    (is_git, At::Below("@cluster/")),
    // The web pages, scripts and images of GitLab itself; of ours there are only attestations.
    (is_public, At::Unhashed),
];

/// Whether GitLab's programs keep it there.
pub(super) fn is_internal(role: StorageRole, path: &str) -> bool {
    INTERNAL.iter().any(|(is_of, at)| is_of(role) && at.has(path))
}

impl At {
    fn has(&self, path: &str) -> bool {
        match self {
            Self::Below(folder) => path.starts_with(folder),
            Self::Temporary(folder) => path
                .split("/tmp/")
                .skip(1)
                .any(|rest| rest.strip_prefix(folder).is_some_and(|below| below.starts_with('/'))),
            Self::Hidden => path.starts_with('.'),
            Self::Named(name) => path.rsplit('/').next() == Some(name),
            Self::Beginning(name) => path.rsplit('/').next().is_some_and(|file| file.starts_with(name)),
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
    fn what_is_gitlabs_own_and_what_is_not() {
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
