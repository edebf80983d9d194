//! The checksum over a repository's refs.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use stocktake_domain::{Algorithms, Digests};

use crate::id::ObjectId;

/// The folders of refs in Gitaly's checksum, in addition to refs with `HEAD` in their name.
const GITALY_FOLDERS: [&[u8]; 6] =
    [b"heads/", b"tags/", b"keep-around/", b"merge-requests/", b"environments/", b"notes/"];

/// Calculates digests over refs, which must be added in the order of their names.
pub(crate) struct RefsDigest {
    /// Always calculated, to compare two readings.
    sha256: Sha256,
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    gitaly: Option<[u8; 20]>,
    line: Vec<u8>,
    algorithms: Algorithms,
}

/// The digests over all refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefsChecksum {
    /// Equal if and only if the refs are.
    pub(crate) fingerprint: [u8; 32],
    /// The requested digests.
    pub(crate) digests: Digests,
}

impl RefsDigest {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self {
            sha256: Sha256::new(),
            md5: algorithms.md5.then(Md5::new),
            sha1: algorithms.sha1.then(Sha1::new),
            gitaly: algorithms.gitaly.then_some([0; 20]),
            line: Vec::new(),
            algorithms,
        }
    }

    /// Adds the next ref.
    pub(crate) fn add(&mut self, name: &[u8], id: &ObjectId) {
        self.line.clear();
        id.write_hex(&mut self.line);
        self.line.push(b' ');
        self.line.extend_from_slice(name);
        if let Some(gitaly) = &mut self.gitaly
            && is_in_gitaly_checksum(&self.line)
        {
            for (byte, other) in gitaly.iter_mut().zip(Sha1::digest(&self.line)) {
                *byte ^= other;
            }
        }
        self.line.push(b'\n');
        self.sha256.update(&self.line);
        if let Some(md5) = &mut self.md5 {
            md5.update(&self.line);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(&self.line);
        }
    }

    pub(crate) fn finish(self) -> RefsChecksum {
        let fingerprint: [u8; 32] = self.sha256.finalize().into();
        let digests = Digests {
            sha256: self.algorithms.sha256.then_some(fingerprint),
            md5: self.md5.map(|hash| hash.finalize().into()),
            sha1: self.sha1.map(|hash| hash.finalize().into()),
            gitaly: self.gitaly,
        };
        RefsChecksum { fingerprint, digests }
    }
}

/// Whether Gitaly's checksum includes this line of `git show-ref --head`: it does if `HEAD` or one of the folders is
/// anywhere in the line.
fn is_in_gitaly_checksum(line: &[u8]) -> bool {
    if line.windows(4).any(|four| four == b"HEAD") {
        return true;
    }
    let mut rest = line;
    while let Some(at) = rest.windows(5).position(|five| five == b"refs/") {
        rest = rest.get(at + 5..).unwrap_or_default();
        if GITALY_FOLDERS.iter().any(|folder| rest.starts_with(folder)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectFormat;
    use stocktake_domain::{Algorithm, Digest};

    const ALL: Algorithms = Algorithms { sha256: true, md5: true, sha1: true, gitaly: true };
    const ONE: &str = "f21f76b804422462e79f9f99d5b14856e130ed71";
    const OTHER: &str = "860de2dde3d6673d4a494d3c2ceeae9786a556ba";

    fn of(refs: &[(&str, &str)]) -> Digests {
        let mut digest = RefsDigest::new(ALL);
        for (id, name) in refs {
            digest.add(name.as_bytes(), &ObjectFormat::Sha1.parse(id.as_bytes()).unwrap());
        }
        digest.finish().digests
    }

    fn gitaly(refs: &[(&str, &str)]) -> String {
        of(refs).get(Algorithm::Gitaly).unwrap().to_string()
    }

    #[test]
    fn gitalys_checksums() {
        let master = (ONE, "refs/heads/master");
        let feature = (ONE, "refs/heads/feature");
        assert_eq!(gitaly(&[master]), "bba299616da21e268890f1691c3f6ea788c6cdc9");
        assert_eq!(gitaly(&[master, feature]), "f5c4203236292be5f212710c0b042051ba3e14cf");
        assert_eq!(gitaly(&[(OTHER, feature.1), master]), "56ca38be577db6bdda47a840d1061ad47abc3619");
        // A leading zero byte is not shown.
        assert_eq!(gitaly(&[(ONE, "refs/heads/b203")]), "e0c8b55c106d3f9a338da2daf8d5b939ea4ac2");
    }

    #[test]
    fn gitaly_includes_only_some_refs() {
        let zeros = "0".repeat(40);
        assert_eq!(gitaly(&[]), zeros);
        for ignored in ["refs/pipelines/1", "refs/remotes/x", "refs/tmp/1", "refs/headsx/y", "refs/heads"] {
            assert_eq!(gitaly(&[(ONE, ignored)]), zeros, "{ignored}");
        }
        for kept in [
            "HEAD",
            "refs/remotes/origin/HEAD",
            "refs/tags/v1",
            "refs/keep-around/x",
            "refs/merge-requests/1/head",
            "refs/environments/p",
            "refs/notes/c",
            "refs/x/refs/heads/y",
            "refs/refs/tags/y",
        ] {
            assert_ne!(gitaly(&[(ONE, kept)]), zeros, "{kept}");
        }
        // The same line twice cancels.
        assert_eq!(gitaly(&[(ONE, "HEAD"), (ONE, "HEAD")]), zeros);
    }

    #[test]
    fn our_own_is_over_the_lines() {
        let text = format!("{OTHER} HEAD\n{ONE} refs/pipelines/1\n");
        let digests = of(&[(OTHER, "HEAD"), (ONE, "refs/pipelines/1")]);
        assert_eq!(digests.get(Algorithm::Sha256), Some(Digest::Sha256(Sha256::digest(&text).into())));
        assert_eq!(digests.get(Algorithm::Md5), Some(Digest::Md5(Md5::digest(&text).into())));
        assert_eq!(digests.get(Algorithm::Sha1), Some(Digest::Sha1(Sha1::digest(&text).into())));
        assert_eq!(of(&[]).sha256, Some(Sha256::digest("").into()));
        assert_eq!(RefsDigest::new(Algorithms::default()).finish().digests, Digests::default());
    }
}
