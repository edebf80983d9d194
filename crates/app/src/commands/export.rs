//! `stocktake export`: what was found, record by record, as `GET /api/v1/findings` shows it.

use serde_json::Map;
use stocktake_domain::ports::{Catalogue, PageRequest, PageStart, SortOrder, StoreError};
use stocktake_domain::{FailureKind, Model, Record, RecordFilter, RecordKey, Selection};
use stocktake_http::findings;

use crate::args::{ExportArguments, ExportFormat};
use crate::output::Text;
use crate::settings::Settings;
use crate::{document, output, wiring};

/// Records read in one step.
const PAGE: u32 = 1_000;

/// Runs the command. Memory stays bounded by a page, whatever the number of records.
pub(super) async fn run(settings: &Settings, arguments: &ExportArguments) -> anyhow::Result<()> {
    let store = wiring::open_to_read(settings).await?;
    let filter = arguments.filters.filter(store.clock.now());
    wiring::check_storages(settings, &store, &filter).await?;
    let wanted = match arguments.state {
        _ if arguments.mismatched => Wanted::Mismatched(filter),
        Some(state) => Wanted::Selected(Selection { filter, ..Selection::in_state(state) }),
        None if filter.kinds.is_empty() => {
            let kinds = FailureKind::ALL.to_vec();
            Wanted::Selected(Selection::filtered(RecordFilter { kinds, ..filter }))
        }
        None => Wanted::Selected(Selection::filtered(filter)),
    };
    let mut list = List { format: arguments.format, is_empty: true };
    list.begin()?;
    for model in Model::ALL {
        if !arguments.models.is_empty() && !arguments.models.contains(&model) {
            continue;
        }
        let mut after = None;
        loop {
            let (records, next) = wanted.page(&*store.catalogue, model, after.take()).await?;
            list.print(&records)?;
            if next.is_none() {
                break;
            }
            after = next;
        }
    }
    list.end()
}

/// Which records.
enum Wanted {
    Selected(Selection),
    Mismatched(RecordFilter),
}

impl Wanted {
    /// The next records behind a key, and the key behind which there may be more.
    async fn page(
        &self,
        catalogue: &dyn Catalogue,
        model: Model,
        after: Option<RecordKey>,
    ) -> Result<(Vec<Record>, Option<RecordKey>), StoreError> {
        let last = |records: &[Record]| records.last().map(|record| record.key.clone());
        match self {
            Self::Selected(selection) => {
                let request = PageRequest {
                    model,
                    selection: selection.clone(),
                    order: SortOrder::Ascending,
                    start: after.map_or(PageStart::First, PageStart::After),
                    limit: PAGE,
                };
                let page = catalogue.page(&request).await?;
                let next = last(&page.records).filter(|_| page.has_next);
                Ok((page.records, next))
            }
            Self::Mismatched(filter) => {
                let mut records = catalogue.mismatched(model, after, PAGE).await?;
                let next = last(&records);
                records.retain(|record| record.is_meant_by(filter));
                Ok((records, next))
            }
        }
    }
}

/// The list as it is printed, piece by piece.
struct List {
    format: ExportFormat,
    is_empty: bool,
}

impl List {
    fn begin(&self) -> anyhow::Result<()> {
        match self.format {
            ExportFormat::Csv => output::print_line(findings::csv_header().trim_end()),
            ExportFormat::Json => output::print_json(&document::around("findings", Map::new().into()).0),
        }
    }

    fn print(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let (mut lines, mut json) = (Text::default(), String::new());
        for record in records {
            match self.format {
                ExportFormat::Csv => lines.line(findings::csv_line(record).trim_end()),
                ExportFormat::Json => {
                    json.push_str(if self.is_empty { "\n" } else { ",\n" });
                    json.push_str(&findings::json(record));
                }
            }
            self.is_empty = false;
        }
        match self.format {
            ExportFormat::Csv => output::print(&lines),
            ExportFormat::Json => output::print_json(&json),
        }
    }

    fn end(self) -> anyhow::Result<()> {
        match self.format {
            ExportFormat::Csv => Ok(()),
            ExportFormat::Json => {
                let (_, behind) = document::around("findings", Map::new().into());
                output::print_json(&format!("{}{behind}", if self.is_empty { "" } else { "\n  " }))
            }
        }
    }
}
