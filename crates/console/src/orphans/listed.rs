//! What the tables of orphans and of registries share.

use maud::{Markup, html};
use stocktake_domain::StorageOutcome;

use crate::figures::counted;
use crate::icons::{Shape, icon};

/// How many orphans, and how many pieces of registries, are on a page.
pub(super) const PER_PAGE: u32 = 100;

/// A page of a list, and whether there are more behind it.
pub(super) struct Listed<T> {
    pub(super) rows: Vec<T>,
    has_next: bool,
}

impl<T> Listed<T> {
    /// Of one more than is shown.
    pub(super) fn new(mut rows: Vec<T>) -> Self {
        let shown = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
        let has_next = rows.len() > shown;
        rows.truncate(shown);
        Self { rows, has_next }
    }

    /// What the caption says.
    pub(super) fn caption(&self, noun: &str) -> String {
        format!("{} on this page", counted(count_of(self.rows.len()), noun))
    }

    /// The last one, if there are more behind it.
    pub(super) fn last(&self) -> Option<&T> {
        self.rows.last().filter(|_| self.has_next)
    }
}

/// How the search of a storage ended.
pub(super) struct Ended<'a> {
    /// Whether all that lies in it was looked at, or nothing is to be there.
    pub(super) is_whole: bool,
    word: &'static str,
    reason: Option<&'a str>,
}

impl<'a> Ended<'a> {
    /// `looked_at` entries of the storage were looked at, and `skipped` places were not.
    pub(super) fn of(outcome: Option<&'a StorageOutcome>, looked_at: u64, skipped: u64) -> Self {
        let (is_whole, word, reason) = match outcome {
            None | Some(StorageOutcome::Searched) if skipped > 0 => (false, "In part", None),
            None | Some(StorageOutcome::Searched) => (true, "Whole", None),
            Some(StorageOutcome::NotConfigured) => (false, "Not configured", None),
            Some(StorageOutcome::Unused(reason)) => (true, "Not used", Some(reason.as_str())),
            Some(StorageOutcome::Failed(reason)) if looked_at == 0 => {
                (false, "Not searched", Some(reason.as_str()))
            }
            Some(StorageOutcome::Failed(reason)) => (false, "In part", Some(reason.as_str())),
            Some(StorageOutcome::Disordered(reason)) => (false, "Not reliable", Some(reason.as_str())),
        };
        Self { is_whole, word, reason }
    }

    /// A cell of a table.
    pub(super) fn cell(&self) -> Markup {
        html! {
            td class="flag" role="cell" {
                @if self.is_whole {
                    span class="state succeeded" { (icon(Shape::Succeeded, "")) (self.word) }
                } @else {
                    span class="warn nw" { (icon(Shape::Warn, "")) (self.word) }
                }
                @if let Some(reason) = self.reason { p class="soft" { (reason) } }
            }
        }
    }
}

/// The number of rows.
pub(super) fn count_of(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
