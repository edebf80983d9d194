//! `stocktake accept`: the content as it is now is the good one, and how that is taken back.

mod change;
mod undo;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::{FailureKind, Model, NewAcceptance, RecordKey};
use stocktake_worker::{AcceptError, Candidate, Engine};

use crate::args::AcceptArguments;
use crate::output::Text;
use crate::progress::Meter;
use crate::quantities::counted;
use crate::settings::Settings;
use crate::system::operator;
use crate::{COULD_NOT_RUN, document, output, wiring};

use change::{Change, Place};

/// The most records that are named in a command.
const MOST_NAMED: usize = 10;

/// Findings read in one step.
const PAGE: u32 = 1_000;

/// Runs the command. A record that cannot be accepted does not keep the others from it.
pub(super) async fn run(settings: &Settings, arguments: &AcceptArguments) -> anyhow::Result<ExitCode> {
    if arguments.keys().is_empty() && arguments.filters.is_empty() {
        bail!("accept needs the identifiers of records, or a filter such as --kind altered");
    }
    let store = wiring::open_store(settings).await?;
    if arguments.undo {
        return undo::run(settings, &store, arguments).await;
    }
    if !arguments.yes && !arguments.dry_run && !output::can_ask() {
        bail!(
            "there is no terminal to ask on: --yes accepts without asking, --dry-run only shows what would be accepted"
        );
    }
    let engine = wiring::engine(settings, &store, wiring::storages(settings)?);
    let wanted = wanted(settings, &store, arguments).await?;
    let mut outcome = Outcome::default();
    let candidates = look_at(&engine, &wanted, arguments.force, &mut outcome).await?;
    let changes: Vec<Change> =
        candidates.iter().map(|candidate| Change::new(candidate, store.clock.now())).collect();
    if !arguments.json {
        output::print(&change::text(&changes))?;
    }
    let question = format!("Accept {} as shown on the right?", these(candidates.len()));
    let is_wanted = arguments.yes || arguments.dry_run || candidates.is_empty() || ask(question).await?;
    if is_wanted && !arguments.dry_run {
        accept(&store, arguments, &candidates, &mut outcome).await?;
    }
    if arguments.json {
        output::print(&outcome.json(&changes, arguments.dry_run, is_wanted))?;
    } else {
        output::print(&outcome.text(&candidates, arguments, is_wanted))?;
    }
    let all = outcome.refused.is_empty() && is_wanted;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT_RUN) })
}

/// What became of the records.
#[derive(Default)]
struct Outcome {
    /// Those that were accepted.
    accepted: Vec<Place>,
    /// How many of these were retired.
    retired: usize,
    /// Each with the reason.
    refused: Vec<(Place, String)>,
}

impl Outcome {
    /// Says at once why a record is not accepted.
    fn refuse(&mut self, model: Model, key: &RecordKey, reason: String) {
        output::complain(&format!("{model} {key} was not accepted: {reason}"));
        self.refused.push(((model, key.clone()), reason));
    }

    /// The verdict, and how it is taken back.
    fn text(&self, candidates: &[Candidate], arguments: &AcceptArguments, is_wanted: bool) -> Text {
        let refused = match self.refused.len() {
            0 => String::new(),
            refused => format!(" {} not accepted.", were(refused)),
        };
        if arguments.dry_run {
            let would = these(candidates.len());
            return Text::of(format!(
                "Would accept {would} as shown on the right; nothing was changed.{refused}"
            ));
        }
        if !is_wanted || self.accepted.is_empty() {
            return Text::of(format!("Nothing was accepted.{refused}"));
        }
        let retired = match self.retired {
            0 => String::new(),
            retired => format!(
                " {} retired: the file was deleted on purpose, and is no longer looked for.",
                were(retired)
            ),
        };
        let mut text = Text::of(format!(
            "Accepted {} as shown on the right.{retired}{refused}",
            these(self.accepted.len())
        ));
        if let Some(undo) = self.undo() {
            text.line(format!("To take it back: {undo}"));
        }
        text
    }

    /// The command that takes back what was accepted, if that is few records of one model.
    fn undo(&self) -> Option<String> {
        let (model, _) = self.accepted.first()?;
        let is_short = self.accepted.len() <= MOST_NAMED && self.accepted.iter().all(|(of, _)| of == model);
        let keys = self.accepted.iter().map(|(_, key)| key.to_string()).collect::<Vec<_>>();
        is_short.then(|| format!("stocktake accept --undo {model} {}", keys.join(" ")))
    }

    fn json(&self, changes: &[Change], dry_run: bool, is_wanted: bool) -> Text {
        let is_refused = |change: &&Change| self.refused.iter().any(|(place, _)| *place == change.place());
        let accepted = changes.iter().filter(|change| is_wanted && !is_refused(change));
        let accepted: Vec<Value> = accepted.map(Change::json).collect();
        document::text(json!({
            "dry_run": dry_run,
            "accepted": accepted,
            "refused": refused_json(&self.refused),
        }))
    }
}

/// Those that nothing was done with, as JSON.
fn refused_json(refused: &[(Place, String)]) -> Vec<Value> {
    let refused = refused.iter().map(|((model, key), reason)| {
        json!({ "model_name": model.name(), "record_identifier": document::identifier(key), "reason": reason })
    });
    refused.collect()
}

/// The records asked for.
async fn wanted(
    settings: &Settings,
    store: &Store,
    arguments: &AcceptArguments,
) -> anyhow::Result<Vec<Place>> {
    if let (Some(model), false) = (arguments.model, arguments.keys().is_empty()) {
        if !arguments.filters.is_empty() {
            bail!("either identifiers or filters choose the records");
        }
        return Ok(arguments.keys().into_iter().map(|key| (model, key.clone())).collect());
    }
    let mut filter = arguments.filters.filter(store.clock.now());
    wiring::check_storages(settings, store, &filter).await?;
    if filter.kinds.is_empty() {
        filter.kinds = vec![FailureKind::Altered];
    }
    let mut wanted = Vec::new();
    for model in Model::ALL.into_iter().filter(|model| arguments.model.is_none_or(|only| only == *model)) {
        let mut after = None;
        loop {
            let records = store.catalogue.findings(model, after.take(), PAGE).await?;
            after = records.last().map(|record| record.key.clone());
            let matching = records.into_iter().filter(|record| record.is_meant_by(&filter));
            wanted.extend(matching.map(|record| (model, record.key)));
            if after.is_none() {
                break;
            }
        }
    }
    if wanted.is_empty() {
        bail!("nothing to accept: no record that was found {} matches", kinds(&filter.kinds));
    }
    Ok(wanted)
}

fn kinds(kinds: &[FailureKind]) -> String {
    kinds.iter().map(|kind| crate::verdict::word(*kind)).collect::<Vec<_>>().join(" or ")
}

/// Reads the content of each as it is now. Those that are not to be accepted are refused.
async fn look_at(
    engine: &Engine,
    wanted: &[Place],
    force: bool,
    outcome: &mut Outcome,
) -> anyhow::Result<Vec<Candidate>> {
    let meter = Meter::start("records", u64::try_from(wanted.len()).ok());
    let mut candidates = Vec::new();
    let mut refused = Vec::new();
    let mut bytes = 0_u64;
    for (done, (model, key)) in (1_u64..).zip(wanted) {
        match engine.look_at(*model, key).await {
            Ok(candidate) => {
                bytes = bytes.saturating_add(candidate.size.unwrap_or(0));
                match candidate.doubt().filter(|_| !force) {
                    None => candidates.push(candidate),
                    Some(doubt) => {
                        refused.push((*model, key, format!("{doubt}; --force accepts it all the same")));
                    }
                }
            }
            Err(AcceptError::Store(error)) => {
                return Err(error).with_context(|| format!("{model} {key} was not accepted"));
            }
            Err(error) => refused.push((*model, key, error.to_string())),
        }
        meter.set(done, Some(bytes));
    }
    meter.finish();
    for (model, key, reason) in refused {
        outcome.refuse(model, key, reason);
    }
    Ok(candidates)
}

/// Accepts what was shown. Each acceptance is one transaction.
async fn accept(
    store: &Store,
    arguments: &AcceptArguments,
    candidates: &[Candidate],
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let by = operator();
    for Candidate { record, checksum, size, .. } in candidates {
        let (model, key) = (record.model, &record.key);
        let failed = || format!("{model} {key} was not accepted");
        let now = store.catalogue.get(model, key).await.with_context(failed)?;
        if now.as_ref() != Some(record) {
            outcome.refuse(model, key, "it is no longer as it was shown; look at it again".to_owned());
            continue;
        }
        let acceptance = NewAcceptance {
            checksum: *checksum,
            size: *size,
            by: by.clone(),
            reason: arguments.reason.clone(),
        };
        // The answer may be lost after that was done.
        let accepted = store.catalogue.accept(model, key, &acceptance).await;
        accepted.with_context(|| {
            format!("{model} {key} may have been accepted or not: stocktake show {model} {key} says it")
        })?;
        outcome.accepted.push((model, key.clone()));
        outcome.retired += usize::from(checksum.is_none());
    }
    Ok(())
}

/// Asks without holding up anything else.
async fn ask(question: String) -> anyhow::Result<bool> {
    tokio::task::spawn_blocking(move || output::ask(&question)).await?
}

fn these(number: usize) -> String {
    counted(u64::try_from(number).unwrap_or(u64::MAX), "record")
}

fn were(number: usize) -> String {
    format!("{} {}", these(number), if number == 1 { "was" } else { "were" })
}
