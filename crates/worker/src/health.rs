//! What an engine knows of its storages as wholes, and of its process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stocktake_domain::UnreadableFolder;
use stocktake_domain::ports::{Witness, is_at_or_below};
use tokio::time::Instant;

/// The most folders of a storage that are known to be unreadable; of more, the rest is told when these can be read.
const MOST_FOLDERS: usize = 100;

/// How long the database knows what a storage is, before it is looked at again.
const SETTLED: Duration = Duration::from_secs(600);

/// The state of the storages and of the process, as this engine sees them.
#[derive(Debug, Default)]
pub(crate) struct Health {
    storages: Mutex<BTreeMap<String, StorageHealth>>,
    /// What it lacks.
    process: Mutex<Option<String>>,
    /// Whether the database was told that it lacks nothing; one before it on this host may have told otherwise.
    is_told_well: AtomicBool,
}

/// What is known of one storage.
#[derive(Debug, Default)]
pub(crate) struct StorageHealth {
    /// Why it is closed, if it is.
    pub(crate) fault: Option<String>,
    /// The folders of which nothing can be said, and why.
    folders: BTreeMap<String, String>,
    /// Whether the database was told that it is open.
    pub(crate) is_told_open: bool,
    /// When the database was told which storage it is, and what is mounted in it.
    pub(crate) settled_at: Option<Instant>,
    /// What is or was mounted in these folders is news to the database, once good content is read in them.
    pub(crate) unsettled: BTreeSet<String>,
    /// Whether it is closed because of its witnesses.
    pub(crate) is_doubted: bool,
    /// The records by which it is judged whether it is whole, and when they were chosen.
    pub(crate) witnesses: Option<(Instant, Arc<[Witness]>)>,
}

impl StorageHealth {
    /// Why it, or a part of it, is closed.
    pub(crate) fn closed_because(&self) -> Option<String> {
        let first = || self.folders.values().next();
        let others = self.folders.len().saturating_sub(1);
        self.fault.clone().or_else(|| match others {
            0 => first().cloned(),
            others => first().map(|reason| format!("{reason}; {others} more of its folders cannot be read")),
        })
    }

    /// Nothing can be said of a folder.
    pub(crate) fn close_folder(&mut self, of: &UnreadableFolder) {
        if self.folders.len() < MOST_FOLDERS || self.folders.contains_key(&of.folder) {
            self.folders.insert(of.folder.clone(), of.reason.clone());
        }
    }

    /// Something was said of content at these paths.
    pub(crate) fn open_folders<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        if !self.folders.is_empty() {
            for path in paths {
                self.folders.retain(|folder, _| !is_at_or_below(path, folder));
            }
        }
    }

    /// Whether content that was judged, with good one at these paths, is no news.
    pub(crate) fn is_known(&self, good: &[String]) -> bool {
        let is_settled = self.settled_at.is_some_and(|at| at.elapsed() < SETTLED);
        self.closed_because().is_none()
            && self.is_told_open
            && (good.is_empty() || is_settled)
            && (self.unsettled.is_empty() || !good.iter().any(|path| lies_in(path, &self.unsettled)))
    }
}

/// Whether a path is that of one of these folders or lies below one.
fn lies_in(path: &str, folders: &BTreeSet<String>) -> bool {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    folders.contains("") || ends.filter_map(|end| path.get(..end)).any(|folder| folders.contains(folder))
}

impl Health {
    fn storages(&self) -> MutexGuard<'_, BTreeMap<String, StorageHealth>> {
        self.storages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process lacks.
    pub(crate) fn process(&self) -> MutexGuard<'_, Option<String>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the database was told that the process lacks nothing.
    pub(crate) fn is_told_well(&self) -> bool {
        self.is_told_well.load(Ordering::Relaxed)
    }

    /// The database was told so, or otherwise.
    pub(crate) fn set_told_well(&self, is_well: bool) {
        self.is_told_well.store(is_well, Ordering::Relaxed);
    }

    /// Changes what is known of a storage.
    pub(crate) fn update<T>(&self, storage: &str, change: impl FnOnce(&mut StorageHealth) -> T) -> T {
        change(self.storages().entry(storage.to_owned()).or_default())
    }

    /// The storages that are closed, or of which a folder is, and why.
    pub(crate) fn closed(&self) -> BTreeMap<String, String> {
        let storages = self.storages();
        storages.iter().filter_map(|(name, state)| Some((name.clone(), state.closed_because()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_its_folders_and_in_no_other() {
        let folders = BTreeSet::from(["a/b".to_owned(), "c".to_owned()]);
        for (path, lies) in [("a/b", true), ("a/b/x/y", true), ("c/x", true), ("a", false), ("a/bc", false)] {
            assert_eq!(lies_in(path, &folders), lies, "{path}");
        }
        assert!(lies_in("x", &BTreeSet::from([String::new()])));
    }

    #[test]
    fn a_folder_is_closed_until_something_is_said_of_its_content() {
        let mut state = StorageHealth::default();
        let folder = |folder: &str| UnreadableFolder {
            folder: folder.to_owned(),
            reason: format!("{folder} is locked"),
        };
        for name in ["a", "b"] {
            state.close_folder(&folder(name));
        }
        let told = "a is locked; 1 more of its folders cannot be read";
        assert_eq!(state.closed_because().as_deref(), Some(told));
        state.open_folders(["ab/x", "a/x"]);
        assert_eq!(state.closed_because().as_deref(), Some("b is locked"));
        state.open_folders(["b/x"]);
        assert_eq!(state.closed_because(), None);
    }
}
