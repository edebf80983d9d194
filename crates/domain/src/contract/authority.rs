//! The suite of `Authority`.

pub mod tokens;

use std::any::Any;
use std::sync::Arc;

use crate::ports::{Authority, Credential};

/// An authority that knows one token.
pub struct AuthorityFixture {
    /// The authority.
    pub authority: Arc<dyn Authority>,
    /// The token of an administrator, in a header in which the authority takes it.
    pub administrator: Credential,
    /// A token of nobody.
    pub unknown: Credential,
    /// What must live as long as the authority: its server.
    pub keep: Box<dyn Any + Send + Sync>,
}
