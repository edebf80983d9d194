//! Command lines, to be copied.

use maud::{Markup, PreEscaped, html};

/// A line break of ours: one in a text from outside would be shown as its code point.
const BREAK: PreEscaped<&str> = PreEscaped("&#10;");

/// Command lines, with a button that copies them where there is a script.
pub(crate) fn command(lines: &str, what: &str) -> Markup {
    html! {
        div class="cmd" {
            pre {
                code {
                    @for (at, line) in lines.lines().enumerate() {
                        @if at > 0 { (BREAK) }
                        (line)
                    }
                }
            }
            button type="button" class="small" hidden data-copy="" { "Copy" span class="hush" { " " (what) } }
        }
    }
}
