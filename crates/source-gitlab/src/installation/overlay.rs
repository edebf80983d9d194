//! Overlaying what is known of an installation with what a file says.

use std::path::Path;

use super::dialect::{self, Dialect};
use super::error::InstallationError;
use super::node::{Node, Source, Value};
use super::reading::Reading;
use super::secrets;
use super::{Installation, Shelf, buckets, git};

const REGISTRY: &str = "storages.gitlab-registry";
/// What rows of uploads begin with.
const UPLOADS: &str = "uploads";

/// Overlays an installation with a file.
pub(super) fn apply(
    mut installation: Installation,
    file: &Path,
    dialect: Dialect,
    source: Source,
) -> Result<Installation, InstallationError> {
    let folder = installation.root.clone().or_else(|| root_of(file, dialect));
    let mut reading = Reading::new(file, dialect, source, folder.as_deref());
    folders(&mut installation, &mut reading)?;
    uploads(&mut installation, &mut reading)?;
    buckets::apply(&mut installation, &mut reading)?;
    git::apply(&mut installation, &mut reading)?;
    registry(&mut installation, &mut reading)?;
    if let Some(setting) = dialect.db_key_base()
        && let Some(node) = reading.value(&setting, secrets::HINT)
    {
        let key = secrets::only(&node).map_err(|why| reading.wrong(&node, &setting, why))?;
        installation.db_key_base = Some(key);
    }
    installation.notes.append(&mut reading.notes);
    Ok(installation)
}

/// Where GitLab's own code is, if a `gitlab.yml` lies where it belongs.
fn root_of(file: &Path, dialect: Dialect) -> Option<std::path::PathBuf> {
    let config = file.parent().filter(|config| config.ends_with("config") && config.is_absolute())?;
    config.parent().filter(|_| dialect == Dialect::Yml).map(ToOwned::to_owned)
}

/// The local folders, but for that of uploads.
fn folders(installation: &mut Installation, reading: &mut Reading<'_>) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    if let Some(shared) = reading.path(&dialect.shared(), "storages.gitlab-….root")? {
        installation.set_shared(&shared);
    }
    for shelf in Shelf::ALL.into_iter().filter(|shelf| *shelf != Shelf::Uploads) {
        for setting in dialect.local(shelf) {
            if let Some(folder) = reading.path(&setting, &dialect::local_hint(shelf))? {
                installation.set_local(shelf, folder);
                break;
            }
        }
    }
    Ok(())
}

/// The folder of uploads: the one in `public`, which leads to one elsewhere if the Linux package has set it up so.
fn uploads(installation: &mut Installation, reading: &mut Reading<'_>) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    let mut named = None;
    for setting in dialect.local(Shelf::Uploads) {
        if let Some(folder) = reading.path(&setting, &dialect::local_hint(Shelf::Uploads))? {
            named = Some(folder.clone());
            installation.set_local(Shelf::Uploads, folder);
        }
    }
    let public = reading.path(&dialect.public(), "storages.gitlab-public.root")?;
    if let Some(public) = public.filter(|public| installation.public.as_ref() != Some(public)) {
        installation.set_local(Shelf::Uploads, public.join(UPLOADS));
        installation.public = Some(public);
    }
    let base = dialect.uploads_base();
    if let Some(node) = reading.value(&base, &dialect::local_hint(Shelf::Uploads)) {
        let text = reading.text_of(&node, &base)?;
        if text != UPLOADS && !text.starts_with("uploads/") {
            let name = dialect.name(&base.0);
            reading.note(
                node.line,
                &format!(
                    "`{name}` is not below `uploads`, so local uploads whose rows begin with it are not found"
                ),
            );
        }
    }
    installation.set_uploads_folders(named);
    Ok(())
}

fn registry(installation: &mut Installation, reading: &mut Reading<'_>) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    if let Some(setting) = dialect.registry_enabled()
        && reading.flag(&setting, REGISTRY)? == Some(false)
    {
        installation.registry.get_or_insert_default().folder = None;
    }
    if let Some(folder) = reading.path(&dialect.registry_folder(), REGISTRY)? {
        installation.registry.get_or_insert_default().folder = Some(folder);
    }
    if let Some(url) = reading.text(&dialect.registry_url(), REGISTRY)? {
        installation.registry.get_or_insert_default().api_url = Some(url);
    }
    registry_storage(installation, reading)?;
    registry_database(installation, reading);
    Ok(())
}

/// With a database of its own, the registry's folder does not have the images by name any more.
fn registry_database(installation: &mut Installation, reading: &mut Reading<'_>) {
    let Some(setting) = reading.dialect.registry_database() else { return };
    let Some(node) = reading.value(&setting, REGISTRY) else { return };
    let is_used = match &node.value {
        Value::Flag(is_used) => *is_used,
        Value::Text(text) => text != "false",
        _ => false,
    };
    if !is_used {
        return;
    }
    let place = installation.registry.get_or_insert_default();
    place.folder = None;
    if place.api_url.is_none() {
        let name = reading.dialect.name(&setting.0);
        reading.note(
            node.line,
            &format!(
                "`{name}` keeps in a database which images there are, so that the registry's folder is not \
                 enough: write `{REGISTRY}` with `kind = \"registry\"` into Stocktake's configuration"
            ),
        );
    }
}

fn registry_storage(
    installation: &mut Installation,
    reading: &mut Reading<'_>,
) -> Result<(), InstallationError> {
    let dialect = reading.dialect;
    let Some(setting) = dialect.registry_storage().filter(|setting| reading.is_said(setting)) else {
        return Ok(());
    };
    // With a storage of its own, the registry is not in the folder that is built in.
    let folder = setting.below("filesystem").below("rootdirectory");
    let folder = match reading.value(&setting, REGISTRY) {
        Some(node) if node.get("filesystem").is_some() => reading.path(&folder, REGISTRY)?,
        Some(node) => {
            reading.pass_over(
                &setting,
                node.line,
                &format!("is {}, which is not read here", kind(&node)),
                REGISTRY,
            );
            None
        }
        None => None,
    };
    if let Some(place) = &mut installation.registry {
        place.folder = folder;
    }
    Ok(())
}

/// The registry's name for the kind of its storage.
fn kind(node: &Node) -> String {
    match &node.value {
        Value::Map(map) => map.keys().next().map_or_else(|| "empty".to_owned(), |kind| format!("`{kind}`")),
        _ => "no hash".to_owned(),
    }
}
