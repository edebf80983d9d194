//! The checksum of a portable PDB, which is over the file with its own id replaced by zeros: the compiler
//! calculates it before it knows the id, and NuGet symbol servers use it as a key.

use stocktake_domain::{Algorithms, Measure};

use crate::digester::Digester;

/// The heading of the stream that begins with the id is searched for in this many bytes from the beginning.
const HEADING_BYTES: usize = 256;
const HEADING: &[u8] = b"Blob";

/// The offset of the id from the beginning of the heading.
const ID_OFFSET: usize = 7;
const ID_BYTES: usize = 20;

/// The id is searched for in this many bytes from the beginning.
const FIRST_BYTES: usize = 16 * 1024;

/// Zeroes the id and calculates the digests.
pub(crate) struct PortablePdb {
    /// The beginning, as far as it has been received; `None` once it is hashed.
    first: Option<Vec<u8>>,
    /// Whether an id was found in the beginning.
    has_id: bool,
    digester: Digester,
}

impl PortablePdb {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self { first: Some(Vec::new()), has_id: false, digester: Digester::new(algorithms) }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        if let Some(first) = &mut self.first {
            let (missing, rest) = bytes.split_at(bytes.len().min(FIRST_BYTES - first.len()));
            first.extend_from_slice(missing);
            bytes = rest;
            if first.len() == FIRST_BYTES {
                self.hash_first();
            }
        }
        self.digester.update(bytes);
    }

    pub(crate) fn finish(mut self) -> Result<Measure, String> {
        self.hash_first();
        if self.has_id { Ok(self.digester.finish()) } else { Err("no portable PDB: it has no id".to_owned()) }
    }

    fn hash_first(&mut self) {
        if let Some(mut first) = self.first.take() {
            self.has_id = zero_id(&mut first);
            self.digester.update(&first);
        }
    }
}

/// Zeroes the first occurrence of the id; false if there is none.
fn zero_id(first: &mut [u8]) -> bool {
    let head = first.get(..HEADING_BYTES.min(first.len())).unwrap_or_default();
    let Some(heading) = head.windows(HEADING.len()).position(|window| window == HEADING) else {
        return false;
    };
    let begin = heading + ID_OFFSET;
    let Some(id) = first.get(begin..begin + ID_BYTES).map(<[u8]>::to_vec) else { return false };
    let Some(occurrence) = first.windows(ID_BYTES).position(|window| window == id) else { return false };
    if let Some(bytes) = first.get_mut(occurrence..occurrence + ID_BYTES) {
        bytes.fill(0);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "42534a42000000000000000000000000000000000000000023426c6f62000000010203040506070809\
                        0a0b0c0d0e0f101112131472657374206f6620706462";

    fn digest(file: &[u8], chunk_size: usize) -> Result<String, String> {
        let algorithms = Algorithms { sha256: true, ..Algorithms::default() };
        let mut pdb = PortablePdb::new(algorithms);
        file.chunks(chunk_size).for_each(|chunk| pdb.update(chunk));
        pdb.finish().map(|measure| hex::encode(measure.digests.sha256.unwrap()))
    }

    #[test]
    fn the_checksum_is_that_of_nuget_in_any_chunks() {
        use sha2::Digest as _;
        let file = hex::decode(FILE).unwrap();
        let plain = hex::encode(sha2::Sha256::digest(&file));
        assert_eq!(plain, "2cd88857fc9b4cbc4cec45f7280c26b76a02373c8760968988c4d5b18f6d7b98");
        for size in [1, 7, 1000] {
            assert_eq!(
                digest(&file, size).unwrap(),
                "8cf5a403791770e5e3bb8a7a283a7f3d2400014287aa317aaaf3f84555a0e3f5"
            );
        }
    }

    #[test]
    fn only_the_id_itself_does_not_count() {
        let file = [hex::decode(FILE).unwrap(), vec![7; 40_000]].concat();
        let mut other_id = file.clone();
        other_id[32] ^= 0xff;
        assert_eq!(digest(&other_id, 999), digest(&file, 16_384));
        let mut other_content = file.clone();
        *other_content.last_mut().unwrap() ^= 1;
        assert_ne!(digest(&other_content, 999), digest(&file, 999));
    }

    #[test]
    fn another_file_is_refused() {
        for file in [&b""[..], b"Blob", &[0; 500]] {
            assert!(digest(file, 100).unwrap_err().contains("no portable PDB"));
        }
    }
}
