//! Reading one repository, again if it changes meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use stocktake_content::{CANCELLATION_POLL, path};
use stocktake_domain::ports::Inspection;
use stocktake_domain::{
    Algorithms, ContentError, DigestRule, Digests, Emptied, Evidence, Measure, Observation, PathText,
};

use crate::config::{self, Format};
use crate::context::ReaderContext;
use crate::digest::RefsDigest;
use crate::error::ReadError;
use crate::file::EntryKind;
use crate::folder::RepoFolder;
use crate::objects::{self, Checked, Connectivity, RootVisitor, Targets};
use crate::reader::RepoReader;
use crate::refs;
use crate::roots;
use crate::shallow::Parents;

/// The pauses before a repository is read again that looked damaged or changed. Git makes several changes one after
/// the other, such as putting a pack and its index in place, and may have to wait for the processor between them.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(800),
];

/// How often in a row a repository must look damaged in the same way to be reported as such.
const SUSPICIONS: u32 = 3;

/// How often the refs are read until they are the same twice, before a pause is made.
const READINGS: u32 = 8;

/// The files of a repository's configuration; the second is read if the first says so.
const CONFIG: &[u8] = b"config";
const WORKTREE_CONFIG: &[u8] = b"config.worktree";

/// The most bytes of each of them.
const MAX_CONFIG_BYTES: usize = 4 * 1024 * 1024;

/// The folder in which a node of a Gitaly Cluster has its repositories, under names that only the cluster's own
/// database knows (<https://docs.gitlab.com/administration/gitaly/praefect/>). Whether a repository that is not found
/// is missing, or was never created, cannot be known there.
const CLUSTER: &str = "@cluster";
const IN_CLUSTER: &str =
    "the storage is a node of a Gitaly Cluster, whose repositories lie under other names";

/// Reads a repository.
pub(crate) fn inspect(
    context: &ReaderContext<'_>,
    inspection: &Inspection,
) -> Result<Observation, ContentError> {
    let _span = tracing::debug_span!(
        parent: context.batch.span(),
        "read_repository",
        storage.root = %context.store.settings.root.display(),
        content.model = inspection.model.name(),
        content.path = inspection.path,
    )
    .entered();
    let begin = Instant::now();
    let seen = read_until_unchanged(context, inspection);
    tracing::debug!(
        elapsed.ms = begin.elapsed().as_millis(),
        bytes.read = seen.as_ref().map_or(0, |seen| seen.bytes_read),
        "read the repository {}",
        inspection.path
    );
    seen
}

fn read_until_unchanged(
    context: &ReaderContext<'_>,
    inspection: &Inspection,
) -> Result<Observation, ContentError> {
    check_rule(&inspection.rule)?;
    let path = inspection.path.trim_end_matches('/');
    path::check(if path.is_empty() { &inspection.path } else { path })?;
    let folder = RepoFolder::new(&PathText::new(path).to_bytes(), "");
    let mut checked = Checked::default();
    let (mut bytes_read, mut suspicion, mut times) = (0, None, 0);
    let mut pauses = PAUSES.iter();
    loop {
        let seen = RepoReader::new(context).and_then(|reader| {
            let seen = read(&reader, &folder, inspection, &mut checked);
            bytes_read += reader.bytes_read();
            seen
        });
        match seen {
            Ok(seen) => return Ok(observation(bytes_read, seen)),
            Err(ReadError::Final(error)) => return Err(error),
            Err(ReadError::Suspect(reason)) => {
                times = if suspicion.as_ref() == Some(&reason) { times + 1 } else { 1 };
                if times == SUSPICIONS {
                    return Err(reason);
                }
                suspicion = Some(reason);
            }
            Err(ReadError::Changed) => suspicion = None,
        }
        let Some(duration) = pauses.next() else {
            return Err(ContentError::Unreadable("changed while being read".to_owned()));
        };
        pause(context, *duration)?;
    }
}

/// A repository is no file: a rule about stored bytes is a mistake in the record.
fn check_rule(rule: &DigestRule) -> Result<(), ContentError> {
    match rule {
        DigestRule::Stored => Ok(()),
        DigestRule::Unresolved(reason) => Err(ContentError::Invalid(reason.clone())),
        DigestRule::Unlisted(reason) => Err(ContentError::Unreadable(reason.clone())),
        _ => Err(ContentError::Invalid("a git repository can have no rule".to_owned())),
    }
}

/// What there is to say of a repository that is known not to be there.
pub(crate) fn absent(inspection: &Inspection) -> Result<Observation, ContentError> {
    check_rule(&inspection.rule)?;
    if inspection.model.may_be_absent() {
        Ok(observation(0, Refs::none(RefsState::NoRepository)))
    } else {
        Err(ContentError::MissingRepository)
    }
}

fn observation(bytes_read: u64, Refs { digests, state }: Refs) -> Observation {
    let is_absent = state == RefsState::NoRepository;
    let evidence = if is_absent { Evidence::Absence } else { Evidence::Content };
    let stored = Measure { size: None, digests };
    let emptied = (state == RefsState::Gone).then_some(Emptied::Refs);
    Observation { evidence, bytes_read, stored, recorded: None, emptied }
}

/// Waits, and fails if the inspection is cancelled.
fn pause(context: &ReaderContext<'_>, duration: Duration) -> Result<(), ContentError> {
    let begin = Instant::now();
    loop {
        if context.batch.is_cancelled() {
            return Err(ContentError::CANCELLED);
        }
        let left = duration.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(CANCELLATION_POLL));
    }
}

/// The refs of a repository.
#[derive(Clone, Copy)]
struct Refs {
    digests: Digests,
    state: RefsState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefsState {
    /// They are those of a repository, if there are any.
    Present,
    /// There are none, though there are objects.
    Gone,
    /// There is no repository, and there need not be one.
    NoRepository,
}

impl Refs {
    /// None, with every digest, so that this can be compared with whatever was recorded.
    fn none(state: RefsState) -> Self {
        let every = Algorithms { sha256: true, md5: true, sha1: true, gitaly: true };
        Self { digests: RefsDigest::new(every).finish().digests, state }
    }
}

fn read(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    inspection: &Inspection,
    checked: &mut Checked,
) -> Result<Refs, ReadError> {
    if !exists(reader, folder, inspection)? {
        return Ok(Refs::none(RefsState::NoRepository));
    }
    let format = format(reader, folder)?;
    let parents = Arc::new(Parents::read(reader, folder, format.objects)?);
    if reader.reads_objects() {
        objects::check(reader, folder, format.objects, &parents, checked)?;
    }
    let refs = read_refs(reader, folder, format, inspection)?;
    let roots = |visitor: &mut RootVisitor<'_>| roots::visit(reader, folder, format, &parents, visitor);
    let is_deep = reader.is_deep(inspection.attempt);
    let connectivity =
        Connectivity { reader, repository: folder, format, parents: &parents, roots: &roots, is_deep };
    connectivity.check(checked)?;
    match refs {
        Some(digests) => Ok(Refs { digests, state: RefsState::Present }),
        None if objects::exist(reader, folder)? => Ok(Refs::none(RefsState::Gone)),
        None => Ok(Refs::none(RefsState::Present)),
    }
}

/// The digests over the refs, whose objects are looked up; `None` if there are none.
fn read_refs(
    reader: &RepoReader<'_>,
    folder: &RepoFolder,
    format: Format,
    inspection: &Inspection,
) -> Result<Option<Digests>, ReadError> {
    // What a promisor has promised is looked up with everything else.
    let looks_up = reader.reads_objects() && !format.has_promisor;
    let mut before = None;
    for _ in 0..READINGS {
        let is_last = before.is_some() || refs::is_snapshot(format);
        let mut digest = RefsDigest::new(inspection.algorithms);
        let (mut count, mut targets) = (0_u64, None);
        if looks_up && is_last {
            targets = Some(Targets::new(reader, folder, format.objects)?);
        }
        refs::visit(reader, folder, format, &mut |found| {
            digest.add(&found.name, &found.id);
            count += 1;
            targets.as_mut().map_or(Ok(()), |targets| roots::of_ref(&found, &mut |root| targets.add(root)))
        })?;
        if let Some(mut targets) = targets {
            roots::beside_refs(reader, folder, format, &mut |root| targets.add(root))?;
            targets.finish()?;
        }
        let refs = digest.finish();
        if refs::is_snapshot(format) || before == Some(refs.fingerprint) {
            return Ok((count > 0).then_some(refs.digests));
        }
        before = Some(refs.fingerprint);
    }
    Err(ReadError::Changed)
}

/// Whether there is a repository to read. There is none if it may be absent and is.
fn exists(reader: &RepoReader<'_>, folder: &RepoFolder, inspection: &Inspection) -> Result<bool, ReadError> {
    match reader.kind(folder, b"")? {
        Some(EntryKind::Folder) => Ok(true),
        Some(EntryKind::File) => Err(folder.damaged(b"", "not a git repository: it is no folder")),
        None if !reader.is_current() => Err(ReadError::Changed),
        // What is asked for by the name that it has in the cluster is another matter.
        None if !inspection.path.starts_with(CLUSTER)
            && reader.kind(&RepoFolder::new(CLUSTER.as_bytes(), ""), b"")? == Some(EntryKind::Folder) =>
        {
            Err(ReadError::invalid(IN_CLUSTER))
        }
        None => match reader.missing(folder) {
            ContentError::MissingRepository if inspection.model.may_be_absent() => Ok(false),
            error => Err(ReadError::Final(error)),
        },
    }
}

/// Whether there is a `HEAD`. One that is a symbolic link has to say the name of a ref, which need not be a file: a branch
/// may be packed, or not born yet.
fn has_head(reader: &RepoReader<'_>, folder: &RepoFolder) -> Result<bool, ReadError> {
    match reader.link(folder, refs::HEAD)? {
        Some(target) => refs::check_head_link(folder, &target).map(|()| true),
        None => Ok(reader.kind(folder, refs::HEAD)? == Some(EntryKind::File)),
    }
}

/// The format of a repository. Fails if something is missing that every repository has.
fn format(reader: &RepoReader<'_>, folder: &RepoFolder) -> Result<Format, ReadError> {
    let lacks = |name| folder.suspect(b"", format!("not a git repository: it has no {name}"));
    if !has_head(reader, folder)? {
        return Err(lacks("HEAD"));
    }
    for name in ["objects", "refs"] {
        if reader.kind(folder, name.as_bytes())? != Some(EntryKind::Folder) {
            return Err(lacks(name));
        }
    }
    let Some(config) = reader.read(folder, CONFIG, MAX_CONFIG_BYTES)? else {
        return Ok(Format::PLAIN);
    };
    let config = config::parse(&config).map_err(|reason| folder.damaged(CONFIG, reason))?;
    if !config.has_worktree_config {
        return Ok(config.format);
    }
    let Some(of_worktree) = reader.read(folder, WORKTREE_CONFIG, MAX_CONFIG_BYTES)? else {
        return Ok(config.format);
    };
    config::parse_worktree(&of_worktree, config.format)
        .map_err(|reason| folder.damaged(WORKTREE_CONFIG, reason))
}
