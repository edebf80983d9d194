//! A store on a temporary folder.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::Digest;
use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_directory::{DirectorySettings, DirectoryStore};
use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::{ContentStore, Inspection, Watch};
use stocktake_domain::{Algorithms, ContentError, Digests, Model, Observation};

pub(crate) const SHA256: Algorithms = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };
pub(crate) const MD5: Algorithms = Algorithms { sha256: false, md5: true, sha1: false, gitaly: false };
pub(crate) const BOTH: Algorithms = Algorithms { sha256: true, md5: true, sha1: false, gitaly: false };

pub(crate) type Seen = Result<Observation, ContentError>;

/// A store on a folder, and the folder around it.
pub(crate) struct Fixture {
    pub(crate) outer: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) store: Arc<DirectoryStore>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(4, None)
    }

    pub(crate) fn with(readers: usize, bytes_per_second: Option<u64>) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir(&root).unwrap();
        let store = store(&root, readers, bytes_per_second);
        Self { outer, root, store }
    }

    /// Writes a file below the root, and creates its folders.
    pub(crate) fn write(&self, path: &str, content: &[u8]) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The observations of these paths.
    pub(crate) async fn inspect(&self, paths: &[&str]) -> Vec<Seen> {
        inspect(&self.store, paths).await
    }
}

pub(crate) fn store(root: &Path, readers: usize, bytes_per_second: Option<u64>) -> Arc<DirectoryStore> {
    let settings = DirectorySettings {
        root: root.to_owned(),
        readers: NonZeroUsize::new(readers).unwrap(),
        bytes_per_second: bytes_per_second.map(|rate| NonZeroU64::new(rate).unwrap()),
    };
    let hashes = HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap();
    Arc::new(DirectoryStore::new(
        settings,
        &ReaderPool::start(NonZeroUsize::new(8).unwrap(), hashes).unwrap(),
    ))
}

pub(crate) fn pieces(paths: &[&str], algorithms: Algorithms) -> Vec<Inspection> {
    paths.iter().map(|path| Inspection::new(Model::Uploads, *path, algorithms)).collect()
}

pub(crate) async fn inspect(store: &DirectoryStore, paths: &[&str]) -> Vec<Seen> {
    let recorder = Recorder::new(paths.len());
    store.inspect(pieces(paths, SHA256), Arc::new(Watch::default()), recorder.clone()).await;
    recorder.all()
}

/// The expected observation of this content.
pub(crate) fn observation(content: &[u8], algorithms: Algorithms) -> Observation {
    let digests = Digests {
        sha256: algorithms.sha256.then(|| sha2::Sha256::digest(content).into()),
        md5: algorithms.md5.then(|| md5::Md5::digest(content).into()),
        sha1: None,
        gitaly: None,
    };
    Observation::of_content(content.len() as u64, digests)
}

/// Bytes that do not repeat soon.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut state = size as u32 | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) fn unreadable(reason: &str) -> Seen {
    Err(ContentError::Unreadable(reason.to_owned()))
}
