//! The listing of a folder and what is known of its files, side by side.

use std::cmp::Ordering;

use futures_util::StreamExt as _;
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Found, FoundStream, ListError};

use super::baseline::{BaselineError, Entry, Reader};
use super::error::CheckError;

/// The most files that are read at once, and the bytes from which on no more are added.
const BATCH_FILES: usize = 512;
const BATCH_BYTES: u64 = 256 << 20;

/// What the file system says of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) size: u64,
    /// In milliseconds since the epoch.
    pub(super) modified: i64,
}

impl Stat {
    /// Whether the entry is of a file with this size and time.
    pub(super) fn is_of(self, entry: &Entry) -> bool {
        self.size == entry.size && self.modified == entry.modified
    }
}

/// What the listing says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// A file is there.
    File(Stat),
    /// Something is there that cannot be looked at, and why.
    Trouble(String),
    /// Something is there that is no file: a symbolic link, a pipe, a device.
    NoContent,
    /// Nothing is there.
    Gone,
    /// It lies in a folder that could not be listed.
    Hidden,
}

/// A path, with what is known of it.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) path: String,
    pub(super) listed: Listed,
    /// From the baseline.
    pub(super) known: Option<Entry>,
    /// From an interrupted run.
    pub(super) interrupted: Option<Entry>,
}

/// A list of entries that one looks into and passes.
struct Entries {
    reader: Option<Reader>,
    next: Option<Entry>,
}

impl Entries {
    fn new(mut reader: Option<Reader>) -> Result<Self, BaselineError> {
        let next = reader.as_mut().map_or(Ok(None), Reader::next)?;
        Ok(Self { reader, next })
    }

    fn pass(&mut self) -> Result<Option<Entry>, BaselineError> {
        let next = self.reader.as_mut().map_or(Ok(None), Reader::next)?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// The entry of this path; those before it are passed.
    fn at(&mut self, path: &str) -> Result<Option<Entry>, BaselineError> {
        while self.next.as_ref().is_some_and(|entry| *entry.path < *path) {
            self.pass()?;
        }
        if self.next.as_ref().is_some_and(|entry| entry.path == path) { self.pass() } else { Ok(None) }
    }
}

/// Both in the order of the paths.
pub(super) struct Merge {
    listing: FoundStream,
    /// The next of the listing.
    found: Option<(String, Listed)>,
    /// The last path that was listed.
    last: String,
    known: Entries,
    interrupted: Entries,
    /// Not ours to look at: the folder with the baselines.
    except: Option<String>,
    /// The folders around the present place that could not be listed to the end.
    hidden: Vec<String>,
}

impl Merge {
    pub(super) async fn new(
        listing: FoundStream,
        known: Option<Reader>,
        interrupted: Option<Reader>,
        except: Option<String>,
    ) -> Result<Self, CheckError> {
        let (known, interrupted) = (Entries::new(known)?, Entries::new(interrupted)?);
        let (last, hidden) = (String::new(), Vec::new());
        let mut merge = Self { listing, found: None, last, known, interrupted, except, hidden };
        merge.list().await?;
        Ok(merge)
    }

    /// The next paths; `None` at the end.
    pub(super) async fn batch(&mut self) -> Result<Option<Vec<Pair>>, CheckError> {
        let (mut pairs, mut bytes) = (Vec::new(), 0_u64);
        while pairs.len() < BATCH_FILES && bytes < BATCH_BYTES {
            let Some(pair) = self.pair().await? else { break };
            if let Listed::File(stat) = pair.listed {
                bytes = bytes.saturating_add(stat.size);
            }
            pairs.push(pair);
        }
        Ok(Some(pairs).filter(|pairs| !pairs.is_empty()))
    }

    async fn pair(&mut self) -> Result<Option<Pair>, CheckError> {
        let order = match (&self.found, &self.known.next) {
            (None, None) => return Ok(None),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some((path, _)), Some(known)) => path.cmp(&known.path),
        };
        let known = if order == Ordering::Less { None } else { self.known.pass()? };
        let found = if order == Ordering::Greater { None } else { self.found.take() };
        if found.is_some() {
            self.list().await?;
        }
        let (path, listed) = match (found, &known) {
            (Some((path, listed)), _) => (path, Some(listed)),
            (None, Some(known)) => (known.path.clone(), None),
            (None, None) => return Ok(None),
        };
        self.hidden.retain(|folder| path.starts_with(folder));
        let unlisted = || if self.hidden.is_empty() { Listed::Gone } else { Listed::Hidden };
        let listed = listed.unwrap_or_else(unlisted);
        if path.ends_with('/') {
            self.hidden.push(path.clone());
        }
        let interrupted = self.interrupted.at(&path)?;
        Ok(Some(Pair { path, listed, known, interrupted }))
    }

    /// Takes the next of the listing.
    async fn list(&mut self) -> Result<(), CheckError> {
        while let Some(item) = self.listing.next().await {
            let (path, listed) = match item {
                Ok(Found { path, size, modified_at }) => {
                    let modified = modified_at.map_or(0, Timestamp::millis);
                    (path, Listed::File(Stat { size: size.unwrap_or(0), modified }))
                }
                Err(ListError::Skipped { path, reason }) => (path, Listed::Trouble(reason)),
                Err(ListError::Unlisted { folder, reason }) => (folder, Listed::Trouble(reason)),
                Err(ListError::PassedOver { path, .. }) => (path, Listed::NoContent),
                Err(error) => return Err(CheckError::List(error)),
            };
            if path < self.last {
                return Err(CheckError::Disordered(path));
            }
            self.last.clone_from(&path);
            if self.except.as_ref().is_none_or(|except| !path.starts_with(except)) {
                self.found = Some((path, listed));
                break;
            }
        }
        Ok(())
    }
}
