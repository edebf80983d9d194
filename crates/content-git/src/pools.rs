//! What was found of the objects of alternates, so that a pool of forks is swept over once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use stocktake_content::CANCELLATION_POLL;

use crate::doubts::Doubts;
use crate::error::ReadError;
use crate::file::FileIdentity;

/// How long a result counts: about one run over all repositories, since files are read again from time to time because
/// they may be damaged without a trace in their folders.
const MAX_AGE: Duration = Duration::from_secs(6 * 60 * 60);

/// The most pools of which results are kept.
const MAX_POOLS: usize = 10_000;

/// A folder of objects as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// What identifies it.
    pub(crate) folder: (u64, u64),
    /// The files in the folder of packs, each with its inode.
    pub(crate) packs: Vec<(Box<[u8]>, u64)>,
    /// The folders of loose objects.
    pub(crate) loose: Vec<(Box<[u8]>, FileIdentity)>,
}

type Entry = Arc<Mutex<Option<(Instant, Doubts)>>>;

/// The results by folder.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<Key, Entry>>);

impl Pools {
    /// The result for this folder. If another thread is at it, waits for that as long as the check lets it.
    pub(crate) fn get_or_sweep(
        &self,
        key: Key,
        check_cancelled: impl Fn() -> Result<(), ReadError>,
        sweep: impl FnOnce() -> Result<Doubts, ReadError>,
    ) -> Result<Doubts, ReadError> {
        let entry = {
            let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if pools.len() >= MAX_POOLS {
                pools.clear();
            }
            // What the same folder was before is of no use any more.
            pools.retain(|other, _| other.folder != key.folder || *other == key);
            Arc::clone(pools.entry(key).or_default())
        };
        let mut held = loop {
            match entry.try_lock() {
                Ok(held) => break held,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    check_cancelled()?;
                    thread::sleep(CANCELLATION_POLL);
                }
            }
        };
        if let Some((at, doubts)) = held.as_ref()
            && at.elapsed() < MAX_AGE
        {
            return Ok(doubts.clone());
        }
        let doubts = sweep()?;
        *held = Some((Instant::now(), doubts.clone()));
        Ok(doubts)
    }
}
