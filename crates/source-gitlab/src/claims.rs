//! Who claims content of which no record knows: other rows of GitLab's, and GitLab's own programs.

mod attachments;
mod files;
mod images;
mod internal;
mod repositories;

use stocktake_domain::Location;
use stocktake_domain::ports::{Claim, SourceError};

use crate::database::Snapshot;
use crate::error::refused;
use crate::plan::Side;
use crate::schema::{Part, Schema};
use crate::settings::{Role, Storages};

/// A place that somebody may claim.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    /// Which of the places asked for it is.
    index: usize,
    path: &'p str,
    /// The storage's name.
    storage: &'p str,
    /// What the storage is to GitLab.
    role: Role,
}

/// The places asked for, and what is known of them so far.
pub(crate) struct Claims<'p> {
    answers: Vec<Claim>,
    /// Those that only rows can claim.
    open: Vec<Place<'p>>,
}

impl<'p> Claims<'p> {
    /// Answers what follows from the places alone.
    pub(crate) fn of(places: &'p [Location], storages: &Storages) -> Self {
        let mut claims = Self { answers: vec![Claim::Nobody; places.len()], open: Vec::new() };
        for (index, Location { storage, path }) in places.iter().enumerate() {
            let roles = storages.roles(storage);
            if roles.iter().any(|role| internal::is_internal(*role, path)) {
                claims.settle(index, Claim::Internal);
            } else {
                claims.open.extend(roles.into_iter().map(|role| Place { index, path, storage, role }));
            }
        }
        claims
    }

    /// Whether rows of a database must be asked.
    pub(crate) fn needs(&self, side: Side) -> bool {
        self.open.iter().any(|place| match side {
            Side::Main => true,
            Side::Ci => files::is_of_ci(place.role),
        })
    }

    /// Asks the rows of a database.
    pub(crate) async fn ask(
        &mut self,
        side: Side,
        tables: Tables<'_>,
        storages: &Storages,
    ) -> Result<(), SourceError> {
        let mut claimed = files::claimed(side, tables, &self.open).await?;
        if side == Side::Main {
            claimed.extend(attachments::claimed(tables, &self.open).await?);
            claimed.extend(images::claimed(tables, &self.open).await?);
            claimed.extend(repositories::claimed(tables, storages, &self.open).await?);
        }
        for index in claimed {
            self.settle(index, Claim::Row);
        }
        Ok(())
    }

    /// One answer for each place.
    pub(crate) fn answers(self) -> Vec<Claim> {
        self.answers
    }

    fn settle(&mut self, index: usize, claim: Claim) {
        if let Some(answer) = self.answers.get_mut(index) {
            *answer = claim;
        }
    }
}

/// A database at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'s> {
    pub(crate) snapshot: &'s Snapshot<'s>,
    pub(crate) schema: &'s Schema,
}

impl Tables<'_> {
    /// Whether these columns can be read. A table that this version of GitLab does not have claims nothing, but
    /// of one that only must not be read nothing may be concluded.
    fn has(&self, part: &Part) -> Result<bool, SourceError> {
        if !self.schema.has(part) {
            return Ok(false);
        }
        self.schema.check(part).map(|()| true).map_err(refused)
    }
}

/// All that is read for claims.
pub(crate) fn parts() -> impl Iterator<Item = Part> {
    let beside = attachments::parts().chain(images::parts()).chain(repositories::parts());
    files::parts().chain(beside)
}
