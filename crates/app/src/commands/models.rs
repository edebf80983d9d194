//! `stocktake models`: the models, and where their records lie.

use serde_json::{Value, json};
use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{Model, ModelKind};

use crate::args::ModelsArguments;
use crate::commands::status;
use crate::output::Text;
use crate::quantities::{count, counted};
use crate::settings::Settings;
use crate::verdict::Standing;
use crate::wiring::NoCatalogue;
use crate::{document, output, terminal, wiring};

/// The columns of a screen whose size is not known.
const USUAL_COLUMNS: usize = 100;

/// Runs the command. Without a catalogue, no model has records.
pub(super) async fn run(settings: &Settings, arguments: &ModelsArguments) -> anyhow::Result<()> {
    let (summary, storages) = match wiring::open_to_read(settings).await {
        Ok(store) => (store.catalogue.summary().await?, store.catalogue.storages().await?),
        Err(error) if error.is::<NoCatalogue>() => (Vec::new(), Vec::new()),
        Err(error) => return Err(error),
    };
    let of = |model| summary.iter().find(|summary| summary.model == model).cloned();
    let models: Vec<Entry> = Model::ALL
        .into_iter()
        .map(|model| Entry {
            summary: of(model).unwrap_or_else(|| ModelSummary::new(model)),
            storages: storages.iter().filter(|(of, _)| *of == model).map(|(_, name)| name.clone()).collect(),
        })
        .collect();
    if arguments.json {
        let models: Vec<Value> = models.iter().map(Entry::json).collect();
        return output::print(&document::text(json!({ "models": models })));
    }
    output::print(&text(&models, arguments.all, terminal::columns(USUAL_COLUMNS)))
}

struct Entry {
    summary: ModelSummary,
    /// The storages that its records lie in.
    storages: Vec<String>,
}

impl Entry {
    fn records(&self) -> u64 {
        self.summary.states.iter().map(|(_, count)| count).sum()
    }

    fn json(&self) -> Value {
        let Self { summary, storages } = self;
        let more = json!({ "content": content(summary.model), "storages": storages });
        document::joined(status::to_json(summary), more)
    }

    fn row(&self) -> Vec<String> {
        let Self { summary, storages } = self;
        let failed = Standing::of(std::slice::from_ref(summary)).failed();
        vec![
            summary.model.name().to_owned(),
            summary.model.class().to_owned(),
            content(summary.model).to_owned(),
            if storages.is_empty() { "-".to_owned() } else { storages.join(", ") },
            count(self.records()),
            count(failed),
        ]
    }
}

/// What the records of a model are of.
fn content(model: Model) -> &'static str {
    match model.kind() {
        ModelKind::Blob => "file",
        ModelKind::GitRepository => "git repository",
        ModelKind::ContainerRepository => "container repository",
    }
}

fn text(models: &[Entry], with_empty: bool, columns: usize) -> Text {
    let shown: Vec<&Entry> = models.iter().filter(|entry| with_empty || entry.records() > 0).collect();
    let header = ["model", "title", "content", "storages", "records", "failed"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(shown.iter().map(|entry| entry.row())).collect();
    let mut text = Text::default();
    if !shown.is_empty() {
        text = Text::table(&rows, 4);
    }
    if text.width() > columns {
        text = Text::default();
        for row in rows.iter().skip(1) {
            if let [name, class, content, storages, records, failed] = row.as_slice() {
                text.line(format!("{name}: {class}, {content}"));
                text.line(format!("  {records} records in {storages}, {failed} failed"));
            }
        }
    }
    let empty = u64::try_from(models.len().saturating_sub(shown.len())).unwrap_or(u64::MAX);
    if empty > 0 {
        text.line(format!("{} without records: stocktake models --all", counted(empty, "model")));
    }
    text
}
