//! Entry points for the fuzz targets, each with what must hold for any input.
#![expect(clippy::missing_panics_doc, reason = "to panic is how a fuzz target fails")]

use stocktake_domain::{Algorithm, Algorithms};

use crate::recorded::portable_pdb::PortablePdb;

/// A portable PDB is the same whole and in pieces.
pub fn portable_pdb(input: &[u8]) {
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let read = |piece: usize| {
        let mut pdb = PortablePdb::new(algorithms);
        input.chunks(piece).for_each(|bytes| pdb.update(bytes));
        pdb.finish()
    };
    assert_eq!(read(input.len().max(1)), read(7));
}
