//! Other records with the same digest: where a good copy of the content may lie.

use maud::{Markup, html};
use stocktake_domain::{Digest, Record, State};
use stocktake_web::step;

use crate::error::ConsoleError;
use crate::figures::ago;
use crate::records::record_address;
use crate::shown::path;
use crate::tables::{optional, table};
use crate::visit::Visit;
use crate::words::badge;

/// The most that are listed.
const MOST: u32 = 10;

/// Records whose content was last good with the digest that this one's should have.
pub(super) async fn section(visit: &Visit, record: &Record) -> Result<Markup, ConsoleError> {
    let good = record.history().baseline().map(|good| good.digest).or(record.expected);
    // The refs of two repositories are alike as soon as both are empty, and sizes of files for no reason.
    let Some(digest) = good.filter(|digest| !matches!(digest, Digest::Gitaly(_) | Digest::Metadata(_)))
    else {
        return Ok(html! {});
    };
    let mut found =
        step("catalogue.with_checksum", visit.console.catalogue.with_checksum(&digest, MOST + 2)).await?;
    found.retain(|other| (other.model, &other.key) != (record.model, &record.key));
    // Good ones first: they are what helps.
    found.sort_by_key(|other| other.state() != State::Succeeded);
    let shown = usize::try_from(MOST).unwrap_or(usize::MAX);
    let has_more = found.len() > shown;
    found.truncate(shown);
    if found.is_empty() {
        return Ok(html! {});
    }
    let columns = [("Record", ""), ("State", "flag"), ("Content", "all"), ("Last good", "")];
    let rows = html! { @for other in &found { (row(other, visit)) } };
    Ok(html! {
        section class="block stack" aria-labelledby="same" {
            h2 id="same" { "Other records with the same digest" }
            @if record.status.last_failure().is_some() {
                p { "A record that succeeded has a good copy of this one’s content." }
            }
            (table("cards", "Records whose content was last good with the same digest", &columns, &rows))
            @if has_more { p class="soft" { "There are more." } }
        }
    })
}

fn row(other: &Record, visit: &Visit) -> Markup {
    let good = other.history().baseline().map(|good| ago(good.at, visit.now));
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(record_address(other)) { (other.model) " " (other.key) } }
            td class="flag" role="cell" { (badge(other.state())) }
            td class="all" role="cell" {
                p { (path(&other.location.path)) }
                p class="soft" { "in " (other.location.storage) }
            }
            (optional(good.as_ref(), "Last good", ""))
        }
    }
}
