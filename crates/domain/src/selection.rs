//! The five states by name, and which records a request or command is about.

use std::str::FromStr;

use crate::key::RecordKey;
use crate::named::named;
use crate::record_filter::RecordFilter;

named! {
    /// The five states of a record's checksum, as named by the API.
    pub enum State {
        /// Waits for a worker.
        Pending = "pending",
        /// A worker is at it.
        Started = "started",
        /// The last attempt found the content good.
        Succeeded = "succeeded",
        /// The last attempt failed; it will be tried again.
        Failed = "failed",
        /// Switched off.
        Disabled = "disabled",
    }
    /// The API's name.
    fn name;
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

/// Which records of a model are meant; all parts must hold, and an absent part holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only records in this state.
    pub state: Option<State>,
    /// Only records with one of these keys; never `Some` of an empty list.
    pub keys: Option<Vec<RecordKey>>,
    /// Only records with this in common.
    pub filter: RecordFilter,
}

impl Selection {
    /// The records in this state.
    pub fn in_state(state: State) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// Whether all records of the model are meant.
    pub fn is_all(&self) -> bool {
        let Self { state, keys, filter } = self;
        state.is_none() && keys.is_none() && filter.is_empty()
    }

    /// Whether counts are kept of the records that it means: it asks for a state, kinds of failure and storages alone.
    pub fn is_counted(&self) -> bool {
        self.keys.is_none() && self.filter.is_counted()
    }

    /// Whether a recalculation of what is selected is also meant for records that are switched off: only where they are named, or
    /// their state is. Who has everything read again has nothing switched on, and no retired record looked for.
    pub fn recalculates_disabled(&self) -> bool {
        self.keys.is_some() || self.state == Some(State::Disabled)
    }

    /// The records with this in common.
    pub fn filtered(filter: RecordFilter) -> Self {
        Self { filter, ..Self::default() }
    }
}
