//! Where a GitLab keeps its data, read out of its own configuration files, so that nobody has to configure it twice.
//!
//! An [`Installation`] starts with the defaults of an installation method ([`Installation::omnibus`],
//! [`Installation::source`]), and each file that is read overlays it: `gitlab.rb` of the Linux package, `gitlab.yml`
//! of the other methods, and for `db_key_base` a file of secrets.
//!
//! Begin reading at `overlay.rs`. Both formats become the same tree of values (`node.rs`): `ruby.rs` reads
//! `gitlab.rb`, `yaml.rs` reads `gitlab.yml`. `overlay.rs`, `buckets.rs`, `connection.rs` and `git.rs` take the
//! settings out of that tree; `dialect.rs` knows the name of each setting in each format. No code in a file is ever
//! executed: a value that an expression computes is ignored, with a note if it would have mattered.
//!
//! Nothing here opens a database or a network connection; the only input is the files that the caller names.

mod buckets;
mod connection;
mod dialect;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod git;
mod installation;
mod node;
mod overlay;
mod ruby;
mod secrets;
mod settings_reader;
#[cfg(test)]
mod tests;
mod yaml;

pub use connection::{AwsCredentials, Connection, GoogleCredentials};
pub use file::InstallationError;
pub use installation::{Bucket, FileStorage, Installation, RegistryStorage};
