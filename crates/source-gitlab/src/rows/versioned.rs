//! Rows of snippet repositories and of Terraform states.

use stocktake_domain::{DigestRule, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use super::repositories::shard;
use crate::column::{ColumnType, required, row};
use crate::lookups::{LookupKeys, Lookups, SHARDS, TERRAFORM_STATES};
use crate::mapping::{ChangedAt, ModelRow, file_name, not_null, record_at};
use crate::path;
use crate::schema::TableColumns;
use crate::settings::Storages;

row! {
    /// The repository of a snippet.
    SnippetRepository {
        id: i64 = required "snippet_id",
        shard_id: Option<i64> = required "shard_id",
        disk_path: Option<String> = required "disk_path",
        verification_state: Option<i64> = optional "verification_state",
        verification_checksum: Option<Vec<u8>> = optional "verification_checksum",
    }
}

impl ModelRow for SnippetRepository {
    model_row!(
        SnippetRepositories from "snippet_repositories",
        states: "snippet_repository_states" by "snippet_repository_id" or in the row,
        lookups: &[SHARDS],
        changed_at: ChangedAt::Through {
            part: TableColumns {
                table: "snippets",
                columns: &[required("id", ColumnType::Integer), required("updated_at", ColumnType::Time)],
            },
            by: "snippet_id",
        },
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.shards.extend(self.shard_id);
        keys.snippets.push(self.id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let path = file_name(self.disk_path.as_ref()).map(|path| format!("{path}.git"));
        let snippet = lookups.snippets.get(&self.id);
        SourceRecord {
            owner: lookups.project_path(snippet.and_then(|snippet| snippet.project_id)),
            content_changed_at: snippet.and_then(|snippet| snippet.updated_at),
            ..record_at(self.id, shard(self.shard_id, lookups, storages), path, DigestRule::Stored)
        }
    }
}

row! {
    /// A version of a Terraform state.
    TerraformVersion {
        id: i64 = required "id",
        terraform_state_id: Option<i64> = required "terraform_state_id",
        project_id: Option<i64> = optional "project_id",
        created_at: Option<Timestamp> = required "created_at",
        updated_at: Option<Timestamp> = optional "updated_at",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        is_encrypted: Option<bool> = optional "is_encrypted",
        verification_state: Option<i64> = optional "verification_state",
        verification_checksum: Option<Vec<u8>> = optional "verification_checksum",
    }
}

impl ModelRow for TerraformVersion {
    model_row!(
        TerraformStateVersions from "terraform_state_versions",
        states: "terraform_state_version_states" by "terraform_state_version_id" or in the row,
        lookups: &[TERRAFORM_STATES],
        // A state without versions is overwritten in place.
        changed_at: ChangedAt::Own(&[required("updated_at", ColumnType::Time)]),
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.terraform_states.extend(self.terraform_state_id);
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::TerraformState, self.file_store, "Terraform::StateUploader");
        let state = self.terraform_state_id.and_then(|id| lookups.terraform_states.get(&id));
        let project = self.project_id.or_else(|| state?.project_id);
        let versioned = state.is_none_or(|state| state.versioning_enabled != Some(false));
        let path = file_name(self.file.as_ref()).and_then(|file| {
            let id = not_null(self.terraform_state_id, "terraform_state_id")?;
            let state = state.ok_or_else(|| format!("the Terraform state {id} that it is of is missing"))?;
            let project = not_null(project, "project_id")?;
            let uuid = not_null(state.uuid.as_ref(), "state's uuid")?;
            Ok(if versioned { path::below(project, &[uuid, file]) } else { format!("{project}/{file}") })
        });
        let key = project.and_then(|project| u64::try_from(project).ok());
        // The column does not exist in versions that encrypt all states.
        let rule = key.filter(|_| self.is_encrypted != Some(false)).map(DigestRule::TerraformState);
        SourceRecord {
            created_at: self.created_at,
            mutable: !versioned,
            owner: lookups.project_path(project),
            content_changed_at: self.updated_at,
            ..record_at(self.id, storage, path, rule.unwrap_or_default())
        }
    }
}
