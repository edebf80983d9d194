//! White space as git's own programs know it (`isspace` in its `git-compat-util.h`): neither form feeds nor vertical tabs
//! are. What is taken away here and not by git would make a file good that git cannot use.

/// Whether git takes this byte for white space.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The text without white space at its beginning.
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(begin..).unwrap_or_default()
}

/// The text without white space at its end.
pub(crate) fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_trimmed_on_its_own() {
        assert_eq!(trim_start(b" \t\r\na b \n"), b"a b \n");
        assert_eq!(trim_end(b" a b\r\n\t "), b" a b");
        assert_eq!((trim_start(b" \n"), trim_end(b" \n")), (&b""[..], &b""[..]));
        assert_eq!(trim_end(b"a\x0c"), b"a\x0c");
    }
}
