//! Refs, and which names they can have.

use crate::error::ReadError;
use crate::id::ObjectId;

/// How many symbolic refs are followed, as in git.
pub(super) const MAX_LINKS: usize = 5;

/// A ref with the object it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) name: Vec<u8>,
    /// The object; that of the last ref if this one is symbolic.
    pub(crate) id: ObjectId,
    /// The object that an annotated tag leads to, where the repository records it.
    pub(crate) peeled: Option<ObjectId>,
}

/// Called for each ref. An error ends the reading.
pub(crate) type RefVisitor<'a> = dyn FnMut(Ref) -> Result<(), ReadError> + 'a;

/// Whether git accepts this as the name of a ref, by the rules of `git check-ref-format`.
pub(super) fn is_valid(name: &[u8]) -> bool {
    if !name.starts_with(b"refs/") || name.ends_with(b".") {
        return false;
    }
    // In one pass, because there may be millions. No component is empty, or begins with a dot.
    let mut previous = b'/';
    for byte in name {
        let is_bad_pair = matches!((previous, byte), (b'/', b'/' | b'.') | (b'.', b'.') | (b'@', b'{'));
        if is_bad_pair || matches!(byte, 0..=b' ' | 0x7f | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\') {
            return false;
        }
        previous = *byte;
    }
    previous != b'/' && name.split(|byte| *byte == b'/').all(|part| !part.ends_with(b".lock"))
}

/// Whether a reftable can contain a ref of this name: one that is valid, or a pseudo-ref such as `ORIG_HEAD`.
pub(super) fn is_valid_in_table(name: &[u8]) -> bool {
    let is_pseudo = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    is_valid(name) || (!name.is_empty() && name.iter().all(is_pseudo))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_accepts() {
        for good in
            ["refs/heads/a", "refs/a", "refs/heads/a.b/c@d", "refs/heads/ä", "refs/tags/@", "refs/x/{y}"]
        {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "refs/",
            "HEAD",
            "heads/a",
            "refs//a",
            "refs/a/",
            "refs/.a",
            "refs/a/.b",
            "refs/a.lock",
            "refs/a.lock/b",
            "refs/a..b",
            "refs/a@{b",
            "refs/a.",
            "refs/a b",
            "refs/a\n",
            "refs/a\x7f",
            "refs/a~",
            "refs/a^",
            "refs/a:",
            "refs/a?",
            "refs/a*",
            "refs/a[",
            "refs/a\\b",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
