//! A GitLab as the source of the catalogue: the port [`stocktake_domain::ports::Source`] over the database of GitLab
//! 15.11 to 19, and [`stocktake_domain::ports::Authority`] over its HTTP API.
//!
//! Begin reading at `source.rs`. A page takes three forms: a row of the database, a typed row of its model
//! (`mapping::ModelRow`, one type per model in `rows.rs` and its modules), and the record. What a record needs from
//! other tables is looked up for the whole page at once (`lookups.rs`), as are the results of GitLab's own verification
//! (`states.rs`). `claims.rs` finds out what claims content that no record has, and `check.rs` says beforehand what
//! will be read from where. The sources for the facts about GitLab's schema are its documentation and its code,
//! <https://gitlab.com/gitlab-org/gitlab>.
//!
//! The databases are only read: in short read-only transactions (`database.rs`), each over a batch of rows in the order
//! of the primary key, with a time-out for every statement. A streaming replica is enough. What a version of GitLab has
//! is probed, not assumed (`schema.rs`, `layout.rs`); [`grants`] returns the privileges that a role needs, which are
//! some columns of some tables.
//!
//! `authority.rs` asks the GitLab's HTTP API which user a token belongs to.

mod authority;
mod check;
mod claims;
mod column;
mod database;
mod digest;
mod error;
mod grants;
mod layout;
mod lookups;
mod mapping;
mod pages;
mod path;
mod praefect;
mod rows;
mod schema;
mod settings;
mod source;
mod states;
mod upload_owners;

pub use authority::{AuthoritySettingsError, GitlabAuthority, GitlabAuthoritySettings};
pub use grants::grants;
pub use settings::{GitlabSettings, Storages, Stores, UnknownPlaces};
pub use source::GitlabSource;
