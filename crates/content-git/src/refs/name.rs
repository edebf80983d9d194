//! Which names refs can have.

/// Whether git takes this as the name of a ref, by the rules of `git check-ref-format`.
pub(super) fn is_valid(name: &[u8]) -> bool {
    if !name.starts_with(b"refs/") || name.ends_with(b".") {
        return false;
    }
    // Once through, as there may be millions. No component is empty, or begins with a dot.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_takes() {
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
