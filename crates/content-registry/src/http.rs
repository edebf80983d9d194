//! A registry over its HTTP API.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde::de::IgnoredAny;
use stocktake_content::HashPool;
use stocktake_domain::NotJudged;
use stocktake_domain::ports::{FoundStream, ProbedStorage};

use crate::digest::Digest;
use crate::manifest::ACCEPT;
use crate::settings::{RegistrySettings, SettingsError};
use crate::source::{BlobReader, MAX_MANIFEST, ObjectKind, RegistryError, RegistrySource, Tag};
use crate::store::RegistryStore;
use client::{Client, Request};
use known::Origin;
use tags::GitlabApi;

mod auth;
mod blob;
mod body;
mod catalogue;
pub(crate) mod challenge;
mod client;
mod known;
mod tags;
mod transport;

/// A header that registries add to their answers.
const VERSION: &str = "docker-distribution-api-version";

/// The most bytes of the answer to whether this is a registry.
const MAX_BASE: usize = 64 * 1024;

impl RegistryStore {
    /// A store of the repositories of the registry at `settings.url`, which speaks the distribution protocol; hashed by
    /// `pool`. No request is sent yet.
    pub fn new(settings: RegistrySettings, pool: Arc<HashPool>) -> Result<Self, SettingsError> {
        let (integrity, bytes_per_second) = (settings.integrity, settings.bytes_per_second);
        let source = HttpSource {
            requests: settings.requests.get(),
            client: Arc::new(Client::new(settings)?),
            gitlab: GitlabApi::default(),
        };
        Ok(Self::of(source, pool, integrity, bytes_per_second))
    }
}

/// The registry as a source.
struct HttpSource {
    client: Arc<Client>,
    requests: usize,
    gitlab: GitlabApi,
}

#[async_trait]
impl RegistrySource for HttpSource {
    fn concurrency(&self) -> usize {
        self.requests
    }

    async fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError> {
        if self.gitlab.is_offered(&self.client).await? {
            tags::from_gitlab(&self.client, repository).await
        } else {
            tags::from_registry(&self.client, repository, self.requests).await
        }
    }

    async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Bytes, RegistryError> {
        let _slot = self.client.transport().slot().await?;
        let request = Request { accept: Some(ACCEPT), ..about(repository, ObjectKind::Manifest, digest) };
        let refused = match self.client.fetch(&request, MAX_MANIFEST).await {
            Ok(Ok((headers, bytes))) => {
                if serde_json::from_slice::<IgnoredAny>(&bytes).is_ok() {
                    self.client.remember(&request, Origin::new(self.client.origin(), &headers));
                }
                return Ok(bytes);
            }
            Ok(Err(response)) => refusal(response).await,
            Err(error) => error,
        };
        Err(self.client.settle(&request, refused).await)
    }

    async fn blob(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<Box<dyn BlobReader>, RegistryError> {
        let slot = self.client.transport().slot().await?;
        let client = Arc::clone(&self.client);
        let pieces = blob::begin(client, repository.to_owned(), *digest, size, slot).await?;
        Ok(Box::new(pieces))
    }

    async fn holds(
        &self,
        repository: &str,
        kind: ObjectKind,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let _slot = self.client.transport().slot().await?;
        let accept = (kind == ObjectKind::Manifest).then_some(ACCEPT);
        let get = Request { accept, ..about(repository, kind, digest) };
        let head = Request { method: Method::HEAD, ..get.clone() };
        let is_there =
            |response: &Response| response.status().is_success() || response.status().is_redirection();
        let refused = match self.client.send(&head).await {
            Ok(response) if is_there(&response) => return Ok(true),
            // The response to `HEAD` has no body, which would say why.
            Ok(_) => match self.client.send(&get).await {
                Ok(response) if is_there(&response) => return Ok(true),
                Ok(response) => refusal(response).await,
                Err(error) => error,
            },
            Err(error) => error,
        };
        match self.client.settle(&get, refused).await {
            RegistryError::Absent => Ok(false),
            error => Err(error),
        }
    }

    async fn look(&self, repository: &str) -> Result<(), RegistryError> {
        tags::look(&self.client, repository).await
    }

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        let request = Request::get("", "/v2/".to_owned());
        let refused = match self.client.fetch(&request, MAX_BASE).await {
            Ok(Ok((headers, body))) if is_registry(&headers, &body) => {
                return Ok(ProbedStorage { identity: None, is_empty: false, mounts: BTreeSet::new() });
            }
            Ok(Ok(_)) => {
                RegistryError::storage(format!("{} answers, and not as a registry", self.client.url()))
            }
            Ok(Err(response)) => refusal(response).await,
            Err(error) => error,
        };
        Err(refused.into_not_judged())
    }

    fn list(&self) -> FoundStream {
        catalogue::list(Arc::clone(&self.client))
    }
}

fn about<'a>(repository: &'a str, kind: ObjectKind, digest: &Digest) -> Request<'a> {
    let folder = match kind {
        ObjectKind::Manifest => "manifests",
        ObjectKind::Blob => "blobs",
    };
    Request::get(repository, format!("/v2/{repository}/{folder}/{digest}"))
}

/// Whether a registry answered its base address so, and not just any web server.
fn is_registry(headers: &HeaderMap, body: &[u8]) -> bool {
    headers.contains_key(VERSION)
        || serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(body).is_ok()
}

/// Why the registry does not return a manifest or a blob.
async fn refusal(response: Response) -> RegistryError {
    body::error_response(response).await.into_error()
}
