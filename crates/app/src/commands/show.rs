//! `stocktake show`: everything about one record, and what to do.

mod advice;
mod places;
mod sheet;

use std::ffi::OsStr;

use anyhow::bail;
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::first_matching;
use stocktake_domain::{
    Acceptance, Baseline, Digest, Failure, Model, PathGlob, Record, RecordFilter, RecordKey, Selection,
    Timestamp,
};
use stocktake_http::findings;

use crate::args::ShowArguments;
use crate::output::Text;
use crate::settings::{Loaded, Settings};
use crate::{document, output, suggest, terminal, wiring};

use advice::{next_check, what_to_do};
use places::places;
use sheet::sheet;

/// Records with one path that are shown.
const MOST: u32 = 20;

/// The columns of a screen whose size is not known.
const USUAL_COLUMNS: usize = 100;

/// A record, and what is known of it besides.
struct Known {
    record: Record,
    acceptances: Vec<Acceptance>,
}

/// Runs the command.
pub(super) async fn run(loaded: &Loaded, arguments: &ShowArguments) -> anyhow::Result<()> {
    let settings = &loaded.settings;
    let store = wiring::open_to_read(settings).await?;
    let records = match &arguments.identifier {
        Some(key) => vec![by_key(&store, &arguments.what.to_string_lossy(), key).await?],
        None => by_path(&store, settings, &arguments.what).await?,
    };
    let mut known = Vec::new();
    for record in records {
        let acceptances = store.catalogue.acceptances(record.model, &record.key).await?;
        known.push(Known { record, acceptances });
    }
    let now = store.clock.now();
    if arguments.json {
        let records: Vec<Value> = known.iter().map(|known| to_json(settings, known)).collect();
        return output::print(&document::text(json!({ "records": records })));
    }
    let columns = terminal::columns(USUAL_COLUMNS);
    let mut text = Text::default();
    for known in &known {
        if !text.is_empty() {
            text.line("");
        }
        sheet(&mut text, settings, known, columns, now);
    }
    output::print(&text)
}

async fn by_key(store: &Store, model: &str, key: &RecordKey) -> anyhow::Result<Record> {
    let Ok(model) = model.parse::<Model>() else {
        bail!("{}", suggest::unknown("model", model, &Model::ALL.map(Model::name)));
    };
    let found = store.catalogue.get(model, key).await?;
    found.ok_or_else(|| anyhow::anyhow!("{model} has no record {key}"))
}

/// The records of all models with this path. The path may have the storage in front (`main:a/b`), or be that of a file below
/// a storage's root, absolute or seen from the working folder.
async fn by_path(store: &Store, settings: &Settings, given: &OsStr) -> anyhow::Result<Vec<Record>> {
    let mut found = Vec::new();
    for (storage, path) in places(settings, given) {
        let filter = RecordFilter {
            storages: storage.into_iter().collect(),
            path: Some(PathGlob::literal(&path)),
            ..RecordFilter::default()
        };
        for model in Model::ALL {
            let selection = Selection::filtered(filter.clone());
            let records = first_matching(&*store.catalogue, model, &selection, None, MOST).await?;
            found.extend(records.into_iter().filter(|record| !found.contains(record)).collect::<Vec<_>>());
        }
    }
    if found.is_empty() {
        let given = given.to_string_lossy();
        bail!(
            "no record has the path {given:?}; show takes a model and an identifier, the path of a record in its storage, or that of \
             a file below the root of one"
        );
    }
    Ok(found)
}

/// The record as `export` shows it, and the rest.
fn to_json(settings: &Settings, Known { record, acceptances }: &Known) -> Value {
    let finding = serde_json::from_str(&findings::json(record)).unwrap_or_default();
    let history = record.history();
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let good = |good: Baseline| json!({ "checksum": good.digest.tagged(), "at": good.at.to_string() });
    let more = json!({
        "recorded_checksum": record.expected.map(|digest| digest.tagged()),
        "last_good": history.baseline.map(good),
        "created_at": time(record.created_at),
        "failed_at": time(history.failed_at()),
        "attempt": history.attempt,
        "mutable": record.mutable || record.model.is_mutable(),
        "accepted": record.accepted,
        "next_check_at": time(next_check(settings, record)),
        "what_to_do": what_to_do(settings, record, acceptances),
        "acceptances": acceptances.iter().map(acceptance_json).collect::<Vec<_>>(),
    });
    document::joined(finding, more)
}

fn acceptance_json(acceptance: &Acceptance) -> Value {
    let Acceptance { at, accepted, replaced, taken_back } = acceptance;
    let checksum = |digest: Option<Digest>| digest.map(|digest| digest.tagged());
    json!({
        "at": at.to_string(),
        "by": accepted.by,
        "reason": accepted.reason,
        "checksum": checksum(accepted.checksum),
        "size": accepted.size,
        "replaced": {
            "recorded_checksum": checksum(replaced.expected),
            "file_size": replaced.file_size,
            "last_good_checksum": checksum(replaced.baseline.map(|good| good.digest)),
            "last_good_at": replaced.baseline.map(|good| good.at.to_string()),
            "checksum_failure": replaced.failure.as_ref().map(Failure::text),
        },
        "taken_back_at": taken_back.as_ref().map(|taken| taken.at.to_string()),
        "taken_back_by": taken_back.as_ref().map(|taken| taken.by.clone()),
        "taken_back_reason": taken_back.as_ref().and_then(|taken| taken.reason.clone()),
    })
}
