//! Rows of single files: LFS objects, external diffs, pages, attestations.

use stocktake_domain::{DigestRule, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use crate::column::row;
use crate::digest;
use crate::lookups::{DIFF_FILES, LookupKeys, Lookups};
use crate::mapping::{ModelRow, file_name, file_size, not_null, record_at};
use crate::path;
use crate::settings::{OBJECT, Storages};

row! {
    /// An LFS object.
    LfsObject {
        id: i64 = required "id",
        oid: Option<String> = required "oid",
        size: Option<i64> = required "size",
        created_at: Option<Timestamp> = required "created_at",
        file: Option<String> = required "file",
        file_store: Option<i64> = required "file_store",
    }
}

impl ModelRow for LfsObject {
    model_row!(
        LfsObjects from "lfs_objects",
        states: "lfs_object_states" by "lfs_object_id",
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.lfs_objects.push(self.id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Lfs, self.file_store, "LfsObjectUploader");
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: self.oid.as_deref().and_then(digest::of_text),
            owner: lookups.project_path(lookups.lfs_projects.get(&self.id).copied()),
            ..record_at(self.id, storage, self.path(), DigestRule::Stored)
        }
    }
}

impl LfsObject {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let oid = self.oid.as_deref().unwrap_or_default();
        let folders = oid.get(..2).zip(oid.get(2..4));
        let (first, second) = folders.ok_or_else(|| format!("its oid {oid:?} is no SHA-256"))?;
        Ok(format!("{first}/{second}/{file}"))
    }
}

row! {
    /// A merge request diff, which may be stored in a file.
    MergeRequestDiff {
        id: i64 = required "id",
        merge_request_id: Option<i64> = required "merge_request_id",
        project_id: Option<i64> = optional "project_id",
        created_at: Option<Timestamp> = required "created_at",
        state: Option<String> = required "state",
        external_diff: Option<String> = required "external_diff",
        external_diff_store: Option<i64> = required "external_diff_store",
        stored_externally: Option<bool> = required "stored_externally",
    }
}

impl ModelRow for MergeRequestDiff {
    model_row!(
        MergeRequestDiffs from "merge_request_diffs",
        states: "merge_request_diff_details" by "merge_request_diff_id",
        lookups: &[DIFF_FILES],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
        if self.is_a_file() {
            keys.diffs.push(self.id);
        }
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage =
            storages.file(ObjectType::ExternalDiffs, self.external_diff_store, "ExternalDiffUploader");
        let length = lookups.diff_lengths.get(&self.id).and_then(|length| u64::try_from(*length).ok());
        let rule = length.map_or(DigestRule::Stored, DigestRule::Length);
        let record = record_at(self.id, storage, self.path(), rule);
        // A diff in the database never has a checksum, so that it does not matter where its file would be.
        let disabled = !self.is_a_file();
        SourceRecord {
            created_at: self.created_at,
            rule: if disabled { DigestRule::Stored } else { record.rule },
            disabled,
            owner: lookups.project_path(self.project_id),
            ..record
        }
    }
}

impl MergeRequestDiff {
    fn is_a_file(&self) -> bool {
        let is_empty = matches!(self.state.as_deref(), Some("empty" | "without_files"));
        self.stored_externally == Some(true) && !is_empty
    }

    fn path(&self) -> Result<String, String> {
        let file = file_name(self.external_diff.as_ref())?;
        let merge_request = not_null(self.merge_request_id, "merge_request_id")?;
        Ok(format!("merge_request_diffs/mr-{merge_request}/{file}"))
    }
}

row! {
    /// A deployment of pages.
    PagesDeployment {
        id: i64 = required "id",
        created_at: Option<Timestamp> = required "created_at",
        project_id: Option<i64> = required "project_id",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        file_sha256: Option<Vec<u8>> = required "file_sha256",
        size: Option<i64> = required "size",
    }
}

impl ModelRow for PagesDeployment {
    model_row!(
        PagesDeployments from "pages_deployments",
        states: "pages_deployment_states" by "pages_deployment_id",
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Pages, self.file_store, "Pages::DeploymentUploader");
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: self.file_sha256.as_deref().and_then(digest::of_bytes),
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, self.path(), DigestRule::Stored)
        }
    }
}

impl PagesDeployment {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let project = not_null(self.project_id, "project_id")?;
        let path = path::below(project, &[&"pages_deployments", &self.id, file]);
        // The only model whose key in object storage is not its local path.
        Ok(if self.file_store == Some(OBJECT) { path } else { format!("@hashed/{path}") })
    }
}

row! {
    /// An attestation of a build's provenance.
    Attestation {
        id: i64 = required "id",
        created_at: Option<Timestamp> = required "created_at",
        project_id: Option<i64> = required "project_id",
        file: Option<String> = required "file",
        file_store: Option<i64> = required "file_store",
    }
}

impl ModelRow for Attestation {
    model_row!(
        SupplyChainAttestations from "slsa_attestations",
        states: "supply_chain_attestation_states" by "supply_chain_attestation_id",
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        // Its uploader has no storage of its own and uses that of uploads: their bucket, but locally the folder `public`.
        let storage = if self.file_store == Some(OBJECT) {
            storages.file(ObjectType::Uploads, self.file_store, "SupplyChain::AttestationUploader")
        } else {
            storages.public()
        };
        SourceRecord {
            created_at: self.created_at,
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, self.path(), DigestRule::Stored)
        }
    }
}

impl Attestation {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let project = not_null(self.project_id, "project_id")?;
        Ok(path::below(project, &[&"attestations", &self.id, file]))
    }
}
