//! Rows whose state older versions keep in the row itself: snippet repositories and Terraform states.

use stocktake_domain::{DigestRule, Model, ObjectType, Timestamp};

use super::repositories::shard;
use super::table;
use crate::field::{Kind, row};
use crate::known::{Known, SHARDS, TERRAFORM_STATES, Wanted};
use crate::path;
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, needed, states};
use crate::schema::Part;
use crate::settings::Storages;

row! {
    /// The repository of a snippet.
    SnippetRepository {
        id: i64 = must "snippet_id",
        shard_id: Option<i64> = must "shard_id",
        disk_path: Option<String> = must "disk_path",
        verification_state: Option<i64> = may "verification_state",
        verification_checksum: Option<Vec<u8>> = may "verification_checksum",
    }
}

impl Table for SnippetRepository {
    table!(Plan {
        model: Model::SnippetRepositories,
        side: Side::Main,
        tables: &["snippet_repositories"],
        columns: Self::COLUMNS,
        states: states!("snippet_repository_states" by "snippet_repository_id"),
        needs: &[SHARDS],
        touched: Touched::Through {
            part: Part {
                table: "snippets",
                columns: &[needed("id", Kind::Integer), needed("updated_at", Kind::Time)],
            },
            by: "snippet_id",
        },
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.shards.extend(self.shard_id);
        wanted.snippets.push(self.id);
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let path = named(self.disk_path.as_ref()).map(|path| format!("{path}.git"));
        let snippet = known.snippets.get(&self.id);
        Facts {
            owner: Owner::project(snippet.and_then(|snippet| snippet.project_id)),
            content_changed_at: snippet.and_then(|snippet| snippet.updated_at),
            ..Facts::at(shard(self.shard_id, known, storages), path)
        }
    }

    fn own_state(&self) -> Option<(i64, Vec<u8>)> {
        self.verification_state.zip(self.verification_checksum.clone())
    }
}

row! {
    /// A version of a Terraform state.
    TerraformVersion {
        id: i64 = must "id",
        terraform_state_id: Option<i64> = must "terraform_state_id",
        project_id: Option<i64> = may "project_id",
        created_at: Option<Timestamp> = must "created_at",
        updated_at: Option<Timestamp> = may "updated_at",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        is_encrypted: Option<bool> = may "is_encrypted",
        verification_state: Option<i64> = may "verification_state",
        verification_checksum: Option<Vec<u8>> = may "verification_checksum",
    }
}

impl Table for TerraformVersion {
    table!(Plan {
        model: Model::TerraformStateVersions,
        side: Side::Main,
        tables: &["terraform_state_versions"],
        columns: Self::COLUMNS,
        states: states!("terraform_state_version_states" by "terraform_state_version_id"),
        needs: &[TERRAFORM_STATES],
        // A state without versions is written over in place.
        touched: Touched::Own(&[needed("updated_at", Kind::Time)]),
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.terraform_states.extend(self.terraform_state_id);
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::TerraformState, self.file_store, "Terraform::StateUploader");
        let state = self.terraform_state_id.and_then(|id| known.terraform_states.get(&id));
        let project = self.project_id.or_else(|| state?.project_id);
        let versioned = state.is_none_or(|state| state.versioning_enabled != Some(false));
        let path = named(self.file.as_ref()).and_then(|file| {
            let id = filled(self.terraform_state_id, "terraform_state_id")?;
            let state = state.ok_or_else(|| format!("the Terraform state {id} that it is of is missing"))?;
            let project = filled(project, "project_id")?;
            let uuid = filled(state.uuid.as_ref(), "state's uuid")?;
            Ok(if versioned { path::below(project, &[uuid, file]) } else { format!("{project}/{file}") })
        });
        let key = project.and_then(|project| u64::try_from(project).ok());
        // There was no such column while all were encrypted.
        let rule = key.filter(|_| self.is_encrypted != Some(false)).map(DigestRule::TerraformState);
        Facts {
            created_at: self.created_at,
            rule: rule.unwrap_or_default(),
            mutable: !versioned,
            owner: Owner::project(project),
            content_changed_at: self.updated_at,
            ..Facts::at(storage, path)
        }
    }

    fn own_state(&self) -> Option<(i64, Vec<u8>)> {
        self.verification_state.zip(self.verification_checksum.clone())
    }
}
