//! Puts the console together.

use std::sync::Arc;

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use stocktake_console::{ConfigurationValue, Console, ConsoleSettings, FindingLines, StorageFacts};
use stocktake_diesel_storage::Store;
use stocktake_http::{Api, findings};
use stocktake_worker::{Engine, Storages};

use crate::settings::{Loaded, Storage, value_of, values};
use crate::wiring;

/// The console over the same ports as the API.
pub(crate) fn console(
    loaded: &Loaded,
    store: &Store,
    api: &Api,
    storages: &Storages,
    engine: Arc<Engine>,
) -> anyhow::Result<Console> {
    Ok(Console {
        catalogue: Arc::clone(&store.catalogue),
        jobs: Arc::clone(&store.jobs),
        sync_state: Arc::clone(&store.sync_state),
        conditions: Arc::clone(&store.conditions),
        orphan_walks: Arc::clone(&store.orphan_walks),
        recalculation: engine.clone(),
        acceptance: engine,
        sessions: Arc::clone(&store.sessions),
        authenticator: Arc::clone(&api.authenticator),
        summary: api.summary.clone(),
        clock: Arc::clone(&store.clock),
        secret,
        finding_lines: FindingLines {
            csv_header: findings::csv_header,
            csv_line: findings::csv_line,
            json: findings::json,
        },
        settings: settings(loaded, api, storages)?,
    })
}

fn settings(loaded: &Loaded, api: &Api, storages: &Storages) -> anyhow::Result<ConsoleSettings> {
    let own = &loaded.settings;
    let configuration = values(loaded).into_iter().map(|shown| ConfigurationValue {
        key: shown.key,
        value: shown.value,
        origin: shown.origin,
    });
    Ok(ConsoleSettings {
        session: own.console.session,
        recalculation_deadline: api.settings.recalculation_deadline,
        external_url: api.settings.external_url.clone(),
        gitlab: own.authority.as_ref().map(|gitlab| gitlab.url.clone()),
        has_source: own.gitlab.is_some(),
        has_registries: wiring::has_registries(storages),
        host: api.settings.host.clone(),
        version: api.settings.version.clone(),
        revision: api.settings.revision.clone(),
        database: wiring::place(own)?,
        storages: own.storages.iter().map(|(name, storage)| facts(loaded, name, storage)).collect(),
        configuration: configuration.collect(),
    })
}

fn facts(loaded: &Loaded, name: &str, storage: &Storage) -> StorageFacts {
    let value = |field: &str| value_of(loaded, &format!("storages.{name}.{field}"));
    StorageFacts {
        name: name.to_owned(),
        kind: value("kind").unwrap_or_else(|| "directory".to_owned()),
        place: loaded.place_of(name).unwrap_or_default(),
        limit: value("bytes_per_second").filter(|limit| limit != "0").map(|limit| format!("{limit}/s")),
        hours: value("hours"),
        readers: storage.content.readers().map_or_else(String::new, |count| count.to_string()),
    }
}

/// 32 bytes from the operating system.
fn secret() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).ok().map(|()| bytes)
}
