//! `stocktake token`: access tokens.

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use stocktake_diesel_storage::Store;
use stocktake_domain::{NewToken, Timestamp, Token, TokenDigest};

use crate::args::{TokenCommand, TokenCreateArguments};
use crate::output::Text;
use crate::settings::Settings;
use crate::system::secret;
use crate::{output, wiring};

/// What every token begins with.
const PREFIX: &str = "stk-";

/// Runs the command.
pub(super) async fn run(settings: &Settings, command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(arguments) => {
            create(&wiring::open_or_make_store(settings).await?, arguments).await
        }
        TokenCommand::List => list(&wiring::open_store(settings).await?).await,
        TokenCommand::Revoke { name } => revoke(&wiring::open_store(settings).await?, name).await,
    }
}

async fn create(store: &Store, arguments: &TokenCreateArguments) -> anyhow::Result<()> {
    output::check_is_open()?;
    let text = format!("{PREFIX}{}", secret().context("the operating system gives no random bytes")?);
    let token = NewToken {
        name: arguments.name.clone(),
        owner: arguments.owner.clone().unwrap_or_else(|| arguments.name.clone()),
        admin: arguments.admin,
        scope: arguments.scope,
        expires_at: arguments.expires_in.map(|span| store.clock.now().after(span)),
        digest: TokenDigest(Sha256::digest(text.as_bytes()).into()),
    };
    if store.tokens.create(&token).await?.is_err() {
        bail!("a token named {:?} exists already; revoke it first or take another name", arguments.name);
    }
    if let Err(error) = output::hand_over(&text) {
        // Nobody knows it, and it would be valid.
        store.tokens.revoke(&arguments.name).await?;
        return Err(error).with_context(|| format!("the token {:?} was revoked again", arguments.name));
    }
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let header = ["name", "owner", "admin", "scope", "created", "expires", "revoked", "state"]
        .map(str::to_owned)
        .to_vec();
    let tokens = store.tokens.list().await?;
    let now = store.clock.now();
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(tokens.iter().map(|token| row(token, now))).collect();
    output::print(&Text::table(&rows, usize::MAX))
}

fn row(token: &Token, now: Timestamp) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let is_expired = token.made.expires_at.is_some_and(|end| end <= now);
    let state = match token.revoked_at {
        Some(_) => "revoked",
        None if is_expired => "expired",
        None => "valid",
    };
    vec![
        token.made.name.clone(),
        token.made.owner.clone(),
        if token.made.admin { "yes" } else { "no" }.to_owned(),
        token.made.scope.to_string(),
        token.created_at.to_string(),
        time(token.made.expires_at),
        time(token.revoked_at),
        state.to_owned(),
    ]
}

async fn revoke(store: &Store, name: &str) -> anyhow::Result<()> {
    match store.tokens.revoke(name).await? {
        Some(_) => output::print_line(&format!("revoked {name}")),
        None => bail!("there is no unrevoked token named {name:?}"),
    }
}
