//! What may happen how often, and the rules that the promises rest on.

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Limits {
    pub(super) claims: u8,
    pub(super) marks: u8,
    pub(super) failures: u8,
    pub(super) recalculations: u8,
    pub(super) acceptances: u8,
    pub(super) time_outs: u8,
}

impl Limits {
    pub(super) const NONE: Self =
        Self { claims: 0, marks: 0, failures: 0, recalculations: 0, acceptances: 0, time_outs: 0 };
}

/// Which of its results a worker records at once. With the last of them the lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Results {
    First,
    /// The first and the last one, and none between.
    Ends,
    All,
}

impl Results {
    pub(super) const WAYS: [Self; 3] = [Self::First, Self::Ends, Self::All];

    /// Takes them out of what a worker holds.
    pub(super) fn taken<T>(self, held: &mut Vec<T>) -> Vec<T> {
        let mut results = std::mem::take(held);
        match self {
            Self::First => *held = results.split_off(1),
            Self::Ends => {
                let inner = 1..results.len().saturating_sub(1).max(1);
                *held = results.drain(inner).collect();
            }
            Self::All => {}
        }
        results
    }
}

/// A rule that the promises rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A mark waits for the end of those who are writing results.
    MarksWaitForResults,
    /// It waits for the end of an acceptance as well.
    MarksWaitForAcceptances,
    /// A mark comes later than any lease was claimed.
    MarksComeAfterAllClaims,
    /// What a lease holds by its row becomes due when the mark comes.
    HeldRowsAreDueAgain,
    /// A record that becomes due by itself does so later than any lease on its key was claimed.
    RowsAreDueAfterTheClaim,
    /// No lease is claimed earlier than the mark came, whether or not it takes anything that is marked.
    ClaimsComeAfterTheMark,
    /// A lease holds what was due when it was claimed, by its row or by the mark; a result of anything else is void.
    ResultsAreOfWhatIsHeld,
    /// A record tells which mark its result answers.
    RecordsTellWhatTheyAnswer,
    /// So does one that is accepted, or that a report of the store is about.
    EndedRecordsTellIt,
    /// The end of a lease takes its range out of those of the mark only if nothing there is marked.
    OnlyDoneRangesAreCutOut,
    /// A claim takes out what it passes over because nothing there is marked.
    PassedRangesAreCutOut,
}

impl Rule {
    pub(super) const ALL: [Self; 11] = [
        Self::MarksWaitForResults,
        Self::MarksWaitForAcceptances,
        Self::MarksComeAfterAllClaims,
        Self::HeldRowsAreDueAgain,
        Self::RowsAreDueAfterTheClaim,
        Self::ClaimsComeAfterTheMark,
        Self::ResultsAreOfWhatIsHeld,
        Self::RecordsTellWhatTheyAnswer,
        Self::EndedRecordsTellIt,
        Self::OnlyDoneRangesAreCutOut,
        Self::PassedRangesAreCutOut,
    ];
}

/// The rules that are kept: all but the one that a test takes away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) without: Option<Rule>,
}

impl Rules {
    pub(super) const ALL: Self = Self { without: None };

    pub(super) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
