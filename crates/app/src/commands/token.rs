//! `stocktake token`: access tokens.

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use stocktake_diesel_storage::Store;
use stocktake_domain::{NewToken, Timestamp, Token, TokenDigest};

use crate::args::{TokenCommand, TokenCreateArguments};
use crate::settings::Settings;
use crate::system::secret;
use crate::{output, wiring};

/// What every token begins with.
const PREFIX: &str = "stk-";

/// Runs the command.
pub(super) async fn run(settings: &Settings, command: &TokenCommand) -> anyhow::Result<()> {
    let store = wiring::open_store(settings).await?;
    match command {
        TokenCommand::Create(arguments) => create(&store, arguments).await,
        TokenCommand::List => list(&store).await,
        TokenCommand::Revoke { name } => revoke(&store, name).await,
    }
}

async fn create(store: &Store, arguments: &TokenCreateArguments) -> anyhow::Result<()> {
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
    output::print_line(&text)
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let header =
        ["name", "owner", "admin", "scope", "created", "expires", "revoked"].map(str::to_owned).to_vec();
    let tokens = store.tokens.list().await?;
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(tokens.iter().map(row)).collect();
    output::print(&output::table(&rows, usize::MAX))
}

fn row(token: &Token) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    vec![
        token.made.name.clone(),
        token.made.owner.clone(),
        if token.made.admin { "yes" } else { "no" }.to_owned(),
        token.made.scope.to_string(),
        token.created_at.to_string(),
        time(token.made.expires_at),
        time(token.revoked_at),
    ]
}

async fn revoke(store: &Store, name: &str) -> anyhow::Result<()> {
    match store.tokens.revoke(name).await? {
        Some(_) => output::print_line(&format!("revoked {name}")),
        None => bail!("there is no unrevoked token named {name:?}"),
    }
}
