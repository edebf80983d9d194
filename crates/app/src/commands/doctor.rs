//! `stocktake doctor`: whether everything is there that the configuration speaks of. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use stocktake_diesel_storage::{Store, StoreSettings};
use stocktake_domain::ports::{Readable, StoreError};
use stocktake_domain::{Model, NotJudged};

use crate::quantities::counted;
use crate::settings::Loaded;
use crate::verdict::{EMPTY, closed_storage};
use crate::{document, output, wiring};

/// The exit status when something is wrong.
const SOME_WRONG: u8 = 1;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Nothing is wrong, and something is still to be done.
    Open,
    Wrong,
}

/// What was looked at.
struct Check {
    what: String,
    state: State,
    text: String,
}

/// All that was looked at.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, what: impl Into<String>, state: State, text: impl Into<String>) {
        self.0.push(Check { what: what.into(), state, text: text.into() });
    }
}

/// Runs the command.
pub(super) async fn run(loaded: &Loaded, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut checks = Checks::default();
    configuration(loaded, &mut checks);
    let store = database(loaded, &mut checks).await;
    storages(loaded, store.as_ref(), &mut checks).await;
    if loaded.settings.gitlab.is_some() {
        gitlab(loaded, &mut checks).await;
    }
    print(&checks.0, as_json)?;
    let wrong = checks.0.iter().any(|check| check.state == State::Wrong);
    Ok(if wrong { ExitCode::from(SOME_WRONG) } else { ExitCode::SUCCESS })
}

/// The files that were read. One that sets nothing, or only what others set anew, is there all the same.
fn configuration(loaded: &Loaded, checks: &mut Checks) {
    const WHAT: &str = "configuration";
    let of = |file: &PathBuf| {
        let nothing = if loaded.has_values_of(file) { "" } else { " (sets nothing that is in force)" };
        format!("{}{nothing}", file.display())
    };
    match loaded.files() {
        [] => checks.add(WHAT, State::Open, "no file; stocktake init FOLDER writes one"),
        files => checks.add(WHAT, State::Good, files.iter().map(of).collect::<Vec<_>>().join(", ")),
    }
}

/// The database, if it can be read.
async fn database(loaded: &Loaded, checks: &mut Checks) -> Option<Store> {
    const WHAT: &str = "database";
    let settings = wiring::store_settings(&loaded.settings);
    let place = stocktake_diesel_storage::place(&settings).unwrap_or_default();
    let store = match stocktake_diesel_storage::exists(&settings).await {
        Err(error) => Err(error.into()),
        Ok(false) => {
            checks.add(WHAT, State::Open, format!("none at {place} yet; scan, import and sync make it"));
            return None;
        }
        Ok(true) => readable(&settings).await.map_err(Into::into),
    };
    let store = match store {
        Ok(store) => store,
        Err(error) => {
            let key = loaded.origin_of("database.url").unwrap_or_default();
            checks.add(WHAT, State::Wrong, format!("{} ({key})", chain(&error)));
            return None;
        }
    };
    match store.catalogue.check().await {
        Ok(()) => checks.add(WHAT, State::Good, place),
        Err(StoreError::Unavailable(reason)) => checks.add(
            WHAT,
            State::Wrong,
            format!(
                "{place} can be read, but not written ({reason}): status, show and export work, and all that writes does not"
            ),
        ),
        Err(error) => checks.add(WHAT, State::Wrong, format!("{place}: {}", chain(&error.into()))),
    }
    counts(&store, checks).await;
    tokens(loaded, &store, checks).await;
    Some(store)
}

/// The store, from which something was read.
async fn readable(settings: &StoreSettings) -> Result<Store, StoreError> {
    let store = stocktake_diesel_storage::open_to_read(settings).await?;
    store.catalogue.largest_key(Model::Uploads).await?;
    Ok(store)
}

/// Whether the counts that are kept are those of the records, which are all counted for it.
async fn counts(store: &Store, checks: &mut Checks) {
    const WHAT: &str = "counts";
    match store.catalogue.count_differences().await {
        Err(error) => checks.add(WHAT, State::Wrong, chain(&error.into())),
        Ok(differences) if differences.is_empty() => {
            checks.add(WHAT, State::Good, "those that are kept are those of the records");
        }
        Ok(differences) => {
            let models: Vec<&str> = differences.iter().map(|of| of.counted.model.name()).collect();
            checks.add(
                WHAT,
                State::Wrong,
                format!(
                    "those that are kept are not those of the records ({}): the database was changed past this program",
                    models.join(", ")
                ),
            );
        }
    }
}

async fn tokens(loaded: &Loaded, store: &Store, checks: &mut Checks) {
    match store.tokens.list().await {
        Err(error) => checks.add("tokens", State::Wrong, chain(&error.into())),
        Ok(tokens) => {
            let now = store.clock.now();
            let valid = tokens.iter().filter(|token| token.is_valid(now)).count();
            if valid > 0 || loaded.settings.authority.is_some() {
                checks.add("tokens", State::Good, format!("{valid} valid"));
            } else {
                checks.add(
                    "tokens",
                    State::Open,
                    "none; stocktake token create NAME --admin makes one for the API",
                );
            }
        }
    }
}

async fn storages(loaded: &Loaded, store: Option<&Store>, checks: &mut Checks) {
    let settings = &loaded.settings;
    if settings.storages.is_empty() {
        checks.add("storages", State::Open, "none is configured, so that nothing can be read");
    }
    let storages = match wiring::storages(settings) {
        Ok(storages) => storages,
        Err(error) => return checks.add("storages", State::Wrong, chain(&error)),
    };
    let engine = store.map(|store| wiring::engine(settings, store, Arc::clone(&storages)));
    for (name, storage) in storages.iter() {
        let place = settings.storages.get(name).map(|storage| storage.place.as_str()).unwrap_or_default();
        let what = format!("storage {name}");
        let looked = match &engine {
            Some(engine) => engine.look_at_storage(name).await,
            None => storage.content.probe().await,
        };
        match looked {
            Ok(probed) if probed.is_empty => {
                let records = match store {
                    Some(store) => store.catalogue.count_in_storage(name).await.unwrap_or(0),
                    None => 0,
                };
                if records > 0 {
                    checks.add(what, State::Wrong, closed(loaded, name, EMPTY, records));
                } else {
                    checks.add(what, State::Open, format!("is empty ({place})"));
                }
            }
            Ok(_) => checks.add(what, State::Good, "can be read"),
            Err(NotJudged::Cancelled) => {
                checks.add(what, State::Wrong, "the database does not say what it was before");
            }
            Err(reason) => checks.add(what, State::Wrong, closed(loaded, name, &reason.to_string(), 0)),
        }
    }
}

/// The sentence of a storage that cannot be read, without its name, which stands before it.
fn closed(loaded: &Loaded, name: &str, reason: &str, records: u64) -> String {
    let sentence = closed_storage(loaded, name, reason, Some(records));
    let rest = sentence.strip_prefix(&format!("Storage {name}")).unwrap_or(&sentence);
    rest.trim_start_matches([':', ' ']).to_owned()
}

async fn gitlab(loaded: &Loaded, checks: &mut Checks) {
    const WHAT: &str = "GitLab";
    let source = match wiring::source(&loaded.settings) {
        Ok(source) => source,
        Err(error) => return checks.add(WHAT, State::Wrong, chain(&error)),
    };
    match source.survey().await {
        Err(error) => checks.add(WHAT, State::Wrong, chain(&error.into())),
        Ok(models) => {
            let readable = models.iter().filter(|(_, readable)| matches!(readable, Readable::Yes { .. }));
            checks.add(WHAT, State::Good, format!("{} models can be read", readable.count()));
            for (model, readable) in &models {
                if let Readable::No(reason) = readable {
                    checks.add(format!("GitLab: {model}"), State::Wrong, reason);
                }
            }
        }
    }
}

fn print(checks: &[Check], as_json: bool) -> anyhow::Result<()> {
    let word = |state| match state {
        State::Good => "good",
        State::Open => "open",
        State::Wrong => "wrong",
    };
    if as_json {
        let checks = checks
            .iter()
            .map(|check| json!({ "what": check.what, "state": word(check.state), "text": check.text }));
        return output::print(&document::text(json!({ "checks": checks.collect::<Vec<_>>() })));
    }
    for Check { what, state, text } in checks {
        output::print_line(&format!("{:<5}  {what}: {text}", word(*state)))?;
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    output::print_line(&match (count(State::Wrong), count(State::Open)) {
        (0, 0) => "Everything is there.".to_owned(),
        (0, open) => format!("Nothing is wrong; {open} still to be done."),
        (wrong, _) => {
            let checks = u64::try_from(checks.len()).unwrap_or(u64::MAX);
            format!(
                "{wrong} of {} {} wrong.",
                counted(checks, "check"),
                if wrong == 1 { "is" } else { "are" }
            )
        }
    })
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
