//! What all tables have: a caption, and a head that names the columns. Roles are written out, because on a narrow screen the
//! rows are cards and a screen reader would no longer see a table.

use maud::{Markup, html};

/// A table whose caption says what it lists. Each column has a name and classes; that of a column of buttons is for screen
/// readers alone.
pub(crate) fn table(class: &str, caption: &str, columns: &[(&str, &str)], rows: &Markup) -> Markup {
    with_foot(class, caption, columns, rows, &html! {})
}

/// The same with sums below.
pub(crate) fn with_foot(
    class: &str,
    caption: &str,
    columns: &[(&str, &str)],
    rows: &Markup,
    foot: &Markup,
) -> Markup {
    html! {
        table class=(class) role="table" {
            caption class="hush" { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for (name, class) in columns {
                        th scope="col" class=[(!class.is_empty()).then_some(class)] role="columnheader" {
                            @if *class == "act" { span class="hush" { (name) } } @else { (name) }
                        }
                    }
                }
            }
            tbody role="rowgroup" { (rows) }
            @if !foot.0.is_empty() { tfoot role="rowgroup" { (foot) } }
        }
    }
}

/// A cell that may be empty.
pub(crate) fn optional(content: Option<&Markup>, label: &str, class: &str) -> Markup {
    html! {
        @match content {
            Some(content) => td class=[(!class.is_empty()).then_some(class)] data-l=(label) role="cell" { (content) },
            None => td class=(format!("{class} none").trim_start()) data-l=(label) role="cell" {},
        }
    }
}

/// A figure that may be nothing: a 0 is in the table, and drawn as a dot.
pub(crate) fn figure(label: &str, count: u64, shown: &Markup) -> Markup {
    html! {
        @if count == 0 {
            td class="n nil" data-l=(label) role="cell" { "0" }
        } @else {
            td class="n" data-l=(label) role="cell" { (shown) }
        }
    }
}
