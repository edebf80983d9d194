//! Names of files and refs, which are bytes, in texts for people.

/// How many characters of a name are shown at its beginning and at its end, if it is too long.
const ENDS: usize = 50;

/// The name with replacement characters where it is not UTF-8, and without its middle where it is too long
/// for a failure text.
pub(crate) fn shown(name: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(name)
        .chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
        .collect();
    let count = text.chars().count();
    if count <= 2 * ENDS + 1 {
        return text;
    }
    let end = text.chars().skip(count - ENDS);
    text.chars().take(ENDS).chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_names_are_shown() {
        assert_eq!(shown(b"refs/heads/\xff\n"), "refs/heads/\u{fffd}\u{fffd}");
        assert_eq!(shown("ä".repeat(101).as_bytes()), "ä".repeat(101));
        let long = shown(format!("{}{}", "a".repeat(80), "b".repeat(80)).as_bytes());
        assert_eq!(long, format!("{}…{}", "a".repeat(50), "b".repeat(50)));
    }
}
