//! `stocktake init`: a commented configuration that was seen to work.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::settings::{self, Override};
use crate::{document, output, wiring};

/// The file that is written unless another one is named.
const USUAL: &str = "stocktake.toml";

/// The database that is written unless another one is named.
const USUAL_DATABASE: &str = "sqlite://var/stocktake.db";

/// What is written. `{database}` stands for the URL of the database, `{storage}` for the section of the storage.
const TEMPLATE: &str = r#"# The configuration of Stocktake. `stocktake config` shows every key, its value and where that comes from. Relative
# paths are relative to this file. Variables count more than what is said here: STOCKTAKE__DATABASE__URL and so on.

[database]
# A file of SQLite, or a PostgreSQL server: postgres://user:password@host:5432/name
url = {database}

# Where content lies. Records name their storage; add as many sections as there are places.
{storage}
[verification]
# When content that was found good is read again.
# reverify_after = "90d"

[http]
# The address of `stocktake serve`.
# listen = "127.0.0.1:8080"
"#;

/// The section of the folder `{root}`.
const STORAGE: &str = r#"[storages.main]
# Others are "git", "gitaly-cluster", "s3", "gcs", "azure", "registry", "registry-directory" and "registry-bucket", each with
# keys of its own.
kind = "directory"
root = {root}
# How fast, and at which hours (UTC), it may be read at the most.
# bytes_per_second = "100MB"
# hours = "22:00-06:00"
"#;

/// Runs the command. `file` is the one that `--config` names, `overrides` the options of the command line. What is written is
/// what was tried: a database that an option names is in the file.
pub(super) async fn run(
    folder: Option<&Path>,
    file: Option<&Path>,
    overrides: Vec<Override>,
    as_json: bool,
) -> anyhow::Result<()> {
    let file = settings::named_file(file).unwrap_or_else(|| PathBuf::from(USUAL));
    let file = file.as_path();
    if file.exists() {
        bail!("{} is there already; it was left as it is", file.display());
    }
    let text = TEMPLATE.replace("{storage}", &section(folder)?);
    let text = text.replace("{database}", &database(&overrides)?.to_string());
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Under another name until it is seen to work, in the same folder because of relative paths.
    let mut draft = tempfile::Builder::new().prefix(".stocktake-").suffix(".toml").tempfile_in(parent)?;
    draft.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", file.display()))?;
    let settings = settings::load(Some(draft.path()), overrides)?.settings;
    let storages = wiring::storages(&settings)?;
    for storage in storages.values() {
        storage.content.probe().await?;
    }
    wiring::open_or_make_store(&settings).await.context("the database cannot be used")?;
    draft.persist_noclobber(file).with_context(|| format!("{} cannot be written", file.display()))?;
    let option =
        if file == Path::new(USUAL) { String::new() } else { format!("--config {} ", file.display()) };
    let verdict = match folder {
        Some(_) => format!("Next: stocktake {option}scan uploads main, then: stocktake {option}verify"),
        None => format!("Next: name a storage in it, then: stocktake {option}doctor"),
    };
    let place = wiring::place(&settings)?;
    if as_json {
        let storages: Vec<&String> = storages.keys().collect();
        return output::print(&document::text(json!({
            "file": file.to_string_lossy(), "database": place, "storages": storages, "verdict": verdict,
        })));
    }
    output::print_line(&format!("wrote {}", file.display()))?;
    output::print_line(&format!("the database {place} is ready"))?;
    for name in storages.keys() {
        output::print_line(&format!("the storage {name} can be read"))?;
    }
    output::print_line(&verdict)
}

/// The URL of the database, which an option may name.
fn database(overrides: &[Override]) -> anyhow::Result<toml::Value> {
    const KEY: &str = "database.url";
    let named = overrides.iter().find(|(key, ..)| *key == KEY);
    let Some((_, url, _)) = named else { return Ok(USUAL_DATABASE.into()) };
    settings::value_in_file(KEY, url.clone()).context("nobody knows what the working folder is")
}

/// The section of the storage; only a comment if no folder is named.
fn section(folder: Option<&Path>) -> anyhow::Result<String> {
    let root = folder.map(absolute).transpose()?;
    let quoted = |root: PathBuf| {
        let text = root.to_str().with_context(|| format!("the name of {} is no UTF-8", root.display()))?;
        anyhow::Ok(toml::Value::from(text).to_string())
    };
    if let Some(root) = root {
        return Ok(STORAGE.replace("{root}", &quoted(root)?));
    }
    let section = STORAGE.replace("{root}", "\"/srv/data\"");
    Ok(section.lines().fold(String::new(), |text, line| text + "# " + line + "\n"))
}

fn absolute(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(folder).with_context(|| format!("{} cannot be looked at", folder.display()))
}
