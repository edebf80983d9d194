//! The contracts of the ports, as suites that every adapter runs, and a database in memory that passes them.
//!
//! A suite is a set of cases, each an asynchronous function over a fixture that the adapter's tests provide.
//! [`database_contract!`](crate::database_contract) and its siblings make a test of each case, so that a failing case is named;
//! they take a function that runs a future to its end, because the suites know no runtime. What a suite asserts is said in
//! the documentation of its port.
//!
//! | fixture | suites |
//! |---|---|
//! | [`DatabaseFixture`] | [`catalogue`], [`queue`], [`jobs`], [`tokens`], [`sync_state`], [`conditions`], [`orphan_walks`], [`sessions`] |
//! | [`ContentFixture`] | [`content`] |
//! | [`SourceFixture`] | [`source`] |
//! | [`AuthorityFixture`] | [`authority`] |

#![expect(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a case is named by what it asserts, and fails by a panic"
)]

mod agreement;
pub mod authority;
pub mod catalogue {
    //! The suite of the port [`Catalogue`](crate::ports::Catalogue).

    pub mod accepting;
    pub mod counts;
    pub mod failing;
    pub mod filters;
    pub mod imports;
    pub mod limits;
    pub mod look_ups;
    pub mod pages;
    pub mod reports;
    pub mod results;
    pub mod scans;
    pub mod sorts;
    pub mod witnesses;
}
pub mod conditions {
    //! The suite of the port [`Conditions`](crate::ports::Conditions).

    pub mod reports;
}
pub mod content;
mod database;
pub mod jobs {
    //! The suite of the port [`Jobs`](crate::ports::Jobs).

    pub mod bulk;
    pub mod marked;
    pub mod marks;
    pub mod random_marks;
}
mod macros;
mod memory;
pub mod orphan_walks {
    //! The suite of the port [`OrphanWalks`](crate::ports::OrphanWalks).

    pub mod walks;
}
pub mod queue {
    //! The suite of the port [`Queue`](crate::ports::Queue).

    pub mod claims;
    pub mod damage;
    pub mod leases;
    pub mod maintenance;
    pub mod results;
    pub mod signals;
}
pub mod sessions {
    //! The suite of the port [`Sessions`](crate::ports::Sessions).

    pub mod lifetimes;
}
pub mod source;
mod support;
pub mod sync_state {
    //! The suite of the port [`SyncState`](crate::ports::SyncState).

    pub mod batches;
    pub mod deletions;
    pub mod leader;
}
mod tasks;
pub mod tokens {
    //! The suite of the port [`Tokens`](crate::ports::Tokens).

    pub mod access;
}

pub use authority::AuthorityFixture;
pub use content::{Abandon, ContentFixture, Recorder};
pub use database::{DatabaseFixture, ManualClock, Ports, RowValue};
pub use memory::{MemoryFixture, MemoryStore};
pub use source::SourceFixture;
