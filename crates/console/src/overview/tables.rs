//! The tables of the overview: failures by kind, and all data types.

use maud::{Markup, html};
use stocktake_domain::ports::ModelSummary;
use stocktake_domain::{FailureKind, Model, State, Timestamp};
use stocktake_web::{in_state, of_kind};

use crate::figures::{age, number, share, size};
use crate::query::Address;
use crate::words::kind_word;

/// A figure that may be nothing: a 0 is in the table, and drawn as a dot.
fn figure(label: &str, count: u64, link: Option<&Address>, class: &str) -> Markup {
    html! {
        @if count == 0 {
            td class="n nil" data-l=(label) role="cell" { "0" }
        } @else {
            td class="n" data-l=(label) role="cell" {
                @match link {
                    Some(address) => a class=[(!class.is_empty()).then_some(class)] href=(address) { (number(count)) },
                    None => (number(count)),
                }
            }
        }
    }
}

fn failures_of(summary: &ModelSummary, kind: FailureKind) -> u64 {
    of_kind(&summary.failures, kind).saturating_add(of_kind(&summary.rereading, kind))
}

fn all_failures(summary: &ModelSummary) -> u64 {
    FailureKind::ALL.into_iter().map(|kind| failures_of(summary, kind)).sum()
}

/// The records of a model.
fn records(model: Model, state: Option<State>) -> Address {
    Address::console().below("models").below(model).with("state", state)
}

/// Failed records of each data type, by kind.
pub(super) fn failures(models: &[ModelSummary]) -> Markup {
    let rows: Vec<_> = models.iter().filter(|model| all_failures(model) > 0).collect();
    let all = |kind| rows.iter().map(|model| failures_of(model, kind)).sum::<u64>();
    let findings = |model: Model| Address::console().below("findings").with("model", Some(model));
    html! {
        section class="block" {
            h2 { "Failures by data type and kind" }
            table class="cards dense" role="table" {
                caption class="hush" { "Number of failed records of each data type, by kind" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Data type" }
                        @for kind in FailureKind::ALL { th scope="col" class="n" role="columnheader" { (kind_word(kind)) } }
                        th scope="col" class="n" role="columnheader" { "All" }
                    }
                }
                tbody role="rowgroup" {
                    @for summary in &rows {
                        tr role="row" {
                            th scope="row" role="rowheader" { a href=(findings(summary.model)) { (summary.model) } }
                            @for kind in FailureKind::ALL { (figure(kind_word(kind), failures_of(summary, kind), None, "")) }
                            (figure("All", all_failures(summary), None, ""))
                        }
                    }
                }
                @if rows.len() > 1 {
                    tfoot role="rowgroup" {
                        tr role="row" {
                            th scope="row" role="rowheader" { "All" }
                            @for kind in FailureKind::ALL { (figure(kind_word(kind), all(kind), None, "")) }
                            (figure("All", rows.iter().map(|model| all_failures(model)).sum(), None, ""))
                        }
                    }
                }
            }
        }
    }
}

/// All data types that have records, those with failures first, then those with the most records.
pub(super) fn models(models: &[ModelSummary], now: Timestamp) -> Markup {
    let mut rows: Vec<_> =
        models.iter().map(|summary| (count(summary), summary)).filter(|(count, _)| *count > 0).collect();
    rows.sort_by_key(|(count, summary)| (u64::MAX - all_failures(summary), u64::MAX - count));
    html! {
        section class="block" {
            h2 { "Data types" }
            table class="cards dense" role="table" {
                caption class="hush" { "Records of each data type by state" }
                thead role="rowgroup" {
                    tr role="row" {
                        th scope="col" role="columnheader" { "Data type" }
                        @for name in ["Records", "Succeeded", "Failed", "Pending", "Started", "Disabled", "Size", "Oldest check", "Verified"] {
                            th scope="col" class="n" role="columnheader" { (name) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for (count, summary) in rows { (row(count, summary, now)) }
                }
            }
        }
    }
}

fn row(count: u64, summary: &ModelSummary, now: Timestamp) -> Markup {
    let of = |state| in_state(summary, state);
    let link = |state| Some(records(summary.model, Some(state)));
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(records(summary.model, None)) { (summary.model) } }
            (figure("Records", count, None, ""))
            (figure("Succeeded", of(State::Succeeded), None, ""))
            (figure("Failed", of(State::Failed), link(State::Failed).as_ref(), "failed"))
            (figure("Pending", of(State::Pending), link(State::Pending).as_ref(), ""))
            (figure("Started", of(State::Started), link(State::Started).as_ref(), ""))
            (figure("Disabled", of(State::Disabled), link(State::Disabled).as_ref(), ""))
            @match summary.bytes {
                0 => td class="n nil" data-l="Size" role="cell" { "0" },
                bytes => td class="n" data-l="Size" role="cell" { (size(bytes)) },
            }
            @match summary.oldest_success {
                Some(oldest) => td class="n" data-l="Oldest check" role="cell" { (age(oldest, now)) },
                None => td class="n none" data-l="Oldest check" role="cell" {},
            }
            td class="n" data-l="Verified" role="cell" { (share(of(State::Succeeded), count)) }
        }
    }
}

fn count(summary: &ModelSummary) -> u64 {
    summary.states.iter().map(|(_, count)| count).sum()
}
