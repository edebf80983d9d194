//! The silhouettes: one for each state, so that colour is never the only sign.

use maud::{Markup, PreEscaped, html};

/// The shapes, once in each page. They are ours alone: nothing from outside is in them.
pub(crate) fn sprite() -> Markup {
    PreEscaped(include_str!("../assets/sprite.svg").trim_end().to_owned())
}

/// The mark in the frame.
pub(crate) fn mark() -> Markup {
    html! {
        svg class="mark" viewBox="0 0 20 20" aria-hidden="true" {
            path d="M4 2.5v15M8 2.5v15M12 2.5v15M16 2.5v15" {}
            path d="M.8 15.2L19.2 4.8" {}
        }
    }
}

/// One of the shapes by name, with classes besides.
pub(crate) fn icon(name: &str, class: &str) -> Markup {
    html! {
        svg class=(format!("i {class}").trim_end()) aria-hidden="true" { use href=(format!("#{name}")) {} }
    }
}
