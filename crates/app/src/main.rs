//! The program `stocktake`: reads the command line and the configuration, wires the crates together and runs
//! one command.

mod address;
mod args;
mod check;
mod columns;
mod commands;
mod console;
mod document;
mod escape;
mod findings;
mod lifecycle;
mod limits;
mod logging;
mod output;
mod progress;
mod quantities;
mod recalculation;
mod scan;
mod settings;
mod signals;
mod suggest;
mod system;
mod terminal;
mod usage;
mod verdict;
mod wiring;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ColorChoice, FromArgMatches as _};
use rustix::fs::Mode;
use rustix::process::umask;
use stocktake_domain::ports::StoreError;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use args::{Arguments, Command};
use settings::{Loaded, SettingsError};
use signals::Hangup;

/// Many small strings for records and rows go through the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The program could not do what was asked: wrong arguments, wrong configuration, an unreachable database.
const COULD_NOT_RUN: u8 = 2;

/// How long a thread may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    logging::catch_panics();
    if std::env::args_os().len() == 1 {
        return usage::introduce();
    }
    let matches = usage::command().try_get_matches();
    let arguments = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return usage::report(&error),
    };
    let status = run(&arguments).unwrap_or_else(|error| {
        output::complain(&sentence(&error));
        ExitCode::from(COULD_NOT_RUN)
    });
    logging::flush();
    status
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // What is made (the database, what SQLite puts beside it, temporary files) may hold keys.
    umask(Mode::RWXG | Mode::RWXO);
    if let Some(done) = commands::run_at_once(&arguments.command) {
        return done;
    }
    limits::check_memory()?;
    let mut loaded = load(arguments)?;
    let is_service = arguments.command.is_service();
    if arguments.global.quiet {
        progress::be_quiet();
    }
    if arguments.command.is_for_a_program() && !progress::is_live() {
        progress::be_for_a_program();
    }
    let is_coloured = |is_live| is_coloured(arguments.global.color, is_live);
    if is_coloured(terminal::is_live()) {
        output::be_coloured();
    }
    let is_coloured = is_coloured(progress::is_live());
    let level = logging::start(&loaded.settings.log, is_service, is_coloured, progress::BesideTheLine)?;
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    limits::fit(&mut loaded.settings)?;
    let hangup = if is_service {
        let arguments = arguments.clone();
        Hangup::Calls(Box::new(move || reload(&arguments, &level)))
    } else {
        Hangup::Interrupts
    };
    let stop = CancellationToken::new();
    signals::listen(stop.clone(), hangup)?;
    let runtime = runtime(loaded.settings.capacity.threads)?;
    let result = runtime.block_on(commands::run(arguments, &loaded, stop));
    let result = result.map_err(|error| with_place(error, &loaded));
    // A read that hangs in the operating system must not keep the process from ending.
    runtime.shutdown_background();
    result
}

/// Whether what is written somewhere is coloured, if that is a terminal that can be redrawn, or not.
fn is_coloured(choice: ColorChoice, is_live: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty()) && is_live,
    }
}

/// The runtime, with this many threads, and one at least that runs blocking calls.
fn runtime(threads: NonZeroUsize) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // A blocking thread that ends may be one that the system does not start again.
    let builder = builder.worker_threads(threads.get()).thread_keep_alive(Duration::MAX).enable_all();
    let runtime = builder.build()?;
    let first = async { tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(|| ())).await };
    runtime.block_on(first).context("the system cannot start a thread")??;
    Ok(runtime)
}

fn load(arguments: &Arguments) -> Result<Loaded, SettingsError> {
    match &arguments.command {
        Command::Init { .. } => settings::load_defaults(arguments.overrides()),
        Command::Check(check) => settings::load_for_folder(&check.path, arguments.overrides()),
        _ => settings::load(arguments.global.config.as_deref(), arguments.overrides()),
    }
}

/// Takes up what can be changed without a new start: what is logged.
fn reload(arguments: &Arguments, level: &logging::Level) {
    match load(arguments) {
        Ok(loaded) => {
            let log = &loaded.settings.log;
            level.set(log);
            tracing::info!(log.level = log.level, "reloaded the configuration: log.level is {:?}", log.level);
        }
        Err(error) => tracing::error!(
            error.cause = %error,
            "the configuration cannot be reloaded, everything stays as it was: {error}"
        ),
    }
}

/// An unreachable database, with where it is configured.
fn with_place(error: anyhow::Error, loaded: &Loaded) -> anyhow::Error {
    let is_unreachable = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(StoreError::Unavailable(_)))
    };
    let place = loaded.origin_of("database.url").filter(|_| error.chain().any(is_unreachable));
    match place {
        Some(place) => anyhow::anyhow!("{} ({place})", sentence(&error)),
        None => error,
    }
}

/// The error and its causes as one line.
fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // Some libraries repeat their cause in their own message.
        if !parts.last().is_some_and(|last| last.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}
