//! The list of all repositories.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use serde::Deserialize;
use stocktake_domain::ports::{Found, FoundStream, ListError};

use super::body;
use super::client::{Client, Request};
use crate::name;
use crate::source::RegistryError;

/// The repositories requested on each page, and the most bytes of a page.
const PAGE: usize = 1_000;
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// The most repositories of a registry: their names are collected and sorted, because each registry has its own order.
const MAX_REPOSITORIES: usize = 1_000_000;

/// The most pages that are requested: enough for a million repositories at 250 each.
const MAX_PAGES: usize = 4_000;

#[derive(Deserialize)]
struct Page {
    repositories: Option<Vec<Box<str>>>,
}

/// All repositories in the byte order of their names.
pub(super) fn list(client: Arc<Client>) -> FoundStream {
    let listed = stream::once(async move {
        match names(&client).await {
            Ok(names) => stream::iter(names).map(found).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        }
    });
    Box::pin(listed.flatten())
}

fn found(name: Box<str>) -> Result<Found, ListError> {
    let path = name.into_string();
    if name::check_repository(&path).is_err() {
        return Err(ListError::Skipped { path, reason: "no name of a container repository".to_owned() });
    }
    Ok(Found { path, size: None, modified_at: None })
}

async fn names(client: &Client) -> Result<Vec<Box<str>>, ListError> {
    let mut names = Vec::new();
    let mut target = format!("/v2/_catalog?n={PAGE}");
    for _ in 0..MAX_PAGES {
        let page = page(client, &target, &mut names).await.map_err(|error| match error {
            RegistryError::Altered(reason)
            | RegistryError::Invalid(reason)
            | RegistryError::Unreadable(reason)
            | RegistryError::Unavailable(reason)
            | RegistryError::Unclear { reason, .. } => ListError::Broken(reason),
            RegistryError::NotJudged(not_judged) => ListError::Broken(not_judged.to_string()),
            RegistryError::Absent | RegistryError::NoRepository { .. } => ListError::Unsupported,
        });
        match page? {
            Some(next) if names.len() <= MAX_REPOSITORIES && next != target => target = next,
            Some(_) => {
                let reason = format!("the registry lists more than {MAX_REPOSITORIES} repositories");
                return Err(ListError::Broken(reason));
            }
            None => {
                names.sort_unstable();
                names.dedup();
                return Ok(names);
            }
        }
    }
    Err(ListError::Broken(format!("the registry's list of repositories has more than {MAX_PAGES} pages")))
}

/// Adds the names of this page, and returns the target of the next one.
async fn page(
    client: &Client,
    target: &str,
    names: &mut Vec<Box<str>>,
) -> Result<Option<String>, RegistryError> {
    let _slot = client.transport().slot().await?;
    let (headers, bytes) = match client.fetch(&Request::get("", target.to_owned()), MAX_PAGE).await? {
        Ok(answer) => answer,
        Err(response) => {
            let refused = body::error_response(response).await;
            let is_unsupported =
                matches!(refused.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
            return Err(match refused.code {
                Some(_) if is_unsupported => RegistryError::Absent,
                Some(_) => RegistryError::Unavailable(refused.text),
                None => refused.into_error(),
            });
        }
    };
    let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
        RegistryError::Unavailable(format!("the registry's list of repositories: {error}"))
    })?;
    names.extend(page.repositories.unwrap_or_default());
    Ok(client.next_page(target, &headers))
}
