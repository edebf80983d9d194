//! What the records have in common that somebody wants to see or to have read: one filter for all commands.

use std::fmt;

use crate::failure::FailureKind;
use crate::path_glob::PathGlob;
use crate::time::Timestamp;

/// What records have in common that are meant ([`crate::Record::is_meant_by`]); all parts must hold, and an absent or empty
/// part holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Only records whose last attempt failed ([`crate::Status::last_failure`]) in one of these ways.
    pub kinds: Vec<FailureKind>,
    /// Only records in one of these storages.
    pub storages: Vec<String>,
    /// Only records with such a path.
    pub path: Option<PathGlob>,
    /// Only records with this in their path, or in what was told of their last failure ([`crate::FailureCause::text`]).
    /// Upper and lower case differ.
    pub text: Option<String>,
    /// Only records of this project or group, or of one below it.
    pub owner: Option<String>,
    /// Only records whose last attempt ended at this time or later.
    pub since: Option<Timestamp>,
    /// Only records whose last attempt ended before this time, or that were never read.
    pub before: Option<Timestamp>,
}

impl RecordFilter {
    /// Whether it leaves no record out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether counts are kept of the records that it means: it asks for kinds of failure and storages alone.
    pub fn is_counted(&self) -> bool {
        let Self { kinds: _, storages: _, path, text, owner, since, before } = self;
        path.is_none() && text.is_none() && owner.is_none() && since.is_none() && before.is_none()
    }
}

/// The parts that are set, for people: `missing or altered, in the storage main, of group/project`.
impl fmt::Display for RecordFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kinds, storages, path, text, owner, since, before } = self;
        let kinds = kinds.iter().map(|kind| kind.name().replace('_', " ")).collect::<Vec<_>>();
        let parts = [
            (!kinds.is_empty()).then(|| kinds.join(" or ")),
            (!storages.is_empty()).then(|| format!("in the storage {}", storages.join(" or "))),
            path.as_ref().map(|path| format!("path {}", path.as_str())),
            text.as_ref().map(|text| format!("path or text contains {text:?}")),
            owner.as_ref().map(|owner| format!("of {owner}")),
            since.map(|since| format!("checked since {since}")),
            before.map(|before| format!("not checked since {before}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_told_by_the_parts_that_are_set() {
        assert_eq!(RecordFilter::default().to_string(), "");
        let filter = RecordFilter {
            kinds: vec![FailureKind::Missing, FailureKind::TimedOut],
            storages: vec!["a".to_owned(), "b".to_owned()],
            path: Some("x/**".parse().unwrap()),
            text: Some("\u{1b}".to_owned()),
            owner: Some("group".to_owned()),
            since: Some(Timestamp::from_millis(0)),
            before: Some(Timestamp::from_millis(1)),
        };
        assert_eq!(
            filter.to_string(),
            "missing or timed out, in the storage a or b, path x/**, path or text contains \"\\u{1b}\", of group, \
             checked since 1970-01-01T00:00:00.000Z, not checked since 1970-01-01T00:00:00.001Z"
        );
    }
}
