//! What claims content that no record has: other rows of GitLab, and GitLab's own programs.

mod attachments;
mod files;
mod folders;
mod images;
mod internal;
mod replicas;
mod repositories;

use std::collections::HashSet;

use stocktake_domain::Location;
use stocktake_domain::ports::{Claim, SourceError};

use crate::database::Snapshot;
use crate::mapping::DbKind;
use crate::schema::{TableColumns, Tables};
use crate::settings::{StorageRole, Storages};
use folders::FolderKind;

/// A location that may be claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unclaimed<'p> {
    /// The index among the pieces of content that were asked for.
    index: usize,
    path: &'p str,
    /// The storage's name.
    storage: &'p str,
    /// The role of the storage in GitLab.
    role: StorageRole,
    /// Whether the storage is known to have this role. Rows of which it is not known where their content lies may claim a
    /// location nevertheless.
    is_known: bool,
}

/// The pieces of content that were asked for, and the answers so far.
pub(crate) struct Claims<'p> {
    answers: Vec<Option<Claim>>,
    /// The locations of those that only rows can claim.
    open: Vec<Unclaimed<'p>>,
    /// Tables that do not say all about what there is: copies that are no longer written to, tables with other columns than
    /// those that are known, and tables beside which one that no rule knows may claim content.
    unjudged: HashSet<&'static str>,
}

impl<'p> Claims<'p> {
    /// Answers what follows from the locations of each piece alone.
    pub(crate) fn of(pieces: &'p [Vec<Location>], storages: &Storages) -> Self {
        let mut claims =
            Self { answers: vec![None; pieces.len()], open: Vec::new(), unjudged: HashSet::new() };
        for (index, piece) in pieces.iter().enumerate() {
            let known = piece.iter().flat_map(|Location { storage, path }| {
                let roles = storages.roles(storage).into_iter();
                roles.map(move |role| Unclaimed { index, path, storage, role, is_known: true })
            });
            let known: Vec<Unclaimed<'_>> = known.collect();
            if innermost(&known).any(|at| internal::is_internal(at.role, at.path)) {
                claims.settle(index, Claim::Internal);
                continue;
            }
            let unknown = known.iter().flat_map(|at| {
                let roles = storages.roles_of_unknown(at.role);
                roles.map(|role| Unclaimed { role, is_known: false, ..*at })
            });
            claims.open.extend(unknown);
            claims.open.extend(known);
        }
        claims
    }

    /// Whether rows of a database may claim a location.
    pub(crate) fn needs(&self, db: DbKind) -> bool {
        self.open.iter().any(|location| match db {
            DbKind::Main => location.role != StorageRole::Replicas,
            DbKind::Ci | DbKind::Sec => files::is_of(db, location.role),
        })
    }

    /// Whether replicas of a Gitaly Cluster may be at a location.
    pub(crate) fn needs_praefect(&self) -> bool {
        self.open.iter().any(|location| location.role == StorageRole::Replicas)
    }

    /// Finds the locations that rows of a database claim.
    pub(crate) async fn find(
        &mut self,
        db: DbKind,
        tables: Tables<'_>,
        storages: &Storages,
    ) -> Result<(), SourceError> {
        self.unjudged.extend(files::unjudged(db, tables.schema));
        self.unjudged.extend(tables.schema.unknown_tables().flat_map(folders::beside));
        let mut claimed = files::claimed(db, tables, &self.open).await?;
        if db == DbKind::Main {
            claimed.extend(attachments::claimed(tables, &self.open).await?);
            claimed.extend(images::claimed(tables, &self.open).await?);
            claimed.extend(repositories::claimed(tables, storages, &self.open).await?);
        }
        for index in claimed {
            self.settle(index, Claim::Row);
        }
        Ok(())
    }

    /// Finds the locations that replicas of a Gitaly Cluster are at.
    pub(crate) async fn find_replicas(
        &mut self,
        praefect: &Snapshot<'_>,
        storages: &Storages,
    ) -> Result<(), SourceError> {
        for index in replicas::claimed(praefect, storages, &self.open).await? {
            self.settle(index, Claim::Row);
        }
        Ok(())
    }

    /// One answer for each piece. Of storages that lie in one another, the innermost tells what may lie there: that of another
    /// type has not to know it.
    pub(crate) fn answers(self) -> Vec<Claim> {
        let Self { answers, open, unjudged } = self;
        let mut open = open.as_slice();
        let judge = |(index, answer): (usize, Option<Claim>)| {
            let (piece, behind) = open.split_at(open.partition_point(|at| at.index <= index));
            open = behind;
            answer.unwrap_or_else(|| judge(piece, &unjudged))
        };
        answers.into_iter().enumerate().map(judge).collect()
    }

    fn settle(&mut self, index: usize, claim: Claim) {
        if let Some(answer) = self.answers.get_mut(index) {
            *answer = Some(claim);
        }
    }
}

/// The claim on a piece of content at these locations, which no row claims.
fn judge(piece: &[Unclaimed<'_>], unjudged: &HashSet<&str>) -> Claim {
    let known: Vec<Unclaimed<'_>> = piece.iter().filter(|at| at.is_known).copied().collect();
    let folder = |at: &Unclaimed<'_>| folders::kind_of_folder(at.role, at.path, unjudged);
    if known.iter().any(|at| folder(at) == FolderKind::Unjudged) {
        return Claim::NotUnderstood;
    }
    let is_understood = innermost(&known).any(|at| folder(at) == FolderKind::Understood);
    if is_understood { Claim::Nobody } else { Claim::NotUnderstood }
}

/// Of the locations of a piece, those in the innermost storage: its paths are the shortest.
fn innermost<'u, 'p>(piece: &'u [Unclaimed<'p>]) -> impl Iterator<Item = &'u Unclaimed<'p>> {
    let shortest = piece.iter().map(|at| at.path.len()).min();
    piece.iter().filter(move |at| Some(at.path.len()) == shortest)
}

/// Everything that is read for claims.
pub(crate) fn parts() -> impl Iterator<Item = TableColumns> {
    let others = attachments::parts().chain(images::parts()).chain(repositories::parts());
    files::parts().chain(others)
}
