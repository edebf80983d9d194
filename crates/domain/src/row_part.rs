//! The parts of a catalogue's row that have a check value each.

use std::fmt;

/// A part of a catalogue's row that says what good content is. The row keeps a check value of each, by which a part that
/// is not what was written there (a bit that flipped on a disk, a statement by hand) is known: content is not compared
/// with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowPart {
    /// What an import or the source said of the record, and whether other content was accepted.
    Recorded,
    /// Our own last good checksum, and when it was calculated.
    Baseline,
}

/// Says that the part is damaged, and what to do.
impl fmt::Display for RowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, remedy) = match self {
            Self::Recorded => ("what was recorded of the content", "import or sync it again"),
            Self::Baseline => ("its last good checksum", "accept the content if it is good"),
        };
        write!(f, "the catalogue's row is damaged: {what} does not match its check value; {remedy}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, FailureKind};

    #[test]
    fn a_damaged_row_is_invalid_and_says_what_to_do() {
        let failures = [RowPart::Recorded, RowPart::Baseline].map(Failure::damaged_row);
        assert!(failures.iter().all(|failure| failure.kind() == FailureKind::Invalid));
        assert_eq!(
            failures[0].text(),
            "Error during verification: the catalogue's row is damaged: what was recorded of the content does not \
             match its check value; import or sync it again"
        );
        assert!(failures[1].text().ends_with("accept the content if it is good"));
        assert_eq!(failures.map(|failure| failure.may_be_accepted()), [false, true]);
    }
}
