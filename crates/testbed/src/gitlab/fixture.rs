//! A whole GitLab to look at: its database, what its rows speak of, its own configuration, and one of each kind of
//! damage.

use std::path::{Path, PathBuf};

use self::fixture_dirs::FixtureDirs;
use super::content::{Content, sha256, shown_size};
use super::record::{AT, GitlabOutcome, GitlabRecord};
use super::{DB_KEY_BASE, GitlabDatabase, NEWER, OLDER, in_older, is_of_ci, rows, run, sort};

mod cluster;
mod configuration;
mod faults;
mod fixture_dirs;
mod orphans;
mod places;
mod repositories;
mod setup;

#[cfg(test)]
mod tests;

pub use cluster::{ClusterFault, GitlabCluster};
pub use configuration::GitlabServed;
pub use orphans::GitlabOrphan;
pub use setup::{GitlabBuckets, GitlabSchema, GitlabSetup};

/// The most characters of the text of a failure.
const MAX_FAILURE_CHARS: usize = 255;

/// A GitLab with content for its rows: all those of [`GitlabDatabase`], and besides them some of which each has
/// one fault of its own, whose ids begin at 101.
///
/// The records name their storages as the fixture does; [`GitlabFixture::storage_name`] says how Stocktake calls
/// them. One place, that of external diffs, has no bucket, so that a row that says it is in one leads nowhere.
#[derive(Debug)]
pub struct GitlabFixture {
    /// What the rows say and what becomes of it, by model and in the order of their keys.
    pub records: Vec<GitlabRecord>,
    /// What no row claims.
    pub orphans: Vec<GitlabOrphan>,
    /// Where everything lies.
    pub folder: PathBuf,
    /// How its types of objects are spread over buckets.
    pub buckets: GitlabBuckets,
    /// The instance's secret, from which the keys of encrypted files follow.
    pub db_key_base: String,
}

impl GitlabFixture {
    /// Fills an empty database, and lays out its content below `folder`, which must not hold any yet: the same in
    /// every run.
    pub fn write(folder: &Path, url: &str) -> anyhow::Result<Self> {
        Self::write_as(folder, url, &GitlabSetup::default())
    }

    /// The same with another set-up.
    pub fn write_as(folder: &Path, url: &str, setup: &GitlabSetup<'_>) -> anyhow::Result<Self> {
        let (mut records, of_ci) = match setup.schema {
            GitlabSchema::Parted { ci, sec } => (GitlabDatabase::load_parted(url, ci, sec)?.records, ci),
            _ => (GitlabDatabase::load(url)?.records, url),
        };
        let faults = faults::records()?;
        let (main, seen_at) = (rows(&faults, |record| !is_of_ci(record)), setup.seen_at.unwrap_or(folder));
        run(url, &format!("{}{main}{}", faults::OWNERS, relocation(seen_at)))?;
        run(of_ci, &rows(&faults, is_of_ci))?;
        records.extend(faults);
        sort(&mut records);
        if setup.schema == GitlabSchema::Older {
            records = in_older(records);
        }
        let dirs = FixtureDirs::prepare(folder, setup.buckets)?;
        let (mut states, mut older_states) = (String::new(), String::new());
        for record in &mut records {
            if places::has_no_bucket(&record.storage) {
                *record = unplaced(record.clone());
            }
            let laid = lay(&dirs, record)?;
            settle(record, &laid);
            let is_good = record.outcome == GitlabOutcome::Succeeded;
            if let Some(checksum) = laid.source_checksum.as_ref().filter(|_| is_good) {
                states.push_str(&repositories::state(record, checksum));
                older_states.push_str(&repositories::older_state(record, checksum));
            }
        }
        run(url, &states)?;
        match setup.schema {
            GitlabSchema::Older => run(url, &format!("{OLDER}{older_states}"))?,
            GitlabSchema::Newer => {
                run(url, NEWER)?;
                orphans::write_newer(&dirs)?;
            }
            GitlabSchema::Current | GitlabSchema::Parted { .. } => {}
        }
        let orphans = orphans::write(&dirs, setup.schema == GitlabSchema::Older)?;
        let (folder, db_key_base) = (folder.to_owned(), DB_KEY_BASE.to_owned());
        Ok(Self { records, orphans, folder, buckets: setup.buckets, db_key_base })
    }

    /// The records of one model.
    pub fn of(&self, model: &str) -> impl Iterator<Item = &GitlabRecord> {
        self.records.iter().filter(move |record| record.model == model)
    }

    /// How Stocktake calls the storage that the fixture calls so.
    pub fn storage_name(name: &str) -> String {
        places::program_name(name)
    }

    /// Stocktake's sections for all that is in folders, where GitLab's configuration does not say where they are.
    pub fn sections(&self) -> anyhow::Result<String> {
        Ok(configuration::sections(&self.folder)?)
    }

    /// Starts the object storage, and writes the files into which GitLab's administrator puts its configuration.
    pub fn serve(&self) -> anyhow::Result<GitlabServed> {
        configuration::serve(&self.folder, self.buckets, &self.db_key_base)
    }
}

/// Very old rows of uploads name the folder itself, as it is reached from `public`.
fn relocation(folder: &Path) -> String {
    let before = super::uploads::UPLOADS_FOLDER;
    let after = folder.join(places::PUBLIC).join(places::UPLOADS).display().to_string().replace('\'', "''");
    format!("UPDATE uploads SET path = replace(path, '{before}/', '{after}/') WHERE path LIKE '{before}/%';")
}

/// In a bucket that is not configured.
fn unplaced(record: GitlabRecord) -> GitlabRecord {
    let path = record.path.clone();
    record
        .at("-", path)
        .lost("Object Storage is not enabled for ExternalDiffUploader")
        .holds(Content::Nothing)
}

/// What was laid out for a record.
#[derive(Debug, Default)]
struct Laid {
    /// What reading it gives.
    checksum: Option<String>,
    /// Its size in bytes, if it is one file or object.
    size: Option<usize>,
    /// What GitLab's own verification makes of it, if that is put into the database only now.
    source_checksum: Option<String>,
    /// What is to be named in the text of a failure.
    at: String,
}

fn lay(dirs: &FixtureDirs, record: &GitlabRecord) -> anyhow::Result<Laid> {
    let GitlabRecord { storage, path, .. } = record;
    let at = dirs.at(storage, path);
    match &record.content {
        Content::Bytes(bytes) => {
            if storage != "-" && path != "-" {
                dirs.put(storage, path, bytes)?;
            }
            Ok(Laid { checksum: Some(sha256(bytes)), size: Some(bytes.len()), at, ..Laid::default() })
        }
        Content::Repository(shape) if path != "-" && storage != "-" => {
            repositories::lay(&dirs.root(storage)?, path, *shape)
        }
        Content::Images(images) => repositories::lay_images(&dirs.root(storage)?, path, *images),
        Content::Nothing if storage.starts_with("git-") => Ok(repositories::absent()),
        Content::Nothing | Content::Repository(_) => Ok(Laid { at, ..Laid::default() }),
    }
}

/// Puts down what becomes of the record.
fn settle(record: &mut GitlabRecord, laid: &Laid) {
    match &mut record.outcome {
        GitlabOutcome::Succeeded => {}
        GitlabOutcome::Failed { text, .. } => {
            *text = naming(text, &laid.at);
            return;
        }
        GitlabOutcome::Disabled => return,
    }
    record.checksum.clone_from(&laid.checksum);
    if let Some(checksum) = &laid.source_checksum {
        if record.source_checksum.is_none() || !faults::has_other_checksum(record) {
            record.source_checksum = Some(checksum.clone());
        }
        record.matches_source = Some(record.source_checksum.as_ref() == Some(checksum));
    } else if let Some(source_checksum) = &record.source_checksum {
        let is = if source_checksum.len() == 64 { laid.checksum.clone() } else { laid.size.map(shown_size) };
        record.matches_source = Some(is.as_ref() == Some(source_checksum));
    }
}

/// The text with the place in it, whose end is kept if it is too long for all of it.
fn naming(text: &str, at: &str) -> String {
    let room = MAX_FAILURE_CHARS.saturating_sub(text.replace(AT, "").chars().count());
    let skipped = at.chars().count().saturating_sub(room);
    text.replace(AT, &at.chars().skip(skipped).collect::<String>())
}
