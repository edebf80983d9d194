//! `stocktake export`: what was found, record by record, as `GET /api/v1/findings` shows it.

use serde_json::Map;
use stocktake_domain::ports::{Catalogue, PageRequest, PageStart, StoreError};
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
    let mut list = List::begin(arguments)?;
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
                let start = after.map_or(PageStart::First, PageStart::After);
                let request = PageRequest::by_key(model, selection.clone(), start, PAGE);
                let page = catalogue.page(&request).await?;
                let next = match page.after() {
                    Some(PageStart::After(key)) => Some(key),
                    _ => None,
                };
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
enum List {
    Csv,
    Json {
        /// What stands behind the last finding.
        end: String,
        is_empty: bool,
    },
}

impl List {
    /// Prints what stands before the first finding.
    fn begin(arguments: &ExportArguments) -> anyhow::Result<Self> {
        let (begin, end) = match arguments.format {
            _ if arguments.json => document::around("findings", Map::new().into()),
            ExportFormat::Json => ("[".to_owned(), "]\n".to_owned()),
            ExportFormat::Csv => {
                output::print(&Text::of(findings::csv_header().trim_end()).verbatim())?;
                return Ok(Self::Csv);
            }
        };
        output::print_json(&begin)?;
        Ok(Self::Json { end, is_empty: true })
    }

    fn print(&mut self, records: &[Record]) -> anyhow::Result<()> {
        match self {
            Self::Csv => {
                let mut lines = Text::default();
                for record in records {
                    lines.line(findings::csv_line(record).trim_end());
                }
                output::print(&lines.verbatim())
            }
            Self::Json { is_empty, .. } => {
                let mut json = String::new();
                for record in records {
                    json.push_str(if *is_empty { "\n" } else { ",\n" });
                    json.push_str(&findings::json(record));
                    *is_empty = false;
                }
                output::print_json(&json)
            }
        }
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Csv => Ok(()),
            Self::Json { end, is_empty } => {
                output::print_json(&format!("{}{end}", if is_empty { "" } else { "\n" }))
            }
        }
    }
}
