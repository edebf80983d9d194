//! Rows of the indexes of packages that GitLab writes for distributions of Debian's.

use stocktake_domain::{DigestRule, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use crate::column::row;
use crate::digest;
use crate::lookups::{DEBIAN_COMPONENTS, DEBIAN_DISTRIBUTIONS, LookupKeys, Lookups};
use crate::mapping::{ModelRow, file_name, file_size, record_at};
use crate::path;
use crate::settings::Storages;

row! {
    /// An index of a component of a project's distribution, for example `Packages`.
    DebianComponentFile {
        id: i64 = required "id",
        component_id: Option<i64> = required "component_id",
        project_id: Option<i64> = optional "project_id",
        created_at: Option<Timestamp> = required "created_at",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        file_sha256: Option<Vec<u8>> = optional "file_sha256",
    }
}

impl ModelRow for DebianComponentFile {
    model_row!(
        PackagesDebianProjectComponentFiles from "packages_debian_project_component_files",
        states: "packages_debian_project_component_file_states" by "packages_debian_project_component_file_id",
        lookups: &[DEBIAN_COMPONENTS, DEBIAN_DISTRIBUTIONS],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        match self.project_id {
            Some(project) => keys.project_paths.push(project),
            None => keys.debian_components.extend(self.component_id),
        }
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage =
            storages.file(ObjectType::Packages, self.file_store, "Packages::Debian::ComponentFileUploader");
        let project = self.project(lookups);
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: self.file_sha256.as_deref().and_then(digest::of_bytes),
            owner: lookups.project_path(project),
            ..record_at(self.id, storage, self.path(project), DigestRule::Stored)
        }
    }
}

impl DebianComponentFile {
    /// The project: before GitLab 17.10 only the component's distribution has it.
    fn project(&self, lookups: &Lookups) -> Option<i64> {
        self.project_id.or_else(|| lookups.debian_components.get(&self.component_id?).copied())
    }

    fn path(&self, project: Option<i64>) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let project = project.ok_or_else(|| {
            let component = self.component_id.unwrap_or_default();
            format!("the component {component} that it belongs to, or its distribution, is missing")
        })?;
        Ok(path::below(project, &[&"debian_project_component_file", &self.id, file]))
    }
}
