//! The parts of a catalogue's row that have a check value each.

use std::fmt;

use crate::failure::Failure;

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

impl RowPart {
    /// The failure of a record whose row is damaged in this part.
    pub fn failure(self) -> Failure {
        Failure::invalid(&self.to_string())
    }
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
    use crate::failure::FailureKind;

    #[test]
    fn a_damaged_row_is_invalid_and_says_what_to_do() {
        let texts = [RowPart::Recorded, RowPart::Baseline].map(|part| {
            assert_eq!(part.failure().kind(), FailureKind::Invalid);
            part.failure().text()
        });
        assert_eq!(
            texts[0],
            "Error during verification: the catalogue's row is damaged: what was recorded of the content does not \
             match its check value; import or sync it again"
        );
        assert!(texts[1].ends_with("accept the content if it is good"));
    }
}
