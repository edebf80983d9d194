//! Where a GitLab keeps its data, read out of its own configuration files, so that nobody has to configure it twice.
//!
//! An [`Installation`] starts with the defaults of an installation method ([`Installation::omnibus`],
//! [`Installation::source`]), and each file that is read overlays it: `gitlab.rb` of the Linux package, `gitlab.yml`
//! of the other methods or the values of the Helm chart, and for `db_key_base` a file of secrets.
//!
//! Begin reading at `rules.rs`, which says for each place which setting counts, and `overlay.rs`. Both formats become the
//! same tree of values (`node.rs`): `ruby.rs` follows a `gitlab.rb`, `yaml.rs` reads a `gitlab.yml`. `buckets.rs`,
//! `connection.rs` and `git.rs` have the rules that take more than a line; `dialect.rs` knows the name of each setting in
//! each format. No code in a file is ever executed: what an expression makes of literals is calculated, and any other
//! value makes its place *unknown* ([`Fact`]), which is never replaced by a default.
//!
//! Nothing here opens a database or a network connection; the only input is the files that the caller names, those that
//! a `gitlab.rb` loads, and the files `VERSION` and `database-in-use` of the installation.

mod buckets;
mod compose;
mod connection;
mod dialect;
mod fact;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod git;
mod helm;
mod installation;
mod node;
mod overlay;
mod registry_bucket;
mod ruby;
mod rules;
mod secrets;
mod settings_reader;
#[cfg(test)]
mod tests;
mod version;
mod volumes;
mod yaml;

pub use connection::{AwsCredentials, Connection, GoogleCredentials};
pub use fact::{Fact, Unknown};
pub use file::InstallationError;
pub use installation::{Bucket, FileStorage, Installation, RegistryData, RegistryStorage};
pub use ruby::is_parsing_ruby;
pub use version::Version;
