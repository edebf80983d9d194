//! The commands, one module each.

mod accept;
mod check;
mod doctor;
mod export;
mod foreground;
mod import;
mod import_report;
mod init;
mod jobs;
mod judging;
mod models;
mod orphans;
mod scan;
mod serve;
mod show;
mod status;
mod sync;
mod token;
mod verify;
mod worker;

use std::process::ExitCode;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::args::{Arguments, Command, ListFormat};
use crate::lifecycle::interrupted;
use crate::output::Text;
use crate::settings::{Loaded, show, values};
use crate::{document, output, usage, wiring};

impl Command {
    /// Whether the command runs until it is stopped.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Worker(_))
    }

    /// Whether what it prints is for a program.
    pub(crate) fn is_for_a_program(&self) -> bool {
        match self {
            Self::Verify(arguments) => arguments.json,
            Self::Check(arguments) => arguments.json,
            Self::Import(arguments) => arguments.json,
            Self::ImportReport(arguments) => arguments.json,
            Self::Scan(arguments) => arguments.json,
            Self::Sync(arguments) => arguments.json,
            Self::Accept(arguments) => arguments.json,
            Self::Orphans(arguments) => arguments.format() == ListFormat::Json,
            _ => false,
        }
    }
}

/// Runs a command that needs nothing but the program itself; `None` if it is another.
pub(crate) fn run_at_once(command: &Command) -> Option<anyhow::Result<ExitCode>> {
    let printed = match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut usage::command(), "stocktake", &mut script);
            output::print_script(&script)
        }
        Command::Version { json: false } => {
            output::print(&Text::of_lines(&usage::command().render_version()))
        }
        Command::Version { json: true } => output::print(&document::text(json!({
            "program": env!("CARGO_PKG_VERSION"),
            "revision": env!("STOCKTAKE_REVISION"),
        }))),
        _ => return None,
    };
    Some(printed.map(|()| ExitCode::SUCCESS))
}

/// Runs one command to its end, or until it is stopped.
pub(crate) async fn run(
    arguments: &Arguments,
    loaded: &Loaded,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let (command, settings) = (&arguments.command, &loaded.settings);
    let short: BoxFuture<'_, anyhow::Result<ExitCode>> = match command {
        // These have something to give back when they are stopped.
        Command::Serve(_) => return serve::run(loaded, stop).await,
        Command::Worker(_) => return worker::run(settings, stop).await,
        Command::Verify(arguments) => return verify::run(loaded, arguments, stop).await,
        Command::ImportReport(arguments) => return import_report::run(loaded, arguments, stop).await,
        Command::Scan(arguments) => return scan::run(loaded, arguments, stop).await,
        Command::Sync(arguments) => return sync::run(settings, arguments, stop).await,
        Command::Orphans(arguments) => return orphans::run(settings, arguments, stop).await,
        Command::Check(arguments) => return check::run(settings, arguments, stop).await,
        // What these write is one transaction, which ends with the process.
        Command::Status(arguments) => Box::pin(status::run(loaded, arguments)),
        Command::Import(arguments) => Box::pin(good(import::run(settings, arguments))),
        Command::Export(arguments) => Box::pin(good(export::run(settings, arguments))),
        Command::Grants { role, json } => Box::pin(good(async { output::print(&grants(role, *json)) })),
        Command::Accept(arguments) => Box::pin(accept::run(settings, arguments)),
        Command::Show(arguments) => Box::pin(good(show::run(loaded, arguments))),
        Command::Models(arguments) => Box::pin(good(models::run(settings, arguments))),
        Command::Jobs { command, json } => Box::pin(good(jobs::run(settings, command.as_ref(), *json))),
        Command::Token(command) => Box::pin(good(token::run(settings, command))),
        Command::Init { folder, json } => {
            let file = arguments.global.config.as_deref();
            Box::pin(good(init::run(folder.as_deref(), file, arguments.overrides(), *json)))
        }
        Command::Doctor { json } => Box::pin(doctor::run(loaded, *json)),
        // Already run, without a configuration.
        Command::Completions { .. } | Command::Version { .. } => return Ok(ExitCode::SUCCESS),
        Command::Migrate { json } => Box::pin(good(migrate(loaded, *json))),
        Command::Config { json } => Box::pin(good(async { output::print(&config(loaded, *json)) })),
    };
    stop.run_until_cancelled(short).await.unwrap_or_else(|| Ok(interrupted("")))
}

/// The exit status of a command that finds nothing wrong if it can be run.
async fn good(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    command.await.map(|()| ExitCode::SUCCESS)
}

fn grants(role: &str, as_json: bool) -> Text {
    let statements = stocktake_source_gitlab::grants(role);
    if as_json {
        return document::text(json!({ "role": role, "sql": statements }));
    }
    Text::of_lines(&statements).verbatim()
}

fn config(loaded: &Loaded, as_json: bool) -> Text {
    if !as_json {
        return Text::of_lines(&show(loaded)).verbatim();
    }
    let values = values(loaded)
        .into_iter()
        .map(|shown| json!({ "key": shown.key, "value": shown.json, "origin": shown.origin }));
    document::text(json!({ "values": values.collect::<Vec<_>>() }))
}

async fn migrate(loaded: &Loaded, as_json: bool) -> anyhow::Result<()> {
    let applied = stocktake_diesel_storage::migrate(&wiring::store_settings(&loaded.settings)).await?;
    if as_json {
        return output::print(&document::text(json!({ "applied": applied })));
    }
    if applied.is_empty() {
        return output::print_line("the schema is current");
    }
    applied.iter().try_for_each(|migration| output::print_line(&format!("applied {migration}")))
}
