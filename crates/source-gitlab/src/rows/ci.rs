//! The rows of the database of CI.

use stocktake_domain::{DigestRule, KeyData, Model, ObjectType, Timestamp};

use super::table;
use crate::digest;
use crate::field::row;
use crate::known::{Known, Wanted};
use crate::path;
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, states};
use crate::settings::{OBJECT, Storages};

row! {
    /// An artifact of a job.
    JobArtifact {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        job_id: Option<i64> = must "job_id",
        created_at: Option<Timestamp> = must "created_at",
        file_type: Option<i64> = must "file_type",
        size: Option<i64> = must "size",
        file: Option<String> = must "file",
        file_store: Option<i64> = must "file_store",
        file_sha256: Option<Vec<u8>> = may "file_sha256",
        file_location: Option<i64> = may "file_location",
        file_final_path: Option<String> = may "file_final_path",
    }
}

/// `file_location` of the paths that were used first.
const LEGACY: i64 = 1;
/// `file_type` of the log of a job, which never was in the legacy place.
const TRACE: i64 = 3;

impl Table for JobArtifact {
    table!(Plan {
        model: Model::CiJobArtifacts,
        side: Side::Ci,
        tables: &["p_ci_job_artifacts", "ci_job_artifacts"],
        columns: Self::COLUMNS,
        states: states!("ci_job_artifact_states" by "job_artifact_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Artifacts, self.file_store, "JobArtifactUploader");
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected: self.file_sha256.as_deref().and_then(digest::of_bytes),
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }
}

impl JobArtifact {
    fn path(&self) -> Result<String, String> {
        let final_path = self.file_final_path.as_ref().filter(|path| !path.is_empty());
        if let Some(path) = final_path.filter(|_| self.file_store == Some(OBJECT)) {
            return Ok(path.clone());
        }
        let file = named(self.file.as_ref())?;
        let project = filled(self.project_id, "project_id")?;
        let job = filled(self.job_id, "job_id")?;
        let created = filled(self.created_at, "created_at")?;
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
        id: i64 = must "id",
        created_at: Option<Timestamp> = must "created_at",
        pipeline_id: Option<i64> = must "pipeline_id",
        project_id: Option<i64> = must "project_id",
        size: Option<i64> = must "size",
        file_store: Option<i64> = must "file_store",
        file_type: Option<i64> = must "file_type",
        file: Option<String> = must "file",
        verification_state: Option<i64> = may "verification_state",
        verification_checksum: Option<Vec<u8>> = may "verification_checksum",
    }
}

/// `file_type` of the variables of a pipeline, which are encrypted.
const PIPELINE_VARIABLES: i64 = 3;

impl Table for PipelineArtifact {
    table!(Plan {
        model: Model::CiPipelineArtifacts,
        side: Side::Ci,
        tables: &["ci_pipeline_artifacts"],
        columns: Self::COLUMNS,
        states: states!("p_ci_pipeline_artifact_states" by "pipeline_artifact_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Artifacts, self.file_store, "Ci::PipelineArtifactUploader");
        let encrypted = self.project_id.filter(|_| self.file_type == Some(PIPELINE_VARIABLES));
        let rule =
            encrypted.and_then(|project| u64::try_from(project).ok()).map(DigestRule::PipelineArtifact);
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            rule: rule.unwrap_or_default(),
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }

    fn own_state(&self) -> Option<(i64, Vec<u8>)> {
        self.verification_state.zip(self.verification_checksum.clone())
    }
}

impl PipelineArtifact {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let project = filled(self.project_id, "project_id")?;
        let pipeline = filled(self.pipeline_id, "pipeline_id")?;
        Ok(path::below(project, &[&"pipelines", &pipeline, &"artifacts", &self.id, file]))
    }
}

row! {
    /// A secure file.
    SecureFile {
        id: i64 = must "id",
        project_id: Option<i64> = must "project_id",
        created_at: Option<Timestamp> = must "created_at",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        checksum: Option<Vec<u8>> = must "checksum",
        key_data: Option<String> = must "key_data",
    }
}

impl Table for SecureFile {
    table!(Plan {
        model: Model::CiSecureFiles,
        side: Side::Ci,
        tables: &["ci_secure_files"],
        columns: Self::COLUMNS,
        states: states!("ci_secure_file_states" by "ci_secure_file_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::CiSecureFiles, self.file_store, "Ci::SecureFileUploader");
        let path = self.path();
        let key = self.key_data.filter(|key| !key.is_empty());
        let rule = key.map_or_else(
            || DigestRule::Unresolved("its key_data are empty, so that it cannot be decrypted".to_owned()),
            |key| DigestRule::SecureFile(KeyData(key)),
        );
        Facts {
            created_at: self.created_at,
            expected: self.checksum.as_deref().and_then(digest::of_bytes),
            rule,
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, path)
        }
    }
}

impl SecureFile {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let project = filled(self.project_id, "project_id")?;
        Ok(path::below(project, &[&"secure_files", &self.id, file]))
    }
}
