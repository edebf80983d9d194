//! Size and digests of bytes that come chunk by chunk, of many contents at once where the processor has lanes for them.

use sha1::{Digest as _, Sha1};
use stocktake_domain::{Algorithms, Digests, Measure};
use stocktake_lanes::{Algorithm, Lanes, Level, Md5, Progress, Sha256};

use crate::num::widen;

/// Calculates the requested digests, and no others.
pub(crate) struct Digester {
    sha256: Option<Progress<Sha256>>,
    md5: Option<Progress<Md5>>,
    sha1: Option<Sha1>,
    size: u64,
}

impl Digester {
    pub(crate) fn new(algorithms: Algorithms) -> Self {
        Self {
            sha256: algorithms.sha256.then(Progress::new),
            md5: algorithms.md5.then(Progress::new),
            sha1: algorithms.sha1.then(Sha1::new),
            size: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.update_rest(bytes);
    }

    /// Adds the next bytes to what has no lanes.
    fn update_rest(&mut self, bytes: &[u8]) {
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        self.size += widen(bytes.len());
    }

    /// Adds the next bytes of each content.
    pub(crate) fn update_all(contents: &mut [(&mut Self, &[u8])]) {
        go_on(contents, |digester| &mut digester.sha256);
        go_on(contents, |digester| &mut digester.md5);
        for (digester, bytes) in contents {
            digester.update_rest(bytes);
        }
    }

    /// Size and digests of each content, which is there as a whole.
    pub(crate) fn measure_all(contents: &[(Algorithms, &[u8])]) -> Vec<Measure> {
        let measured = contents.iter().map(|(algorithms, bytes)| {
            let mut digester = Self::new(Algorithms { sha256: false, md5: false, ..*algorithms });
            digester.update_rest(bytes);
            digester.finish()
        });
        let mut measured: Vec<_> = measured.collect();
        let wanted = |algorithms: &Algorithms| algorithms.sha256;
        whole::<Sha256>(contents, wanted, &mut measured, |digests, digest| digests.sha256 = Some(digest));
        let wanted = |algorithms: &Algorithms| algorithms.md5;
        whole::<Md5>(contents, wanted, &mut measured, |digests, digest| digests.md5 = Some(digest));
        measured
    }

    /// Whether lanes calculate some of its digests faster on this machine, beside those of other contents.
    pub(crate) fn gains_from_lanes(&self) -> bool {
        let has_lanes = |level| level != Level::Serial;
        (self.sha256.is_some() && has_lanes(Level::recommended::<Sha256>()))
            || (self.md5.is_some() && has_lanes(Level::recommended::<Md5>()))
    }

    pub(crate) fn finish(self) -> Measure {
        let digests = Digests {
            sha256: self.sha256.map(Progress::finish),
            md5: self.md5.map(Progress::finish),
            sha1: self.sha1.map(|hash| hash.finalize().into()),
            gitaly: None,
        };
        Measure { size: Some(self.size), digests }
    }
}

/// Hashes the next bytes of each content of which this digest is wanted.
fn go_on<A: Algorithm>(
    contents: &mut [(&mut Digester, &[u8])],
    digest: fn(&mut Digester) -> &mut Option<Progress<A>>,
) {
    let mut lanes = Lanes::<A, &[u8], ()>::new();
    let opened = contents.iter_mut().map(|(digester, bytes)| {
        let message = lanes.resume(digest(digester).as_ref()?, ());
        lanes.push(&message, bytes);
        Some(message)
    });
    let opened: Vec<_> = opened.collect();
    lanes.drain(|(), _| {});
    for ((digester, _), message) in contents.iter_mut().zip(opened) {
        if let Some(message) = message {
            *digest(digester) = Some(lanes.suspend(message));
        }
    }
}

/// Hashes each content of which this digest is wanted, as a whole.
fn whole<A: Algorithm>(
    contents: &[(Algorithms, &[u8])],
    wanted: impl Fn(&Algorithms) -> bool,
    measured: &mut [Measure],
    found: impl Fn(&mut Digests, A::Digest),
) {
    let mut lanes = Lanes::<A, &[u8], &mut Digests>::new();
    for ((algorithms, bytes), measure) in contents.iter().zip(measured) {
        if wanted(algorithms) {
            let message = lanes.open(&mut measure.digests);
            lanes.push(&message, bytes);
            lanes.finish(message);
        }
    }
    lanes.drain(found);
}
