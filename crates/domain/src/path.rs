//! Paths as texts, also those that are no text.
//!
//! The names of files are bytes, and the catalogue, the API, imports and exports have texts. A path that is UTF-8 is
//! the same as a text. In any other, each byte that is no UTF-8 is written `\x` and two digits, such as `\xff`; and so
//! that this can be read back, a backslash that begins what would be read as such is written `\x5c`.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A path as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathText<'a>(Cow<'a, str>);

impl<'a> PathText<'a> {
    /// The path of this text.
    pub fn new(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The path that has these bytes.
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\\') => Self(Cow::Borrowed(text)),
            _ => Self(Cow::Owned(escape(bytes))),
        }
    }

    /// The bytes of the path.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        if self.0.contains("\\x") {
            Cow::Owned(unescape(self.0.as_bytes()))
        } else {
            Cow::Borrowed(self.0.as_bytes())
        }
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl fmt::Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    let mut behind = bytes;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            behind = behind.get(c.len_utf8()..).unwrap_or_default();
            if c == '\\' && byte_at(behind).is_some() {
                text.push_str("\\x5c");
            } else {
                text.push(c);
            }
        }
        behind = behind.get(chunk.invalid().len()..).unwrap_or_default();
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(byte) = byte_at(behind).filter(|_| *first == b'\\') {
            bytes.push(byte);
            rest = behind.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    bytes
}

/// The byte that `x` and two digits stand for behind a backslash: one beyond ASCII, or a backslash that would otherwise
/// be read as the beginning of such a byte.
fn byte_at(behind: &[u8]) -> Option<u8> {
    let mut rest = behind;
    let mut first = None;
    while let [b'x', high, low, behind @ ..] = rest {
        let byte = 16 * digit(*high)? + digit(*low)?;
        let byte_here = *first.get_or_insert(byte);
        match byte {
            0x80.. => return Some(byte_here),
            b'\\' => rest = behind,
            _ => return None,
        }
    }
    None
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_text_stays_as_it_is_and_other_bytes_can_be_told_from_it() {
        for (bytes, text) in [
            (&b"ab/c.bin"[..], "ab/c.bin"),
            ("ä/é\u{1f600}".as_bytes(), "ä/é\u{1f600}"),
            (b"a\\b\\x5c\\x41\\xFF\\", "a\\b\\x5c\\x41\\xFF\\"),
            (b"f\xff/\xc3\xa4\xe9", "f\\xff/ä\\xe9"),
            (b"f\\xff", "f\\x5cxff"),
            (b"f\\x5cxff", "f\\x5cx5cxff"),
            (b"\\\xff", "\\\\xff"),
        ] {
            assert_eq!(PathText::of_bytes(bytes).to_string(), text);
            assert_eq!(*PathText::new(text).to_bytes(), *bytes, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_path_is_read_back(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\\x5cf8\xff\xc3\xa4/"[..])], 0..24)
        ) {
            let text = PathText::of_bytes(&bytes).into_string();
            let read = PathText::new(&text).to_bytes().into_owned();
            prop_assert_eq!(&read, &bytes);
            if let Ok(same) = std::str::from_utf8(&bytes) && !same.contains("\\x") {
                prop_assert_eq!(text, same);
            }
        }
    }
}
