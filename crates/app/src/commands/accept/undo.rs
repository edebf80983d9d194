//! `stocktake accept --undo`: what an acceptance replaced counts again.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{Catalogue, Pages};
use stocktake_domain::{Acceptance, Failure, Model, Record, Selection, State};

use super::change::{Change, Place, text};
use super::{refused_json, were};
use crate::args::AcceptArguments;
use crate::output::Text;
use crate::settings::Settings;
use crate::system::operator;
use crate::{COULD_NOT_RUN, document, output, wiring};

/// Records read in one step.
const PAGE: u32 = 1_000;

/// Runs the command. A record of which nothing can be taken back does not keep the others from it.
pub(super) async fn run(
    settings: &Settings,
    store: &Store,
    arguments: &AcceptArguments,
) -> anyhow::Result<ExitCode> {
    let mut outcome = if arguments.keys().is_empty() {
        filtered(settings, store, arguments).await?
    } else {
        named(store, arguments).await?
    };
    if !arguments.json {
        output::print(&text(&outcome.changes))?;
    }
    let question =
        format!("Take {} back, so that the right side counts again?", super::these(outcome.changes.len()));
    // Whoever names the records knows which they are.
    let is_wanted = arguments.yes
        || arguments.dry_run
        || outcome.changes.is_empty()
        || !arguments.keys().is_empty()
        || super::ask(question).await?;
    if !is_wanted {
        outcome.changes.clear();
    } else if !arguments.dry_run {
        outcome.take_back(store, arguments).await?;
    }
    for ((model, key), reason) in &outcome.refused {
        output::complain(&format!("the acceptance of {model} {key} was not taken back: {reason}"));
    }
    output::print(&if arguments.json {
        let taken_back: Vec<Value> = outcome.changes.iter().map(Change::json).collect();
        document::text(json!({
            "dry_run": arguments.dry_run,
            "taken_back": taken_back,
            "refused": refused_json(&outcome.refused),
        }))
    } else {
        Text::of(verdict(outcome.changes.len(), arguments.dry_run))
    })?;
    let all = outcome.refused.is_empty() && is_wanted;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT_RUN) })
}

/// What is taken back, and what is not.
#[derive(Default)]
struct Outcome {
    changes: Vec<Change>,
    refused: Vec<(Place, String)>,
}

impl Outcome {
    /// Takes back what was shown. Each is one transaction.
    async fn take_back(&mut self, store: &Store, arguments: &AcceptArguments) -> anyhow::Result<()> {
        let by = operator();
        for change in std::mem::take(&mut self.changes) {
            let (model, key) = change.place();
            let failed = || format!("the acceptance of {model} {key} was not taken back");
            let reason = arguments.reason.clone();
            if store.catalogue.take_back(model, &key, &by, reason).await.with_context(failed)?.is_some() {
                self.changes.push(change);
            } else {
                self.refused.push(((model, key), "somebody else was faster".to_owned()));
            }
        }
        Ok(())
    }
}

/// The records that are named.
async fn named(store: &Store, arguments: &AcceptArguments) -> anyhow::Result<Outcome> {
    let Some(model) = arguments.model else { bail!("--undo needs the model that the identifiers are of") };
    if !arguments.filters.is_empty() {
        bail!("either identifiers or filters choose the records");
    }
    let mut outcome = Outcome::default();
    for key in arguments.keys() {
        let failed = || format!("the acceptance of {model} {key} was not taken back");
        let record = store.catalogue.get(model, key).await.with_context(failed)?;
        let standing = match &record {
            Some(record) => standing(&*store.catalogue, record).await.with_context(failed)?,
            None => Err("there is no such record".to_owned()),
        };
        match (record, standing) {
            (Some(record), Ok(acceptance)) => {
                outcome.changes.push(Change::back(&record, &acceptance, store.clock.now()));
            }
            (_, Err(reason)) => outcome.refused.push(((model, key.clone()), reason)),
            (None, Ok(_)) => {}
        }
    }
    Ok(outcome)
}

/// The accepted records that the filters mean.
async fn filtered(
    settings: &Settings,
    store: &Store,
    arguments: &AcceptArguments,
) -> anyhow::Result<Outcome> {
    if !arguments.yes && !arguments.dry_run && !output::can_ask() {
        bail!(
            "there is no terminal to ask on: --yes takes back without asking, --dry-run only shows what would be"
        );
    }
    let mut filter = arguments.filters.filter(store.clock.now());
    wiring::check_storages(settings, store, &filter).await?;
    // What an accepted record was found to be is kept with its acceptance.
    let kinds = std::mem::take(&mut filter.kinds);
    let mut outcome = Outcome::default();
    for model in Model::ALL.into_iter().filter(|model| arguments.model.is_none_or(|only| only == *model)) {
        let mut pages = Pages::new(&*store.catalogue, model, Selection::filtered(filter.clone()), PAGE);
        while let Some(records) = pages.next().await? {
            for record in &records {
                if !record.accepted && record.state() != State::Disabled {
                    continue;
                }
                let Ok(acceptance) = standing(&*store.catalogue, record).await? else { continue };
                let found = acceptance.replaced.failure.as_ref().map(Failure::kind);
                if kinds.is_empty() || found.is_some_and(|found| kinds.contains(&found)) {
                    outcome.changes.push(Change::back(record, &acceptance, store.clock.now()));
                }
            }
        }
    }
    if outcome.changes.is_empty() {
        bail!("nothing to take back: no accepted record matches");
    }
    Ok(outcome)
}

/// The last acceptance of the record that stands, or why there is none.
async fn standing(catalogue: &dyn Catalogue, record: &Record) -> anyhow::Result<Result<Acceptance, String>> {
    let acceptances = catalogue.acceptances(record.model, &record.key).await?;
    let is_off = record.state() == State::Disabled;
    let stands = |acceptance: &Acceptance| {
        acceptance.taken_back.is_none() && (is_off || acceptance.accepted.checksum.is_some())
    };
    let counts = |acceptance: &Acceptance| record.accepted || acceptance.accepted.checksum.is_none();
    Ok(match acceptances.into_iter().find(stands).filter(counts) {
        Some(acceptance) => Ok(acceptance),
        None if record.accepted => {
            Err("it was accepted by a version of Stocktake that did not keep what that replaced".to_owned())
        }
        None => Err("its content is not an accepted one, and it is not retired".to_owned()),
    })
}

fn verdict(taken_back: usize, dry_run: bool) -> String {
    if taken_back == 0 {
        "Nothing was taken back.".to_owned()
    } else if dry_run {
        format!("Of {} the right side would count again; nothing was changed.", super::these(taken_back))
    } else {
        format!(
            "{} taken back: the right side counts again. stocktake verify reads what is due.",
            were(taken_back)
        )
    }
}
