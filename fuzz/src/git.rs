//! Files of a git repository, read as the program reads them: through the store, from a folder.

use std::cell::RefCell;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_git::{GitSettings, GitStore, Integrity};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The id of the one object that the repository's refs name: the blob of no bytes.
const EMPTY_BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/// That blob as a loose object: a zlib stream of one stored block.
const EMPTY_BLOB_FILE: [u8; 18] = [
    0x78, 0x01, 0x01, 0x07, 0x00, 0xf8, 0xff, b'b', b'l', b'o', b'b', b' ', b'0', 0x00, 0x09, 0xb0, 0x01,
    0xf0,
];

/// The configuration of a repository whose refs are files.
const FILES: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";

/// The configuration of a repository whose refs are in tables.
const TABLES: &str =
    "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\trefStorage = reftable\n";

/// The name of a table, by git's scheme.
const TABLE: &str = "0x000000000001-0x000000000001-00000000.ref";

pub(crate) fn config(input: &[u8]) {
    inspect("config", FILES, "ref: refs/heads/main\n", "config", input);
}

pub(crate) fn packed_refs(input: &[u8]) {
    inspect("packed", FILES, "ref: refs/heads/main\n", "packed-refs", input);
}

pub(crate) fn pack_index(input: &[u8]) {
    let name = "objects/pack/pack-0000000000000000000000000000000000000000.idx";
    inspect("index", FILES, "ref: refs/heads/main\n", name, input);
}

pub(crate) fn reftable(input: &[u8]) {
    inspect("tables", TABLES, "ref: refs/heads/.invalid\n", &format!("reftable/{TABLE}"), input);
}

/// Reads a repository in which this file has this content.
fn inspect(folder: &str, config: &str, head: &str, file: &str, input: &[u8]) {
    BENCH.with_borrow_mut(|bench| {
        let bench = bench.get_or_insert_with(Bench::start);
        let repository = bench.root.path().join(folder);
        if !repository.exists() {
            make(&repository, config, head);
        }
        write(&repository.join(file), input);
        bench.inspect(folder);
    });
}

thread_local! {
    /// What one thread reads with, made with its first input.
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

struct Bench {
    root: TempDir,
    store: GitStore,
    runtime: Runtime,
}

impl Bench {
    #[expect(clippy::expect_used, reason = "without these nothing can be tried")]
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let one = NonZeroUsize::MIN;
        let hashes = HashPool::start(one, Secrets::default()).expect("a thread starts");
        let readers = ReaderPool::start(one, hashes).expect("a thread starts");
        let root_path = root.path().to_owned();
        let settings = GitSettings {
            root: root_path,
            readers: one,
            bytes_per_second: None,
            integrity: Integrity::Connected,
            deep_every: one,
            memory: GitSettings::MEMORY,
        };
        let store = GitStore::new(settings, &readers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { root, store, runtime: runtime.expect("a runtime can be made") }
    }

    fn inspect(&self, folder: &str) {
        let algorithms = Algorithms::default().with(Algorithm::Sha256);
        let seen = Arc::new(Seen::default());
        let pieces = vec![Inspection::new(Model::Projects, folder, algorithms)];
        self.runtime.block_on(self.store.inspect(pieces, Arc::default(), seen.clone()));
        let seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        assert!(seen.is_some(), "nothing was reported");
        let not_judged = matches!(seen, Some(Err(ContentError::NotJudged(_))));
        assert!(!not_judged, "a file of a repository is no fault of the storage or the process: {seen:?}");
    }
}

/// What was reported of the one repository.
#[derive(Default)]
struct Seen(Mutex<Option<Result<Observation, ContentError>>>);

impl InspectionSink for Seen {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}

fn make(repository: &Path, config: &str, head: &str) {
    let object: PathBuf = [repository, Path::new("objects"), Path::new(&EMPTY_BLOB[..2])].iter().collect();
    write(&object.join(&EMPTY_BLOB[2..]), &EMPTY_BLOB_FILE);
    write(&repository.join("objects/pack/pack-0000000000000000000000000000000000000000.pack"), b"");
    write(&repository.join("refs/tags/blob"), format!("{EMPTY_BLOB}\n").as_bytes());
    write(&repository.join("config"), config.as_bytes());
    write(&repository.join("HEAD"), head.as_bytes());
    if config == TABLES {
        write(&repository.join("refs/heads"), b"this repository uses the reftable format\n");
        write(&repository.join("reftable/tables.list"), format!("{TABLE}\n").as_bytes());
    }
}

#[expect(clippy::expect_used, reason = "without the file nothing can be tried")]
fn write(path: &Path, content: &[u8]) {
    let folder = path.parent().expect("the file lies in a folder");
    fs::create_dir_all(folder).and_then(|()| fs::write(path, content)).expect("the file can be written");
}
