//! The repositories of a Gitaly Cluster: each has replicas on several nodes, under a name that only the database of its
//! Praefect knows.
//!
//! ```text
//! ClusterStore ──> praefect   which replicas a repository must have, where, and which are up to date
//!      └─────────> nodes      a store of git repositories for each, which reads the replicas
//!                    └─────> verdict   what they are together
//! ```
//!
//! The facts about Praefect are from its source (`internal/praefect/datastore` in <https://gitlab.com/gitlab-org/gitaly>).

mod praefect;
mod store;
mod verdict;

pub use store::{ClusterSettings, ClusterStore, Nodes};
