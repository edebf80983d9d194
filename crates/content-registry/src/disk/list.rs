//! Lists the repositories in the byte order of their names.

use std::fmt;
use std::path::PathBuf;
use std::thread;

use futures_util::{StreamExt as _, stream};
use rustix::fs::{Dir, FileType, OFlags};
use rustix::io::Errno;
use stocktake_content::{Links, Root};
use stocktake_domain::ports::{Found, FoundStream, ListError};
use tokio::sync::mpsc;

use super::REPOSITORIES;
use crate::name;

/// How many findings travel together from the walking thread, and how many such parcels may wait.
const PARCEL: usize = 256;
const PARCELS: usize = 4;

type Finding = Result<Found, ListError>;

/// All repositories that the registry knows: those with a folder of tags, be it empty.
pub(super) fn list(root: PathBuf) -> FoundStream {
    let (sender, mut parcels) = mpsc::channel(PARCELS);
    let unable = sender.clone();
    let walk = move || {
        let mut walker = Walker { root, sender, parcel: Vec::new() };
        if walker.walk().is_ok() {
            // Nobody listens any more: nothing is lost.
            let _unheard = walker.send();
        }
    };
    if let Err(error) = thread::Builder::new().name("registry-list".to_owned()).spawn(walk) {
        // There is room: nothing was sent yet.
        let _unheard = unable.try_send(vec![Err(ListError::Broken(format!("no thread: {error}")))]);
    }
    drop(unable);
    Box::pin(stream::poll_fn(move |context| parcels.poll_recv(context)).flat_map(stream::iter))
}

/// The listing ends early: it is broken, or nobody listens any more.
#[derive(Debug)]
struct Ended;

struct Walker {
    root: PathBuf,
    sender: mpsc::Sender<Vec<Finding>>,
    parcel: Vec<Finding>,
}

/// What is to be done about a folder, in the order of what comes of it: `a` before `a-b` before `a/b`.
enum Step {
    /// Tell of it if it is a repository.
    Tell(String),
    /// Go through what is in it.
    Enter(String),
    /// Say that it is left out.
    Skip(String),
}

impl Step {
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        let (path, slash) = match self {
            Self::Tell(path) | Self::Skip(path) => (path, None),
            Self::Enter(path) => (path, Some(b'/')),
        };
        path.bytes().chain(slash)
    }
}

impl Walker {
    fn walk(&mut self) -> Result<(), Ended> {
        // Held open all the while: a listing of two storages in one would be none.
        let root = Root::open(&self.root).or_else(|error| self.tell_broken(&error))?;
        let first = steps(&root, "").or_else(|error| self.tell_broken(&error))?;
        let mut open = vec![first.into_iter()];
        while let Some(folder) = open.last_mut() {
            match folder.next() {
                None => drop(open.pop()),
                Some(Step::Skip(path)) => {
                    let reason = "no name of a container repository".to_owned();
                    self.tell(Err(ListError::Skipped { path, reason }))?;
                }
                Some(Step::Tell(path)) => self.tell_of(&root, path)?,
                Some(Step::Enter(path)) => open.extend(self.enter(&root, path)?),
            }
        }
        Ok(())
    }

    fn tell_of(&mut self, root: &Root, path: String) -> Result<(), Ended> {
        let tags = format!("{REPOSITORIES}/{path}/_manifests/tags");
        match root.open_at(&tags, OFlags::PATH | OFlags::DIRECTORY, Links::Refuse) {
            Ok(_) => self.tell(Ok(Found { path, size: None, modified_at: None })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => self.tell(Err(ListError::Skipped { path, reason: error.to_string() })),
        }
    }

    /// What is in the folder, unless it cannot be read.
    fn enter(&mut self, root: &Root, path: String) -> Result<Option<std::vec::IntoIter<Step>>, Ended> {
        match steps(root, &path) {
            Ok(steps) => return Ok(Some(steps.into_iter())),
            // Gone since its parent was read; unless all has gone.
            Err(Errno::NOENT | Errno::NOTDIR) => {
                if !root.is_still_at(&self.root) {
                    self.tell_broken(&"it has gone while it was listed")?;
                }
            }
            Err(error) => self.tell(Err(ListError::Skipped { path, reason: error.to_string() }))?,
        }
        Ok(None)
    }

    fn tell_broken<T>(&mut self, reason: &dyn fmt::Display) -> Result<T, Ended> {
        let folder = self.root.join(REPOSITORIES);
        self.parcel.push(Err(ListError::Broken(format!("storage folder {}: {reason}", folder.display()))));
        self.send()?;
        Err(Ended)
    }

    fn tell(&mut self, finding: Finding) -> Result<(), Ended> {
        self.parcel.push(finding);
        if self.parcel.len() < PARCEL { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), Ended> {
        let parcel = std::mem::take(&mut self.parcel);
        self.sender.blocking_send(parcel).map_err(|_unheard| Ended)
    }
}

/// What is to be done about the folders in this one; no link is followed.
fn steps(root: &Root, path: &str) -> Result<Vec<Step>, Errno> {
    let at = if path.is_empty() { REPOSITORIES.to_owned() } else { format!("{REPOSITORIES}/{path}") };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOCTTY;
    let mut steps = Vec::new();
    for entry in Dir::read_from(root.open_at(&at, flags, Links::Refuse)?)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        // The registry's own folders begin so.
        if name.starts_with('_') || matches!(&*name, "." | "..") {
            continue;
        }
        if !matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            continue;
        }
        let path = if path.is_empty() { name.clone().into_owned() } else { format!("{path}/{name}") };
        if name::is_component(&name) {
            steps.push(Step::Enter(path.clone()));
            steps.push(Step::Tell(path));
        } else {
            steps.push(Step::Skip(path));
        }
    }
    steps.sort_unstable_by(|one, other| one.sort_key().cmp(other.sort_key()));
    Ok(steps)
}
