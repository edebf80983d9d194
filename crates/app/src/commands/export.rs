//! `stocktake export`: what was found, record by record, as `GET /api/v1/findings` shows it.

use stocktake_domain::ports::{Catalogue, PageRequest, PageStart, SortOrder, StoreError};
use stocktake_domain::{Model, Record, RecordKey, Selection, State};
use stocktake_http::findings;

use crate::args::{ExportArguments, ExportFormat};
use crate::output::Text;
use crate::settings::Settings;
use crate::{output, wiring};

/// Records read in one step.
const PAGE: u32 = 1_000;

/// Runs the command. Memory stays bounded by a page, whatever the number of records.
pub(super) async fn run(settings: &Settings, arguments: &ExportArguments) -> anyhow::Result<()> {
    let store = wiring::open_store(settings).await?;
    let wanted = match arguments.state {
        _ if arguments.mismatched => Wanted::Mismatched,
        Some(state) => Wanted::InState(state),
        None => Wanted::Findings,
    };
    let mut list = List { format: arguments.format, is_empty: true };
    list.begin()?;
    for model in Model::ALL {
        if !arguments.models.is_empty() && !arguments.models.contains(&model) {
            continue;
        }
        let mut after = None;
        loop {
            let (records, more) = wanted.page(&*store.catalogue, model, after.take()).await?;
            list.print(&records)?;
            match records.into_iter().next_back() {
                Some(record) if more => after = Some(record.key),
                _ => break,
            }
        }
    }
    list.end()
}

/// Which records.
enum Wanted {
    /// The last attempt failed.
    Findings,
    InState(State),
    Mismatched,
}

impl Wanted {
    /// The next records behind a key, and whether there may be more behind them.
    async fn page(
        &self,
        catalogue: &dyn Catalogue,
        model: Model,
        after: Option<RecordKey>,
    ) -> Result<(Vec<Record>, bool), StoreError> {
        match self {
            Self::InState(state) => {
                let request = PageRequest {
                    model,
                    selection: Selection { state: Some(*state), keys: None },
                    order: SortOrder::Ascending,
                    start: after.map_or(PageStart::First, PageStart::After),
                    limit: PAGE,
                };
                let page = catalogue.page(&request).await?;
                Ok((page.records, page.has_next))
            }
            Self::Mismatched => Ok(with_more(catalogue.mismatched(model, after, PAGE).await?)),
            Self::Findings => Ok(with_more(catalogue.findings(model, after, PAGE).await?)),
        }
    }
}

/// The records, and whether there may be more behind them.
fn with_more(records: Vec<Record>) -> (Vec<Record>, bool) {
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count >= PAGE);
    (records, is_full)
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
            ExportFormat::Json => output::print_json("["),
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
            ExportFormat::Json => output::print_json(if self.is_empty { "]\n" } else { "\n]\n" }),
        }
    }
}
