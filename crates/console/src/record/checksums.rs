//! The digests of a record, compared.

use maud::{Markup, html};
use stocktake_domain::{Digest, FailureCause, Record, Status};

use crate::figures::moment;
use crate::icons::{Shape, icon};
use crate::shown::digest;
use crate::tables::table;

/// One of them.
struct Row {
    name: &'static str,
    /// When it was calculated.
    at: Option<Markup>,
    digest: Option<Digest>,
    /// What is said where there is none.
    instead: &'static str,
    /// How it compares with what was last read.
    agrees: Option<bool>,
    /// What the button copies.
    what: &'static str,
}

/// The table of all.
pub(super) fn section(record: &Record) -> Markup {
    let columns = [("Which", ""), ("Digest", "all"), ("Compared", "nw"), ("Copy", "act")];
    let rows = html! { @for row in rows(record) { (shown(&row)) } };
    html! {
        section class="block" {
            h2 { "Checksums" }
            (table("cards", "Digests of this record, compared with what was last read", &columns, &rows))
        }
    }
}

fn rows(record: &Record) -> Vec<Row> {
    let (history, failure) = (record.history(), record.status.last_failure());
    let cause = failure.map(stocktake_domain::Failure::cause);
    let is_good = matches!(record.status, Status::Succeeded(_));
    let recorded = Row {
        name: "Recorded when stored",
        at: None,
        digest: record.expected,
        instead: "none was recorded",
        agrees: match cause {
            Some(FailureCause::ChecksumMismatch { .. }) => Some(false),
            _ => (is_good && record.reference().expected.is_some()).then_some(true),
        },
        what: "the recorded digest",
    };
    let good = history.baseline();
    let last_good = Row {
        name: "Last good",
        at: good.map(|good| {
            let remark = good.digest.level().remark();
            html! { (moment(good.at)) @if let Some(remark) = remark { ", " (remark) } }
        }),
        digest: good.map(|good| good.digest),
        instead: "none yet",
        agrees: matches!(cause, Some(FailureCause::ContentChanged { .. })).then_some(false),
        what: "the last good digest",
    };
    let mut rows = vec![recorded, last_good];
    if let Some(found) = failure.and_then(stocktake_domain::Failure::calculated) {
        let at = history.failed_at().map(moment);
        rows.push(Row {
            name: "Found",
            at,
            digest: Some(found),
            instead: "",
            agrees: None,
            what: "the digest found",
        });
    }
    rows.push(Row {
        name: "Shown by the API",
        at: None,
        digest: history.checksum(),
        instead: if history.failures.is_some() { "none since the last attempt failed" } else { "none yet" },
        agrees: None,
        what: "the digest shown by the API",
    });
    if let Some(source) = record.source_checksum {
        rows.push(Row {
            name: "GitLab’s own",
            at: None,
            digest: Some(source),
            instead: "",
            agrees: record.matches_source(),
            what: "GitLab’s own digest",
        });
    }
    rows
}

fn shown(row: &Row) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (row.name) @if let Some(at) = &row.at { " " small { (at) } } }
            td class="all" role="cell" {
                @match &row.digest {
                    Some(known) => { (digest(known)) " " small { (known.algorithm()) } },
                    None => span class="soft" { (row.instead) },
                }
            }
            @match row.agrees {
                Some(true) => td class="nw" role="cell" { span class="state succeeded" { (icon(Shape::Succeeded, "")) "Equal" } },
                Some(false) => td class="nw" role="cell" { span class="failed" { (icon(Shape::Failed, "")) "Differs" } },
                None => td class="nw none" role="cell" {},
            }
            @match &row.digest {
                Some(known) => td class="act" role="cell" {
                    button type="button" class="small" hidden data-copy=(known) { "Copy" span class="hush" { " " (row.what) } }
                },
                None => td class="act none" role="cell" {},
            }
        }
    }
}
