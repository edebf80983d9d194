//! Rows of `searched_registries` and `unreferenced_pieces`.

use diesel::prelude::{Insertable, Queryable, Selectable};
use stocktake_domain::{
    PieceTotals, RegistryPiece, SearchedRegistry, Timestamp, Unreferenced, UnreferencedTotals,
};

use super::codes::{unreferenced_kind_code, unreferenced_kind_of};
use super::orphan::{outcome_columns, outcome_of};
use super::values::{storable, storable_size, unsigned};
use crate::error::DbError;
use crate::schema::{searched_registries, unreferenced_pieces};

/// A row of `searched_registries`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = searched_registries)]
pub(crate) struct SearchedRegistryRow {
    walk: i64,
    pub(crate) storage: String,
    outcome: Option<i16>,
    reason: Option<String>,
    looked_at: i64,
    young: i64,
    skipped: i64,
    blobs: i64,
    blob_bytes: i64,
    manifests: i64,
    manifest_bytes: i64,
    blobs_of_untagged: i64,
    blobs_of_untagged_bytes: i64,
    uploads: i64,
    upload_bytes: i64,
}

impl SearchedRegistryRow {
    /// The row of a registry in a walk.
    pub(crate) fn new(walk: i64, searched: &SearchedRegistry) -> Result<Self, DbError> {
        let (outcome, reason) = outcome_columns(searched.outcome.as_ref());
        let UnreferencedTotals { looked_at, young, skipped, blobs, manifests, blobs_of_untagged, uploads } =
            searched.totals;
        Ok(Self {
            walk,
            storage: storable(&searched.storage, "storage")?,
            outcome,
            reason,
            looked_at: storable_size(looked_at, "looked_at")?,
            young: storable_size(young, "young")?,
            skipped: storable_size(skipped, "skipped")?,
            blobs: storable_size(blobs.pieces, "blobs")?,
            blob_bytes: storable_size(blobs.bytes, "blob_bytes")?,
            manifests: storable_size(manifests.pieces, "manifests")?,
            manifest_bytes: storable_size(manifests.bytes, "manifest_bytes")?,
            blobs_of_untagged: storable_size(blobs_of_untagged.pieces, "blobs_of_untagged")?,
            blobs_of_untagged_bytes: storable_size(blobs_of_untagged.bytes, "blobs_of_untagged_bytes")?,
            uploads: storable_size(uploads.pieces, "uploads")?,
            upload_bytes: storable_size(uploads.bytes, "upload_bytes")?,
        })
    }

    /// How far the walk is in the registry.
    pub(crate) fn into_searched(self) -> Result<SearchedRegistry, DbError> {
        let pieces = |pieces, bytes| -> Result<PieceTotals, DbError> {
            Ok(PieceTotals { pieces: unsigned(pieces, "pieces")?, bytes: unsigned(bytes, "bytes")? })
        };
        Ok(SearchedRegistry {
            storage: self.storage,
            outcome: outcome_of(self.outcome, self.reason)?,
            totals: UnreferencedTotals {
                looked_at: unsigned(self.looked_at, "looked_at")?,
                young: unsigned(self.young, "young")?,
                skipped: unsigned(self.skipped, "skipped")?,
                blobs: pieces(self.blobs, self.blob_bytes)?,
                manifests: pieces(self.manifests, self.manifest_bytes)?,
                blobs_of_untagged: pieces(self.blobs_of_untagged, self.blobs_of_untagged_bytes)?,
                uploads: pieces(self.uploads, self.upload_bytes)?,
            },
        })
    }
}

/// A row of `unreferenced_pieces`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = unreferenced_pieces)]
pub(crate) struct PieceRow {
    walk: i64,
    storage: String,
    path: String,
    kind: i16,
    size: i64,
    modified_at: Option<i64>,
}

impl PieceRow {
    /// The row of a piece that a walk found.
    pub(crate) fn new(walk: i64, RegistryPiece { storage, piece }: &RegistryPiece) -> Result<Self, DbError> {
        Ok(Self {
            walk,
            storage: storable(storage, "storage")?,
            path: storable(&piece.path, "path")?,
            kind: unreferenced_kind_code(piece.kind),
            size: storable_size(piece.size, "size")?,
            modified_at: piece.modified_at.map(Timestamp::millis),
        })
    }

    /// The piece.
    pub(crate) fn into_piece(self) -> Result<RegistryPiece, DbError> {
        let piece = Unreferenced {
            kind: unreferenced_kind_of(self.kind)?,
            path: self.path,
            size: unsigned(self.size, "size")?,
            modified_at: self.modified_at.map(Timestamp::from_millis),
        };
        Ok(RegistryPiece { storage: self.storage, piece })
    }
}
