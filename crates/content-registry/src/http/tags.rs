//! The tags of a repository, with the digests of their manifests.

use std::sync::OnceLock;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::client::{Client, Request};
use super::known::Origin;
use super::refusal;
use crate::digest::Digest;
use crate::manifest::ACCEPT;
use crate::name;
use crate::source::{MAX_MANIFEST, MAX_TAGS, RegistryError, TOO_MANY_TAGS, Tag};

/// The most pages that are requested, and the tags on each page of GitLab's list, as in GitLab.
const MAX_PAGES: usize = 2_000;
const GITLAB_PAGE: usize = 100;

/// The tags requested on each page of the registry's own list, as in GitLab. Registries may return fewer, or all.
const PAGE: usize = 10_000;

/// The most bytes of a page.
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// The header with the digest of a manifest.
const DIGEST: &str = "docker-content-digest";

/// Whether the registry offers GitLab's own API, which is determined once.
#[derive(Debug, Default)]
pub(super) struct GitlabApi(OnceLock<bool>);

#[derive(Deserialize)]
struct GitlabTag {
    name: Box<str>,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct TagNames {
    /// Null where the last tag was deleted.
    tags: Option<Vec<Box<str>>>,
}

impl GitlabApi {
    pub(super) async fn is_offered(&self, client: &Client) -> Result<bool, RegistryError> {
        if let Some(known) = self.0.get() {
            return Ok(*known);
        }
        let _slot = client.transport().slot().await?;
        match client.send(&Request::get("", "/gitlab/v1/".to_owned())).await {
            Ok(response) if !response.status().is_server_error() => {
                // Some servers return an HTML page at every unknown address.
                let content_type = response.headers().get(CONTENT_TYPE);
                let is_page = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
                Ok(*self.0.get_or_init(|| response.status().is_success() && !is_page))
            }
            Err(error @ RegistryError::NotJudged(_)) => Err(error),
            // Reading the registry's own list of tags gives the better error.
            Ok(_) | Err(_) => Ok(false),
        }
    }
}

/// The tags in GitLab's list.
pub(super) async fn from_gitlab(client: &Client, repository: &str) -> Result<Vec<Tag>, RegistryError> {
    let _slot = client.transport().slot().await?;
    let target = format!("/gitlab/v1/repositories/{repository}/tags/list/?n={GITLAB_PAGE}");
    let mut tags = Vec::new();
    let page = |bytes: &[u8]| {
        let found: Vec<GitlabTag> = serde_json::from_slice(bytes)?;
        let count = found.len();
        tags.extend(found.into_iter().map(GitlabTag::check));
        Ok(count)
    };
    pages(client, repository, target, page).await?;
    Ok(tags)
}

/// The tags in the registry's own list; the digest of each is requested separately.
pub(super) async fn from_registry(
    client: &Client,
    repository: &str,
    concurrency: usize,
) -> Result<Vec<Tag>, RegistryError> {
    let mut names: Vec<Box<str>> = Vec::new();
    let target = format!("/v2/{repository}/tags/list?n={PAGE}");
    let slot = client.transport().slot().await?;
    let page = |bytes: &[u8]| {
        let found = serde_json::from_slice::<TagNames>(bytes)?.tags.unwrap_or_default();
        let count = found.len();
        names.extend(found);
        Ok(count)
    };
    pages(client, repository, target, page).await?;
    drop(slot);
    let tags = stream::iter(names).map(|name| tag(client, repository, name));
    tags.buffer_unordered(concurrency).try_collect().await
}

/// Passes each page to `take`, which returns how many tags were on it.
async fn pages(
    client: &Client,
    repository: &str,
    mut target: String,
    mut take: impl FnMut(&[u8]) -> Result<usize, serde_json::Error>,
) -> Result<(), RegistryError> {
    let mut count = 0;
    for _ in 0..MAX_PAGES {
        let (headers, found) = page(client, repository, &target, &mut take).await?;
        count += found;
        if count > MAX_TAGS {
            break;
        }
        match client.next_page(&target, &headers) {
            Some(next) if next != target => target = next,
            _ => return Ok(()),
        }
    }
    Err(RegistryError::Unavailable(TOO_MANY_TAGS.to_owned()))
}

/// Passes a page to `take`, which returns how many tags were on it; the headers of the answer, and how many that were.
async fn page(
    client: &Client,
    repository: &str,
    target: &str,
    mut take: impl FnMut(&[u8]) -> Result<usize, serde_json::Error>,
) -> Result<(HeaderMap, usize), RegistryError> {
    let request = Request::get(repository, target.to_owned());
    let refused = match client.fetch(&request, MAX_PAGE).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(response)) => Err(unlisted(response).await),
        Err(error) => Err(error),
    };
    let taken = refused.and_then(|(headers, bytes)| {
        let found = take(&bytes).map_err(|error| no_list(client, &error))?;
        client.remember(&request, Origin::new(client.origin(), &headers));
        Ok((headers, found))
    });
    match taken {
        Ok(taken) => Ok(taken),
        Err(error) => Err(client.settle(&request, error).await),
    }
}

/// Whether the registry lists tags of this repository, however many there are.
pub(super) async fn look(client: &Client, repository: &str) -> Result<(), RegistryError> {
    let _slot = client.transport().slot().await?;
    let count =
        |bytes: &[u8]| Ok(serde_json::from_slice::<TagNames>(bytes)?.tags.map_or(0, |tags| tags.len()));
    page(client, repository, &format!("/v2/{repository}/tags/list?n=1"), count).await.map(drop)
}

/// Why there is no list of tags.
async fn unlisted(response: reqwest::Response) -> RegistryError {
    match refusal(response).await {
        RegistryError::Absent => RegistryError::NoRepository { looked_in: None },
        error => error,
    }
}

/// What it means that a list of tags is none: perhaps it is no registry that answers.
fn no_list(client: &Client, error: &serde_json::Error) -> RegistryError {
    let reason = format!("{} gives no list of tags: {error}", client.url());
    RegistryError::Unclear { reason, origin: client.origin() }
}

impl GitlabTag {
    fn check(self) -> Tag {
        let digest = match self.digest {
            _ if !name::is_tag(&self.name) => Err(RegistryError::Unreadable("no name of a tag".to_owned())),
            None => Err(RegistryError::Absent),
            Some(text) => text.parse().map_err(|error| RegistryError::Unreadable(format!("{text}: {error}"))),
        };
        Tag { name: self.name, digest }
    }
}

/// The tag of this name with its digest.
async fn tag(client: &Client, repository: &str, name: Box<str>) -> Result<Tag, RegistryError> {
    if !name::is_tag(&name) {
        return Ok(Tag { name, digest: Err(RegistryError::Unreadable("no name of a tag".to_owned())) });
    }
    match digest_of(client, repository, &name).await {
        Err(error @ (RegistryError::Unavailable(_) | RegistryError::NotJudged(_))) => Err(error),
        digest => Ok(Tag { name, digest }),
    }
}

/// The digest of a tag's manifest: from the registry's header, or else calculated from the manifest's bytes.
async fn digest_of(client: &Client, repository: &str, tag: &str) -> Result<Digest, RegistryError> {
    let _slot = client.transport().slot().await?;
    let target = format!("/v2/{repository}/manifests/{tag}");
    let get = Request { accept: Some(ACCEPT), ..Request::get(repository, target) };
    let head = Request { method: Method::HEAD, ..get.clone() };
    if let Ok(response) = client.send(&head).await
        && response.status().is_success()
        && let Some(digest) = response.headers().get(DIGEST)
    {
        let text = digest.to_str().unwrap_or_default();
        return text.parse().map_err(|error| RegistryError::Unreadable(format!("{text}: {error}")));
    }
    // The response to `HEAD` has no body, which would say why there is no digest.
    let refused = match client.fetch(&get, MAX_MANIFEST).await {
        // At most 4 MiB, and rare: not worth the use of the pool.
        Ok(Ok((_, bytes))) => return Ok(Digest::Sha256(Sha256::digest(&bytes).into())),
        Ok(Err(response)) => refusal(response).await,
        Err(error) => error,
    };
    Err(client.settle(&get, refused).await)
}
