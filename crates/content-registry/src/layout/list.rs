//! All repositories, in the byte order of their names.

use std::collections::{BTreeMap, VecDeque};

use futures_util::future::join_all;
use futures_util::stream;
use stocktake_content::tree::Name;
use stocktake_domain::ContentError;
use stocktake_domain::ports::{Found, FoundStream, ListError};

use super::{Layout, REPOSITORIES};
use crate::name;

/// The most names in one folder: the registry has not so many, and what holds them is in memory.
const MOST_NAMES: usize = 10_000_000;

type Finding = Result<Found, ListError>;

/// Which repositories are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that the registry knows: with a folder of tags, even an empty one.
    Known,
    /// Those of which there is anything; whatever else is there that could hide one is skipped.
    All,
}

/// The repositories.
pub(super) fn list(layout: Layout, which: Which) -> FoundStream {
    let listing =
        Listing { layout, which, waiting: BTreeMap::new(), findings: VecDeque::new(), is_begun: false };
    Box::pin(stream::unfold(listing, |mut listing| async move {
        loop {
            if let Some(finding) = listing.findings.pop_front() {
                return Some((finding, listing));
            }
            if !listing.go_on().await {
                return None;
            }
        }
    }))
}

/// A folder can be a repository, and contain others.
struct Listing {
    layout: Layout,
    which: Which,
    /// What comes next, by path: no folder of those that come later has a path before the first of them.
    waiting: BTreeMap<String, Waiting>,
    findings: VecDeque<Finding>,
    is_begun: bool,
}

/// What is at a path.
enum Waiting {
    /// A folder that was not looked at yet.
    Folder,
    /// What a folder turned out to be.
    Seen(Seen),
    /// Nothing that can be a repository.
    Skipped(String),
    /// What is in this folder, whose path ends in a slash, cannot be listed.
    Unlisted(String),
}

/// What a folder is.
struct Seen {
    is_repository: Result<bool, ContentError>,
    names: Result<Vec<Name>, ContentError>,
}

impl Listing {
    /// Finds out what comes next; `false` at the end.
    async fn go_on(&mut self) -> bool {
        if !self.is_begun {
            self.is_begun = true;
            if let Err(error) = self.layout.check_lock().await {
                self.end_broken(error.into_not_judged().to_string());
                return true;
            }
            match self.layout.files.names(REPOSITORIES, MOST_NAMES).await {
                Ok(names) => self.add_all("", names),
                Err(error) => self.end_broken(self.reason(error)),
            }
            return true;
        }
        let Some((path, first)) = self.waiting.pop_first() else { return false };
        match first {
            Waiting::Skipped(reason) => self.findings.push_back(Err(ListError::Skipped { path, reason })),
            Waiting::Unlisted(reason) => {
                self.findings.push_back(Err(ListError::Unlisted { folder: path, reason }));
            }
            Waiting::Seen(seen) => self.take_in(path, seen).await,
            Waiting::Folder => {
                self.waiting.insert(path, Waiting::Folder);
                self.look_ahead().await;
            }
        }
        true
    }

    /// Looks at the next folders, as many at once as can be read at once.
    async fn look_ahead(&mut self) {
        let is_new =
            |(path, waiting): (&String, &Waiting)| matches!(waiting, Waiting::Folder).then(|| path.clone());
        let paths: Vec<String> =
            self.waiting.iter().filter_map(is_new).take(self.layout.files.concurrency()).collect();
        let (layout, which) = (&self.layout, self.which);
        let seen =
            join_all(paths.into_iter().map(async |path| (look_at(layout, which, &path).await, path))).await;
        self.waiting.extend(seen.into_iter().map(|(seen, path)| (path, Waiting::Seen(seen))));
    }

    async fn take_in(&mut self, path: String, Seen { is_repository, names }: Seen) {
        match is_repository {
            Ok(true) => {
                let found = Found { path: path.clone(), size: None, modified_at: None };
                self.findings.push_back(Ok(found));
            }
            Ok(false) => {}
            Err(ContentError::NotJudged(not_judged)) => return self.end_broken(not_judged.to_string()),
            // One folder is told once, with what may lie in it.
            Err(_) if matches!(&names, Err(error) if !matches!(error, ContentError::MissingFile { .. })) => {}
            Err(error) => {
                let (path, reason) = (path.clone(), error.to_string());
                self.findings.push_back(Err(ListError::Skipped { path, reason }));
            }
        }
        match names {
            Ok(names) => self.add_all(&format!("{path}/"), names),
            // It has vanished since its parent was listed, or the whole registry has.
            Err(ContentError::MissingFile { .. }) => {
                if let Err(error) = self.layout.check_root().await {
                    self.end_broken(error.into_not_judged().to_string());
                }
            }
            Err(ContentError::NotJudged(not_judged)) => self.end_broken(not_judged.to_string()),
            Err(error) => {
                self.waiting.insert(format!("{path}/"), Waiting::Unlisted(error.to_string()));
            }
        }
    }

    fn add_all(&mut self, prefix: &str, names: Vec<Name>) {
        // Names with this prefix are those of the registry's own folders.
        let all = self.which == Which::All;
        let others =
            names.into_iter().filter(|found| (found.is_folder || all) && !found.name.starts_with('_'));
        self.waiting.extend(others.map(|Name { name, is_folder }| {
            let waiting = if !is_folder {
                Waiting::Skipped("not a folder".to_owned())
            } else if name::is_component(&name) {
                Waiting::Folder
            } else {
                Waiting::Skipped("no name of a container repository".to_owned())
            };
            (format!("{prefix}{name}"), waiting)
        }));
    }

    fn reason(&self, error: ContentError) -> String {
        match error {
            ContentError::MissingFile { .. } => {
                format!("{}: No such folder", self.layout.files.place(REPOSITORIES))
            }
            error => error.to_string(),
        }
    }

    fn end_broken(&mut self, reason: String) {
        self.waiting.clear();
        self.findings.push_back(Err(ListError::Broken(reason)));
    }
}

async fn look_at(layout: &Layout, which: Which, path: &str) -> Seen {
    let folder = format!("{REPOSITORIES}/{path}");
    let names = layout.files.names(&folder, MOST_NAMES).await;
    if which == Which::All {
        let is_own = |names: &Vec<Name>| names.iter().any(|found| found.name.starts_with('_'));
        return Seen { is_repository: Ok(names.as_ref().is_ok_and(is_own)), names };
    }
    let has_manifests =
        names.as_ref().is_ok_and(|names| names.iter().any(|found| found.name == "_manifests"));
    let is_repository = if has_manifests && layout.files.keeps_empty_folders() {
        layout.files.has_folder(&format!("{folder}/_manifests/tags")).await
    } else {
        Ok(has_manifests)
    };
    Seen { is_repository, names }
}
