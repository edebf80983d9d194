//! `stocktake doctor`: whether everything is there that the configuration speaks of. Changes nothing.

use std::process::ExitCode;

use serde_json::json;
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::Readable;

use crate::settings::Loaded;
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
    let files = loaded.files();
    if files.is_empty() {
        checks.add("configuration", State::Open, "no file; stocktake init FOLDER writes one");
    } else {
        checks.add("configuration", State::Good, files.join(", "));
    }
    database(loaded, &mut checks).await;
    storages(loaded, &mut checks).await;
    if loaded.settings.gitlab.is_some() {
        gitlab(loaded, &mut checks).await;
    }
    print(&checks.0, as_json)?;
    let wrong = checks.0.iter().any(|check| check.state == State::Wrong);
    Ok(if wrong { ExitCode::from(SOME_WRONG) } else { ExitCode::SUCCESS })
}

async fn database(loaded: &Loaded, checks: &mut Checks) {
    const WHAT: &str = "database";
    let settings = wiring::store_settings(&loaded.settings);
    let place = stocktake_diesel_storage::place(&settings).unwrap_or_default();
    match stocktake_diesel_storage::exists(&settings).await {
        Err(error) => checks.add(WHAT, State::Wrong, chain(&error.into())),
        Ok(false) => {
            checks.add(WHAT, State::Open, format!("none at {place} yet; scan, import and sync make it"));
        }
        Ok(true) => match stocktake_diesel_storage::open_to_read(&settings).await {
            Err(error) => checks.add(WHAT, State::Wrong, chain(&error.into())),
            Ok(store) => {
                if let Err(error) = store.catalogue.check().await {
                    return checks.add(WHAT, State::Wrong, format!("{place}: {}", chain(&error.into())));
                }
                checks.add(WHAT, State::Good, place);
                tokens(loaded, &store, checks).await;
            }
        },
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

async fn storages(loaded: &Loaded, checks: &mut Checks) {
    if loaded.settings.storages.is_empty() {
        checks.add("storages", State::Open, "none is configured, so that nothing can be read");
    }
    let storages = match wiring::storages(&loaded.settings) {
        Ok(storages) => storages,
        Err(error) => return checks.add("storages", State::Wrong, chain(&error)),
    };
    for (name, storage) in storages.iter() {
        let place =
            loaded.settings.storages.get(name).map(|storage| storage.place.as_str()).unwrap_or_default();
        let what = format!("storage {name}");
        match storage.content.probe().await {
            Ok(probed) if probed.is_empty => checks.add(what, State::Open, format!("is empty ({place})")),
            Ok(_) => checks.add(what, State::Good, "can be read"),
            Err(reason) => checks.add(what, State::Wrong, format!("{reason} ({place})")),
        }
    }
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
        (wrong, _) => format!("{wrong} of {} are wrong.", checks.len()),
    })
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
