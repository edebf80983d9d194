//! `stocktake token`: access tokens.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stocktake_diesel_storage::Store;
use stocktake_domain::{Clock as _, NewToken, Timestamp, Token, TokenDigest};

use crate::address::base_url;
use crate::args::{TokenCommand, TokenCreateArguments};
use crate::output::Text;
use crate::quantities::date;
use crate::settings::Settings;
use crate::system::{SystemClock, secret};
use crate::{document, output, suggest, terminal, wiring};

/// What every token begins with.
const PREFIX: &str = "stk-";

/// Runs the command.
pub(super) async fn run(settings: &Settings, command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(arguments) => {
            let expires_at = end(SystemClock.now(), arguments.expires_in)?;
            create(&wiring::open_or_make_store(settings).await?, arguments, expires_at).await?;
            if !arguments.json {
                say_how_to_try(settings, arguments);
            }
            Ok(())
        }
        TokenCommand::List { json } => list(&wiring::open_to_read(settings).await?, *json).await,
        TokenCommand::Revoke { name, json } => {
            revoke(&wiring::open_store(settings).await?, name, *json).await
        }
    }
}

/// When a token ends that is made now and counts for this long; `None`: never.
fn end(now: Timestamp, span: Option<Duration>) -> anyhow::Result<Option<Timestamp>> {
    let end = span.map(|span| now.after(span));
    if end.is_some_and(|end| !end.has_four_digit_year()) {
        bail!("a token cannot end after the year 9999; without --expires-in it never ends");
    }
    Ok(end)
}

async fn create(
    store: &Store,
    arguments: &TokenCreateArguments,
    expires_at: Option<Timestamp>,
) -> anyhow::Result<()> {
    output::check_is_open()?;
    let text = format!("{PREFIX}{}", secret().context("the operating system gives no random bytes")?);
    let token = NewToken {
        name: arguments.name.clone(),
        owner: arguments.owner.clone().unwrap_or_else(|| arguments.name.clone()),
        admin: arguments.admin,
        scope: arguments.scope,
        expires_at,
        digest: TokenDigest(Sha256::digest(text.as_bytes()).into()),
    };
    let name = &arguments.name;
    // The answer may be lost after the token was made.
    let made = store.tokens.create(&token).await.with_context(|| {
        format!("the token {name:?} may have been made, and nobody knows it: stocktake token revoke {name}")
    });
    if made?.is_err() {
        bail!(
            "a token named {name:?} exists already; revoke it first (stocktake token revoke {name}) or take another name"
        );
    }
    let printed = if arguments.json {
        document::text(json!({
            "name": token.name,
            "owner": token.owner,
            "admin": token.admin,
            "scope": token.scope.to_string(),
            "expires_at": token.expires_at.map(|at| at.to_string()),
            "token": text,
        }))
    } else {
        Text::of(text)
    };
    if let Err(error) = output::hand_over(&printed) {
        // Nobody knows it, and it would be valid.
        store.tokens.revoke(&arguments.name).await?;
        return Err(error).with_context(|| format!("the token {:?} was revoked again", arguments.name));
    }
    Ok(())
}

/// Says a line that shows what the token is good for. The token itself is nowhere but on standard output.
fn say_how_to_try(settings: &Settings, arguments: &TokenCreateArguments) {
    let http = &settings.http;
    if http.listen.port() == 0 && http.external_url.is_none() {
        // Nobody knows yet where the service will be.
        return;
    }
    let base = base_url(http.external_url.as_deref(), http.listen);
    let path = if arguments.admin { "/api/v1/summary" } else { "/api/v4/user" };
    let curl = format!("curl -H \"PRIVATE-TOKEN: $TOKEN\" {base}{path}");
    output::say(&if terminal::has_results() {
        format!(
            "It is shown only now. With the service running, paste this line, then the token: read -r TOKEN; {curl}"
        )
    } else {
        format!("With the service running and the token in the variable TOKEN: {curl}")
    });
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let tokens = store.tokens.list().await?;
    let now = store.clock.now();
    if json {
        let tokens: Vec<Value> = tokens.iter().map(|token| to_json(token, now)).collect();
        return output::print(&document::text(json!({ "tokens": tokens })));
    }
    let header = ["name", "owner", "admin", "scope", "created", "expires", "revoked", "state"];
    let header = header.map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(tokens.iter().map(|token| row(token, now))).collect();
    output::print(&Text::table(&rows, usize::MAX))
}

fn row(token: &Token, now: Timestamp) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), date);
    vec![
        token.made.name.clone(),
        token.made.owner.clone(),
        if token.made.admin { "yes" } else { "no" }.to_owned(),
        token.made.scope.to_string(),
        date(token.created_at),
        time(token.made.expires_at),
        time(token.revoked_at),
        state(token, now).to_owned(),
    ]
}

fn to_json(token: &Token, now: Timestamp) -> Value {
    json!({
        "name": token.made.name,
        "owner": token.made.owner,
        "admin": token.made.admin,
        "scope": token.made.scope.to_string(),
        "created_at": token.created_at.to_string(),
        "expires_at": token.made.expires_at.map(|at| at.to_string()),
        "revoked_at": token.revoked_at.map(|at| at.to_string()),
        "state": state(token, now),
    })
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    let is_expired = token.made.expires_at.is_some_and(|end| end <= now);
    match token.revoked_at {
        Some(_) => "revoked",
        None if is_expired => "expired",
        None => "valid",
    }
}

async fn revoke(store: &Store, name: &str, json: bool) -> anyhow::Result<()> {
    match store.tokens.revoke(name).await? {
        Some(_) if json => output::print(&document::text(json!({ "revoked": name }))),
        Some(_) => output::print_line(&format!("revoked {name}")),
        None => {
            let tokens = store.tokens.list().await?;
            let valid = tokens.iter().filter(|token| token.revoked_at.is_none());
            let names: Vec<&str> = valid.map(|token| token.made.name.as_str()).collect();
            bail!("{}", suggest::unknown("unrevoked token", name, &names))
        }
    }
}
