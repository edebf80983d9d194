//! The database of a GitLab instance as a source of the catalogue: the port
//! [`stocktake_domain::ports::Source`] over the tables of GitLab 16.11 to 19.
//!
//! Begin reading at `source.rs`; `rows.rs` and its modules say for each of the 19 models how its rows are read and
//! where their content lies; `claims.rs` says whose is what lies beside it. The facts about GitLab's schema are in
//! its own documentation and source, <https://gitlab.com/gitlab-org/gitlab>.
//!
//! Only ever read: each look is one read-only transaction of a moment, over a batch in the order of a primary
//! key, with a time-out for its statements. A replica that follows the primary will do. [`grants`] says what a
//! role must be allowed to read, which is some columns of some tables.
//!
//! Apart from that, `authority.rs` asks a GitLab over its HTTP API whose a token is: the port
//! [`stocktake_domain::ports::Authority`].

mod authority;
mod claims;
mod database;
mod digest;
mod error;
mod field;
mod grants;
mod known;
mod layout;
mod owners;
mod path;
mod plan;
mod read;
mod rows;
mod schema;
mod settings;
mod source;
mod states;
mod tls;

pub use authority::{AuthoritySettingsError, GitlabAuthority, GitlabAuthoritySettings};
pub use grants::grants;
pub use settings::{GitlabSettings, Storages, Stores};
pub use source::GitlabSource;
