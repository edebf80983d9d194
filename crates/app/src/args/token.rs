//! The options of `token`.

use std::time::Duration;

use clap::{Args, Subcommand};
use stocktake_domain::Scope;

use super::values::future;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print it, once, alone on standard output
    #[command(after_help = "Example:\n  stocktake token create alice --admin --expires-in 30d")]
    Create(TokenCreateArguments),
    /// List all tokens, also expired and revoked ones
    #[command(after_help = "Example:\n  stocktake token list")]
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; it is refused from now on
    #[command(after_help = "Example:\n  stocktake token revoke alice")]
    Revoke {
        /// The token's name
        name: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TokenCreateArguments {
    /// The token's name, unique among tokens that are not revoked
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// The owner is an administrator; the Data management API is open to administrators only
    #[arg(long)]
    pub(crate) admin: bool,
    /// What the token may be used for: `api` (everything) or `read_api` (reading)
    #[arg(long, default_value = "api")]
    pub(crate) scope: Scope,
    /// When the token ends, from now, for example 30d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = future)]
    pub(crate) expires_in: Option<Duration>,
    /// The user that the token acts for [default: the token's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Print one JSON document instead, with the token in it
    #[arg(long)]
    pub(crate) json: bool,
}
