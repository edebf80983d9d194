//! Which records a command is about: the same options wherever records are chosen.

use std::time::Duration;

use clap::Args;
use stocktake_domain::{FailureKind, PathGlob, RecordFilter, Timestamp};

use super::values::{Moment, kind, moment, span};

/// Which records; all that is given must hold.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FilterArguments {
    /// Only records that were found so, also while they are read again: missing, altered, unreadable, invalid or `timed_out`;
    /// several are separated by commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind, help_heading = "Filters")]
    kind: Vec<FailureKind>,
    /// Only records in this storage; several are separated by commas
    #[arg(long, alias = "storages", value_name = "NAME", value_delimiter = ',', help_heading = "Filters")]
    storage: Vec<String>,
    /// Only records with such a path: `*` and `?` stay within a folder, `**` goes across, `[a-z]` is one of a set, `\` takes
    /// the next character as it is
    #[arg(long, value_name = "GLOB", help_heading = "Filters")]
    path: Option<PathGlob>,
    /// Only records of this project or group, and of those below it
    #[arg(long, value_name = "OWNER", help_heading = "Filters")]
    owner: Option<String>,
    /// Only records last read since then: 2d, 2026-11-20 or 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters")]
    since: Option<Moment>,
    /// Only records last read longer ago than this, or never, for example 30d
    #[arg(long, value_name = "DURATION", value_parser = span, help_heading = "Filters")]
    older_than: Option<Duration>,
}

impl FilterArguments {
    /// Whether no record is left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.filter(Timestamp::from_millis(0)).is_empty()
    }

    /// The filter, as it is at this time.
    pub(crate) fn filter(&self, now: Timestamp) -> RecordFilter {
        RecordFilter {
            kinds: self.kind.clone(),
            storages: self.storage.clone(),
            path: self.path.clone(),
            text: None,
            owner: self.owner.clone(),
            since: self.since.map(|since| since.seen_from(now)),
            before: self.older_than.map(|age| now.before(age)),
        }
    }
}
