//! `stocktake accept --undo`: what an acceptance replaced counts again.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::Catalogue;
use stocktake_domain::{Acceptance, Model, RecordKey, State};

use super::change::{Change, Place, text};
use super::{refused_json, were};
use crate::args::AcceptArguments;
use crate::output::Text;
use crate::system::operator;
use crate::{COULD_NOT_RUN, document, output};

/// Runs the command. A record of which nothing can be taken back does not keep the others from it.
pub(super) async fn run(store: &Store, arguments: &AcceptArguments) -> anyhow::Result<ExitCode> {
    let Some(model) = arguments.model else { bail!("--undo needs the model and the identifiers of records") };
    let by = operator();
    let now = store.clock.now();
    let mut changes = Vec::new();
    let mut refused: Vec<(Place, String)> = Vec::new();
    for key in &arguments.identifiers {
        let failed = || format!("the acceptance of {model} {key} was not taken back");
        let change = standing(&*store.catalogue, model, key, now).await.with_context(failed)?;
        let taken = match &change {
            Ok(_) if arguments.dry_run => true,
            Ok(_) => {
                let reason = arguments.reason.clone();
                store.catalogue.take_back(model, key, &by, reason).await.with_context(failed)?.is_some()
            }
            Err(_) => false,
        };
        match change {
            Ok(change) if taken => changes.push(change),
            Ok(_) => refused.push(((model, key.clone()), "somebody else was faster".to_owned())),
            Err(reason) => refused.push(((model, key.clone()), reason)),
        }
    }
    for ((model, key), reason) in &refused {
        output::complain(&format!("the acceptance of {model} {key} was not taken back: {reason}"));
    }
    output::print(&if arguments.json {
        let taken_back: Vec<Value> = changes.iter().map(Change::json).collect();
        document::text(json!({
            "dry_run": arguments.dry_run,
            "taken_back": taken_back,
            "refused": refused_json(&refused),
        }))
    } else {
        summary(&changes, arguments.dry_run)
    })?;
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT_RUN) })
}

/// What taking back the last acceptance that stands changes, or why there is none.
async fn standing(
    catalogue: &dyn Catalogue,
    model: Model,
    key: &RecordKey,
    now: stocktake_domain::Timestamp,
) -> anyhow::Result<Result<Change, String>> {
    let Some(record) = catalogue.get(model, key).await? else {
        return Ok(Err("there is no such record".to_owned()));
    };
    let acceptances = catalogue.acceptances(model, key).await?;
    let is_off = record.state() == State::Disabled;
    let stands = |acceptance: &&Acceptance| {
        acceptance.taken_back.is_none() && (is_off || acceptance.accepted.checksum.is_some())
    };
    let standing = acceptances.iter().find(stands);
    let counts = |acceptance: &&Acceptance| record.accepted || acceptance.accepted.checksum.is_none();
    Ok(match standing.filter(counts) {
        Some(acceptance) => Ok(Change::back(&record, acceptance, now)),
        None if record.accepted => {
            Err("it was accepted by a version of Stocktake that did not keep what that replaced".to_owned())
        }
        None => Err("its content is not an accepted one, and it is not retired".to_owned()),
    })
}

fn summary(changes: &[Change], dry_run: bool) -> Text {
    let mut summary = text(changes);
    summary.line(if changes.is_empty() {
        "Nothing was taken back.".to_owned()
    } else if dry_run {
        format!("Of {} the right side would count again; nothing was changed.", super::these(changes.len()))
    } else {
        format!(
            "{} taken back: the right side counts again. stocktake verify reads what is due.",
            were(changes.len())
        )
    });
    summary
}
