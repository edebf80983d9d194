//! What an action says on the page that it leads to. The address names one of these sentences; it brings no text along.

use maud::{Markup, html};

use crate::icons::{Shape, icon};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Good,
    NotGood,
    Waits,
    GoesOn,
    Accepted,
    Queued,
    Cancelled,
    Over,
    Walks,
    WalkCancelled,
    WalkOver,
}

/// Each with its name in the address and its sentence.
const ALL: [(Notice, &str, &str); 11] = [
    (Notice::Good, "good", "The content was read again, and is good."),
    (Notice::NotGood, "not-good", "The content was read again, and is not good: see below."),
    (
        Notice::Waits,
        "waits",
        "Nothing could be said of the content: the record waits until its storage can be read.",
    ),
    (
        Notice::GoesOn,
        "goes-on",
        "The content is being read. This takes longer; the result will be on this page.",
    ),
    (Notice::Accepted, "accepted", "The content as it is now counts as good from now on."),
    (Notice::Queued, "queued", "The job was queued. Its records will be read again."),
    (Notice::Cancelled, "cancelled", "The job was cancelled. What it had marked will still be read again."),
    (Notice::Over, "over", "The job had already ended."),
    (
        Notice::Walks,
        "walks",
        "The walk was asked for. It begins within seconds, and goes on without this page.",
    ),
    (Notice::WalkCancelled, "walk-cancelled", "The walk was cancelled. What it had found is forgotten."),
    (Notice::WalkOver, "walk-over", "The walk had already ended."),
];

impl Notice {
    /// The name in the address.
    pub(crate) fn name(self) -> &'static str {
        ALL.into_iter().find(|(notice, _, _)| *notice == self).map_or("", |(_, name, _)| name)
    }
}

/// The notice that the address names, if any.
pub(crate) fn shown(name: Option<&str>) -> Markup {
    let found = ALL.into_iter().find(|(_, known, _)| Some(*known) == name);
    html! {
        @if let Some((_, _, sentence)) = found {
            div class="note" role="status" { (icon(Shape::Info, "")) p { (sentence) } }
        }
    }
}

/// Why an action did nothing.
pub(crate) fn refused(sentence: &Markup) -> Markup {
    html! {
        div class="note wrong" role="alert" { (icon(Shape::Failed, "bad")) p { (sentence) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_brings_no_text_along() {
        assert_eq!(shown(Some("<b>")).0, "");
        assert_eq!(shown(None).0, "");
        for (notice, name, sentence) in ALL {
            assert_eq!(notice.name(), name);
            assert!(shown(Some(name)).0.contains(sentence));
        }
    }
}
