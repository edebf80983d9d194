//! Lists the objects below the prefix, in the byte order of their keys.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use object_store::client::HttpResponseBody;
use stocktake_domain::ports::{Found, FoundStream, ListError, Watch};
use stocktake_domain::{ContentError, PathText};
use stocktake_net::pace::{Pace, TooSlow};

use crate::access::{Access, unless_cancelled};
use crate::error::ObjectError;
use crate::key;
use crate::list::page::{Object, Page};
use crate::retry::RetryState;
use crate::throttle::Patience;
use crate::wire::{FULL_PAGE, PageOf, Target, chunk_length};

pub(crate) mod page;

/// The most bytes of a page; a page of a thousand keys of the greatest length has less than half as many.
const MAX_PAGE: usize = 16 * 1024 * 1024;

type Finding = Result<Found, ListError>;

/// All objects with this prefix that can be the content of a record, by the rest of their keys.
pub(crate) fn list(access: Arc<Access>, prefix: String) -> FoundStream {
    let listing = Listing {
        access,
        prefix,
        after: String::new(),
        next: Next::First,
        findings: VecDeque::new(),
        folders: 0,
    };
    Box::pin(stream::unfold(listing, |mut listing| async move {
        loop {
            if let Some(finding) = listing.findings.pop_front() {
                return Some((finding, listing));
            }
            let next = std::mem::replace(&mut listing.next, Next::Nothing);
            match listing.page(next).await {
                Ok(Some(page)) => listing.take_in(page),
                Ok(None) => return None,
                Err(error) => listing.findings.push_back(Err(error)),
            }
        }
    }))
}

/// What to request next.
enum Next {
    First,
    Behind(String),
    Nothing,
}

struct Listing {
    access: Arc<Access>,
    prefix: String,
    /// The greatest key so far.
    after: String,
    next: Next,
    findings: VecDeque<Finding>,
    /// How many objects only represent folders.
    folders: u64,
}

impl Listing {
    async fn page(&self, next: Next) -> Result<Option<Page>, ListError> {
        let token = match next {
            Next::Nothing => return Ok(None),
            Next::First => None,
            Next::Behind(token) => Some(token),
        };
        let of =
            PageOf { prefix: &self.prefix, token: token.as_deref(), most: FULL_PAGE, only_folders: false };
        let page = self.access.next_page(of, &Watch::default()).await;
        page.map(Some).map_err(|error| ListError::Broken(error.to_string()))
    }

    fn take_in(&mut self, page: Page) {
        for object in page.objects {
            // Callers that compare two listings rely on the order.
            if object.key <= self.after && !self.after.is_empty() {
                let at = self.access.remote.place.at(&object.key);
                let reason = format!("not listed in the order of the keys, from here on: {at}");
                self.findings.push_back(Err(ListError::Broken(reason)));
                return;
            }
            self.after.clone_from(&object.key);
            let finding = finding(&object, &self.prefix);
            self.folders += u64::from(finding.is_none());
            self.findings.extend(finding);
        }
        if page.next.is_none() && self.folders > 0 {
            let (at, count) = (self.access.remote.place.at(&self.prefix), self.folders);
            tracing::info!(
                "{at}: {count} empty objects whose keys end in a slash stand for folders, and are not listed"
            );
        }
        self.next = page.next.map_or(Next::Nothing, Next::Behind);
    }
}

/// The entry for an object; `None` for one that only represents a folder.
fn finding(object: &Object, prefix: &str) -> Option<Finding> {
    let path = object.key.strip_prefix(prefix)?;
    if path.is_empty() || (path.ends_with('/') && object.size == Some(0)) {
        return None;
    }
    let path = PathText::of_bytes(path.as_bytes()).into_string();
    Some(match key::check(&object.key) {
        Ok(()) => Ok(Found { path, size: object.size, modified_at: object.modified_at }),
        Err(reason) => Err(ListError::Skipped { path, reason: reason.to_owned() }),
    })
}

impl Access {
    /// The page of all objects with this token, the first one without.
    pub(crate) fn full_page<'a>(&'a self, token: Option<&'a str>) -> PageOf<'a> {
        PageOf { prefix: &self.prefix, token, most: FULL_PAGE, only_folders: false }
    }

    /// A page of a listing; waits for the pauses of the storage, and asks again for some time.
    pub(crate) async fn next_page(&self, of: PageOf<'_>, watch: &Watch) -> Result<Page, ContentError> {
        let mut retry = RetryState::new();
        loop {
            self.pause(&mut retry, watch).await?;
            let page = unless_cancelled(watch, self.page(of)).await?;
            match self.record_success(page, &retry) {
                Ok(page) => return Ok(page),
                Err(error) => self.retry_page_or_fail(error, of.token.is_none(), &mut retry)?,
            }
        }
    }

    /// Returns if the page is to be asked for again.
    fn retry_page_or_fail(
        &self,
        error: ObjectError,
        is_first: bool,
        retry: &mut RetryState,
    ) -> Result<(), ContentError> {
        let (now, Patience { busy, broken, unreachable, .. }) = (Instant::now(), self.patience);
        let fault = if is_first { unreachable } else { broken };
        let (reason, since, patience) = match error {
            ObjectError::Busy { reason, retry_after, overloaded } => {
                self.throttle.busy(retry.sent, now, retry_after);
                // A service that says no more than that it failed may fail for ever, of a key that it cannot write.
                if !overloaded {
                    tracing::warn!(
                        "the listing of {}: {reason}; it is asked again",
                        self.remote.place.at("")
                    );
                }
                (reason, retry.busy(now), if overloaded { busy } else { fault })
            }
            ObjectError::Broken(reason) => {
                self.throttle.broken(retry.sent, retry.sent, now);
                (reason, retry.broken(retry.sent), fault)
            }
            error => return Err(ContentError::storage(error.reason())),
        };
        if now.saturating_duration_since(since) < patience {
            Ok(())
        } else {
            Err(ContentError::storage(format!("{reason}, when its objects are listed")))
        }
    }

    /// The body of a page, which has at most so many bytes.
    pub(crate) async fn collect(&self, body: HttpResponseBody, most: usize) -> Result<Vec<u8>, ObjectError> {
        let place = &self.remote.place;
        let mut chunks = body.bytes_stream();
        let (mut body, mut speed) = (Vec::new(), Pace::new(self.patience.broken));
        let too_slow = |slow: TooSlow| ObjectError::Broken(format!("{}: {slow}", place.endpoint));
        while let Some(chunk) =
            speed.next(chunks.next(), |chunk| chunk_length(chunk.as_ref())).await.map_err(too_slow)?
        {
            body.extend_from_slice(&chunk.map_err(|error| place.connection_error(&error))?);
            if body.len() > most {
                return Err(ObjectError::Storage(format!("{}: a page without end", place.at(""))));
            }
        }
        Ok(body)
    }

    /// A page of the listing, without regard to pauses.
    pub(crate) async fn page(&self, of: PageOf<'_>) -> Result<Page, ObjectError> {
        let place = &self.remote.place;
        let answer = self.remote.wire.send(Target::Page(of), None).await;
        let answer = answer.map_err(|error| place.error_of(&error, ""))?;
        let body = self.collect(answer.body, MAX_PAGE).await?;
        // A page that was cut off may be complete the next time.
        page::parse(place.dialect, &body).map_err(|reason| {
            ObjectError::Broken(format!(
                "{} sent a listing of {} that cannot be read: {reason}",
                place.endpoint,
                place.dialect.name()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, size: u64) -> Option<Finding> {
        finding(&Object { key: key.to_owned(), size: Some(size), ..Object::default() }, "lfs/")
    }

    #[test]
    fn paths_are_what_comes_behind_the_prefix() {
        let path = |key: &str, size| found(key, size).map(|finding| finding.map(|found| found.path));
        assert_eq!(path("lfs/a/b", 1), Some(Ok("a/b".to_owned())));
        assert_eq!(path("lfs/", 0), None);
        assert_eq!(path("lfs/a/", 0), None);
        assert_eq!(path("lfs/a/", 1), Some(Ok("a/".to_owned())));
        assert!(matches!(path("lfs/../a", 1), Some(Err(ListError::Skipped { path, .. })) if path == "../a"));
    }
}
