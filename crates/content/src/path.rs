//! Which paths can be that of a file in a folder.

use stocktake_domain::ContentError;

/// Refuses a path that leaves the folder or cannot be that of a file, judged by its text alone.
pub fn check(path: &str) -> Result<(), ContentError> {
    let invalid = |reason: String| Err(ContentError::Invalid(reason));
    if path.is_empty() {
        return invalid("the path is empty".to_owned());
    }
    if path.contains('\0') {
        return invalid("the path contains a NUL byte".to_owned());
    }
    if path.starts_with('/') {
        return invalid(format!("the path is absolute: {path}"));
    }
    if path.split('/').any(|component| component == "..") {
        return invalid(format!("the path contains `..`: {path}"));
    }
    if matches!(path.rsplit('/').next(), Some("" | ".")) {
        return invalid(format!("the path names a folder: {path}"));
    }
    Ok(())
}

/// The error for a path that leads out of the folder through a link.
pub fn outside(path: &str) -> ContentError {
    ContentError::Invalid(format!("the path leaves its storage through a link: {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside_and_can_name_a_file() {
        for good in ["a", "a/b", "./a", "a/./b", "a//b", ".a", "..a", "a..", "...", "a/..b/c", "ä/\u{1f600}"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("", "the path is empty"),
            ("/etc/passwd", "the path is absolute: /etc/passwd"),
            ("//a", "the path is absolute: //a"),
            ("..", "the path contains `..`: .."),
            ("a/../b", "the path contains `..`: a/../b"),
            ("a/..", "the path contains `..`: a/.."),
            ("a\0b", "the path contains a NUL byte"),
            (".", "the path names a folder: ."),
            ("a/", "the path names a folder: a/"),
            ("a/.", "the path names a folder: a/."),
        ] {
            assert_eq!(check(bad), Err(ContentError::Invalid(reason.to_owned())), "{bad:?}");
        }
    }
}
