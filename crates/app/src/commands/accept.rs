//! `stocktake accept`: the content as it is now is the good one.

use std::process::ExitCode;

use anyhow::Context as _;
use stocktake_worker::{AcceptError, Accepted};

use crate::args::AcceptArguments;
use crate::settings::Settings;
use crate::{COULD_NOT_RUN, output, wiring};

/// Runs the command. A record that cannot be accepted does not keep the others from it.
pub(super) async fn run(settings: &Settings, arguments: &AcceptArguments) -> anyhow::Result<ExitCode> {
    let store = wiring::open_store(settings).await?;
    let engine = wiring::engine(settings, &store, wiring::storages(settings)?);
    let mut code = ExitCode::SUCCESS;
    for key in &arguments.identifiers {
        let name = format!("{} {key}", arguments.model);
        match engine.accept(arguments.model, key).await {
            Ok(accepted) => output::print_line(&format!("{name}: {}", describe(&accepted)))?,
            Err(AcceptError::Store(error)) => {
                return Err(error).with_context(|| format!("{name} was not accepted"));
            }
            Err(error) => {
                output::complain(&format!("{name} was not accepted: {error}"));
                code = ExitCode::from(COULD_NOT_RUN);
            }
        }
    }
    Ok(code)
}

/// What was accepted, and what that replaced.
fn describe(accepted: &Accepted) -> String {
    let previous = &accepted.previous;
    let mut replaced = Vec::new();
    replaced.extend(previous.expected.map(|digest| format!("the recorded digest {}", digest.tagged())));
    replaced.extend(previous.size.map(|size| format!("the recorded size {size} bytes")));
    replaced.extend(
        previous.baseline.map(|good| format!("the checksum {} of {}", good.digest.tagged(), good.at)),
    );
    let replaced = if replaced.is_empty() { "nothing".to_owned() } else { replaced.join(", ") };
    let size = accepted.size.map(|size| format!(" ({size} bytes)")).unwrap_or_default();
    format!("accepted {}{size}, which replaces {replaced}", accepted.checksum.tagged())
}
