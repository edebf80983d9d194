//! From the stored bytes to those whose digest was recorded, in one pass beside the hashing.

mod decryption;
mod portable_pdb;

use stocktake_domain::{Algorithms, Measure};

use crate::recipe::Recorded;
use decryption::Decryption;
use portable_pdb::PortablePdb;

/// What makes the recorded bytes of the stored ones, if these are others.
pub(crate) enum Recording {
    Stored,
    Decryption(Box<Decryption>),
    PortablePdb(Box<PortablePdb>),
}

impl Recording {
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
