//! The five states by name, and which records a request or command is about.

use std::fmt;
use std::str::FromStr;

use crate::key::RecordKey;

/// The five states of a record's checksum, as named by the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for a worker.
    Pending,
    /// A worker is at it.
    Started,
    /// The last attempt found the content good.
    Succeeded,
    /// The last attempt failed; it will be tried again.
    Failed,
    /// Switched off.
    Disabled,
}

impl State {
    /// All states, in the order of the API's documentation.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Started, Self::Succeeded, Self::Failed, Self::Disabled];

    /// The API's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a checksum state")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| UnknownState(name.to_owned()))
    }
}

/// Which records of a model are meant; both parts must hold, and an absent part holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only records in this state.
    pub state: Option<State>,
    /// Only records with one of these keys; never `Some` of an empty list.
    pub keys: Option<Vec<RecordKey>>,
}
