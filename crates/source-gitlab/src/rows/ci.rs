//! The rows of the database of CI.

use stocktake_domain::{DigestRule, KeyData, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use crate::column::row;
use crate::digest;
use crate::lookups::{LookupKeys, Lookups};
use crate::mapping::{DbKind, ModelRow, file_name, file_size, not_null, record_at};
use crate::path;
use crate::settings::{OBJECT, Storages};

row! {
    /// An artifact of a job.
    JobArtifact {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        job_id: Option<i64> = required "job_id",
        created_at: Option<Timestamp> = required "created_at",
        file_type: Option<i64> = required "file_type",
        size: Option<i64> = required "size",
        file: Option<String> = required "file",
        file_store: Option<i64> = required "file_store",
        file_sha256: Option<Vec<u8>> = optional "file_sha256",
        file_location: Option<i64> = optional "file_location",
        file_final_path: Option<String> = optional "file_final_path",
    }
}

/// `file_location` of the first layout of paths.
const LEGACY: i64 = 1;
/// `file_type` of the log of a job, which was never stored by the legacy layout.
const TRACE: i64 = 3;

impl ModelRow for JobArtifact {
    model_row!(
        CiJobArtifacts from "p_ci_job_artifacts" or "ci_job_artifacts",
        states: "ci_job_artifact_states" by "job_artifact_id",
        db: DbKind::Ci,
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Artifacts, self.file_store, "JobArtifactUploader");
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: self.file_sha256.as_deref().and_then(digest::of_bytes),
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, self.path(), DigestRule::Stored)
        }
    }
}

impl JobArtifact {
    fn path(&self) -> Result<String, String> {
        let final_path = self.file_final_path.as_ref().filter(|path| !path.is_empty());
        if let Some(path) = final_path.filter(|_| self.file_store == Some(OBJECT)) {
            return Ok(path.clone());
        }
        let file = file_name(self.file.as_ref())?;
        let project = not_null(self.project_id, "project_id")?;
        let job = not_null(self.job_id, "job_id")?;
        let created = not_null(self.created_at, "created_at")?;
        Ok(if self.file_location == Some(LEGACY) && self.file_type != Some(TRACE) {
            format!("{}/{project}/{job}/{file}", path::month(created))
        } else {
            path::below(project, &[&path::Day(created), &job, &self.id, file])
        })
    }
}

row! {
    /// An artifact of a pipeline.
    PipelineArtifact {
        id: i64 = required "id",
        created_at: Option<Timestamp> = required "created_at",
        pipeline_id: Option<i64> = required "pipeline_id",
        project_id: Option<i64> = required "project_id",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file_type: Option<i64> = required "file_type",
        file: Option<String> = required "file",
        verification_state: Option<i64> = optional "verification_state",
        verification_checksum: Option<Vec<u8>> = optional "verification_checksum",
    }
}

/// `file_type` of the variables of a pipeline, which are encrypted.
const PIPELINE_VARIABLES: i64 = 3;

impl ModelRow for PipelineArtifact {
    model_row!(
        CiPipelineArtifacts from "ci_pipeline_artifacts",
        states: "p_ci_pipeline_artifact_states" by "pipeline_artifact_id" or in the row,
        db: DbKind::Ci,
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Artifacts, self.file_store, "Ci::PipelineArtifactUploader");
        let encrypted = self.project_id.filter(|_| self.file_type == Some(PIPELINE_VARIABLES));
        let rule =
            encrypted.and_then(|project| u64::try_from(project).ok()).map(DigestRule::PipelineArtifact);
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, self.path(), rule.unwrap_or_default())
        }
    }
}

impl PipelineArtifact {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let project = not_null(self.project_id, "project_id")?;
        let pipeline = not_null(self.pipeline_id, "pipeline_id")?;
        Ok(path::below(project, &[&"pipelines", &pipeline, &"artifacts", &self.id, file]))
    }
}

row! {
    /// A secure file.
    SecureFile {
        id: i64 = required "id",
        project_id: Option<i64> = required "project_id",
        created_at: Option<Timestamp> = required "created_at",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        checksum: Option<Vec<u8>> = required "checksum",
        key_data: Option<String> = required "key_data",
    }
}

impl ModelRow for SecureFile {
    model_row!(
        CiSecureFiles from "ci_secure_files",
        states: "ci_secure_file_states" by "ci_secure_file_id",
        db: DbKind::Ci,
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::CiSecureFiles, self.file_store, "Ci::SecureFileUploader");
        let path = self.path();
        let key = self.key_data.filter(|key| !key.is_empty());
        let rule = key.map_or_else(
            || DigestRule::Unresolved("its key_data are empty, so that it cannot be decrypted".to_owned()),
            |key| DigestRule::SecureFile(KeyData(key)),
        );
        SourceRecord {
            created_at: self.created_at,
            expected: self.checksum.as_deref().and_then(digest::of_bytes),
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, path, rule)
        }
    }
}

impl SecureFile {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let project = not_null(self.project_id, "project_id")?;
        Ok(path::below(project, &[&"secure_files", &self.id, file]))
    }
}
