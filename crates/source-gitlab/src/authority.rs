//! GitLab as the authority on tokens: the port [`Authority`] over its HTTP API.
//!
//! Two questions are asked of a token, each with the token in the header that the request had it in:
//!
//! * `GET /api/v4/user` (<https://docs.gitlab.com/api/users/>): whose it is. `is_admin` is set for administrators
//!   alone; where Admin Mode is on, only if the token also has the scope `admin_mode`. Absent means no.
//! * `GET /api/v4/personal_access_tokens/self` (<https://docs.gitlab.com/api/personal_access_tokens/>): what it
//!   is for. Any scope may ask it, but only of a personal, group or project access token: of an `OAuth` token the
//!   answer is 400, and its scopes come from `GET /oauth/token/info` (<https://docs.gitlab.com/api/oauth2/>).
//!
//! The second question is needed because a token that may read only the user's profile (`read_user`) is answered
//! the first one as well. Where the scopes of a token are unknown, it may read; it may do everything only where the
//! GitLab does not know the question at all (404, as GitLab itself says it, not a proxy before it), because then no
//! token of it can answer, and it has vouched for an administrator.

mod client;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde::Deserialize;
use stocktake_domain::Scope;
use stocktake_domain::ports::{Authority, AuthorityError, Credential, Identity};
use stocktake_net::tls::TlsError;

use client::{AuthorityClientError, Client};

/// How long the answers to all questions about a token are waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest token that is asked about, in bytes; GitLab's own are far shorter.
const MAX_TOKEN: usize = 1024;

const USER: [&str; 3] = ["api", "v4", "user"];
const SELF: [&str; 4] = ["api", "v4", "personal_access_tokens", "self"];
const OAUTH: [&str; 3] = ["oauth", "token", "info"];

/// The GitLab whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitlabAuthoritySettings {
    /// Its address, as in a browser; it may have a path, as in `https://example.com/gitlab`.
    pub url: String,
    /// A PEM file of authorities whose certificates are trusted in addition to those of the system.
    pub ca_certificates: Option<PathBuf>,
}

/// Why no GitLab can be asked with these settings.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritySettingsError {
    /// The URL is no address that can be asked.
    #[error("the URL of GitLab {0}")]
    Url(&'static str),
    /// The certificates cannot be used, or there are none.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// No client can be made.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// A GitLab that is asked about tokens.
#[derive(Debug)]
pub struct GitlabAuthority {
    client: Client,
    timeout: Duration,
}

impl GitlabAuthority {
    /// An authority with these settings. Nothing is asked yet.
    pub fn new(settings: &GitlabAuthoritySettings) -> Result<Self, AuthoritySettingsError> {
        Ok(Self { client: Client::new(settings)?, timeout: TIMEOUT })
    }

    async fn ask(&self, credential: &Credential) -> Result<Option<Identity>, AuthorityClientError> {
        let answer = self.client.get(&USER, credential).await?;
        let user: User = match answer.status {
            StatusCode::OK => answer.json()?,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
            _ => return Err(answer.unexpected()),
        };
        if user.state != "active" {
            return Ok(None);
        }
        let Purpose::Scope(scope) = self.purpose(credential).await? else { return Ok(None) };
        let User { id, username, name, is_admin, .. } = user;
        Ok(Some(Identity { id, username, name, admin: is_admin, scope }))
    }

    /// What a token of an active user is for.
    async fn purpose(&self, credential: &Credential) -> Result<Purpose, AuthorityClientError> {
        let answer = self.client.get(&SELF, credential).await?;
        let otherwise = match answer.status {
            StatusCode::OK => return Ok(answer.json::<AccessToken>()?.purpose()),
            StatusCode::UNAUTHORIZED => return Ok(Purpose::Over),
            StatusCode::NOT_FOUND if answer.is_gitlabs_404() => Purpose::Scope(Some(Scope::Api)),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Purpose::Scope(Some(Scope::ReadApi)),
            status if may_pass(status) => return Err(answer.unexpected()),
            _ => return Ok(Purpose::Scope(Some(Scope::ReadApi))),
        };
        if !matches!(credential, Credential::Bearer(_)) {
            return Ok(otherwise);
        }
        let answer = self.client.get(&OAUTH, credential).await?;
        match answer.status {
            StatusCode::OK => Ok(Purpose::Scope(scope(&answer.json::<OauthToken>()?.scope))),
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Ok(otherwise),
            status if may_pass(status) => Err(answer.unexpected()),
            _ => Ok(Purpose::Scope(Some(Scope::ReadApi))),
        }
    }
}

#[async_trait]
impl Authority for GitlabAuthority {
    async fn identify(&self, credential: &Credential) -> Result<Option<Identity>, AuthorityError> {
        if !may_be_a_token(credential) {
            return Ok(None);
        }
        let asked = tokio::time::timeout(self.timeout, self.ask(credential)).await;
        let answer = asked.unwrap_or_else(|_| Err(self.client.too_slow(self.timeout)));
        answer.map_err(|error| AuthorityError(Box::new(error)))
    }
}

/// Whether the text can be that of a token at all, and be sent in a header.
fn may_be_a_token(credential: &Credential) -> bool {
    let (Credential::PrivateToken(text) | Credential::Bearer(text)) = credential;
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the answer says nothing about the token, so that it is asked about again later.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || status.is_redirection() || status == StatusCode::TOO_MANY_REQUESTS
}

/// What a token is for.
enum Purpose {
    /// For this; `None`: for nothing that is offered here.
    Scope(Option<Scope>),
    /// For nothing any more.
    Over,
}

/// Of `GET /api/v4/user`.
#[derive(Deserialize)]
struct User {
    id: i64,
    username: String,
    name: String,
    /// `active`, or for example `blocked` or `deactivated`.
    state: String,
    #[serde(default)]
    is_admin: bool,
}

/// Of `GET /api/v4/personal_access_tokens/self`.
#[derive(Deserialize)]
struct AccessToken {
    scopes: Vec<String>,
    active: bool,
    revoked: bool,
}

impl AccessToken {
    fn purpose(&self) -> Purpose {
        if self.active && !self.revoked { Purpose::Scope(scope(&self.scopes)) } else { Purpose::Over }
    }
}

/// Of `GET /oauth/token/info`.
#[derive(Deserialize)]
struct OauthToken {
    scope: Vec<String>,
}

/// The widest of ours among GitLab's scopes.
fn scope(names: &[String]) -> Option<Scope> {
    [Scope::Api, Scope::ReadApi].into_iter().find(|scope| names.iter().any(|name| name == scope.name()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_not_waited_for() {
        // The system accepts connections, and nothing answers them.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let settings = GitlabAuthoritySettings { url: url.clone(), ca_certificates: None };
        let authority = GitlabAuthority::new(&settings).unwrap();
        let authority = GitlabAuthority { timeout: Duration::from_millis(50), ..authority };
        let error = authority.identify(&Credential::PrivateToken("a".to_owned())).await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), format!("{url} did not answer within 50ms"));
    }
}
