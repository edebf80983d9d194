//! Many records at once by a listing instead of a request for each: only what differs is asked for itself.
//!
//! A call lists no more pages than it would otherwise send requests, and goes on where the last one stopped. So few
//! records of a huge bucket cost at most twice as many requests as without a listing, and a million records of a bucket
//! of a million objects cost a thousand.

use std::collections::VecDeque;
use std::time::Instant;

use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{Algorithm, Digest, Digests, Metadata, Observation, judge};

use crate::access::{Access, unless_cancelled};
use crate::dialect::Dialect;
use crate::head::observation;
use crate::kept::has_own_key;
use crate::key;
use crate::list::page::Page;
use crate::listed::{Entry, Listed, Lookup, Next};
use crate::retry::RetryState;
use crate::store::Asked;
use crate::wire::Target;

/// Fewer records are asked for one by one, so that a look at a few is always one at the objects as they are now.
const FEW: usize = 8;

/// Of so many pages, an object of one is asked whether `ETag`s are MD5s.
const ONE_PAGE_IN: usize = 16;

impl Access {
    /// Reports those that a listing says are good; returns the others, to be asked for one by one.
    pub(crate) async fn sweep(&self, asked: Vec<Asked>, watch: &Watch) -> Vec<Asked> {
        if asked.len() < FEW {
            return asked;
        }
        let mut one_by_one = Vec::new();
        let mut waiting = Vec::with_capacity(asked.len());
        for piece in asked {
            match key::of_path(&self.prefix, &piece.inspection.path) {
                // Who asks for the deepest look, asks for the object itself.
                Ok(key) if piece.inspection.attempt.is_some() => waiting.push((key, piece)),
                _ => one_by_one.push(piece),
            }
        }
        waiting.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
        let mut waiting = VecDeque::from(waiting);
        let mut pages_left = waiting.len();
        loop {
            let Ok(mut listed) = unless_cancelled(watch, self.listed.lock()).await else { break };
            listed.renew(Instant::now());
            settle(&listed, &mut waiting, &mut one_by_one);
            if waiting.is_empty() || pages_left == 0 {
                break;
            }
            pages_left -= 1;
            let token = match listed.next() {
                Next::First => None,
                Next::Behind(token) => Some(token.clone()),
                Next::Nothing | Next::Stopped => break,
            };
            match self.next_page(self.full_page(token.as_deref()), watch).await {
                Ok(page) => {
                    self.try_etags(&mut listed, &page, watch).await;
                    listed.take_in(page);
                }
                Err(error) => {
                    if !watch.is_cancelled() {
                        tracing::debug!(%error, "objects are asked for one by one instead of listed");
                        listed.stop();
                    }
                    break;
                }
            }
        }
        one_by_one.extend(waiting.into_iter().map(|(_, piece)| piece));
        one_by_one
    }

    /// Finds out whether the `ETag`s of this page are MD5s, by one of its objects. An object that is encrypted with a key of
    /// its own has one that only looks so, which a listing does not tell.
    async fn try_etags(&self, listed: &mut Listed, page: &Page, watch: &Watch) {
        if self.remote.place.dialect != Dialect::S3 {
            listed.etags_are_md5 = true;
            return;
        }
        let is_first = listed.pages() == 0;
        if !listed.pages().is_multiple_of(ONE_PAGE_IN) || !(is_first || listed.etags_are_md5) {
            return;
        }
        let looking_so: Vec<_> = page.objects.iter().filter(|object| object.md5.is_some()).collect();
        let Some(sample) = looking_so.get(looking_so.len() / 2) else { return };
        let target = Target::Metadata { key: &sample.key };
        let said = self.get(target, &sample.key, None, &mut RetryState::new(), watch).await;
        listed.etags_are_md5 = matches!(said, Ok(Ok(said)) if !has_own_key(&said.headers));
    }
}

/// Takes those out that the listing has come past: what is good is reported, the others are to be asked for.
fn settle(listed: &Listed, waiting: &mut VecDeque<(String, Asked)>, one_by_one: &mut Vec<Asked>) {
    while let Some((key, _)) = waiting.front() {
        let lookup = listed.look_up(key);
        if lookup == Lookup::NotYet {
            return;
        }
        let Some((_, piece)) = waiting.pop_front() else { return };
        let good = match lookup {
            Lookup::Listed(entry) => good_by(entry, listed.etags_are_md5, &piece.inspection),
            Lookup::NotYet | Lookup::Absent => None,
        };
        match good {
            Some(seen) => piece.report.tell(Ok(seen)),
            None => one_by_one.push(piece),
        }
    }
}

/// What a listing says of an object, if it is good by it and the object itself would say no more.
fn good_by(entry: Entry, etags_are_md5: bool, asked: &Inspection) -> Option<Observation> {
    let baseline = asked.reference.baseline.map(|baseline| baseline.digest);
    let known: Vec<Digest> = asked.reference.expected.into_iter().chain(baseline).collect();
    let has = |is: &dyn Fn(&Digest) -> bool| known.iter().any(is);
    let is_known = |md5: &[u8; 16]| {
        has(&|digest| matches!(digest, Digest::Md5(is) | Digest::Metadata(Metadata::Md5(is)) if is == md5))
    };
    let md5 = entry.md5.filter(|md5| etags_are_md5 || is_known(md5));
    let is_unclear = md5 != entry.md5 && has(&|digest| digest.algorithm() == Algorithm::Md5);
    let had_sha256 = has(&|digest| matches!(digest, Digest::Metadata(Metadata::Sha256(_))));
    if entry.has_sha256 || had_sha256 || is_unclear {
        return None;
    }
    let seen = observation(entry.size, Digests { md5, ..Digests::default() }, &asked.rule);
    judge(&asked.reference, &seen, Algorithm::Sha256).is_ok().then_some(seen)
}
