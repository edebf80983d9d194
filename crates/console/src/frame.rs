//! What all pages have: the head, the navigation, the footer.

use maud::{DOCTYPE, Markup, html};
use stocktake_domain::Timestamp;

use crate::ConsoleSettings;
use crate::assets::{MARK, SCRIPT, STYLE};
use crate::figures::moment;
use crate::icons::{mark, sprite};

/// The pages of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Findings,
    Jobs,
    Sources,
    Orphans,
    Storages,
    Settings,
}

/// Each with its name and address.
const SECTIONS: [(Section, &str, &str); 7] = [
    (Section::Overview, "Overview", "/console"),
    (Section::Findings, "Findings", "/console/findings"),
    (Section::Jobs, "Jobs", "/console/jobs"),
    (Section::Sources, "Sources", "/console/sync"),
    (Section::Orphans, "Orphans", "/console/orphans"),
    (Section::Storages, "Storages", "/console/storages"),
    (Section::Settings, "Settings", "/console/settings"),
];

/// Who is signed in.
pub(crate) struct Visitor<'a> {
    /// The login name.
    pub(crate) name: &'a str,
    /// The hidden field of forms.
    pub(crate) form_value: Markup,
}

/// What the frame says.
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) section: Option<Section>,
    /// Nobody, on pages that are for anybody.
    pub(crate) visitor: Option<Visitor<'a>>,
    pub(crate) request_id: &'a str,
    pub(crate) settings: &'a ConsoleSettings,
}

impl Frame<'_> {
    /// A whole page with this content.
    pub(crate) fn around(&self, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (self.title) " · Stocktake" }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    link rel="icon" href=(MARK.path()) type="image/svg+xml";
                    link rel="stylesheet" href=(STYLE.path());
                    script src=(SCRIPT.path()) defer {}
                }
                body {
                    a class="skip" href="#main" { "Skip to content" }
                    (sprite())
                    (self.top())
                    main id="main" tabindex="-1" { (main) }
                    footer class="row spread" {
                        span { "Stocktake " (self.settings.version) @if self.visitor.is_some() { " on " (self.settings.host) } }
                        span { "Request " code { (self.request_id) } }
                    }
                }
            }
        }
    }

    fn top(&self) -> Markup {
        html! {
            header class="top" {
                a class="brand" href="/console" { (mark()) "Stocktake" }
                @if let Some(visitor) = &self.visitor {
                    nav aria-label="Console" {
                        ul {
                            @for (section, name, address) in SECTIONS {
                                li { a href=(address) aria-current=[(self.section == Some(section)).then_some("page")] { (name) } }
                            }
                        }
                    }
                    form class="who" method="post" action="/console/logout" {
                        (visitor.form_value)
                        span { span class="hush" { "Signed in as " } (visitor.name) }
                        button type="submit" class="plain small" { "Sign out" }
                    }
                }
            }
        }
    }
}

/// The head of a page: what it says first, and of when it is.
pub(crate) fn head(first: &Markup, as_of: Timestamp, address: &str) -> Markup {
    html! {
        div class="head" {
            div { (first) }
            p class="soft" {
                "As of " span { (live_moment(as_of)) } " "
                a class="live" href=(address) { "Refresh" }
            }
        }
    }
}

fn live_moment(at: Timestamp) -> Markup {
    let text = moment(at).0.replacen("<time ", "<time data-live=\"as-of\" ", 1);
    maud::PreEscaped(text)
}
