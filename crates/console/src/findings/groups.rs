//! Failed records by storage, kind and data type, each group with what its records have in common.

use maud::{Markup, html};
use stocktake_domain::ports::{FailureGroup, PageRequest, PageStart};
use stocktake_domain::{CommonGround, Model, Record, RecordFilter, Selection, Timestamp, common_ground};
use stocktake_web::step;

use crate::error::ConsoleError;
use crate::figures::{ago, counted, number};
use crate::icons::{Shape, icon};
use crate::query::Address;
use crate::shown::path;
use crate::visit::Visit;
use crate::words::kind_word;

/// The most groups that are shown, those with the most records first.
const MOST: usize = 20;

/// How many records of a group are compared.
const COMPARED: u32 = 100;

/// A group with what the first of its records have in common.
struct Group<'a> {
    of: &'a FailureGroup,
    compared: u64,
    common: Vec<CommonGround>,
}

/// The largest groups.
pub(super) async fn section(visit: &Visit, groups: &[FailureGroup]) -> Result<Markup, ConsoleError> {
    let mut largest: Vec<&FailureGroup> = groups.iter().collect();
    largest.sort_by_key(|group| u64::MAX - group.records);
    largest.truncate(MOST);
    let mut shown = Vec::new();
    for of in largest {
        let records = first_of(visit, of).await?;
        let compared = u64::try_from(records.len()).unwrap_or(u64::MAX);
        shown.push(Group { of, compared, common: common_ground(&records) });
    }
    let left_out = groups.len().saturating_sub(shown.len());
    Ok(html! {
        @if !shown.is_empty() {
            div {
                @for (at, group) in shown.iter().enumerate() { (group.shown(at, visit.now)) }
                @if left_out > 0 { p class="soft" { (left_out) " smaller groups are not shown; their records are in the lists below." } }
            }
        }
    })
}

async fn first_of(visit: &Visit, of: &FailureGroup) -> Result<Vec<Record>, ConsoleError> {
    let filter =
        RecordFilter { kinds: vec![of.kind], storages: vec![of.storage.clone()], ..RecordFilter::default() };
    let request = PageRequest::by_key(of.model, Selection::filtered(filter), PageStart::First, COMPARED);
    Ok(step("catalogue.page", visit.console.catalogue.page(&request)).await?.records)
}

impl Group<'_> {
    fn shown(&self, at: usize, now: Timestamp) -> Markup {
        let FailureGroup { storage, kind, model, records } = self.of;
        let (id, kind_name) = (format!("g{at}"), kind_word(*kind).to_lowercase());
        html! {
            section class="finding" aria-labelledby=(id) {
                div {
                    h2 id=(id) {
                        span class="bad" { (icon(Shape::Failed, "")) }
                        "Storage " (storage) ": " (number(*records)) " " (kind_name)
                    }
                    p class="soft" { (model) }
                }
                p { (self.evidence(now)) }
                p {}
                p { a href=(records_of(*model, self.of)) { "Show " (number(*records)) span class="hush" { " " (kind_name) " " (model) " in " (storage) } } }
            }
        }
    }

    fn evidence(&self, now: Timestamp) -> Markup {
        let all = match (self.of.records, self.compared) {
            (1, _) => return html! { "A single record." },
            (records, compared) if compared < records => format!("The first {} ", number(compared)),
            (2, _) => "Both ".to_owned(),
            (records, _) => format!("All {} ", number(records)),
        };
        html! {
            @if self.common.is_empty() { "They have nothing in common that Stocktake looks for: folder, owner, reason or hour." }
            @for (at, common) in self.common.iter().enumerate() {
                @if at == 0 { (all) } @else { " They " }
                @match common {
                    CommonGround::Folder(folder) => { "lie below " (path(folder)) "." }
                    CommonGround::Owner(owner) => { "belong to " code { (owner) } "." }
                    CommonGround::Reason(reason) => { "were told of in the same words: " q { (reason) } "." }
                    CommonGround::AtOnce { to, .. } => { "failed last within one hour, " (ago(*to, now)) "." }
                    CommonGround::GoodSince(good) => { "were good when they were read before, the first of them " (ago(*good, now)) "." }
                }
            }
        }
    }
}

/// The records of a group.
fn records_of(model: Model, group: &FailureGroup) -> Address {
    let records = Address::console().below("models").below(model);
    records.with("kind", Some(group.kind.name())).with("storage", Some(&group.storage))
}

/// How many records these groups have, in words.
pub(super) fn sentence(groups: &[FailureGroup], model: Option<Model>) -> String {
    let scope = model.map_or_else(|| "over all data types".to_owned(), |model| format!("of {model}"));
    let all: u64 = groups.iter().map(|group| group.records).sum();
    let many = counted(u64::try_from(groups.len()).unwrap_or(u64::MAX), "group");
    match all {
        0 => format!("No failed record {scope}."),
        1 => format!("1 failed record, {scope}."),
        all => format!("{} failed records in {many}, {scope}.", number(all)),
    }
}
