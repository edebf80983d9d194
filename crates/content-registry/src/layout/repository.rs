//! The manifests of one repository, what they name, and which of them a tag reaches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use stocktake_content::num::widen;
use stocktake_domain::ports::ListError;
use stocktake_domain::{NotJudged, Timestamp, Unreferenced, UnreferencedKind, Usage};

use super::{Layout, LayoutSource, REPOSITORIES, digest_in, of_file};
use crate::digest::Digest;
use crate::manifest;
use crate::source::{RegistryError, RegistrySource as _};

/// How long nothing was added to an upload that will not be finished: a registry that keeps its data in a bucket shows
/// nothing of the bytes that come.
const UPLOAD_LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// A manifest.
pub(super) struct Manifest {
    pub(super) digest: Digest,
    /// When it was pushed, where that is known.
    pub(super) modified_at: Option<Timestamp>,
    /// In bytes.
    pub(super) size: u64,
    /// All that it names, by whatever role.
    pub(super) names: Vec<Digest>,
    /// The manifest that it says something of: its signature, its list of materials.
    subject: Option<Digest>,
}

/// Something that could not be looked at.
pub(super) struct Unread {
    pub(super) path: String,
    pub(super) reason: String,
}

/// A repository.
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) manifests: HashMap<Digest, Manifest>,
    tags: Vec<Digest>,
    /// Manifests, or all of them, that could not be read.
    pub(super) unread: Vec<Unread>,
    /// Tags, or all of them, that could not be read.
    pub(super) unread_tags: Vec<Unread>,
    /// Its uploads.
    pub(super) uploads: Vec<Result<Usage, ListError>>,
}

/// What has come to a repository since it was read.
pub(super) struct Again {
    /// Manifests that a tag reaches now, and those that are new.
    pub(super) needed: Vec<Manifest>,
    /// The digests of the manifests that a tag reaches now.
    pub(super) reached: HashSet<Digest>,
    /// Blobs that were lately linked to it.
    pub(super) linked: Vec<Digest>,
    /// How many manifests could not be read, or that not all of them could.
    pub(super) unread: usize,
    /// Whether all tags could be read as well.
    pub(super) is_read: bool,
}

impl Repository {
    /// The manifests that a tag reaches: by its name, through an index, or because they say something of one that is reached,
    /// or one that is reached says something of them.
    pub(super) fn reached_by_tags(&self) -> HashSet<Digest> {
        let mut told_of: HashMap<Digest, Vec<Digest>> = HashMap::new();
        for manifest in self.manifests.values() {
            if let Some(subject) = manifest.subject {
                told_of.entry(subject).or_default().push(manifest.digest);
            }
        }
        let mut reached = HashSet::new();
        let mut waiting = self.tags.clone();
        while let Some(digest) = waiting.pop() {
            if !reached.insert(digest) {
                continue;
            }
            waiting.extend(told_of.get(&digest).into_iter().flatten());
            let names = self.manifests.get(&digest).into_iter().flat_map(|manifest| &manifest.names);
            waiting.extend(names.filter(|name| self.manifests.contains_key(name)));
        }
        reached
    }
}

/// Reads a repository. Fails if the registry as a whole cannot be read.
pub(super) async fn read(
    source: &LayoutSource,
    name: String,
    changed_before: Timestamp,
) -> Result<Repository, ListError> {
    let mut repository = Repository::new(name);
    // The tags are read after the manifests that they name.
    repository.read_manifests(source, |_| true).await?;
    repository.read_tags(source).await?;
    if source.database.is_none() {
        repository.uploads = uploads(&source.layout, &repository.name, changed_before).await?;
    }
    Ok(repository)
}

/// Reads those manifests of a repository again that no tag reached, and those that are not known, and its tags and links.
pub(super) async fn read_again(
    source: &LayoutSource,
    name: String,
    untagged: &HashSet<Digest>,
    is_known: impl Fn(&Digest) -> bool + Send + Sync,
    changed_before: Timestamp,
) -> Result<Again, ListError> {
    let mut repository = Repository::new(name);
    repository.read_manifests(source, |digest| untagged.contains(digest) || !is_known(digest)).await?;
    repository.read_tags(source).await?;
    let mut linked = Vec::new();
    if source.database.is_none() {
        match source.layout.linked_since(&repository.name, changed_before).await {
            Ok(digests) => linked = digests,
            Err(error) => repository.unread.push(Unread::of(repository.name.clone(), error)?),
        }
    }
    let reached = repository.reached_by_tags();
    let unread = repository.unread.len();
    let is_read = unread == 0 && repository.unread_tags.is_empty();
    let is_needed =
        |manifest: &Manifest| reached.contains(&manifest.digest) || !untagged.contains(&manifest.digest);
    let needed = repository.manifests.into_values().filter(is_needed).collect();
    Ok(Again { needed, reached, linked, unread, is_read })
}

impl Repository {
    fn new(name: String) -> Self {
        let (manifests, tags, uploads) = (HashMap::new(), Vec::new(), Vec::new());
        Self { name, manifests, tags, unread: Vec::new(), unread_tags: Vec::new(), uploads }
    }

    async fn read_manifests(
        &mut self,
        source: &LayoutSource,
        is_wanted: impl Fn(&Digest) -> bool,
    ) -> Result<(), ListError> {
        let name = self.name.clone();
        let mut revisions = match source.revisions(&name).await {
            Ok(revisions) => revisions,
            // It has vanished.
            Err(RegistryError::NoRepository { .. }) => Vec::new(),
            Err(error) => {
                self.unread.push(Unread::of(name, error)?);
                return Ok(());
            }
        };
        revisions.retain(|(digest, _)| is_wanted(digest));
        for read in read_all(source, &name, revisions).await {
            match read {
                Ok(manifest) => {
                    self.manifests.insert(manifest.digest, manifest);
                }
                Err((digest, error)) => self.unread.push(Unread::of(format!("{name}@{digest}"), error)?),
            }
        }
        Ok(())
    }

    async fn read_tags(&mut self, source: &LayoutSource) -> Result<(), ListError> {
        let name = &self.name;
        match source.tags(name).await {
            Ok(tags) => {
                for tag in tags {
                    match tag.digest {
                        Ok(digest) => self.tags.push(digest),
                        Err(error) => {
                            self.unread_tags.push(Unread::of(format!("{name}:{}", tag.name), error)?);
                        }
                    }
                }
            }
            // It never had a tag, or has vanished.
            Err(RegistryError::NoRepository { .. }) => {}
            Err(error) => self.unread_tags.push(Unread::of(name.clone(), error)?),
        }
        Ok(())
    }
}

impl Unread {
    /// What could not be read; fails if that concerns the registry as a whole.
    fn of(path: String, error: RegistryError) -> Result<Self, ListError> {
        let broken = |not_judged: NotJudged| ListError::Broken(not_judged.to_string());
        let reason = match error {
            RegistryError::NotJudged(not_judged) => return Err(broken(not_judged)),
            error @ RegistryError::Unclear { .. } => return Err(broken(error.into_not_judged())),
            error => error.into_error().to_string(),
        };
        Ok(Self { path, reason })
    }
}

type Read = Result<Manifest, (Digest, RegistryError)>;

async fn read_all(
    source: &LayoutSource,
    name: &str,
    revisions: Vec<(Digest, Option<Timestamp>)>,
) -> Vec<Read> {
    let read = async |(digest, modified_at)| {
        let bytes = source.manifest(name, &digest).await.map_err(|error| (digest, error))?;
        manifest_of(digest, modified_at, &bytes).map_err(|reason| (digest, RegistryError::Unreadable(reason)))
    };
    stream::iter(revisions).map(read).buffer_unordered(source.concurrency()).collect().await
}

/// The manifest with this digest and these bytes; why what it names is not known, if it is not.
pub(super) fn manifest_of(
    digest: Digest,
    modified_at: Option<Timestamp>,
    bytes: &[u8],
) -> Result<Manifest, String> {
    // The digest of a manifest of schema 1 is not that of all its bytes.
    if !digest.is_of(bytes) && !manifest::is_schema_1(bytes) {
        return Err("its content has another digest, so that it is not known what it named".to_owned());
    }
    let manifest::Names { all, subject } = manifest::names(bytes)?;
    Ok(Manifest { digest, modified_at, size: widen(bytes.len()), names: all, subject })
}

impl Layout {
    /// The digests by which the files below a folder are linked, `<algorithm>/<digits>/link`, and when they were.
    pub(super) async fn links(
        &self,
        folder: &str,
    ) -> Result<Vec<(Digest, Option<Timestamp>)>, RegistryError> {
        let mut digests = Vec::new();
        if !self.files.has_folder(folder).await.map_err(of_file)? {
            return Ok(digests);
        }
        let mut files = self.files.files(folder);
        while let Some(found) = files.next().await {
            let found = found.map_err(|error| RegistryError::Unreadable(format!("{folder}: {error}")))?;
            let link = found.path.strip_suffix("/link").and_then(|path| path.split_once('/'));
            let digest = link.and_then(|(algorithm, digits)| digest_in(algorithm, digits));
            let unknown = || RegistryError::Unreadable(format!("{folder}/{} is no link", found.path));
            digests.push((digest.ok_or_else(unknown)?, found.modified_at));
        }
        Ok(digests)
    }

    /// The blobs that were linked to a repository at this time or later.
    async fn linked_since(&self, repository: &str, time: Timestamp) -> Result<Vec<Digest>, RegistryError> {
        let links = self.links(&format!("{REPOSITORIES}/{repository}/_layers")).await?;
        let is_young = |at: &Option<Timestamp>| at.is_none_or(|at| at >= time);
        Ok(links.into_iter().filter(|(_, at)| is_young(at)).map(|(digest, _)| digest).collect())
    }
}

/// The uploads of a repository to which nothing was added for a day before this time.
pub(super) async fn uploads(
    layout: &Layout,
    repository: &str,
    changed_before: Timestamp,
) -> Result<Vec<Result<Usage, ListError>>, ListError> {
    let folder = format!("{REPOSITORIES}/{repository}/_uploads");
    let unread = |error| Unread::of(folder.clone(), of_file(error));
    let mut told = Vec::new();
    match layout.files.has_folder(&folder).await {
        Ok(true) => {}
        Ok(false) => return Ok(told),
        Err(error) => {
            let Unread { path, reason } = unread(error)?;
            return Ok(vec![Err(ListError::Skipped { path, reason })]);
        }
    }
    let mut uploads: BTreeMap<String, (u64, Option<Timestamp>)> = BTreeMap::new();
    let mut files = layout.files.files(&folder);
    while let Some(found) = files.next().await {
        match found {
            Ok(found) => {
                let name = found.path.split('/').next().unwrap_or_default().to_owned();
                let (size, newest) = uploads.entry(name).or_insert((0, found.modified_at));
                *size = size.saturating_add(found.size.unwrap_or(0));
                // Of one file that says no time, it is not known.
                *newest = newest.zip(found.modified_at).map(|(one, other)| one.max(other));
            }
            Err(error @ (ListError::Broken(_) | ListError::Unsupported)) => return Err(error),
            Err(error) => told.push(Err(error)),
        }
    }
    let before = changed_before.before(UPLOAD_LASTS);
    told.extend(uploads.into_iter().map(|(name, (size, modified_at))| {
        let is_abandoned = modified_at.is_some_and(|at| at < before);
        let (kind, path) = (UnreferencedKind::Upload, format!("{folder}/{name}"));
        let found = Unreferenced { kind, path, size, modified_at };
        Ok(if is_abandoned { Usage::Unreferenced(found) } else { Usage::Young })
    }));
    Ok(told)
}
