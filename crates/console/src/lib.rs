//! The console of Stocktake: web pages for administrators, rendered on the server, that work with JavaScript switched off.
//! It knows the domain and its ports, and of the API what both have in common (`stocktake-web`).
//!
//! # How a request travels
//!
//! 1. The server of the API has given it an id and a client, and takes care of everything around it ([`Console::mount`] is
//!    how the program adds the console to that server).
//! 2. `routes` finds the page or the action, and `visit` who asks: the session that the cookie names, the identity of the
//!    token that the session was begun with as it is now, and whether that suffices. A form must carry the value that the
//!    session's pages have (`session`). Nothing but the pages of `login` and the `assets` is open to anybody.
//! 3. The page, which has a file of its own, asks the ports and writes HTML into the `frame` that all pages have. Numbers,
//!    sizes and times go through `figures`, and the whole document through `shown` before it is sent. An action answers with
//!    a redirect and a `notice`.
//! 4. Whatever fails on the way is an `error`, which is a page too.

mod activity;
mod assets;
mod command;
mod error;
mod figures;
mod findings;
mod frame;
mod icons;
mod jobs;
mod login;
mod notice;
mod orphans;
mod overview;
mod query;
mod record;
mod records;
mod render;
mod response;
mod routes;
mod seal;
mod session;
mod settings;
mod shown;
mod sources;
mod storages;
mod tables;
mod visit;
mod words;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use stocktake_domain::ports::{
    Catalogue, Conditions, ContentAcceptance, Jobs, OrphanWalks, Recalculation, Sessions, SyncState,
};
use stocktake_domain::{Clock, Record, SessionTerms};
use stocktake_web::{Authenticator, SummaryCache};

/// The ports and settings that the console is built of.
pub struct Console {
    /// The records.
    pub catalogue: Arc<dyn Catalogue>,
    /// The bulk jobs.
    pub jobs: Arc<dyn Jobs>,
    /// How far the sync with a source is.
    pub sync_state: Arc<dyn SyncState>,
    /// What keeps records from being judged.
    pub conditions: Arc<dyn Conditions>,
    /// Walks in search of content that nothing claims.
    pub orphan_walks: Arc<dyn OrphanWalks>,
    /// Recalculates one record while somebody waits.
    pub recalculation: Arc<dyn Recalculation>,
    /// Takes the content of one record for good.
    pub acceptance: Arc<dyn ContentAcceptance>,
    /// Who signed in.
    pub sessions: Arc<dyn Sessions>,
    /// Whom tokens stand for.
    pub authenticator: Arc<Authenticator>,
    /// The catalogue's counts.
    pub summary: SummaryCache,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// 32 bytes that nobody can guess; `None` if the system has none.
    pub secret: fn() -> Option<[u8; 32]>,
    /// How a finding is written for programs.
    pub finding_lines: FindingLines,
    /// The settings.
    pub settings: ConsoleSettings,
}

/// How a finding is written for programs, as the API does it.
#[derive(Debug, Clone, Copy)]
pub struct FindingLines {
    /// The first line of a table.
    pub csv_header: fn() -> String,
    /// A record's line of the table.
    pub csv_line: fn(&Record) -> String,
    /// A record as a JSON object.
    pub json: fn(&Record) -> String,
}

/// The settings of the console.
#[derive(Debug, Clone)]
pub struct ConsoleSettings {
    /// How long sessions last.
    pub session: SessionTerms,
    /// How long the caller of a recalculation of one record waits.
    pub recalculation_deadline: Duration,
    /// What URLs of this server begin with, where it is known.
    pub external_url: Option<String>,
    /// The GitLab whose tokens count, for people; `None` if none is configured.
    pub gitlab: Option<String>,
    /// Whether records come from a source, of which it can be asked what belongs to it.
    pub has_source: bool,
    /// Whether there is a container registry of which it can be asked what in it is not referred to.
    pub has_registries: bool,
    /// The name of this host.
    pub host: String,
    /// The program's version.
    pub version: String,
    /// The source revision the program was built from.
    pub revision: String,
    /// The database's file or server, for people.
    pub database: String,
    /// The configured storages.
    pub storages: Vec<StorageFacts>,
    /// The configuration in force, secrets masked.
    pub configuration: Vec<ConfigurationValue>,
}

impl ConsoleSettings {
    /// Whether this service has the storage of this name.
    pub(crate) fn has_storage(&self, name: &str) -> bool {
        self.storages.iter().any(|storage| storage.name == name)
    }

    /// Whether a walk through the storages can find anything.
    pub(crate) const fn can_walk(&self) -> bool {
        self.has_source || self.has_registries
    }
}

/// A configured storage, for people.
#[derive(Debug, Clone)]
pub struct StorageFacts {
    /// Its name.
    pub name: String,
    /// Its kind, as the configuration names it.
    pub kind: String,
    /// The folder, bucket or URL where the content lies.
    pub place: String,
    /// How many bytes a second are read at most, as configured; `None`: as many as there are.
    pub limit: Option<String>,
    /// When it is read, as configured; `None`: always.
    pub hours: Option<String>,
    /// How many things are read at once.
    pub readers: String,
}

/// One value of the configuration.
#[derive(Debug, Clone)]
pub struct ConfigurationValue {
    /// The key.
    pub key: String,
    /// The value as a configuration file has it, masked if it is a secret.
    pub value: String,
    /// Where it comes from.
    pub origin: String,
}

impl Console {
    /// The console, as the server of the API takes it.
    pub fn mount(self) -> impl Fn(&mut web::ServiceConfig) + Send + Sync {
        let console = web::Data::new(self);
        move |config| routes::configure(&console, config)
    }
}
