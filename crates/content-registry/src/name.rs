//! The names of repositories and tags (the grammar of the distribution specification).

use stocktake_domain::ContentError;

/// The longest name of a repository in characters, as in the registry.
const MAX_REPOSITORY: usize = 255;

/// The longest name of a tag in characters.
const MAX_TAG: usize = 128;

/// Refuses a path that cannot name a repository.
pub(crate) fn check_repository(path: &str) -> Result<(), ContentError> {
    if path.len() <= MAX_REPOSITORY && path.split('/').all(is_component) {
        return Ok(());
    }
    Err(ContentError::Invalid(format!("the path names no container repository: {path}")))
}

/// Whether this is a component of a repository's name: runs of lower-case letters and digits, separated by one `.`, by
/// one or two `_`, or by any number of `-`.
pub(crate) fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = [text.bytes().next(), text.bytes().next_back()];
    if !ends_well.iter().all(|byte| byte.as_ref().is_some_and(is_word)) {
        return false;
    }
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    separators.into_iter().all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}

/// Whether this is the name of a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_TAG).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_repositories() {
        for good in ["a", "group/project/image", "a.b/c_d/e__f/g---h", "0/1"] {
            assert_eq!(check_repository(good), Ok(()), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "/a", "a/", "a//b", "A", "a/..", "..", "_a", "a-", "a..b", "a___b", "a._b", "a:b", "ä",
            &long,
        ] {
            assert!(matches!(check_repository(bad), Err(ContentError::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn only_the_names_of_tags() {
        assert!(["1.0", "latest", "_a", "A-B.c_", &"a".repeat(128)].into_iter().all(is_tag));
        assert!(!["", ".a", "-a", "a/b", "a b", "ä", "..", &"a".repeat(129)].into_iter().any(is_tag));
    }
}
