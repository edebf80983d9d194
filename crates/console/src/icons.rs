//! The silhouettes: one for each state, so that colour is never the only sign.

use maud::{Markup, PreEscaped, html};
use stocktake_domain::State;

/// The file with all of them.
const SPRITE: &str = include_str!("../assets/sprite.svg");

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Succeeded,
    Failed,
    Pending,
    Started,
    Disabled,
    Warn,
    Info,
    /// Of what rests.
    Plain,
}

impl Shape {
    /// That of a state.
    pub(crate) const fn of(state: State) -> Self {
        match state {
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Pending => Self::Pending,
            State::Started => Self::Started,
            State::Disabled => Self::Disabled,
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Disabled => "disabled",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Plain => "plain",
        }
    }
}

/// The shapes, once in each page. They are ours alone: nothing from outside is in them.
pub(crate) fn sprite() -> Markup {
    PreEscaped(SPRITE.trim_end().to_owned())
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

/// One of the shapes, with classes besides.
pub(crate) fn icon(shape: Shape, class: &str) -> Markup {
    html! {
        svg class=(format!("i {class}").trim_end()) aria-hidden="true" { use href=(format!("#{}", shape.id())) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_in_the_file() {
        let states = State::ALL.map(Shape::of);
        for shape in states.into_iter().chain([Shape::Warn, Shape::Info, Shape::Plain]) {
            assert!(SPRITE.contains(&format!("<symbol id=\"{}\"", shape.id())), "{shape:?}");
        }
    }
}
