//! Rows of single files: LFS objects, external diffs, pages, attestations.

use stocktake_domain::{DigestRule, Model, ObjectType, Timestamp};

use super::table;
use crate::digest;
use crate::field::row;
use crate::known::{DIFF_FILES, Known, Wanted};
use crate::path;
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, states};
use crate::settings::{OBJECT, Storages};

row! {
    /// An LFS object.
    LfsObject {
        id: i64 = must "id",
        oid: Option<String> = must "oid",
        size: Option<i64> = must "size",
        created_at: Option<Timestamp> = must "created_at",
        file: Option<String> = must "file",
        file_store: Option<i64> = must "file_store",
    }
}

impl Table for LfsObject {
    table!(Plan {
        model: Model::LfsObjects,
        side: Side::Main,
        tables: &["lfs_objects"],
        columns: Self::COLUMNS,
        states: states!("lfs_object_states" by "lfs_object_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.lfs_objects.push(self.id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Lfs, self.file_store, "LfsObjectUploader");
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected: self.oid.as_deref().and_then(digest::of_text),
            owner: Owner::project(known.lfs_projects.get(&self.id).copied()),
            ..Facts::at(storage, self.path())
        }
    }
}

impl LfsObject {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let oid = self.oid.as_deref().unwrap_or_default();
        let folders = oid.get(..2).zip(oid.get(2..4));
        let (first, second) = folders.ok_or_else(|| format!("its oid {oid:?} is no SHA-256"))?;
        Ok(format!("{first}/{second}/{file}"))
    }
}

row! {
    /// A merge request diff, which may lie in a file of its own.
    MergeRequestDiff {
        id: i64 = must "id",
        merge_request_id: Option<i64> = must "merge_request_id",
        project_id: Option<i64> = may "project_id",
        created_at: Option<Timestamp> = must "created_at",
        state: Option<String> = must "state",
        external_diff: Option<String> = must "external_diff",
        external_diff_store: Option<i64> = must "external_diff_store",
        stored_externally: Option<bool> = must "stored_externally",
    }
}

impl Table for MergeRequestDiff {
    table!(Plan {
        model: Model::MergeRequestDiffs,
        side: Side::Main,
        tables: &["merge_request_diffs"],
        columns: Self::COLUMNS,
        states: states!("merge_request_diff_details" by "merge_request_diff_id"),
        needs: &[DIFF_FILES],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
        if self.is_a_file() {
            wanted.diffs.push(self.id);
        }
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let storage =
            storages.file(ObjectType::ExternalDiffs, self.external_diff_store, "ExternalDiffUploader");
        let length = known.diff_lengths.get(&self.id).and_then(|length| u64::try_from(*length).ok());
        Facts {
            created_at: self.created_at,
            rule: length.map_or(DigestRule::Stored, DigestRule::Length),
            // What lies in the database has no checksum, and never will.
            disabled: !self.is_a_file(),
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }
}

impl MergeRequestDiff {
    fn is_a_file(&self) -> bool {
        let is_empty = matches!(self.state.as_deref(), Some("empty" | "without_files"));
        self.stored_externally == Some(true) && !is_empty
    }

    fn path(&self) -> Result<String, String> {
        let file = named(self.external_diff.as_ref())?;
        let merge_request = filled(self.merge_request_id, "merge_request_id")?;
        Ok(format!("merge_request_diffs/mr-{merge_request}/{file}"))
    }
}

row! {
    /// A deployment of pages.
    PagesDeployment {
        id: i64 = must "id",
        created_at: Option<Timestamp> = must "created_at",
        project_id: Option<i64> = must "project_id",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        file_sha256: Option<Vec<u8>> = must "file_sha256",
        size: Option<i64> = must "size",
    }
}

impl Table for PagesDeployment {
    table!(Plan {
        model: Model::PagesDeployments,
        side: Side::Main,
        tables: &["pages_deployments"],
        columns: Self::COLUMNS,
        states: states!("pages_deployment_states" by "pages_deployment_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Pages, self.file_store, "Pages::DeploymentUploader");
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected: self.file_sha256.as_deref().and_then(digest::of_bytes),
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }
}

impl PagesDeployment {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let project = filled(self.project_id, "project_id")?;
        let path = path::below(project, &[&"pages_deployments", &self.id, file]);
        // The only type whose key is another than its local path.
        Ok(if self.file_store == Some(OBJECT) { path } else { format!("@hashed/{path}") })
    }
}

row! {
    /// An attestation of where something was built.
    Attestation {
        id: i64 = must "id",
        created_at: Option<Timestamp> = must "created_at",
        project_id: Option<i64> = must "project_id",
        file: Option<String> = must "file",
        file_store: Option<i64> = must "file_store",
    }
}

impl Table for Attestation {
    table!(Plan {
        model: Model::SupplyChainAttestations,
        side: Side::Main,
        tables: &["slsa_attestations"],
        columns: Self::COLUMNS,
        states: states!("supply_chain_attestation_states" by "supply_chain_attestation_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        // Its uploader names no place, so that it takes that of uploads: the bucket, but beside the folder.
        let storage = if self.file_store == Some(OBJECT) {
            storages.file(ObjectType::Uploads, self.file_store, "SupplyChain::AttestationUploader")
        } else {
            let public = storages.public.clone();
            public.ok_or_else(|| "no local storage is configured for GitLab's folder public".to_owned())
        };
        Facts {
            created_at: self.created_at,
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }
}

impl Attestation {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let project = filled(self.project_id, "project_id")?;
        Ok(path::below(project, &[&"attestations", &self.id, file]))
    }
}
