//! Sessions: somebody who signed in with a token, and need not send it again with each request.

use std::time::Duration;

use crate::time::Timestamp;
use crate::token::TokenDigest;

/// The SHA-256 of the random value that only the holder of a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionDigest(pub [u8; 32]);

/// The token that a session was begun with. A session allows what its token allows now, and ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionToken {
    /// One of our own, by its digest.
    Own(TokenDigest),
    /// One that another system knows, which must be shown to that system to find out whether it still counts. It is
    /// encrypted with a key that only the session's holder has; at most [`SessionToken::MAX_SEALED`] bytes.
    Sealed(Vec<u8>),
}

impl SessionToken {
    /// The most bytes of an encrypted token.
    pub const MAX_SEALED: usize = 4096;
}

/// A session to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The digest of its value.
    pub digest: SessionDigest,
    /// What it was begun with.
    pub token: SessionToken,
}

/// A session as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it was begun with.
    pub token: SessionToken,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was last said to be used.
    pub used_at: Timestamp,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// A session is over this long after it was last used.
    pub idle: Duration,
    /// And in any case this long after it began.
    pub longest: Duration,
}

impl Session {
    /// Whether it is over: by its terms, or because it began or was used at a time that has not come, so that nobody knows
    /// how long ago that was.
    pub fn is_over(&self, terms: SessionTerms, now: Timestamp) -> bool {
        let is_past =
            |begin: Timestamp, span| begin.after(span) <= now || begin > now.latest_end(Duration::ZERO);
        is_past(self.used_at, terms.idle) || is_past(self.began_at, terms.longest)
    }
}
