//! Authentication: tokens and passwords, and which servers they are sent to.
//!
//! A password is sent to the registry itself if it requests one, and to the token server that its challenge names, but
//! never to a plain HTTP server if the registry's own URL is HTTPS.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::body;
use super::challenge::{Challenge, choose};
use super::transport::Transport;
use crate::source::RegistryError;

/// The most tokens that are kept; each is valid for one repository, for some minutes.
const MAX_TOKENS: usize = 1024;

/// How long a token is valid if its server does not say (from the token specification).
const DEFAULT_LIFE: u64 = 60;

/// The longest time for which a token is kept, even if its server allows more.
const MAX_LIFE: u64 = 24 * 60 * 60;

/// A token is no longer used when only this part of its lifetime is left.
const MARGIN: u32 = 10;

/// The most tokens that are fetched for one request.
const MAX_CHALLENGES: u32 = 2;

/// The error of a challenge to a token that does not permit the request.
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

/// The most bytes of a token server's answer.
const MAX_ANSWER: usize = 256 * 1024;

/// The authentication state of one registry.
pub(super) struct Auth {
    registry: Url,
    credentials: Option<(String, SecretString)>,
    state: Mutex<State>,
    /// Locked while a token is fetched, so that concurrent requests fetch only one.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Whether the registry itself has requested the password.
    basic: bool,
    /// By scope: a repository, or the empty text for the registry itself.
    tokens: HashMap<String, Token>,
    tokens_made: u64,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    until: Instant,
    number: u64,
}

/// The credential that a request was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Anonymous,
    Password,
    /// The number of the token.
    Token(u64),
}

#[derive(Deserialize)]
struct Answer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(registry: Url, credentials: Option<(String, SecretString)>) -> Self {
        Self { registry, credentials, state: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Adds the credential that the registry is known to require for this scope, if any.
    pub(super) fn authorize(&self, scope: &str, request: RequestBuilder) -> (RequestBuilder, Credential) {
        let state = self.lock();
        if let Some(token) = state.tokens.get(scope).filter(|token| token.until > Instant::now()) {
            return (request.bearer_auth(token.text.expose_secret()), Credential::Token(token.number));
        }
        match &self.credentials {
            Some((user, password)) if state.basic => {
                (request.basic_auth(user, Some(password.expose_secret())), Credential::Password)
            }
            _ => (request, Credential::Anonymous),
        }
    }

    /// Responds to the challenge of a 401 to a request with this credential. `Ok` if the request is worth repeating.
    /// `challenged` is the number of earlier challenges to this request.
    pub(super) async fn authenticate(
        &self,
        transport: &Transport,
        scope: &str,
        credential: Credential,
        challenged: u32,
        headers: &HeaderMap,
    ) -> Result<(), RegistryError> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match choose(texts) {
            None => Err(self.refused("answers 401 without a challenge that can be taken up")),
            Some(Challenge::Basic) if self.credentials.is_none() => {
                Err(self.refused("wants a user name and a password, and none are configured"))
            }
            Some(Challenge::Basic) if credential == Credential::Password || challenged > 0 => {
                Err(self.refused("refuses the user name or the password"))
            }
            Some(Challenge::Basic) => {
                self.lock().basic = true;
                Ok(())
            }
            Some(Challenge::Bearer { error: Some(error), .. })
                if challenged > 0 && error == INSUFFICIENT_SCOPE =>
            {
                let what = if scope.is_empty() { "its catalogue" } else { scope };
                let origin = self.registry.origin().ascii_serialization();
                let reason = format!("registry {origin} denies access to {what}");
                Err(RegistryError::Unclear { reason, origin })
            }
            // One token may have expired early, but not several in a row.
            Some(Challenge::Bearer { .. }) if challenged >= MAX_CHALLENGES => {
                Err(self.refused("refuses the token that its token server gave"))
            }
            Some(Challenge::Bearer { realm, service, scope: token_scope, .. }) => {
                let _alone = self.fetching.lock().await;
                if self.has_newer(scope, credential) {
                    return Ok(());
                }
                let token = self.fetch(transport, &realm, service.as_deref(), token_scope.as_deref()).await?;
                self.keep(scope, token);
                Ok(())
            }
        }
    }

    fn has_newer(&self, scope: &str, credential: Credential) -> bool {
        let state = self.lock();
        let token = state.tokens.get(scope).filter(|token| token.until > Instant::now());
        token.is_some_and(|token| credential != Credential::Token(token.number))
    }

    async fn fetch(
        &self,
        transport: &Transport,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<(SecretString, Duration), RegistryError> {
        let url = self.token_url(realm, service, scope)?;
        let server = url.origin().ascii_serialization();
        let make = || {
            let request = transport.client().get(url.clone());
            match &self.credentials {
                Some((user, password)) => request.basic_auth(user, Some(password.expose_secret())),
                None => request,
            }
        };
        let response = transport.send(make).await?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(RegistryError::storage(match self.credentials {
                Some(_) => format!("token server {server} refuses the user name or the password"),
                None => format!("token server {server} gives no token without credentials"),
            }));
        }
        if !status.is_success() {
            return Err(RegistryError::storage(format!("token server {server} answers {status}")));
        }
        let bytes = body::read(response, MAX_ANSWER).await.ok();
        let answer = bytes.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).ok());
        let life = answer.as_ref().and_then(|answer| answer.expires_in).unwrap_or(DEFAULT_LIFE);
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        let token = token.ok_or_else(|| {
            RegistryError::storage(format!("token server {server} gives an answer without a token"))
        })?;
        let life = Duration::from_secs(life.min(MAX_LIFE));
        Ok((token, life.saturating_sub(life / MARGIN)))
    }

    fn token_url(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Url, RegistryError> {
        let wrong = |why: &str| self.refused(&format!("sends us to {realm} for a token, {why}"));
        let mut url = Url::parse(realm).map_err(|_| wrong("which is no URL"))?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => self.registry.scheme() == "http",
            _ => false,
        };
        if !is_safe {
            return Err(wrong("which is not HTTPS"));
        }
        let mut query = url.query_pairs_mut();
        for (name, value) in [("service", service), ("scope", scope)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        drop(query);
        Ok(url)
    }

    fn keep(&self, scope: &str, (text, life): (SecretString, Duration)) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.tokens.len() >= MAX_TOKENS {
            state.tokens.retain(|_, token| token.until > now);
        }
        if state.tokens.len() >= MAX_TOKENS {
            state.tokens.clear();
        }
        state.tokens_made += 1;
        let number = state.tokens_made;
        state.tokens.insert(scope.to_owned(), Token { text, until: now + life, number });
    }

    fn refused(&self, what: &str) -> RegistryError {
        RegistryError::storage(format!("registry {} {what}", self.registry.origin().ascii_serialization()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
