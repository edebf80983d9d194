//! The records that claim what lies in a storage.

use futures_util::StreamExt as _;
use stocktake_domain::Location;
use stocktake_domain::ports::{PathStream, StoreError};

use super::OrphanParts;
use super::overlaps::Overlap;
use super::walk_error::{WalkError, disordered};

/// The records whose content may lie in a storage: its own, those of the storages that it overlaps, and those of which it is
/// not known in which storage their content lies.
pub(super) struct Records<'a> {
    own: Paths,
    others: Vec<(&'a Overlap<'a>, Paths)>,
    unknown: Vec<Paths>,
    has_none: bool,
}

/// What content is to the records.
pub(super) enum RecordOf {
    /// A record's content.
    Content,
    /// A record has this path, and it is not known where its storage is.
    UnknownPlace,
    /// No record has it.
    Nothing,
}

impl<'a> Records<'a> {
    pub(super) async fn new(
        parts: &OrphanParts,
        storage: &str,
        overlaps: &'a [Overlap<'a>],
    ) -> Result<Self, StoreError> {
        let own = Paths::of(parts, storage).await?;
        let mut others = Vec::new();
        for overlap in overlaps {
            others.push((overlap, Paths::of(parts, overlap.storage).await?));
        }
        let mut unknown = vec![Paths::of(parts, Location::UNKNOWN).await?];
        for name in parts.source.storages().iter().filter(|name| !parts.storages.contains_key(*name)) {
            unknown.push(Paths::of(parts, name).await?);
        }
        Ok(Self { has_none: own.next.is_none(), own, others, unknown })
    }

    /// Whether no record at all is in the storage.
    pub(super) fn has_none(&self) -> bool {
        self.has_none
    }

    /// What the content at this path of the storage is to them; the path must not lie before one that was asked for.
    pub(super) async fn of(&mut self, path: &str) -> Result<RecordOf, WalkError> {
        // Their order is that of the paths here, because one adds to each path of the other what it begins with.
        for (overlap, paths) in &mut self.others {
            if let Some(path) = overlap.path(path)
                && paths.have(&path).await?
            {
                return Ok(RecordOf::Content);
            }
        }
        if self.own.have(path).await? {
            return Ok(RecordOf::Content);
        }
        for paths in &mut self.unknown {
            if paths.have(path).await? {
                return Ok(RecordOf::UnknownPlace);
            }
        }
        Ok(RecordOf::Nothing)
    }

    /// What is behind the last path claims nothing, but shows whether all before was in order.
    pub(super) async fn pass_rest(self) -> Result<(), WalkError> {
        let others = self.others.into_iter().map(|(_, paths)| paths);
        for mut paths in std::iter::once(self.own).chain(others).chain(self.unknown) {
            paths.pass_rest().await?;
        }
        Ok(())
    }
}

/// The paths of records, in their order.
struct Paths {
    paths: PathStream,
    next: Option<String>,
}

impl Paths {
    async fn of(parts: &OrphanParts, storage: &str) -> Result<Self, StoreError> {
        let mut paths = parts.catalogue.paths(None, storage).await?;
        let next = paths.next().await.transpose()?.map(|(path, _)| path);
        Ok(Self { paths, next })
    }

    /// Whether the path is one of them; it must not lie before one that was asked for.
    async fn have(&mut self, path: &str) -> Result<bool, WalkError> {
        while let Some(passed) = self.next.take_if(|next| next.as_str() < path) {
            self.go_on(&passed).await?;
        }
        Ok(self.next.as_deref() == Some(path))
    }

    async fn pass_rest(&mut self) -> Result<(), WalkError> {
        while let Some(passed) = self.next.take() {
            self.go_on(&passed).await?;
        }
        Ok(())
    }

    async fn go_on(&mut self, passed: &str) -> Result<(), WalkError> {
        self.next = self.paths.next().await.transpose()?.map(|(path, _)| path);
        if self.next.as_deref().is_some_and(|next| next < passed) {
            return Err(disordered("the catalogue's list of its records", passed));
        }
        Ok(())
    }
}
