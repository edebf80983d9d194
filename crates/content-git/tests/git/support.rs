//! A store on a temporary folder.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_git::{GitSettings, GitStore, Integrity};
use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::{ContentStore as _, Inspection};
use stocktake_domain::{Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{GitFormat, GitRepository};

pub(crate) const SHA256: Algorithms = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };
pub(crate) const ALL: Algorithms = Algorithms { sha256: true, md5: true, sha1: true, gitaly: true };
pub(crate) const PLAIN: GitFormat = GitFormat { sha256: false, reftable: false };

pub(crate) type Seen = Result<Observation, ContentError>;

/// A store on a folder, and the folder around it.
pub(crate) struct Fixture {
    pub(crate) outer: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<GitStore>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A store with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut GitSettings)) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut settings = settings(&root);
        change(&mut settings);
        let store = Arc::new(GitStore::new(settings, &pool()));
        Self { outer, root, store }
    }

    /// The same folder with other settings.
    pub(crate) fn store_with(&self, change: impl FnOnce(&mut GitSettings)) -> GitStore {
        let mut settings = settings(&self.root);
        change(&mut settings);
        GitStore::new(settings, &pool())
    }

    pub(crate) fn refs_only(&self) -> GitStore {
        self.store_with(|settings| settings.integrity = Integrity::Refs)
    }

    /// Makes an empty repository below the root.
    pub(crate) fn create(&self, path: &str, format: GitFormat) -> GitRepository {
        GitRepository::create(&self.root.join(path), format).unwrap()
    }

    /// A repository with commits, one of them loose, refs loose and packed, and an annotated tag.
    pub(crate) fn fill(&self, path: &str, format: GitFormat) -> GitRepository {
        let repository = self.create(path, format);
        repository.import("main", 40, 1).unwrap();
        repository.import("packed", 3, 2).unwrap();
        repository.git(&["tag", "-a", "-m", "one", "v1", "main"]).unwrap();
        repository.git(&["pack-refs", "--all"]).unwrap();
        repository.import("feature/one", 2, 3).unwrap();
        repository.git(&["update-ref", "refs/heads/main", "refs/heads/feature/one"]).unwrap();
        repository.git(&["tag", "-a", "-m", "two", "v2", "main"]).unwrap();
        repository
    }

    pub(crate) async fn see(&self, path: &str) -> Seen {
        see(&self.store, path).await
    }

    /// Why the repository is unreadable.
    pub(crate) async fn unreadable(&self, path: &str) -> String {
        unreadable(self.see(path).await)
    }
}

pub(crate) fn unreadable(seen: Seen) -> String {
    match seen {
        Err(ContentError::Unreadable(reason)) => {
            assert!(reason.chars().count() <= 200, "{reason}");
            reason
        }
        other => panic!("not unreadable: {other:?}"),
    }
}

/// What the repository needs and lacks.
pub(crate) fn missing(seen: Seen) -> String {
    match seen {
        Err(ContentError::MissingPart(what)) => what,
        other => panic!("nothing is missing: {other:?}"),
    }
}

fn settings(root: &Path) -> GitSettings {
    GitSettings {
        root: root.to_owned(),
        readers: NonZeroUsize::new(3).unwrap(),
        bytes_per_second: None::<NonZeroU64>,
        integrity: Integrity::Connected,
        deep_every: GitSettings::DEEP_EVERY,
        memory: GitSettings::MEMORY,
    }
}

fn pool() -> Arc<ReaderPool> {
    let hashes = HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap();
    ReaderPool::start(NonZeroUsize::new(8).unwrap(), hashes).unwrap()
}

pub(crate) fn piece(path: &str) -> Inspection {
    Inspection::new(Model::Projects, path, ALL)
}

pub(crate) async fn see(store: &GitStore, path: &str) -> Seen {
    inspect(store, vec![piece(path)]).await.remove(0)
}

pub(crate) async fn inspect(store: &GitStore, pieces: Vec<Inspection>) -> Vec<Seen> {
    let recorder = Recorder::new(pieces.len());
    store.inspect(pieces, Arc::default(), recorder.clone()).await;
    recorder.all()
}

/// The expected SHA-256 of a repository for which `git show-ref --head` prints this.
pub(crate) fn checksum(lines: &(impl AsRef<[u8]> + ?Sized)) -> [u8; 32] {
    let mut lines: Vec<_> = lines.as_ref().split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable_by_key(|line| line.splitn(2, |byte| *byte == b' ').nth(1).unwrap());
    Sha256::digest(lines.concat()).into()
}

pub(crate) fn sha256(seen: &Seen) -> [u8; 32] {
    seen.as_ref().unwrap().stored.digests.sha256.unwrap()
}

/// The file of a loose object.
pub(crate) fn loose(repository: &GitRepository, id: &str) -> PathBuf {
    repository.path().join("objects").join(&id[..2]).join(&id[2..])
}

/// All files below a folder, by their paths in it.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Changes a file that git made read-only.
pub(crate) fn overwrite(path: &Path, content: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, content).unwrap();
}
