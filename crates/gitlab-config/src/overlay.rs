//! Overlays an installation with the settings of a file.

use std::path::{Path, PathBuf};

use stocktake_domain::ObjectType;

use crate::dialect::{self, Dialect};
use crate::file::InstallationError;
use crate::installation::Installation;
use crate::node::{Document, Node, Value};
use crate::settings_reader::SettingsReader;
use crate::{buckets, file, git, ruby, secrets, yaml};

const REGISTRY: &str = "storages.gitlab-registry";
/// The first folder in the paths of uploads' rows.
const UPLOADS: &str = "uploads";

impl Installation {
    /// Overlays this with the settings of a file: a `gitlab.yml` if its name has that extension, else a `gitlab.rb`.
    pub fn read(self, file: &Path) -> Result<Self, InstallationError> {
        let text = file::text(file)?;
        let (dialect, document) = if file::is_yaml(file) {
            (Dialect::Yml, yaml::document(file, &text)?)
        } else {
            (Dialect::Rb, ruby::document(&text))
        };
        apply(self, file, dialect, document)
    }

    /// Takes `db_key_base` out of a `gitlab-secrets.json` or a `secrets.yml`.
    pub fn read_secrets(mut self, file: &Path) -> Result<Self, InstallationError> {
        self.db_key_base = Some(secrets::db_key_base(file)?);
        Ok(self)
    }
}

fn apply(
    mut installation: Installation,
    file: &Path,
    dialect: Dialect,
    document: Document,
) -> Result<Installation, InstallationError> {
    let folder = installation.root.clone().or_else(|| root_of(file, dialect));
    let mut reader = SettingsReader::new(file, dialect, document, folder.as_deref());
    folders(&mut installation, &mut reader)?;
    uploads(&mut installation, &mut reader)?;
    buckets::apply(&mut installation, &mut reader)?;
    git::apply(&mut installation, &mut reader)?;
    registry(&mut installation, &mut reader)?;
    if let Some(setting) = dialect.db_key_base()
        && let Some(node) = reader.value(&setting, secrets::HINT)
    {
        let key = secrets::only(&node).map_err(|why| reader.wrong(&node, &setting, why))?;
        installation.db_key_base = Some(key);
    }
    installation.notes.append(&mut reader.notes);
    Ok(installation)
}

/// The folder of GitLab's own code, if a `gitlab.yml` is in its usual place there.
fn root_of(file: &Path, dialect: Dialect) -> Option<PathBuf> {
    let config = file.parent().filter(|config| config.ends_with("config") && config.is_absolute())?;
    config.parent().filter(|_| dialect == Dialect::Yml).map(ToOwned::to_owned)
}

/// The local folders, except that of uploads.
fn folders(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    if let Some(shared) = reader.path(&dialect.shared(), "storages.gitlab-….root")? {
        installation.set_shared(&shared);
    }
    for object_type in ObjectType::ALL.into_iter().filter(|object_type| *object_type != ObjectType::Uploads) {
        for setting in dialect.local(object_type) {
            if let Some(folder) = reader.path(&setting, &dialect::local_hint(object_type))? {
                installation.set_local(object_type, folder);
                break;
            }
        }
    }
    Ok(())
}

/// The folder of uploads: the one in `public`, or the one that it links to if the Linux package has set it up so.
fn uploads(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let mut configured = None;
    for setting in dialect.local(ObjectType::Uploads) {
        if let Some(folder) = reader.path(&setting, &dialect::local_hint(ObjectType::Uploads))? {
            configured = Some(folder.clone());
            installation.set_local(ObjectType::Uploads, folder);
        }
    }
    let public = reader.path(&dialect.public(), "storages.gitlab-public.root")?;
    if let Some(public) = public.filter(|public| installation.public.as_ref() != Some(public)) {
        installation.set_local(ObjectType::Uploads, public.join(UPLOADS));
        installation.public = Some(public);
    }
    let base = dialect.uploads_base();
    if let Some(node) = reader.value(&base, &dialect::local_hint(ObjectType::Uploads)) {
        let text = reader.text_of(&node, &base)?;
        if text != UPLOADS && !text.starts_with("uploads/") {
            let name = dialect.name(&base.0);
            reader.note(
                node.line,
                &format!(
                    "`{name}` is not below `uploads`, so local uploads whose paths begin with it are not found"
                ),
            );
        }
    }
    installation.set_uploads_folders(configured);
    Ok(())
}

fn registry(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    if let Some(setting) = dialect.registry_enabled()
        && reader.flag(&setting, REGISTRY)? == Some(false)
    {
        installation.registry.get_or_insert_default().folder = None;
    }
    if let Some(folder) = reader.path(&dialect.registry_folder(), REGISTRY)? {
        installation.registry.get_or_insert_default().folder = Some(folder);
    }
    if let Some(url) = reader.text(&dialect.registry_url(), REGISTRY)? {
        installation.registry.get_or_insert_default().api_url = Some(url);
    }
    registry_storage(installation, reader)?;
    registry_database(installation, reader);
    Ok(())
}

/// With a metadata database, the registry's folder no longer says which images there are.
fn registry_database(installation: &mut Installation, reader: &mut SettingsReader<'_>) {
    let Some(setting) = reader.dialect.registry_database() else { return };
    let Some(node) = reader.value(&setting, REGISTRY) else { return };
    let is_used = match &node.value {
        Value::Flag(is_used) => *is_used,
        Value::Text(text) => text != "false",
        _ => false,
    };
    if !is_used {
        return;
    }
    let registry = installation.registry.get_or_insert_default();
    registry.folder = None;
    if registry.api_url.is_none() {
        let name = reader.dialect.name(&setting.0);
        reader.note(
            node.line,
            &format!(
                "`{name}` keeps the list of images in a database, so the registry's folder is not enough: \
                 set `{REGISTRY}` with `kind = \"registry\"` in Stocktake's configuration"
            ),
        );
    }
}

fn registry_storage(
    installation: &mut Installation,
    reader: &mut SettingsReader<'_>,
) -> Result<(), InstallationError> {
    let dialect = reader.dialect;
    let Some(setting) = dialect.registry_storage().filter(|setting| reader.is_set(setting)) else {
        return Ok(());
    };
    // With a storage of its own, the registry is not in the default folder.
    let folder = setting.below("filesystem").below("rootdirectory");
    let folder = match reader.value(&setting, REGISTRY) {
        Some(node) if node.get("filesystem").is_some() => reader.path(&folder, REGISTRY)?,
        Some(node) => {
            reader.ignore(
                &setting,
                node.line,
                &format!("is {}, which is not supported", kind(&node)),
                REGISTRY,
            );
            None
        }
        None => None,
    };
    if let Some(registry) = &mut installation.registry {
        registry.folder = folder;
    }
    Ok(())
}

/// The name of the registry's storage driver.
fn kind(node: &Node) -> String {
    match &node.value {
        Value::Map(map) => map.keys().next().map_or_else(|| "empty".to_owned(), |kind| format!("`{kind}`")),
        _ => "no hash".to_owned(),
    }
}
