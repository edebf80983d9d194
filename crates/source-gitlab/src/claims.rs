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

/// A location that may be claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unclaimed<'p> {
    /// The index among the locations that were asked for.
    index: usize,
    path: &'p str,
    /// The storage's name.
    storage: &'p str,
    /// The role of the storage in GitLab.
    role: StorageRole,
}

/// The locations that were asked for, and the answers so far.
pub(crate) struct Claims<'p> {
    answers: Vec<Claim>,
    /// Those that only rows can claim.
    open: Vec<Unclaimed<'p>>,
    /// Tables that say nothing about what there is, because they are copies that are no longer written to.
    unjudged: HashSet<&'static str>,
}

impl<'p> Claims<'p> {
    /// Answers what follows from the locations alone.
    pub(crate) fn of(locations: &'p [Location], storages: &Storages) -> Self {
        let answers = vec![Claim::NotUnderstood; locations.len()];
        let mut claims = Self { answers, open: Vec::new(), unjudged: HashSet::new() };
        for (index, Location { storage, path }) in locations.iter().enumerate() {
            let roles = storages.roles(storage);
            if roles.iter().any(|role| internal::is_internal(*role, path)) {
                claims.settle(index, Claim::Internal);
            } else {
                claims.open.extend(roles.into_iter().map(|role| Unclaimed { index, path, storage, role }));
            }
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
        self.unjudged.extend(files::copies(db, tables.schema));
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

    /// One answer for each location.
    pub(crate) fn answers(mut self) -> Vec<Claim> {
        for Unclaimed { index, path, role, .. } in &self.open {
            let is_understood = folders::is_understood(*role, path, &self.unjudged);
            if let Some(answer) = self.answers.get_mut(*index)
                && *answer == Claim::NotUnderstood
                && is_understood
            {
                *answer = Claim::Nobody;
            }
        }
        self.answers
    }

    fn settle(&mut self, index: usize, claim: Claim) {
        if let Some(answer) = self.answers.get_mut(index) {
            *answer = claim;
        }
    }
}

/// Everything that is read for claims.
pub(crate) fn parts() -> impl Iterator<Item = TableColumns> {
    let others = attachments::parts().chain(images::parts()).chain(repositories::parts());
    files::parts().chain(others)
}
