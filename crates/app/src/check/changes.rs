//! What was found to be different, gathered until it is told.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::baseline::{Entry, Sha};
use crate::document;
use crate::escape::escaped_json;
use crate::output::{Colour, Spool};

/// Removed and added files of which it is seen that one is the other under another name. Of more of them, that is not
/// looked for.
const MOST_COMPARED: usize = 100_000;

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) modified: u64,
    pub(crate) damaged: u64,
    pub(crate) removed: u64,
    pub(crate) renamed: u64,
    /// Could not be looked at.
    pub(crate) unreadable: u64,
    /// Are no files: symbolic links, pipes, devices.
    pub(crate) passed_over: u64,
}

/// The changes, each in a line, in the order in which they are told.
pub(crate) struct Changes {
    as_json: bool,
    counts: Counts,
    damaged: Spool,
    unreadable: Spool,
    removed: Spool,
    renamed: Spool,
    modified: Spool,
    added: Spool,
    /// How many files are not there in folders at which nothing is mounted any more.
    unmounted: BTreeMap<String, u64>,
    /// Files that may have been renamed: where they are not any more, and where they are now.
    from: Vec<Entry>,
    to: Vec<Entry>,
}

impl Changes {
    /// None yet.
    pub(crate) fn new(as_json: bool) -> Self {
        Self {
            as_json,
            counts: Counts::default(),
            damaged: Spool::new(),
            unreadable: Spool::new(),
            removed: Spool::new(),
            renamed: Spool::new(),
            modified: Spool::new(),
            added: Spool::new(),
            unmounted: BTreeMap::new(),
            from: Vec::new(),
            to: Vec::new(),
        }
    }

    pub(super) fn damaged(&mut self, known: &Entry, found: Sha) {
        self.counts.damaged += 1;
        let Entry { path, size, sha256, .. } = known;
        let json = || json!({ "change": "damaged", "path": path, "size": size, "sha256": sha256, "found_sha256": found });
        tell(self.as_json, &mut self.damaged, Some(Colour::Red), &format!("D  {path}"), json);
    }

    pub(super) fn unreadable(&mut self, path: &str, reason: &str) {
        self.counts.unreadable += 1;
        let json = || json!({ "change": "unreadable", "path": path, "reason": reason });
        tell(self.as_json, &mut self.unreadable, Some(Colour::Red), &format!("!  {path}: {reason}"), json);
    }

    /// A file is not there, in a folder at which nothing is mounted any more.
    pub(super) fn unmounted(&mut self, folder: &str) {
        match self.unmounted.get_mut(folder) {
            Some(files) => *files += 1,
            None => drop(self.unmounted.insert(folder.to_owned(), 1)),
        }
    }

    pub(super) fn passed_over(&mut self) {
        self.counts.passed_over += 1;
    }

    pub(super) fn modified(&mut self, known: &Entry, now: &Entry) {
        self.counts.modified += 1;
        let Entry { path, size, sha256, .. } = now;
        let json = || {
            let (previous_size, previous) = (known.size, known.sha256);
            json!({ "change": "modified", "path": path, "size": size, "sha256": sha256,
                    "previous_size": previous_size, "previous_sha256": previous })
        };
        tell(self.as_json, &mut self.modified, Some(Colour::Yellow), &format!("M  {path}"), json);
    }

    pub(super) fn added(&mut self, entry: Entry) {
        if self.to.len() < MOST_COMPARED {
            self.to.push(entry);
        } else {
            self.tell_added(&entry);
        }
    }

    pub(super) fn removed(&mut self, entry: Entry) {
        if self.from.len() < MOST_COMPARED {
            self.from.push(entry);
        } else {
            self.tell_removed(&entry);
        }
    }

    fn tell_added(&mut self, entry: &Entry) {
        self.counts.added += 1;
        let text = format!("A  {}", entry.path);
        tell(self.as_json, &mut self.added, Some(Colour::Green), &text, || of_entry("added", entry));
    }

    fn tell_removed(&mut self, entry: &Entry) {
        self.counts.removed += 1;
        let text = format!("R  {}", entry.path);
        tell(self.as_json, &mut self.removed, Some(Colour::Red), &text, || of_entry("removed", entry));
    }

    /// Once everything was looked at: tells what is not mounted any more, in a line for each folder. Returns the folders.
    pub(super) fn tell_unmounted(&mut self) -> Vec<String> {
        let unmounted = std::mem::take(&mut self.unmounted);
        for (folder, files) in &unmounted {
            let left =
                if *files == 1 { "its file was left as it was" } else { "its files were left as they were" };
            self.unreadable(folder, &format!("what was mounted here is not any more; {left}"));
            self.counts.unreadable += files - 1;
        }
        unmounted.into_keys().collect()
    }

    /// Once everything was looked at: finds out which removed file is there under another name. Returns the old names.
    pub(super) fn find_renamed(&mut self) -> HashSet<String> {
        let (from, to) = (std::mem::take(&mut self.from), std::mem::take(&mut self.to));
        let mut by_content: HashMap<(Sha, u64), Vec<String>> = HashMap::new();
        // All empty files are the same.
        for entry in to.iter().rev().filter(|entry| entry.size > 0) {
            by_content.entry((entry.sha256, entry.size)).or_default().push(entry.path.clone());
        }
        let (mut old_names, mut new_names) = (HashSet::new(), HashSet::new());
        for entry in from {
            match by_content.get_mut(&(entry.sha256, entry.size)).and_then(Vec::pop) {
                None => self.tell_removed(&entry),
                Some(new) => {
                    self.counts.renamed += 1;
                    let text = format!("R  {} -> {new}", entry.path);
                    let json = || json!({ "change": "renamed", "path": new, "previous_path": entry.path });
                    tell(self.as_json, &mut self.renamed, None, &text, json);
                    old_names.insert(entry.path);
                    new_names.insert(new);
                }
            }
        }
        for entry in to.iter().filter(|entry| !new_names.contains(&entry.path)) {
            self.tell_added(entry);
        }
        old_names
    }

    /// How many of each.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Prints the lines: what needs attention first.
    pub(crate) fn print(self) -> anyhow::Result<()> {
        self.in_order().into_iter().try_for_each(Spool::print)
    }

    /// Prints them as one JSON document, with these keys before.
    pub(crate) fn print_json(self, head: Value) -> anyhow::Result<()> {
        let (before, behind) = document::around("changes", head);
        Spool::print_array(&before, self.in_order(), &behind)
    }

    fn in_order(self) -> [Spool; 6] {
        [self.damaged, self.unreadable, self.removed, self.renamed, self.modified, self.added]
    }
}

fn of_entry(change: &str, entry: &Entry) -> Value {
    let Entry { path, size, sha256, .. } = entry;
    json!({ "change": change, "path": path, "size": size, "sha256": sha256 })
}

fn tell(as_json: bool, spool: &mut Spool, colour: Option<Colour>, text: &str, json: impl FnOnce() -> Value) {
    match colour {
        _ if as_json => spool.line(&escaped_json(&json().to_string())),
        Some(colour) => spool.coloured_line(text, colour),
        None => spool.line(text),
    }
}
