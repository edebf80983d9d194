//! Makes the bytes whose digest was recorded from the stored ones, in the same pass.

mod decryption;
pub(crate) mod portable_pdb;

use stocktake_domain::{Algorithms, Measure};

use crate::hash_plan::Recorded;
use decryption::Decryption;
use portable_pdb::PortablePdb;

/// Hashes the recorded bytes, if they differ from the stored ones.
pub(crate) enum RecordedHasher {
    Stored,
    Decryption(Box<Decryption>),
    PortablePdb(Box<PortablePdb>),
}

impl RecordedHasher {
    pub(crate) fn new(recorded: &Recorded, algorithms: Algorithms) -> Self {
        match recorded {
            Recorded::Stored => Self::Stored,
            Recorded::Decrypted(key) => Self::Decryption(Box::new(Decryption::new(key, algorithms))),
            Recorded::PortablePdb => Self::PortablePdb(Box::new(PortablePdb::new(algorithms))),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Stored => {}
            Self::Decryption(decryption) => decryption.update(bytes),
            Self::PortablePdb(pdb) => pdb.update(bytes),
        }
    }

    /// Size and digests of the recorded bytes, or why there are none; `None` if they are the stored ones.
    pub(crate) fn finish(self) -> Option<Result<Measure, String>> {
        match self {
            Self::Stored => None,
            Self::Decryption(decryption) => Some(decryption.finish()),
            Self::PortablePdb(pdb) => Some(pdb.finish()),
        }
    }
}
