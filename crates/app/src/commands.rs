//! The commands, one module each; `worker` is part of `serve`.

mod accept;
mod export;
mod import;
mod orphans;
mod scan;
mod serve;
mod status;
mod sync;
mod token;
mod verify;

use std::process::ExitCode;

use crate::args::Command;
use crate::settings::{Loaded, show};
use crate::{output, wiring};

impl Command {
    /// Whether the command runs until it is stopped.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Worker(_))
    }
}

/// Runs one command to its end.
pub(crate) async fn run(command: &Command, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    match command {
        Command::Serve(_) => return serve::run(settings).await,
        Command::Worker(_) => return serve::run_worker(settings).await,
        Command::Verify(arguments) => return verify::run(settings, arguments).await,
        Command::Status(arguments) => status::run(settings, arguments).await?,
        Command::Import(arguments) => import::run(settings, arguments).await?,
        Command::Scan(arguments) => scan::run(settings, arguments).await?,
        Command::Sync(arguments) => return sync::run(settings, arguments).await,
        Command::Orphans(arguments) => return orphans::run(settings, arguments).await,
        Command::Export(arguments) => export::run(settings, arguments).await?,
        Command::Grants { role } => output::print(&stocktake_source_gitlab::grants(role))?,
        Command::Accept(arguments) => return accept::run(settings, arguments).await,
        Command::Token(command) => token::run(settings, command).await?,
        Command::Migrate => migrate(loaded).await?,
        Command::Config => output::print(&show(loaded))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn migrate(loaded: &Loaded) -> anyhow::Result<()> {
    let applied = stocktake_diesel_storage::migrate(&wiring::store_settings(&loaded.settings)).await?;
    if applied.is_empty() {
        return output::print_line("the schema is current");
    }
    applied.iter().try_for_each(|migration| output::print_line(&format!("applied {migration}")))
}
