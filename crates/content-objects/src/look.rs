//! Looks at the storage as a whole: whether the service is there at all, and whom an error concerns.
//!
//! A look asks for a short page of the listing and for the beginning of an object. It does not wait for the pauses of
//! the storage, retries only for a short time, and serves everybody who waits for one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use stocktake_content::num::widen;
use stocktake_domain::ports::{ProbedStorage, Watch};
use stocktake_domain::{ContentError, NotJudged, format_duration};

use crate::access::{Access, unless_cancelled};
use crate::dialect::Dialect;
use crate::error::ObjectError;
use crate::list::page::Page;
use crate::throttle::{PAUSES, Patience};
use crate::version::Part;
use crate::wire::{Answer, PageOf, Target};

/// For how long it is taken as proven that it is the service that answers.
const PROOF_LASTS: Duration = Duration::from_secs(60);

/// How many objects a look lists: one is the object in question, another may be bad for its own reasons.
const LISTED: u32 = 4;

/// How much of an object a look reads: what cuts off every answer lets a first byte through.
const BEGINNING: u64 = 64 << 10;

impl Access {
    /// See [`stocktake_domain::ports::ContentStore::probe`].
    pub(crate) async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let is_empty = match self.glance(&self.prefix, LISTED).await {
            Ok(page) => page.objects.is_empty(),
            // The service's own word that the listing is not permitted says nothing of the objects.
            Err(ObjectError::Unclear(_)) => false,
            Err(error) => return Err(NotJudged::Storage(error.reason())),
        };
        self.throttle.recovered();
        Ok(ProbedStorage { identity: None, is_empty, mounts: BTreeSet::new() })
    }

    /// Fails unless it is the service that gave this answer, and not just any web server.
    pub(crate) async fn check_service(&self, answer: &Answer, watch: &Watch) -> Result<(), ContentError> {
        let is_recent = |at: Instant| at.elapsed() < PROOF_LASTS;
        let is_proven = || self.proofs.update(|seen| seen.service.is_some_and(is_recent));
        if answer.is_signed_by(self.remote.place.dialect) || is_proven() {
            return Ok(());
        }
        match unless_cancelled(watch, self.glance(&self.prefix, 1)).await? {
            Ok(_) | Err(ObjectError::Unclear(_)) => {
                self.proofs.update(|seen| seen.service = Some(Instant::now()));
                Ok(())
            }
            Err(error) => Err(ContentError::storage(error.reason())),
        }
    }

    /// The error of an object, if the rest of the storage can be read; else that of the storage.
    pub(crate) async fn blame(&self, reason: String, key: &str, watch: &Watch) -> ContentError {
        match unless_cancelled(watch, self.look(key)).await {
            Err(cancelled) => cancelled,
            Ok(Err(why)) => ContentError::storage(why),
            Ok(Ok(())) => ContentError::Unreadable(reason),
        }
    }

    /// What it means that a server answers as if there were no object with this key, but without the service's code: the
    /// listing has the last word.
    pub(crate) async fn prove_missing(&self, key: &str, watch: &Watch) -> ContentError {
        let place = &self.remote.place;
        match unless_cancelled(watch, self.glance(key, 1)).await {
            Err(cancelled) => cancelled,
            Ok(Ok(page)) if page.objects.first().is_some_and(|object| object.key == key) => {
                let endpoint = &place.endpoint;
                ContentError::Unreadable(format!("{endpoint} lists it and answers 404: {}", place.at(key)))
            }
            Ok(Ok(_)) => ContentError::MissingFile { at: place.at(key) },
            Ok(Err(ObjectError::Unclear(_))) => ContentError::storage(place.no_service(404)),
            Ok(Err(error)) => ContentError::storage(error.reason()),
        }
    }

    /// Whether other objects of the storage can be read now; if not, why.
    ///
    /// What was read before, or is under way, shows nothing: only a look that begins from now on does. One look serves all
    /// that wait for it.
    pub(crate) async fn look(&self, beside: &str) -> Result<(), String> {
        let now = Instant::now();
        let mut last = self.proofs.look.lock().await;
        if let Some((begun, found)) = &*last
            && *begun >= now
        {
            return found.clone();
        }
        let begun = Instant::now();
        let found = self.look_around(beside).await;
        *last = Some((begun, found.clone()));
        found
    }

    async fn look_around(&self, beside: &str) -> Result<(), String> {
        let listed = self.glance(&self.prefix, LISTED).await;
        let mut keys: Vec<String> = self.proofs.update(|seen| seen.read.clone()).into_iter().collect();
        let mut why = None;
        match listed {
            Ok(page) => keys.extend(page.objects.into_iter().map(|object| object.key)),
            Err(error @ ObjectError::Unclear(_)) => why = Some(error.reason()),
            Err(error) => return Err(error.reason()),
        }
        for key in keys.iter().filter(|key| *key != beside) {
            match self.in_time(self.beginning(key)).await {
                Ok(()) => return Ok(()),
                Err(ObjectError::Storage(reason)) => return Err(reason),
                Err(
                    error @ (ObjectError::Unclear(_) | ObjectError::Broken(_) | ObjectError::Busy { .. }),
                ) => {
                    why = Some(error.reason());
                }
                // What was said of this object says nothing of others.
                Err(_) => {}
            }
        }
        why.map_or(Ok(()), Err)
    }

    /// Whether the beginning of an object can be read as a whole, or it has none. It is asked for as content is read first:
    /// what is in front of a service may let one kind of request through and not the other.
    async fn beginning(&self, key: &str) -> Result<(), ObjectError> {
        if self.remote.place.dialect == Dialect::S3 {
            self.begin(Target::Whole { key }, key).await?;
        }
        // Only the answer to a range tells the size of the object besides that of the answer.
        self.begin(Target::From { key, first: 0 }, key).await
    }

    /// Reads the beginning of an object, up to a bound.
    async fn begin(&self, target: Target<'_>, key: &str) -> Result<(), ObjectError> {
        let place = &self.remote.place;
        let answer = match self.remote.wire.send(target, None).await {
            Ok(answer) => answer,
            Err(error) => match place.error_of(&error, key) {
                ObjectError::NothingThere => return Ok(()),
                error => return Err(error),
            },
        };
        let size = Part::of(&answer, 0).and_then(|part| part.version.size);
        let wanted = size.unwrap_or(1).min(BEGINNING);
        let mut received = 0;
        let mut chunks = answer.body.bytes_stream();
        while received < wanted {
            match chunks.next().await {
                Some(Ok(chunk)) => received += widen(chunk.len()),
                Some(Err(error)) => return Err(place.connection_error(&error)),
                None => {
                    let host = &place.endpoint;
                    return Err(ObjectError::Broken(format!(
                        "{host} ended its answer early at byte {received}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// A short page of the listing, whatever the storage's pauses.
    async fn glance(&self, prefix: &str, most: u32) -> Result<Page, ObjectError> {
        let (begun, mut pause) = (Instant::now(), Duration::ZERO);
        loop {
            let of = PageOf { prefix, token: None, most, only_folders: false };
            let page = self.in_time(self.page(of)).await;
            let is_temporary = matches!(page, Err(ObjectError::Broken(_) | ObjectError::Busy { .. }));
            if !is_temporary || begun.elapsed() >= self.patience.unreachable {
                return page;
            }
            pause = PAUSES.after(pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits no longer for an answer than a storage may be silent.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let Patience { silent, .. } = self.patience;
        tokio::time::timeout(silent, answer).await.unwrap_or_else(|_| {
            let endpoint = &self.remote.place.endpoint;
            Err(ObjectError::Broken(format!("{endpoint} does not answer within {}", format_duration(silent))))
        })
    }
}
