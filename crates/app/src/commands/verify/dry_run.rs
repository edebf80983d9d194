//! `verify --dry-run`: what would be read, how much that is, and about how long it takes.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{Amount, Catalogue, PageRequest, PageStart, Pages, StoreError};
use stocktake_domain::{Model, Record, RecordFilter, Selection, State, Timestamp};
use stocktake_worker::{Engine, Storages, Tried};

use super::NOT_JUDGED;
use super::coverage::Scope;
use crate::output::Text;
use crate::quantities::{self, count, counted};
use crate::settings::Settings;
use crate::{document, output};

/// How long content is read to see how fast that is.
const MOMENT: Duration = Duration::from_secs(3);

/// At how many places of a selection records are taken for that, and how many at each.
const PLACES: u64 = 8;
const AT_EACH: u32 = 16;

/// Failed records looked at in one step.
const PAGE: u32 = 1_000;

/// A million, of which a sample is a part.
const WHOLE: u64 = 1_000_000;

/// Runs it. Nothing is changed.
pub(super) async fn run(
    settings: &Settings,
    store: &Store,
    engine: &Engine,
    storages: &Storages,
    scope: &Scope,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let now = store.clock.now();
    let catalogue = &*store.catalogue;
    let mut plan = Plan { sample: scope.sample, ..Plan::default() };
    for model in &scope.models {
        let mut amount = Amount::default();
        for selection in selections(settings, scope, now) {
            let found = catalogue.amount(*model, &selection).await?;
            plan.try_some(catalogue, *model, selection, found.records).await?;
            amount = amount.and(found);
        }
        if scope.selection.is_none() {
            amount = amount.and(due_again(catalogue, *model, now).await?);
        }
        if amount.records > 0 {
            plan.models.push((*model, amount.share(plan.sample.map_or(WHOLE, u64::from), WHOLE)));
        }
    }
    plan.tried = engine.try_reading(&plan.some, MOMENT).await;
    for name in storages.keys().filter(|name| scope.storages.as_ref().is_none_or(|only| only.contains(name)))
    {
        if catalogue.count_in_storage(name).await? > 0
            && let Err(fault) = engine.look_at_storage(name).await
        {
            plan.closed.push((name.clone(), fault.to_string()));
        }
    }
    output::print(&if json { plan.json() } else { plan.text() })?;
    Ok(if plan.closed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_JUDGED) })
}

/// The records that would be read, but for failed ones whose time has come.
fn selections(settings: &Settings, scope: &Scope, now: Timestamp) -> Vec<Selection> {
    if let Some(selection) = &scope.selection {
        return vec![selection.clone()];
    }
    let before = Some(now.before(settings.verification.reverify_after));
    let old = RecordFilter { before, ..RecordFilter::default() };
    vec![
        Selection::in_state(State::Pending),
        Selection { filter: old, ..Selection::in_state(State::Succeeded) },
    ]
}

/// The failed records whose retry time has come.
async fn due_again(catalogue: &dyn Catalogue, model: Model, now: Timestamp) -> Result<Amount, StoreError> {
    let mut amount = Amount::default();
    let mut pages = Pages::new(catalogue, model, Selection::in_state(State::Failed), PAGE);
    while let Some(records) = pages.next().await? {
        for record in records.iter().filter(|record| record.status.retry_at().is_some_and(|at| at <= now)) {
            amount = amount.and(Amount::of(record));
        }
    }
    Ok(amount)
}

/// What would be read.
#[derive(Default)]
struct Plan {
    sample: Option<u32>,
    models: Vec<(Model, Amount)>,
    /// Some of the records.
    some: Vec<Record>,
    tried: Tried,
    /// Storages that cannot be read now, and why.
    closed: Vec<(String, String)>,
}

impl Plan {
    /// Takes some records of the selection, from everywhere in it, to try with.
    async fn try_some(
        &mut self,
        catalogue: &dyn Catalogue,
        model: Model,
        selection: Selection,
        records: u64,
    ) -> Result<(), StoreError> {
        for place in 0..PLACES.min(records) {
            let start = PageStart::Offset(records / PLACES * place);
            let request = PageRequest::by_key(model, selection.clone(), start, AT_EACH);
            let found = catalogue.page(&request).await?.records;
            self.some.extend(found);
            if records <= u64::from(AT_EACH) {
                break;
            }
        }
        Ok(())
    }

    fn amount(&self) -> Amount {
        self.models.iter().fold(Amount::default(), |sum, (_, amount)| sum.and(*amount))
    }

    /// About how long reading all takes: as long for each byte as when it was tried, or where no size is known for each
    /// record.
    fn lasts(&self) -> Option<Duration> {
        let Amount { records, bytes, .. } = self.amount();
        let (all, part) = if bytes > 0 { (bytes, self.tried.bytes) } else { (records, self.tried.records) };
        let nanos = self.tried.took.as_nanos().checked_mul(u128::from(all))?.checked_div(u128::from(part))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn text(&self) -> Text {
        let Amount { records, bytes, of_unknown_size } = self.amount();
        if records == 0 {
            return Text::of("Would read nothing: no record is due. Nothing was changed.");
        }
        let mut text = Text::default();
        if self.models.len() > 1 {
            let row = |(model, amount): &(Model, Amount)| {
                vec![model.to_string(), count(amount.records), HumanBytes(amount.bytes).to_string()]
            };
            let header = ["model", "records", "bytes"].map(str::to_owned).to_vec();
            let rows: Vec<Vec<String>> = std::iter::once(header).chain(self.models.iter().map(row)).collect();
            text = Text::table(&rows, 1);
        }
        let about = if self.sample.is_some() { "about " } else { "" };
        let unknown = match of_unknown_size {
            0 => String::new(),
            unknown => format!(" and what {} of unknown size have", counted(unknown, "record")),
        };
        let lasts = match self.lasts() {
            Some(lasts) => format!("which takes about {}", quantities::about(lasts)),
            None => "and nobody can say how long that takes".to_owned(),
        };
        text.line(format!(
            "Would read {about}{}, {}{unknown}, {lasts}. Nothing was changed.",
            counted(records, "record"),
            HumanBytes(bytes),
        ));
        self.tell_closed(&mut text);
        text
    }

    fn tell_closed(&self, text: &mut Text) {
        for (name, reason) in &self.closed {
            text.line(format!(
                "Storage {name} cannot be read now: {reason}. Its records would be left as they are."
            ));
        }
    }

    fn json(&self) -> Text {
        let models = self.models.iter().map(|(model, amount)| {
            document::joined(json!({ "model_name": model.name() }), amount_json(*amount))
        });
        let more = json!({
            "dry_run": true,
            "seconds": self.lasts().map(|lasts| lasts.as_secs_f64()),
            "models": models.collect::<Vec<_>>(),
            "closed_storages": self.closed.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect::<Vec<_>>(),
        });
        document::text(document::joined(amount_json(self.amount()), more))
    }
}

fn amount_json(Amount { records, bytes, of_unknown_size }: Amount) -> Value {
    json!({ "records": records, "bytes": bytes, "of_unknown_size": of_unknown_size })
}
