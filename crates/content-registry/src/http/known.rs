//! What could be read of the registry lately: it shows whether trouble concerns one object, or the registry as a whole.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// How much is remembered, and how much of one kind and server.
const KEPT: usize = 16;
const KEPT_ALIKE: usize = 2;

/// Something that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Path and query, below the registry's URL.
    pub(super) target: String,
    /// The repository.
    pub(super) scope: String,
    /// The accepted media types.
    pub(super) accept: Option<&'static str>,
    /// Where it came from. Another web server at the same address would give it another media type.
    pub(super) origin: Origin,
}

/// What could be read lately, the last of it first.
#[derive(Debug, Default)]
pub(super) struct KnownGood(Mutex<VecDeque<Known>>);

/// Where something came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Scheme, host and port.
    pub(super) server: String,
    /// The media type that it came with.
    pub(super) content_type: Option<HeaderValue>,
}

impl Origin {
    pub(super) fn of(response: &Response) -> Self {
        Self::new(response.url().origin().ascii_serialization(), response.headers())
    }

    /// From this server, with these headers.
    pub(super) fn new(server: String, headers: &HeaderMap) -> Self {
        Self { server, content_type: headers.get(CONTENT_TYPE).cloned() }
    }
}

impl KnownGood {
    /// This could be read.
    pub(super) fn add(&self, known: Known) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.target != known.target);
        // What is of one kind and server must not push out all of another.
        let is_alike = |other: &Known| {
            other.origin.server == known.origin.server && kind(&other.target) == kind(&known.target)
        };
        if all.iter().filter(|other| is_alike(other)).count() >= KEPT_ALIKE {
            let oldest = all.iter().rposition(is_alike);
            oldest.and_then(|oldest| all.remove(oldest));
        }
        all.push_front(known);
        all.truncate(KEPT);
    }

    /// Something else of the same kind that came from this server.
    pub(super) fn other(&self, target: &str, server: &str) -> Option<Known> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |known: &&Known| {
            known.target != target && kind(&known.target) == kind(target) && known.origin.server == server
        };
        all.iter().find(is_other).cloned()
    }
}

/// What a target is about: a manifest, a blob, or (the empty text) a list.
fn kind(target: &str) -> &str {
    ["/manifests/", "/blobs/"].into_iter().find(|kind| target.contains(kind)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_else_of_the_same_server_is_remembered() {
        let known = |target: &str, origin: &str| Known {
            target: target.to_owned(),
            scope: String::new(),
            accept: None,
            origin: Origin { server: origin.to_owned(), content_type: None },
        };
        let good = KnownGood::default();
        assert_eq!(good.other("a", "one"), None);
        good.add(known("a", "one"));
        assert_eq!(good.other("a", "one"), None);
        assert_eq!(good.other("b", "one"), Some(known("a", "one")));
        for number in 0..99 {
            good.add(known(&number.to_string(), "two"));
        }
        assert_eq!(good.other("b", "one"), Some(known("a", "one")));
        assert_eq!(good.other("98", "two"), Some(known("97", "two")));
        assert_eq!(good.other("/v2/a/blobs/b", "two"), None, "a list says nothing of blobs");
    }
}
