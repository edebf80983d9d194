//! What clients may keep waiting.

use std::time::Duration;

/// How many connections clients may have, and how long they may keep one waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The most connections at once. When there are more, those of clients without a token are closed first.
    pub connections: usize,
    /// For the head of a request, from its first byte, and until the first one begins.
    pub head: Duration,
    /// For the rest of a body that nobody reads, from the answer.
    pub unread_body: Duration,
    /// For reading more of an answer.
    pub unread_answer: Duration,
}

impl ConnectionLimits {
    /// So many connections, and times that no ordinary client comes near.
    pub const fn new(connections: usize) -> Self {
        let (head, unread_body) = (Duration::from_secs(10), Duration::from_secs(5));
        Self { connections, head, unread_body, unread_answer: Duration::from_secs(30) }
    }
}
