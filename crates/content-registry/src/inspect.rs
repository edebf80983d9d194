//! The inspection of one repository: its tags, and everything reachable from them.

use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use stocktake_content::num::widen;
use stocktake_content::{HashPlan, HashPool};
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{
    Algorithms, ContentError, DigestRule, Digests, Emptied, Evidence, Measure, Observation,
};
use stocktake_net::rate_limit::RateLimiter;
use tokio::sync::Semaphore;

use crate::digest::Digest;
use crate::digest_cache::{Claim, DigestCache, Session};
use crate::hashing::{self, Hashing};
use crate::manifest::{self, Descriptor, Role};
use crate::name;
use crate::settings::Integrity;
use crate::source::{MAX_MANIFEST, ObjectKind, RegistryError, RegistrySource, Tag};

/// How often a repository is read if something is pushed to it meanwhile, and the pause before it is read again.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// How many tags of one repository, and of a whole storage, are inspected at once: each may hold a parsed manifest of
/// some megabytes.
const TAGS_AT_ONCE: usize = 4;
const ALL_TAGS_AT_ONCE: usize = 32;

/// How deep indexes may be nested.
const MAX_DEPTH: u32 = 4;

/// How many manifests of one repository are remembered as good.
const MANIFESTS: usize = 50_000;

/// How many digests of blobs are remembered as verified, for all repositories of a storage: some 25 MB at most.
const BLOBS: usize = 100_000;

/// How much of the tag list is hashed at a time.
const TAGS_PIECE: usize = 64 * 1024;

/// What the inspections of one storage share.
pub(crate) struct RegistryContext {
    pub(crate) source: Box<dyn RegistrySource>,
    pool: Arc<HashPool>,
    integrity: Integrity,
    blobs: DigestCache,
    limiter: Option<RateLimiter>,
    /// Bounds the tags that are inspected at once.
    tags: Semaphore,
}

impl RegistryContext {
    pub(crate) fn new(
        source: impl RegistrySource,
        pool: Arc<HashPool>,
        integrity: Integrity,
        bytes_per_second: Option<NonZeroU64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            source: Box::new(source),
            pool,
            integrity,
            blobs: DigestCache::new(BLOBS),
            limiter: bytes_per_second.map(RateLimiter::new),
            tags: Semaphore::new(ALL_TAGS_AT_ONCE),
        })
    }
}

/// What is wrong with a tag.
#[derive(Debug)]
struct Problem {
    /// Which object of the tag, with its digest; `None` if it is the tag itself.
    what: Option<String>,
    error: RegistryError,
}

/// The inspection of one repository.
struct RepositoryInspection<'a> {
    shared: &'a RegistryContext,
    repository: &'a str,
    watch: &'a Watch,
    blobs: Session<'a>,
    manifests: Session<'a>,
    bytes_read: AtomicU64,
}

type Checked<'f> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'f>>;

/// Inspects one repository.
pub(crate) async fn inspect(
    shared: &RegistryContext,
    inspection: &Inspection,
    watch: &Watch,
) -> Result<Observation, ContentError> {
    if let Some(refusal) = inspection.refusal() {
        return Err(refusal);
    }
    let repository = inspection.path.as_str();
    name::check_repository(repository)?;
    if inspection.rule != DigestRule::Stored {
        return Err(ContentError::Invalid("a container repository can have no rule".to_owned()));
    }
    let manifests = DigestCache::new(MANIFESTS);
    let run = RepositoryInspection {
        shared,
        repository,
        watch,
        blobs: shared.blobs.session(repository),
        manifests: manifests.session(repository),
        bytes_read: AtomicU64::new(0),
    };
    let tags = run.steady_tags().await?;
    let digests = checksum(&shared.pool, inspection.algorithms, &tags).await?;
    let emptied = tags.is_empty() && run.has_layers_alone().await?;
    Ok(Observation {
        evidence: Evidence::Content,
        bytes_read: run.bytes_read.load(Ordering::Relaxed),
        stored: Measure { size: None, digests },
        recorded: None,
        emptied: emptied.then_some(Emptied::Manifests),
    })
}

/// The digests over name and manifest digest of these tags.
async fn checksum(
    pool: &Arc<HashPool>,
    algorithms: Algorithms,
    tags: &[Tag],
) -> Result<Digests, ContentError> {
    let stream = pool.stream(&HashPlan::stored(algorithms));
    let mut piece = Vec::with_capacity(TAGS_PIECE);
    for tag in tags {
        if piece.len() > TAGS_PIECE {
            stream.ready().await;
            stream.push(std::mem::take(&mut piece));
        }
        piece.extend_from_slice(tag.name.as_bytes());
        if let Ok(digest) = &tag.digest {
            piece.extend_from_slice(digest.to_string().as_bytes());
        }
    }
    stream.push(piece);
    hashing::finish(stream).await.map_err(RegistryError::into_error)
}

impl RepositoryInspection<'_> {
    /// The tags, all of them good. An error of a tag counts only if the tag is unchanged afterwards.
    async fn steady_tags(&self) -> Result<Vec<Tag>, ContentError> {
        let mut tags = self.tags().await?;
        for _ in 0..ATTEMPTS {
            let Some((tag, problem)) = self.first_problem(&tags).await else { return Ok(tags) };
            if let RegistryError::Unavailable(_)
            | RegistryError::Unclear { .. }
            | RegistryError::NotJudged(_) = problem.error
            {
                return Err(problem.into_error(&tag.name));
            }
            let again = self.tags().await?;
            if again
                .binary_search_by(|other| other.name.cmp(&tag.name))
                .is_ok_and(|at| again.get(at) == Some(tag))
            {
                return Err(problem.into_error(&tag.name));
            }
            tokio::time::sleep(PAUSE).await;
            tags = again;
        }
        Err(ContentError::Unreadable("changed while being read".to_owned()))
    }

    /// See [`RegistrySource::has_layers_alone`](crate::source::RegistrySource::has_layers_alone).
    async fn has_layers_alone(&self) -> Result<bool, ContentError> {
        let alone = self.shared.source.has_layers_alone(self.repository).await;
        alone.map_err(RegistryError::into_error)
    }

    /// The tags in the byte order of their names.
    async fn tags(&self) -> Result<Vec<Tag>, ContentError> {
        let mut tags = self.shared.source.tags(self.repository).await.map_err(|error| {
            if let RegistryError::NoRepository { looked_in: Some(storage) } = &error {
                self.watch.looked_in(storage);
            }
            error.into_error()
        })?;
        tags.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        // A list that changes between its pages may contain a tag twice.
        tags.dedup_by(|one, other| one.name == other.name);
        Ok(tags)
    }

    /// The first tag that is not good, and why.
    async fn first_problem<'t>(&self, tags: &'t [Tag]) -> Option<(&'t Tag, Problem)> {
        let checks = stream::iter(0..tags.len()).map(|index| self.check_tag(tags, index));
        let mut problems = std::pin::pin!(checks.buffered(TAGS_AT_ONCE).filter_map(std::future::ready));
        let (index, problem) = problems.next().await?;
        Some((tags.get(index)?, problem))
    }

    /// What is wrong with the tag of this index, if anything is.
    async fn check_tag(&self, tags: &[Tag], index: usize) -> Option<(usize, Problem)> {
        let problem = self.check(tags.get(index)?).await.err()?;
        Some((index, problem))
    }

    async fn check(&self, tag: &Tag) -> Result<(), Problem> {
        let digest = tag.digest.as_ref().map_err(|error| Problem { what: None, error: error.clone() })?;
        if self.shared.integrity == Integrity::Tags {
            return Ok(());
        }
        // The semaphore is never closed.
        let _turn = self.shared.tags.acquire().await;
        self.check_manifest(digest, None, 0).await
    }

    /// Boxed, because an index contains manifests, which may be indexes.
    fn check_manifest<'f>(&'f self, digest: &'f Digest, size: Option<u64>, depth: u32) -> Checked<'f> {
        Box::pin(async move {
            // A manifest is read once for each repository, which must contain everything that it names.
            let problem = |error| Problem::of(Role::Manifest, digest, error);
            let permit = match self.manifests.claim(digest).await {
                Claim::Known(found) | Claim::KnownElsewhere(found) => {
                    return compare_sizes(size.unwrap_or(found), found).map_err(problem);
                }
                Claim::Read(permit) => permit,
            };
            let (read, named) = self.read_manifest(digest, size, depth).await.map_err(problem)?;
            let (children, blobs): (Vec<_>, Vec<_>) =
                named.into_iter().partition(|named| named.role == Role::Manifest);
            let concurrency = self.shared.source.concurrency();
            let blobs = stream::iter(blobs).map(|blob| self.check_blob(blob)).buffered(concurrency);
            blobs.try_collect::<()>().await?;
            // One after the other, so that few parsed manifests are in memory.
            for child in children {
                self.check_manifest(&child.digest, Some(child.size), depth + 1).await?;
            }
            permit.good(read);
            Ok(())
        })
    }

    /// Reads and hashes a manifest; returns its size, and what it names.
    async fn read_manifest(
        &self,
        digest: &Digest,
        size: Option<u64>,
        depth: u32,
    ) -> Result<(u64, Vec<Descriptor>), RegistryError> {
        if depth > MAX_DEPTH {
            return Err(RegistryError::Unreadable("lies too deep in indexes".to_owned()));
        }
        if size.is_some_and(|size| size > widen(MAX_MANIFEST)) {
            return Err(RegistryError::Unreadable("is larger than the 4 MiB a manifest may have".to_owned()));
        }
        let bytes = match self.fetch_manifest(digest, size).await {
            // Bytes that were damaged in transit are intact the second time.
            Err(RegistryError::Altered(_)) => self.fetch_manifest(digest, size).await?,
            fetched => fetched?,
        };
        let named = manifest::parse(&bytes).map_err(RegistryError::Unreadable)?;
        Ok((widen(bytes.len()), named))
    }

    /// The bytes of a manifest, which match its digest and size.
    async fn fetch_manifest(&self, digest: &Digest, size: Option<u64>) -> Result<Bytes, RegistryError> {
        let bytes = self.shared.source.manifest(self.repository, digest).await?;
        let read = widen(bytes.len());
        self.count(read).await;
        let hashing = Hashing::new(&self.shared.pool, digest).push(bytes.clone()).await?;
        compare(size.unwrap_or(read), read, digest, &hashing.finish().await?).map_err(|error| {
            if manifest::is_schema_1(&bytes) {
                return RegistryError::Unreadable("unsupported schema version 1".to_owned());
            }
            error
        })?;
        Ok(bytes)
    }

    async fn check_blob(&self, blob: Descriptor) -> Result<(), Problem> {
        let digest = &blob.digest;
        let checked = match self.blobs.claim(digest).await {
            Claim::Known(size) => compare_sizes(blob.size, size),
            Claim::KnownElsewhere(size) => {
                match self.shared.source.holds(self.repository, ObjectKind::Blob, digest).await {
                    Ok(true) => {
                        self.blobs.seen(digest);
                        compare_sizes(blob.size, size)
                    }
                    Ok(false) => Err(RegistryError::Absent),
                    Err(error) => Err(error),
                }
            }
            Claim::Read(permit) => self.read_blob(&blob).await.map(|()| permit.good(blob.size)),
        };
        match checked {
            Err(RegistryError::Absent) if blob.foreign => Ok(()),
            checked => checked.map_err(|error| Problem::of(blob.role, digest, error)),
        }
    }

    async fn read_blob(&self, blob: &Descriptor) -> Result<(), RegistryError> {
        let mut pieces = self.shared.source.blob(self.repository, &blob.digest, blob.size).await?;
        let mut hashing = Hashing::new(&self.shared.pool, &blob.digest);
        let mut read = 0;
        while let Some(piece) = pieces.next().await? {
            let count = widen(piece.len());
            read += count;
            if read > blob.size {
                return Err(RegistryError::Altered(format!("is larger than {} bytes", blob.size)));
            }
            hashing = hashing.push(piece).await?;
            self.count(count).await;
        }
        // Others may read while the rest is hashed.
        drop(pieces);
        compare(blob.size, read, &blob.digest, &hashing.finish().await?)
    }

    /// Counts bytes that were read, and waits until more may be read.
    async fn count(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        self.watch.add_bytes(bytes);
        if let Some(limiter) = &self.shared.limiter {
            limiter.pay(bytes).await;
        }
    }
}

fn compare_sizes(expected: u64, found: u64) -> Result<(), RegistryError> {
    if expected != found {
        return Err(RegistryError::Altered(format!("has {found} bytes instead of {expected}")));
    }
    Ok(())
}

fn compare(size: u64, read: u64, expected: &Digest, found: &Digest) -> Result<(), RegistryError> {
    compare_sizes(size, read)?;
    if expected != found {
        return Err(RegistryError::Altered(format!("content has {found}")));
    }
    Ok(())
}

impl Problem {
    fn of(role: Role, digest: &Digest, error: RegistryError) -> Self {
        Self { what: Some(format!("{} {digest}", role.word())), error }
    }

    /// The error to report for the tag.
    fn into_error(self, tag: &str) -> ContentError {
        let place = match &self.what {
            None => format!("tag {tag}"),
            Some(what) => format!("{what} of tag {tag}"),
        };
        match (self.error, &self.what) {
            (RegistryError::Absent | RegistryError::NoRepository { .. }, None) => {
                ContentError::Unreadable(format!("{place}: no manifest"))
            }
            (RegistryError::Absent | RegistryError::NoRepository { .. }, Some(_)) => {
                ContentError::Unreadable(format!("{place}: not in the registry"))
            }
            (RegistryError::Altered(reason), _) => ContentError::Altered(format!("{place}: {reason}")),
            (RegistryError::Invalid(reason), _) => ContentError::Invalid(format!("{place}: {reason}")),
            (RegistryError::Unreadable(reason) | RegistryError::Unavailable(reason), _) => {
                ContentError::Unreadable(format!("{place}: {reason}"))
            }
            (error @ (RegistryError::Unclear { .. } | RegistryError::NotJudged(_)), _) => error.into_error(),
        }
    }
}
