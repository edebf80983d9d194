//! Why a repository could not be read, and names in the texts that say so.

use stocktake_domain::{ContentError, NotJudged};

/// Why the reading of a repository ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The result of the inspection.
    Final(ContentError),
    /// It looks damaged, or something is missing. It may look so for a moment while git writes to it.
    Suspect(ContentError),
    /// It changed while it was read.
    Changed,
}

impl ReadError {
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self::Final(ContentError::Unreadable(reason.into()))
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Final(ContentError::Invalid(reason.into()))
    }
}

impl From<NotJudged> for ReadError {
    fn from(not_judged: NotJudged) -> Self {
        Self::Final(not_judged.into())
    }
}

/// How many characters are shown from each end of a name that is too long.
const ENDS: usize = 50;

/// The name of a file or ref in a text for people: with replacement characters where it is not UTF-8, and without
/// its middle if it is too long.
pub(crate) fn display_name(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name)
        .chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
        .collect();
    let count = text.chars().count();
    if count <= 2 * ENDS + 1 {
        return text;
    }
    let end = text.chars().skip(count - ENDS);
    text.chars().take(ENDS).chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_undisplayable_names_are_shown() {
        assert_eq!(display_name(b"refs/heads/\xff\n"), "refs/heads/\u{fffd}\u{fffd}");
        assert_eq!(display_name("ä".repeat(101).as_bytes()), "ä".repeat(101));
        let long = display_name(format!("{}{}", "a".repeat(80), "b".repeat(80)).as_bytes());
        assert_eq!(long, format!("{}…{}", "a".repeat(50), "b".repeat(50)));
    }
}
