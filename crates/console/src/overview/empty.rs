//! The first page of a new installation: what to do next.

use maud::{Markup, html};
use stocktake_domain::Timestamp;

use crate::ConsoleSettings;
use crate::command::command;
use crate::figures::counted;
use crate::frame::head;
use crate::icons::{Shape, icon};

/// What the configuration needs to know of a GitLab.
const GITLAB: &str = "[sources.gitlab]
database_url = \"postgres://root@%2Fvar%2Fopt%2Fgitlab%2Fpostgresql/gitlabhq_production\"
configuration = \"/etc/gitlab/gitlab.rb\"
secrets_file = \"/etc/gitlab/gitlab-secrets.json\"";

/// What it needs to know of a storage.
const STORAGE: &str = "[storages.main]
kind = \"directory\"
root = \"/srv/data\"";

/// A line of a list.
const LINE: &str = "{\"record_identifier\": 5, \"storage\": \"main\", \"path\": \"ab/cd/file.bin\", \
                    \"expected_checksum\": \"sha256:…\"}";

/// The page's content.
pub(super) fn main(settings: &ConsoleSettings, as_of: Timestamp) -> Markup {
    let first = html! {
        h1 { "No records yet" }
        p class="lede" {
            "Stocktake runs and its database answers. Tell it what to verify, in one of three ways; this page then fills."
        }
    };
    html! {
        (head(&first, as_of, "/console"))
        div class="trio" {
            section class="block stack" aria-labelledby="gitlab" {
                h2 id="gitlab" { "A GitLab" }
                p { "Name its database and configuration in " code { "stocktake.toml" } ". All 20 data types come by themselves." }
                (command(GITLAB, "the configuration of a GitLab"))
                (command("(echo 'CREATE ROLE root LOGIN;'; stocktake grants root) | sudo gitlab-psql", "the command that makes the role"))
                (command("stocktake --config stocktake.toml sync", "the command that reads the rows"))
            }
            section class="block stack" aria-labelledby="files" {
                h2 id="files" { "Your own files" }
                p { "Name the folder, then let Stocktake find the files. Name one below a mount point, not the mount point." }
                (command(STORAGE, "the configuration of a storage"))
                (command("stocktake --config stocktake.toml scan uploads main", "the command that scans"))
            }
            section class="block stack" aria-labelledby="have" {
                h2 id="have" { "A list that you have" }
                p { "Where digests were recorded when the files were stored, import them: one JSON object a line." }
                (command(LINE, "a line of the list"))
                (command("stocktake --config stocktake.toml import lfs_objects lines.ndjson", "the command that imports"))
            }
        }
        section class="block" aria-labelledby="cond" {
            h2 id="cond" { "Condition" }
            dl class="facts" {
                div { dt { "Database" } dd { span class="state succeeded" { (icon(Shape::Succeeded, "")) "Answers" } ", " code { (settings.database) } } }
                div {
                    dt { "Storages" }
                    dd {
                        @if settings.storages.is_empty() {
                            span class="state pending" { (icon(Shape::Pending, "")) "None named" }
                        } @else {
                            (counted(u64::try_from(settings.storages.len()).unwrap_or(u64::MAX), "storage")) " named: "
                            @for (at, storage) in settings.storages.iter().enumerate() {
                                @if at > 0 { ", " }
                                (storage.name) " " code { (storage.place) }
                            }
                        }
                    }
                }
            }
        }
    }
}
