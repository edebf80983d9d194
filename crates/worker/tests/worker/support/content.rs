//! Content that tests make up: good, failing, slow, hanging or panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use stocktake_domain::ports::{
    ContentStore, FoundStream, Inspection, InspectionSink, ProbedStorage, StorageAddress, Watch,
};
use stocktake_domain::{Algorithms, ContentError, Digests, Evidence, NotJudged, Observation};
use tokio::sync::{Semaphore, watch};

use super::sooner_or_later;

/// What reading a path comes to. A path that no test names is good content of its length in bytes.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Content of this many bytes, with digests of nothing but this byte.
    Good(u64, u8),
    /// This error.
    Bad(ContentError),
    /// Nothing, rightly.
    Absent,
    /// Good only once the gate is opened, or given up when called off.
    Gated,
    /// As [`Piece::Gated`], but bytes trickle in meanwhile, one each second.
    Trickling,
    /// Never answers, whatever is called off.
    Hanging,
    /// The adapter panics.
    Panicking,
}

/// How the storage was used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Use {
    /// Calls under way.
    pub(crate) now: usize,
    /// The most calls at once.
    pub(crate) most: usize,
    /// What was asked for, in all calls.
    pub(crate) asked: BTreeMap<String, Vec<Algorithms>>,
    /// Pieces that were given up.
    pub(crate) given_up: usize,
}

impl Use {
    /// How often this path was asked for.
    pub(crate) fn times(&self, path: &str) -> usize {
        self.asked.get(path).map_or(0, Vec::len)
    }
}

pub(crate) struct FakeContent {
    pieces: Mutex<BTreeMap<String, Piece>>,
    probed: Mutex<Result<ProbedStorage, NotJudged>>,
    looked_in: Mutex<Option<String>>,
    gate: Semaphore,
    pub(crate) used: watch::Sender<Use>,
}

/// The digests of content that is nothing but this byte.
pub(crate) fn digests(byte: u8) -> Digests {
    Digests { sha256: Some([byte; 32]), md5: Some([byte; 16]), sha1: None, gitaly: None }
}

/// The byte of content that no test names.
pub(crate) const PLAIN: u8 = 0x5a;

impl FakeContent {
    pub(crate) fn new() -> Arc<Self> {
        let gate = Semaphore::new(0);
        let probed =
            Mutex::new(Ok(ProbedStorage { identity: None, is_empty: false, mounts: BTreeSet::new() }));
        let used = watch::Sender::new(Use::default());
        Arc::new(Self { pieces: Mutex::default(), probed, looked_in: Mutex::default(), gate, used })
    }

    /// What every look at the storage as a whole finds from now on; it is the one that is read, too.
    pub(crate) fn probed(&self, probed: Result<ProbedStorage, NotJudged>) {
        if let Ok(ProbedStorage { identity: Some(identity), .. }) = &probed {
            self.looks_in(identity);
        }
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = probed;
    }

    /// Which storage is read from now on.
    pub(crate) fn looks_in(&self, identity: &str) {
        *self.looked_in.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity.to_owned());
    }

    pub(crate) fn put(&self, path: &str, piece: Piece) {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), piece);
    }

    /// Lets all gated pieces through, now and later.
    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Returns when the storage was used so.
    pub(crate) async fn until(&self, so: impl FnMut(&Use) -> bool) {
        sooner_or_later(self.used.subscribe().wait_for(so)).await.unwrap();
    }

    pub(crate) fn used(&self) -> Use {
        self.used.borrow().clone()
    }

    fn piece(&self, path: &str) -> Piece {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let plain = Piece::Good(u64::try_from(path.len()).unwrap(), PLAIN);
        pieces.get(path).cloned().unwrap_or(plain)
    }

    async fn read(&self, path: &str, line: &Watch) -> Result<Observation, ContentError> {
        match self.piece(path) {
            Piece::Good(size, byte) => Ok(Observation::of_content(size, digests(byte))),
            Piece::Bad(error) => Err(error),
            Piece::Absent => {
                let nothing = Observation::of_content(0, digests(0));
                Ok(Observation { evidence: Evidence::Absence, ..nothing })
            }
            Piece::Gated => self.wait(line, 0).await,
            Piece::Trickling => self.wait(line, 1).await,
            Piece::Hanging => std::future::pending().await,
            Piece::Panicking => panic!("the disk is on fire"),
        }
    }

    async fn wait(&self, line: &Watch, bytes: u64) -> Result<Observation, ContentError> {
        loop {
            tokio::select! {
                biased;
                _ = self.gate.acquire() => return Ok(Observation::of_content(1, digests(PLAIN))),
                () = tokio::time::sleep(Duration::from_secs(1)) => line.add_bytes(bytes),
            }
            if line.is_cancelled() {
                self.used.send_modify(|used| used.given_up += 1);
                return Err(ContentError::CANCELLED);
            }
        }
    }
}

/// Counts a call as under way while it lives.
struct Call<'a>(&'a FakeContent);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.used.send_modify(|used| used.now -= 1);
    }
}

#[async_trait]
impl ContentStore for FakeContent {
    async fn address(&self) -> Option<StorageAddress> {
        None
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        self.read(path, &Watch::default()).await.map(drop)
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        self.probed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn inspect(&self, pieces: Vec<Inspection>, line: Arc<Watch>, sink: Arc<dyn InspectionSink>) {
        self.used.send_modify(|used| {
            used.now += 1;
            used.most = used.most.max(used.now);
            for piece in &pieces {
                used.asked.entry(piece.path.clone()).or_default().push(piece.algorithms);
            }
        });
        let _call = Call(self);
        if let Some(identity) = &*self.looked_in.lock().unwrap_or_else(PoisonError::into_inner) {
            line.looked_in(identity);
        }
        let (line, sink) = (&line, &sink);
        let reads = pieces.iter().enumerate().map(|(index, piece)| async move {
            sink.report(index, self.read(&piece.path, line).await);
        });
        join_all(reads).await;
    }

    fn list(&self) -> FoundStream {
        Box::pin(futures_util::stream::empty())
    }
}
