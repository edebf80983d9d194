//! Texts from outside as HTML. Pages write them as they are: maud escapes what would be markup, and [`visible`], through which
//! every page is sent, shows what does something else than to stand for itself (controls, marks of direction) as its code point.

use std::fmt::Write as _;

use maud::{Markup, html};
use stocktake_domain::{Digest, is_unsafe_to_show};

/// How many digits of a digest stand together.
const DIGITS: usize = 16;

/// A document whose text shows each such character as its code point. What is within a tag stays as it is: an address or a
/// field of a form must be sent back as it was.
pub(crate) fn visible(document: Markup) -> String {
    let html = document.into_string();
    if !html.contains(is_unsafe_to_show) {
        return html;
    }
    let mut shown = String::with_capacity(html.len());
    // Within values of attributes, too, maud escapes what begins and ends a tag.
    let mut is_in_tag = false;
    for c in html.chars() {
        match c {
            '<' => is_in_tag = true,
            '>' => is_in_tag = false,
            _ => {}
        }
        if is_in_tag || !is_unsafe_to_show(c) {
            shown.push(c);
        } else {
            // Writing into a string cannot fail.
            let _ = write!(shown, "<span class=\"ctl\">U+{:04X}</span>", u32::from(c));
        }
    }
    shown
}

/// A path: its folders, and its name in ink.
pub(crate) fn path(path: &str) -> Markup {
    let (folders, name) = path.rfind('/').map_or(("", path), |at| path.split_at(at.saturating_add(1)));
    html! {
        code class="path" {
            @if !folders.is_empty() { span { (folders) } }
            (name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_text_is_seen_and_does_nothing() {
        let shown = |text: &str| visible(html! { (text) });
        assert_eq!(shown("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
        assert_eq!(
            shown("a\u{1b}[31m\u{202e}b"),
            "a<span class=\"ctl\">U+001B</span>[31m<span class=\"ctl\">U+202E</span>b"
        );
        assert_eq!(
            visible(path("a/b/\n")),
            "<code class=\"path\"><span>a/b/</span><span class=\"ctl\">U+000A</span></code>"
        );
        assert_eq!(visible(path("a")), "<code class=\"path\">a</code>");
    }

    #[test]
    fn what_a_form_sends_stays_as_it_is() {
        let name = "\u{202e}\">a";
        assert_eq!(
            visible(html! { option value=(name) { (name) } "\u{7}" }),
            "<option value=\"\u{202e}&quot;&gt;a\"><span class=\"ctl\">U+202E</span>&quot;&gt;a</option>\
             <span class=\"ctl\">U+0007</span>"
        );
    }

    #[test]
    fn a_digest_stands_in_groups() {
        let shown = digest(&Digest::Md5([0xab; 16])).0;
        assert_eq!(shown.matches("<span>abababababababab</span>").count(), 2, "{shown}");
    }
}
