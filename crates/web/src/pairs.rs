//! Query strings and forms, as pairs of names and values.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The pairs of a query string or a form, decoded; invalid UTF-8 becomes replacement characters.
pub fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut next = || decode(halves.next().unwrap_or_default());
        (next(), next())
    })
}

fn decode(text: &[u8]) -> Cow<'_, str> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(lossy(&Cow::from(percent_decode(&spaced))));
    }
    percent_decode(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_that_of_forms() {
        let decoded: Vec<_> = pairs(b"a+b=%26%3D+&&c&d=%FF%00=e").collect();
        assert_eq!(
            decoded,
            [("a b".into(), "&= ".into()), ("c".into(), "".into()), ("d".into(), "\u{fffd}\0=e".into())]
        );
    }
}
