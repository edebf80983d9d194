//! Command lines, to be copied.

use maud::{Markup, html};

/// A command line, with a button that copies it where there is a script.
pub(crate) fn command(line: &str, what: &str) -> Markup {
    html! {
        div class="cmd" {
            pre { code { (crate::shown::text(line)) } }
            button type="button" class="small" hidden data-copy="" { "Copy" span class="hush" { " " (what) } }
        }
    }
}
