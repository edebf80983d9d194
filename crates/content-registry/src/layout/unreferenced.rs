//! What a registry keeps though nothing refers to it: blobs that no manifest names, manifests that no tag reaches, uploads
//! that were never finished.
//!
//! ```text
//! repositories ──> manifests, tags ──> marks: named, reached by a tag ──> blobs without a mark ──> second look ──> told
//! ```
//!
//! Somebody may delete on the word of this search, so that whatever is not known counts as needed. Registries are pushed to
//! meanwhile: what is young is not judged, and before anything is told, a second look takes in what has come since, and the
//! layers that were linked lately to a repository. Blobs are not judged at all while a manifest cannot be read, since nobody
//! knows what it names.
//!
//! In memory are the marks, some 40 bytes for each digest that a manifest names.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use stocktake_content::num::widen;
use stocktake_domain::ports::{Found, FoundStream, ListError, UsageStream};
use stocktake_domain::{Timestamp, Unreferenced, UnreferencedKind, Usage};
use tokio::sync::mpsc;

use super::list::{self, Which};
use super::repository::{self, Repository, Unread};
use super::{BLOBS, Layout, LayoutSource, REPOSITORIES, data_path, digest_in, of_file};
use crate::digest::Digest;
use crate::source::RegistryError;
use marks::Marks;

mod marks;

/// How many results may wait for whoever asked.
const CHANNEL: usize = 1_024;

/// How many repositories are read at once.
const REPOSITORIES_AT_ONCE: usize = 8;

type Told = Result<Usage, ListError>;

/// Searches the registry; what was changed at this time or later is not judged.
pub(super) fn unreferenced(source: LayoutSource, changed_before: Timestamp) -> UsageStream {
    let (told, mut waiting) = mpsc::channel(CHANNEL);
    let search = Search {
        source,
        changed_before,
        told,
        marks: Marks::default(),
        untagged: BTreeMap::new(),
        unread: 0,
    };
    // Both are polled by whoever reads the stream; if it is dropped, the search ends with it.
    let work = stream::once(search.run()).filter_map(async |()| None);
    let told = stream::poll_fn(move |context| waiting.poll_recv(context));
    Box::pin(stream::select(told, work))
}

struct Search {
    source: LayoutSource,
    changed_before: Timestamp,
    told: mpsc::Sender<Told>,
    marks: Marks,
    /// Manifests that no tag reaches, by repository.
    untagged: BTreeMap<String, Vec<Untagged>>,
    /// How many things could not be looked at that may name blobs.
    unread: u64,
}

/// A manifest that no tag reaches.
struct Untagged {
    digest: Digest,
    size: u64,
    modified_at: Option<Timestamp>,
}

/// A blob that may be unreferenced.
struct Candidate {
    digest: Digest,
    size: u64,
    modified_at: Option<Timestamp>,
}

impl Search {
    /// Does the search.
    async fn run(mut self) {
        if let Err(error) = self.search().await {
            self.tell(Err(error)).await;
        }
    }

    async fn search(&mut self) -> Result<(), ListError> {
        self.source.layout.check_lock().await.map_err(broken)?;
        self.source.layout.check_root().await.map_err(broken)?;
        self.mark_repositories().await?;
        // After those that are there: one may be deleted meanwhile.
        self.mark_deleted_repositories().await?;
        self.look_at_uploads().await?;
        let blobs = self.candidates().await?;
        if !blobs.is_empty() || !self.untagged.is_empty() {
            self.look_again().await?;
        }
        self.tell_of_manifests().await;
        self.tell_of_blobs(blobs).await
    }

    /// The names of the repositories.
    fn repositories(&self) -> FoundStream {
        match &self.source.database {
            Some(database) => database.list(),
            None => list::list(self.source.layout.clone(), Which::All),
        }
    }

    /// What repositories need that were deleted, until the registry itself has removed it.
    async fn mark_deleted_repositories(&mut self) -> Result<(), ListError> {
        let Some(database) = self.source.database.clone() else { return Ok(()) };
        let mut manifests = database.deleted_manifests();
        while let Some(manifest) = manifests.next().await {
            let (digest, payload) = manifest.map_err(broken)?;
            match repository::manifest_of(digest, None, &payload) {
                Ok(manifest) => self.marks.needed(&manifest),
                Err(reason) => {
                    self.unread += 1;
                    self.tell(Err(ListError::Skipped { path: digest.to_string(), reason })).await;
                }
            }
        }
        Ok(())
    }

    async fn mark_repositories(&mut self) -> Result<(), ListError> {
        let (source, changed_before) = (self.source.clone(), self.changed_before);
        let read = async |found: Result<Found, ListError>| match found {
            Ok(found) => repository::read(&source, found.path, changed_before).await.map(Ok),
            Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => Err(error),
            Err(other) => Ok(Err(other)),
        };
        let repositories = self.repositories().map(read);
        let mut repositories = std::pin::pin!(repositories.buffer_unordered(REPOSITORIES_AT_ONCE));
        while let Some(read) = repositories.next().await {
            match read? {
                Ok(repository) => self.take_in(repository).await,
                // There may be a repository.
                Err(error) => {
                    self.unread += 1;
                    self.tell(Err(error)).await;
                }
            }
        }
        Ok(())
    }

    async fn take_in(&mut self, repository: Repository) {
        // A tag, or an index, that cannot be read may reach any of them.
        let is_read = repository.unread.is_empty() && repository.unread_tags.is_empty();
        let reached = repository.reached_by_tags();
        let mut untagged = Vec::new();
        for (digest, manifest) in &repository.manifests {
            let is_young = manifest.modified_at.is_none_or(|at| at >= self.changed_before);
            let is_reached = reached.contains(digest);
            if is_reached || is_young || !is_read {
                self.marks.needed(manifest);
                let told = if is_young && !is_reached { Usage::Young } else { Usage::Needed };
                self.tell(Ok(told)).await;
            } else {
                self.marks.named(manifest);
                let (digest, size, modified_at) = (*digest, manifest.size, manifest.modified_at);
                untagged.push(Untagged { digest, size, modified_at });
            }
        }
        self.unread += widen(repository.unread.len());
        for Unread { path, reason } in repository.unread.into_iter().chain(repository.unread_tags) {
            self.tell(Err(ListError::Skipped { path, reason })).await;
        }
        for upload in repository.uploads {
            self.tell(upload).await;
        }
        if !untagged.is_empty() {
            self.untagged.insert(repository.name, untagged);
        }
    }

    /// Uploads, where the repositories are those of the metadata database: beside it, the layout has nothing but uploads and
    /// blobs.
    async fn look_at_uploads(&mut self) -> Result<(), ListError> {
        let layout = self.source.layout.clone();
        if self.source.database.is_none() || !has_folder(&layout, REPOSITORIES).await? {
            return Ok(());
        }
        let mut folders = list::list(layout.clone(), Which::All);
        while let Some(found) = folders.next().await {
            match found {
                Ok(found) => {
                    for told in repository::uploads(&layout, &found.path, self.changed_before).await? {
                        self.tell(told).await;
                    }
                }
                Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => return Err(error),
                Err(error) => self.tell(Err(error)).await,
            }
        }
        Ok(())
    }

    /// Blobs to which no manifest refers that a tag reaches.
    async fn candidates(&mut self) -> Result<Vec<Candidate>, ListError> {
        let layout = self.source.layout.clone();
        let mut candidates = Vec::new();
        if !has_folder(&layout, BLOBS).await? {
            return Ok(candidates);
        }
        let mut blobs = layout.files.files(BLOBS);
        while let Some(found) = blobs.next().await {
            let found = match found {
                Ok(found) => found,
                Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => return Err(error),
                Err(error) => {
                    self.tell(Err(error)).await;
                    continue;
                }
            };
            let Some(digest) = blob_at(&found.path) else {
                let (path, reason) = (format!("{BLOBS}/{}", found.path), "no blob of a registry".to_owned());
                self.tell(Err(ListError::Skipped { path, reason })).await;
                continue;
            };
            // The bytes of a manifest that is told itself.
            if self.marks.is_manifest(&digest) && !self.marks.is_needed(&digest) {
                continue;
            }
            let is_young = found.modified_at.is_none_or(|at| at >= self.changed_before);
            if self.marks.is_needed(&digest) {
                self.tell(Ok(Usage::Needed)).await;
            } else if is_young {
                self.tell(Ok(Usage::Young)).await;
            } else {
                let size = found.size.unwrap_or(0);
                candidates.push(Candidate { digest, size, modified_at: found.modified_at });
            }
        }
        Ok(candidates)
    }

    /// Takes in what was pushed, tagged and linked since the repositories were looked at.
    async fn look_again(&mut self) -> Result<(), ListError> {
        let mut before = std::mem::take(&mut self.untagged);
        let mut repositories = self.repositories();
        while let Some(found) = repositories.next().await {
            match found {
                Ok(found) => {
                    let known = before.remove(&found.path).unwrap_or_default();
                    self.look_again_at(found.path, known).await?;
                }
                Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => return Err(error),
                // Unless it is new, it was told already.
                Err(_) => self.unread += 1,
            }
        }
        if let Some(database) = &self.source.database {
            let linked = database.linked_since(self.changed_before).await.map_err(broken)?;
            for digest in &linked {
                self.marks.linked(digest);
            }
        }
        Ok(())
    }

    async fn look_again_at(&mut self, name: String, mut untagged: Vec<Untagged>) -> Result<(), ListError> {
        let digests = untagged.iter().map(|manifest| manifest.digest).collect();
        let is_known = |digest: &Digest| self.marks.is_manifest(digest);
        let again =
            repository::read_again(&self.source, name.clone(), &digests, is_known, self.changed_before)
                .await?;
        for manifest in &again.needed {
            self.marks.needed(manifest);
        }
        for digest in &again.linked {
            self.marks.linked(digest);
        }
        untagged.retain(|manifest| !again.reached.contains(&manifest.digest));
        self.unread += widen(again.unread);
        if again.is_read && !untagged.is_empty() {
            self.untagged.insert(name, untagged);
        }
        Ok(())
    }

    async fn tell_of_manifests(&mut self) {
        for (repository, untagged) in std::mem::take(&mut self.untagged) {
            for Untagged { digest, size, modified_at } in untagged {
                let size = if self.marks.take_bytes(&digest) { size } else { 0 };
                let path = format!("{repository}@{digest}");
                let kind = UnreferencedKind::Manifest;
                self.tell(Ok(Usage::Unreferenced(Unreferenced { kind, path, size, modified_at }))).await;
            }
        }
    }

    async fn tell_of_blobs(&mut self, candidates: Vec<Candidate>) -> Result<(), ListError> {
        let unjudged = |reason: String| Err(ListError::Broken(format!("blobs are not judged: {reason}")));
        if self.unread > 0 && !candidates.is_empty() {
            return unjudged("not all that may name them can be read".to_owned());
        }
        if !candidates.is_empty() && self.marks.is_empty() {
            let place = self.source.layout.files.place(REPOSITORIES);
            return unjudged(format!("{place} has no manifest at all"));
        }
        for Candidate { digest, size, modified_at } in candidates {
            let is_named = self.marks.is_named(&digest);
            let kind = if is_named { UnreferencedKind::BlobOfUntagged } else { UnreferencedKind::Blob };
            let path = data_path(&digest);
            let told = if self.marks.is_needed(&digest) {
                Usage::Needed
            } else {
                Usage::Unreferenced(Unreferenced { kind, path, size, modified_at })
            };
            self.tell(Ok(told)).await;
        }
        Ok(())
    }

    async fn tell(&self, told: Told) {
        // It is polled only with the other end.
        let _sent = self.told.send(told).await;
    }
}

/// The digest of the blob whose bytes are at this path below the folder of blobs.
fn blob_at(path: &str) -> Option<Digest> {
    let (algorithm, rest) = path.split_once('/')?;
    let (start, rest) = rest.split_once('/')?;
    let digits = rest.strip_suffix("/data")?;
    digest_in(algorithm, digits).filter(|_| digits.get(..2) == Some(start))
}

async fn has_folder(layout: &Layout, folder: &str) -> Result<bool, ListError> {
    layout.files.has_folder(folder).await.map_err(|error| broken(of_file(error)))
}

/// The registry cannot be searched.
fn broken(error: RegistryError) -> ListError {
    ListError::Broken(error.into_not_judged().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_registry_has_as_a_blob_is_one() {
        let digits = "ab".repeat(32);
        assert_eq!(blob_at(&format!("sha256/ab/{digits}/data")), Some(Digest::Sha256([0xab; 32])));
        for other in [
            format!("sha256/ba/{digits}/data"),
            format!("sha256/ab/{digits}"),
            format!("sha256/ab/{digits}/data.tmp"),
            format!("sha384/ab/{digits}/data"),
            "sha256/ab/abc/data".to_owned(),
        ] {
            assert_eq!(blob_at(&other), None, "{other}");
        }
    }
}
