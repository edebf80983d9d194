//! Texts from outside as HTML: maud escapes what would be markup, and what does something else than to stand for itself
//! (controls, marks of direction) is shown as its code point.

use maud::{Markup, html};
use stocktake_domain::{Digest, is_unsafe_to_show};

/// How many digits of a digest stand together.
const DIGITS: usize = 16;

/// A text from outside.
pub(crate) fn text(text: &str) -> Markup {
    html! {
        @for piece in pieces(text) {
            @match piece {
                Piece::Plain(plain) => (plain),
                Piece::Control(c) => span class="ctl" { "U+" (format!("{:04X}", u32::from(c))) },
            }
        }
    }
}

/// A path: its folders, and its name in ink.
pub(crate) fn path(path: &str) -> Markup {
    let (folders, name) = path.rfind('/').map_or(("", path), |at| path.split_at(at.saturating_add(1)));
    html! {
        code class="path" {
            @if !folders.is_empty() { span { (text(folders)) } }
            (text(name))
        }
    }
}

/// A digest in groups of digits, so that two can be compared by eye.
pub(crate) fn digest(digest: &Digest) -> Markup {
    let digits = digest.to_string();
    let groups = (0..digits.len()).step_by(DIGITS);
    let group = |at: usize| digits.get(at..digits.len().min(at.saturating_add(DIGITS))).unwrap_or_default();
    html! {
        code class="digest" { @for at in groups { span { (group(at)) } } }
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Control(char),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe_to_show(*c)) {
        let (before, behind) = rest.split_at(at);
        pieces.push(Piece::Plain(before));
        pieces.push(Piece::Control(c));
        rest = behind.get(c.len_utf8()..).unwrap_or_default();
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_text_is_seen_and_does_nothing() {
        assert_eq!(text("<script>alert(1)</script>").0, "&lt;script&gt;alert(1)&lt;/script&gt;");
        assert_eq!(
            text("a\u{1b}[31m\u{202e}b").0,
            "a<span class=\"ctl\">U+001B</span>[31m<span class=\"ctl\">U+202E</span>b"
        );
        assert_eq!(
            path("a/b/\n").0,
            "<code class=\"path\"><span>a/b/</span><span class=\"ctl\">U+000A</span></code>"
        );
        assert_eq!(path("a").0, "<code class=\"path\">a</code>");
    }

    #[test]
    fn a_digest_stands_in_groups() {
        let shown = digest(&Digest::Md5([0xab; 16])).0;
        assert_eq!(shown.matches("<span>abababababababab</span>").count(), 2, "{shown}");
    }
}
