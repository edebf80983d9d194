//! Lists the objects below the prefix, in the byte order of their keys.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use object_store::ObjectMeta;
use object_store::client::{HttpRequestBody, HttpService as _};
use object_store::path::Path;
use stocktake_domain::ports::{Found, FoundStream, ListError, Watch};
use stocktake_domain::{ContentError, PathText, Timestamp};

use crate::access::{Access, unless_cancelled};
use crate::error::ObjectError;
use crate::key;
use crate::list::page::{Object, Page};
use crate::retry::RetryState;
use crate::signed_http::{SignedHttp, Target};

pub(crate) mod page;

/// The most bytes of a page; a page of a thousand keys of the greatest length has less than half as many.
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// How many objects the library collects before they are passed on: as many as in a page of S3.
const LIBRARY_PAGE: usize = 1_000;

type Finding = Result<Found, ListError>;

/// All objects below the prefix that can be the content of a record.
pub(crate) fn list(access: Arc<Access>) -> FoundStream {
    let listing = Listing { access, after: String::new(), next: Next::First, findings: VecDeque::new() };
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
    /// The greatest key so far.
    after: String,
    next: Next,
    findings: VecDeque<Finding>,
}

impl Listing {
    async fn page(&self, next: Next) -> Result<Option<Page>, ListError> {
        let token = match next {
            Next::Nothing => return Ok(None),
            Next::First => None,
            Next::Behind(token) => Some(token),
        };
        let (watch, mut retry) = (Watch::default(), RetryState::new());
        loop {
            let error = match self.access.page(token.as_deref(), &mut retry, &watch).await {
                Ok(Ok(page)) => return Ok(Some(page)),
                Ok(Err(error)) => error,
                Err(error) => return Err(ListError::Broken(error.to_string())),
            };
            // Errors about a missing or changed key have no meaning for a listing.
            let reason = match error {
                ObjectError::Missing | ObjectError::Changed | ObjectError::NothingThere => {
                    ObjectError::Final(format!("{}: no listing", self.access.remote.place.at("")))
                }
                error => error,
            };
            self.access.retry_or_fail(reason, &mut retry, &self.access.prefix).map_err(|error| {
                ListError::Broken(match error {
                    ContentError::Unreadable(reason) => reason,
                    other => other.to_string(),
                })
            })?;
        }
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
            self.findings.extend(finding(&object, &self.access.prefix));
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
    async fn page(
        &self,
        token: Option<&str>,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<Page, ObjectError>, ContentError> {
        self.pause(retry, watch).await?;
        let page = match &self.remote.http {
            Some(http) => unless_cancelled(watch, self.page_of_s3(http, token)).await?,
            None => unless_cancelled(watch, self.page_of_library(token)).await?,
        };
        Ok(self.record_success(page, retry))
    }

    async fn page_of_s3(&self, http: &SignedHttp, token: Option<&str>) -> Result<Page, ObjectError> {
        let mut query = "list-type=2&encoding-type=url".to_owned();
        for (name, value) in [("prefix", Some(self.prefix.as_str())), ("continuation-token", token)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                query = format!("{query}&{name}={}", key::in_query(value));
            }
        }
        let mut request = http::Request::new(HttpRequestBody::empty());
        request.extensions_mut().insert(Target::Page(query));
        let failed = |error| self.remote.place.error_of(&error, "");
        let response = http.call(request).await.map_err(failed)?;
        let mut chunks = response.into_body().bytes_stream();
        let mut xml = Vec::new();
        while let Some(chunk) = chunks.next().await {
            xml.extend_from_slice(&chunk.map_err(failed)?);
            if xml.len() > MAX_PAGE {
                return Err(ObjectError::Final(format!("{}: a page without end", self.remote.place.at(""))));
            }
        }
        // A page that was cut off may be complete the next time.
        page::parse(&xml).map_err(|reason| {
            ObjectError::Broken(format!(
                "{} sent a listing that cannot be read: {reason}",
                self.remote.place.endpoint
            ))
        })
    }

    /// The library's listing as pages; the token is the last key of the previous page.
    async fn page_of_library(&self, token: Option<&str>) -> Result<Page, ObjectError> {
        let failed = |error: object_store::Error| self.remote.place.error_of(&error, "");
        let path = |text: &str| Path::parse(text).map_err(|error| failed(error.into()));
        let prefix = path(&self.prefix)?;
        let prefix = (!self.prefix.is_empty()).then_some(&prefix);
        let mut found = match token {
            Some(token) => self.remote.library.list_with_offset(prefix, &path(token)?),
            None => self.remote.library.list(prefix),
        };
        let mut objects: Vec<Object> = Vec::new();
        while objects.len() < LIBRARY_PAGE
            && let Some(meta) = found.next().await
        {
            objects.push(object(&meta.map_err(failed)?));
        }
        let full = objects.len() >= LIBRARY_PAGE;
        let next = objects.last().filter(|_| full).map(|object| object.key.clone());
        Ok(Page { objects, next })
    }
}

fn object(meta: &ObjectMeta) -> Object {
    Object {
        key: meta.location.to_string(),
        size: Some(meta.size),
        modified_at: Some(Timestamp::from_millis(meta.last_modified.timestamp_millis())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, size: u64) -> Option<Finding> {
        finding(&Object { key: key.to_owned(), size: Some(size), modified_at: None }, "lfs/")
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
