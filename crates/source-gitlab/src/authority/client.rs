//! Requests with a token to one GitLab, and to no other host.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use stocktake_domain::ports::Credential;
use stocktake_net::error::root_cause;
use stocktake_net::http::HttpClientBuilder;
use url::Url;

use super::{AuthoritySettingsError, GitlabAuthoritySettings};

const PRIVATE_TOKEN: HeaderName = HeaderName::from_static("private-token");

/// The most bytes of an answer.
const MAX_BODY: usize = 64 * 1024;

/// A client of one GitLab.
#[derive(Debug)]
pub(super) struct Client {
    gitlab: Url,
    http: reqwest::Client,
}

/// Why a request failed. No text holds a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorityClientError {
    #[error("{gitlab} {why}: {cause}")]
    Unreachable { gitlab: String, why: &'static str, cause: String },
    #[error("{0} did not answer within {1:?}")]
    TooSlow(String, Duration),
    #[error("{0} redirects to another address, to which no token is sent")]
    Redirect(String),
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    #[error("the answer of {0} has more than {MAX_BODY} bytes")]
    TooLarge(String),
    #[error("the answer of {0} is not GitLab's")]
    Unreadable(String, #[source] serde_json::Error),
    #[error("the token cannot be sent")]
    Header,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
    /// What was asked.
    url: String,
}

impl Answer {
    /// What the body says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, AuthorityClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| AuthorityClientError::Unreadable(self.url.clone(), error))
    }

    /// Whether it is GitLab itself that does not know what was asked: a proxy that keeps questions from it would
    /// say so in another form.
    pub(super) fn is_gitlabs_404(&self) -> bool {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let texts = ["message", "error"].map(|name| value.get(name).and_then(serde_json::Value::as_str));
        self.status == StatusCode::NOT_FOUND && texts.iter().flatten().any(|text| text.starts_with("404"))
    }

    /// That the status says nothing about the token.
    pub(super) fn unexpected(self) -> AuthorityClientError {
        if self.status.is_redirection() {
            return AuthorityClientError::Redirect(self.url);
        }
        AuthorityClientError::Status(self.url, self.status)
    }
}

impl Client {
    pub(super) fn new(settings: &GitlabAuthoritySettings) -> Result<Self, AuthoritySettingsError> {
        let gitlab = base(&settings.url).map_err(AuthoritySettingsError::Url)?;
        let builder = HttpClientBuilder::new(settings.ca_certificates.clone(), gitlab.scheme() == "http")?;
        let http = builder
            .build()
            .map_err(|error| AuthoritySettingsError::Client(root_cause(&error).to_string()))?;
        Ok(Self { gitlab, http })
    }

    /// The answer to the question at this path, whatever its status.
    pub(super) async fn get(
        &self,
        path: &[&str],
        credential: &Credential,
    ) -> Result<Answer, AuthorityClientError> {
        let mut url = self.gitlab.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let (name, value) = header(credential)?;
        let request = self.http.get(url.clone()).header(ACCEPT, "application/json").header(name, value);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, url) = (response.status(), url.to_string());
        Ok(Answer { status, body: self.body(response).await?, url })
    }

    pub(super) fn too_slow(&self, after: Duration) -> AuthorityClientError {
        AuthorityClientError::TooSlow(self.gitlab.to_string(), after)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, AuthorityClientError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + piece.len() > MAX_BODY {
                return Err(AuthorityClientError::TooLarge(self.gitlab.to_string()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &reqwest::Error) -> AuthorityClientError {
        let why = if error.is_connect() { "cannot be reached" } else { "broke off" };
        AuthorityClientError::Unreachable {
            gitlab: self.gitlab.to_string(),
            why,
            cause: root_cause(error).to_string(),
        }
    }
}

/// The address that all paths are appended to.
fn base(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("does not begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or a password in it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment");
    }
    Ok(url)
}

/// The header that carries the token.
fn header(credential: &Credential) -> Result<(HeaderName, HeaderValue), AuthorityClientError> {
    let (name, text) = match credential {
        Credential::PrivateToken(token) => (PRIVATE_TOKEN, token.clone()),
        Credential::Bearer(token) => (AUTHORIZATION, format!("Bearer {token}")),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| AuthorityClientError::Header)?;
    value.set_sensitive(true);
    Ok((name, value))
}
