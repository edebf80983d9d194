//! `GET /console/settings`: the configuration in force, and what the program is.

use std::rc::Rc;

use maud::html;

use crate::frame::{Section, head};
use crate::response::{Page, PageResult};
use crate::tables::table;
use crate::visit::Visit;

/// `GET /console/settings`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let settings = &visit.console.settings;
    let first = html! {
        h1 { "Settings" }
        p class="lede" { "The configuration in force on " (settings.host) ", as it was when the service started." }
    };
    let columns = [("Key", ""), ("Value", "all"), ("Origin", "all")];
    let rows = html! {
        @for entry in &settings.configuration {
            tr role="row" {
                th scope="row" role="rowheader" { code { (entry.key) } }
                td class="all" role="cell" { code class="path" { (entry.value) } }
                td class="all soft" role="cell" { (entry.origin) }
            }
        }
    };
    let main = html! {
        (head(&first, visit.now, "/console/settings"))
        section class="block" aria-labelledby="program" {
            h2 id="program" { "Program" }
            dl class="facts" {
                div { dt { "Version" } dd { (settings.version) " " small { (settings.revision) } } }
                div { dt { "Database" } dd { code { (settings.database) } } }
            }
        }
        section class="block" {
            h2 { "Configuration" }
            (table("cards", "Each key with its value and where it comes from", &columns, &rows))
        }
    };
    Ok(Page::new("Settings", Section::Settings, main).into())
}
