//! Who we are: tokens and passwords, and to whom they are given.
//!
//! A password goes to the registry itself if it asks for one, and to the server that its challenge names for
//! tokens; never to a plain HTTP server if the registry's own URL is HTTPS.

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
use crate::source::Fault;

/// The most tokens that are kept; each is good for one repository, for some minutes.
const MAX_TOKENS: usize = 1024;

/// How long a token is good if its server does not say (as the token specification has it).
const DEFAULT_LIFE: u64 = 60;

/// The longest a token is kept, whatever its server says.
const MAX_LIFE: u64 = 24 * 60 * 60;

/// A token is not used any more when this part of its life is left.
const MARGIN: u32 = 10;

/// How many tokens are asked for because of one request.
const ROUNDS: u32 = 2;

/// What a registry says of a token that does not let do what was asked for.
const SCOPE: &str = "insufficient_scope";

/// The most bytes of a token server's answer.
const MAX_ANSWER: usize = 256 * 1024;

/// What proves who we are.
pub(super) struct Auth {
    registry: Url,
    credentials: Option<(String, SecretString)>,
    state: Mutex<State>,
    /// Held while a token is fetched, so that many requests at once fetch one.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Whether the registry itself has asked for the password.
    basic: bool,
    /// By what they are good for: a repository, or the empty text for the registry.
    tokens: HashMap<String, Token>,
    tokens_made: u64,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    until: Instant,
    number: u64,
}

/// What a request was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Nothing,
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

    /// Adds to the request what proves who we are, as far as it is known what the registry wants.
    pub(super) fn prove(&self, area: &str, request: RequestBuilder) -> (RequestBuilder, Proof) {
        let state = self.lock();
        if let Some(token) = state.tokens.get(area).filter(|token| token.until > Instant::now()) {
            return (request.bearer_auth(token.text.expose_secret()), Proof::Token(token.number));
        }
        match &self.credentials {
            Some((user, password)) if state.basic => {
                (request.basic_auth(user, Some(password.expose_secret())), Proof::Password)
            }
            _ => (request, Proof::Nothing),
        }
    }

    /// Takes up the challenge of a 401 that a request with this proof got. `Ok` if it is worth asking again.
    /// `round` says how many challenges of this request were taken up before.
    pub(super) async fn take_up(
        &self,
        transport: &Transport,
        area: &str,
        proof: Proof,
        round: u32,
        headers: &HeaderMap,
    ) -> Result<(), Fault> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match choose(texts) {
            None => Err(self.refused("answers 401 without a challenge that can be taken up")),
            Some(Challenge::Basic) if self.credentials.is_none() => {
                Err(self.refused("wants a user name and a password, and none are configured"))
            }
            Some(Challenge::Basic) if proof == Proof::Password || round > 0 => {
                Err(self.refused("refuses the user name or the password"))
            }
            Some(Challenge::Basic) => {
                self.lock().basic = true;
                Ok(())
            }
            Some(Challenge::Bearer { error: Some(error), .. }) if round > 0 && error == SCOPE => {
                let what = if area.is_empty() { "its catalogue" } else { area };
                Err(self.refused(&format!("denies access to {what}")))
            }
            // One token may have lost its worth too early, but not one after the other.
            Some(Challenge::Bearer { .. }) if round >= ROUNDS => {
                Err(self.refused("refuses the token that its token server gave"))
            }
            Some(Challenge::Bearer { realm, service, scope, .. }) => {
                let _alone = self.fetching.lock().await;
                if self.has_newer(area, proof) {
                    return Ok(());
                }
                let token = self.fetch(transport, &realm, service.as_deref(), scope.as_deref()).await?;
                self.keep(area, token);
                Ok(())
            }
        }
    }

    fn has_newer(&self, area: &str, proof: Proof) -> bool {
        let state = self.lock();
        let token = state.tokens.get(area).filter(|token| token.until > Instant::now());
        token.is_some_and(|token| proof != Proof::Token(token.number))
    }

    async fn fetch(
        &self,
        transport: &Transport,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
    ) -> Result<(SecretString, Duration), Fault> {
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
            return Err(Fault::Whole(match self.credentials {
                Some(_) => format!("token server {server} refuses the user name or the password"),
                None => format!("token server {server} gives no token without credentials"),
            }));
        }
        if !status.is_success() {
            return Err(Fault::Whole(format!("token server {server} answers {status}")));
        }
        let bytes = body::read(response, MAX_ANSWER).await.ok();
        let answer = bytes.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).ok());
        let life = answer.as_ref().and_then(|answer| answer.expires_in).unwrap_or(DEFAULT_LIFE);
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        let token = token
            .ok_or_else(|| Fault::Whole(format!("token server {server} gives an answer without a token")))?;
        let life = Duration::from_secs(life.min(MAX_LIFE));
        Ok((token, life.saturating_sub(life / MARGIN)))
    }

    fn token_url(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<Url, Fault> {
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

    fn keep(&self, area: &str, (text, life): (SecretString, Duration)) {
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
        state.tokens.insert(area.to_owned(), Token { text, until: now + life, number });
    }

    fn refused(&self, what: &str) -> Fault {
        Fault::Whole(format!("registry {} {what}", self.registry.origin().ascii_serialization()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
