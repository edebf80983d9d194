//! Everything from which the objects of a repository are reached: refs, and what else git keeps objects for.

use crate::config::{Format, RefStorage};
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::objects::{self, Kind, Root, RootVisitor};
use crate::reader::RepoReader;
use crate::refs::{self, Ref};
use crate::shallow::Parents;

const LOGS: &[u8] = b"logs";
const INDEX: &[u8] = b"index";

/// The folder of linked worktrees, with a folder of each one's own files.
const WORKTREES: &[u8] = b"worktrees";

/// In the folder of a worktree, the file that makes it one (where its files are), and the one that names the repository.
const GITDIR: &[u8] = b"gitdir";
const COMMONDIR: &[u8] = b"commondir";

/// The most bytes of each of them.
const MAX_GITDIR_BYTES: usize = 64 * 1024;

/// Visits all of them. Commits at the boundary of a shallow repository are kept as far as they are there.
pub(crate) fn visit(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    format: Format,
    parents: &Parents,
    visitor: &mut RootVisitor<'_>,
) -> Result<(), ReadError> {
    refs::visit(reader, repository, format, &mut |found| of_ref(&found, visitor))?;
    beside_refs(reader, repository, format, visitor)?;
    for id in parents.shallow() {
        if objects::contain(reader, repository, format.objects, id)? {
            visitor(Root::new(b"shallow", *id, Some(Kind::Commit)))?;
        }
    }
    Ok(())
}

/// Visits the object of a ref, and the one that an annotated tag is noted to lead to.
pub(crate) fn of_ref(found: &Ref, visitor: &mut RootVisitor<'_>) -> Result<(), ReadError> {
    if let Some(id) = found.peeled {
        visitor(Root::new(&found.name, id, None))?;
    }
    let is_branch = found.name == refs::HEAD || found.name.starts_with(refs::BRANCHES);
    visitor(Root::new(&found.name, found.id, is_branch.then_some(Kind::Commit)))
}

/// Visits what `git fsck` and `git gc` keep besides refs: the newest entries of logs, and of each worktree its `HEAD`
/// and its index. A bare repository can have linked worktrees, and files of a worktree of its own.
pub(crate) fn beside_refs(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    format: Format,
    visitor: &mut RootVisitor<'_>,
) -> Result<(), ReadError> {
    let mut log = |found| of_ref(&found, visitor);
    refs::visit_logs(reader, repository, LOGS, format.objects, &mut log)?;
    objects::visit_index(reader, repository, INDEX, format.objects, visitor)?;
    for entry in reader.entries(repository, WORKTREES)?.unwrap_or_default() {
        let worktree = [WORKTREES, &entry.name].join(&b'/');
        let in_worktree = |name: &[u8]| [worktree.as_slice(), name].join(&b'/');
        // Without this file git takes it for none.
        let gitdir = reader.read(repository, &in_worktree(GITDIR), MAX_GITDIR_BYTES)?;
        if gitdir.is_none_or(|gitdir| gitdir.is_empty()) {
            continue;
        }
        let commondir = reader.read(repository, &in_worktree(COMMONDIR), MAX_GITDIR_BYTES)?;
        if commondir.is_some_and(|commondir| !is_of_worktree(&commondir)) {
            return Err(repository.suspect(&in_worktree(COMMONDIR), "it names another folder"));
        }
        head(reader, repository, &worktree, format, visitor)?;
        let mut log = |found| of_ref(&found, visitor);
        refs::visit_logs(reader, repository, &in_worktree(LOGS), format.objects, &mut log)?;
        objects::visit_index(reader, repository, &in_worktree(INDEX), format.objects, visitor)?;
    }
    Ok(())
}

/// Whether this can be what a worktree says of where its repository is: as git writes it, or as an absolute path. Git takes
/// away the ends of lines, and nothing else.
fn is_of_worktree(commondir: &[u8]) -> bool {
    let end = commondir.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    commondir.starts_with(b"/") || commondir.get(..end) == Some(b"../..")
}

/// Visits what a worktree has checked out, unless that is a branch, which is a ref.
fn head(
    reader: &RepoReader<'_>,
    repository: &RepoFolder,
    worktree: &[u8],
    format: Format,
    visitor: &mut RootVisitor<'_>,
) -> Result<(), ReadError> {
    let name = [worktree, refs::HEAD].join(&b'/');
    let id = match format.refs {
        RefStorage::Files => refs::detached(reader, repository, &name, format.objects)?,
        RefStorage::Reftable => {
            let mut found = None;
            let folder = repository.folder(worktree);
            refs::visit(reader, &folder, format, &mut |of_worktree| {
                if of_worktree.name == refs::HEAD {
                    found = Some(of_worktree.id);
                }
                Ok(())
            })?;
            found
        }
    };
    id.map_or(Ok(()), |id| visitor(Root::new(&name, id, None)))
}
