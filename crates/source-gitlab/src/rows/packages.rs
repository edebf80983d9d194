//! The rows of packages and of the dependency proxy.

use stocktake_domain::{Digest, DigestRule, ObjectType, SourceRecord, Timestamp};

use super::model_row;
use crate::column::{ColumnType, required, row};
use crate::digest;
use crate::lookups::{LookupKeys, Lookups, PACKAGES};
use crate::mapping::{ChangedAt, ModelRow, file_name, file_size, not_null, record_at};
use crate::path;
use crate::settings::{OBJECT, Storages};

row! {
    /// A file of a package.
    PackageFile {
        id: i64 = required "id",
        package_id: Option<i64> = required "package_id",
        project_id: Option<i64> = optional "project_id",
        created_at: Option<Timestamp> = required "created_at",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        file_sha256: Option<Vec<u8>> = optional "file_sha256",
        file_sha1: Option<Vec<u8>> = optional "file_sha1",
        file_md5: Option<Vec<u8>> = optional "file_md5",
        file_final_path: Option<String> = optional "file_final_path",
        verification_state: Option<i64> = optional "verification_state",
        verification_checksum: Option<Vec<u8>> = optional "verification_checksum",
    }
}

impl ModelRow for PackageFile {
    model_row!(
        PackagesPackageFiles from "packages_package_files",
        states: "packages_package_file_states" by "package_file_id" or in the row,
        lookups: &[PACKAGES],
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        match self.project_id {
            Some(project) => keys.project_paths.push(project),
            None => keys.packages.extend(self.package_id),
        }
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Packages, self.file_store, "Packages::PackageFileUploader");
        let project = self.project(lookups);
        let path = self.path(project);
        let of = |column: &Option<Vec<u8>>| column.as_deref().and_then(digest::of_bytes);
        let best = of(&self.file_sha256).or_else(|| of(&self.file_sha1)).or_else(|| of(&self.file_md5));
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected: best,
            owner: lookups.project_path(project),
            ..record_at(self.id, storage, path, DigestRule::Stored)
        }
    }
}

impl PackageFile {
    /// The project: in older versions only the package has it.
    fn project(&self, lookups: &Lookups) -> Option<i64> {
        self.project_id.or_else(|| lookups.packages.get(&self.package_id?).copied())
    }

    fn path(&self, project: Option<i64>) -> Result<String, String> {
        let final_path = self.file_final_path.as_ref().filter(|path| !path.is_empty());
        if let Some(path) = final_path.filter(|_| self.file_store == Some(OBJECT)) {
            return Ok(path.clone());
        }
        let file = file_name(self.file.as_ref())?;
        let package = not_null(self.package_id, "package_id")?;
        let project =
            project.ok_or_else(|| format!("the package {package} that it belongs to is missing"))?;
        Ok(path::below(project, &[&"packages", &package, &"files", &self.id, file]))
    }
}

row! {
    /// A `NuGet` symbol file.
    NugetSymbol {
        id: i64 = required "id",
        created_at: Option<Timestamp> = required "created_at",
        project_id: Option<i64> = optional "project_id",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        object_storage_key: Option<String> = required "object_storage_key",
        file_sha256: Option<Vec<u8>> = optional "file_sha256",
    }
}

impl ModelRow for NugetSymbol {
    model_row!(
        PackagesNugetSymbols from "packages_nuget_symbols",
        states: "packages_nuget_symbol_states" by "packages_nuget_symbol_id",
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.project_paths.extend(self.project_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let storage = storages.file(ObjectType::Packages, self.file_store, "Packages::Nuget::SymbolUploader");
        let expected = self.file_sha256.as_deref().and_then(digest::of_bytes);
        // Without a recorded digest, no bytes other than those stored have to be hashed.
        let rule = expected.map_or(DigestRule::Stored, |_| DigestRule::PortablePdb);
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected,
            owner: lookups.project_path(self.project_id),
            ..record_at(self.id, storage, self.path(), rule)
        }
    }
}

impl NugetSymbol {
    fn path(&self) -> Result<String, String> {
        let file = file_name(self.file.as_ref())?;
        let key = self.object_storage_key.as_ref().filter(|key| !key.is_empty());
        Ok(format!("{}/{file}", not_null(key, "object_storage_key")?))
    }
}

row! {
    /// A layer that the dependency proxy keeps.
    DependencyProxyBlob {
        id: i64 = required "id",
        group_id: Option<i64> = required "group_id",
        created_at: Option<Timestamp> = required "created_at",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file_name: Option<String> = required "file_name",
        file: Option<String> = required "file",
    }
}

impl ModelRow for DependencyProxyBlob {
    model_row!(
        DependencyProxyBlobs from "dependency_proxy_blobs",
        states: "dependency_proxy_blob_states" by "dependency_proxy_blob_id",
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.group_paths.extend(self.group_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let name = self.file_name.as_deref().unwrap_or_default();
        let expected = digest::of_text(name.strip_suffix(".gz").unwrap_or(name));
        let Self { id, group_id, file_store, file, .. } = self;
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected,
            ..cached(id, group_id, file_store, file.as_ref(), lookups, storages)
        }
    }
}

row! {
    /// A manifest that the dependency proxy keeps.
    DependencyProxyManifest {
        id: i64 = required "id",
        group_id: Option<i64> = required "group_id",
        created_at: Option<Timestamp> = required "created_at",
        updated_at: Option<Timestamp> = optional "updated_at",
        size: Option<i64> = required "size",
        file_store: Option<i64> = required "file_store",
        file: Option<String> = required "file",
        digest: Option<String> = required "digest",
    }
}

impl ModelRow for DependencyProxyManifest {
    model_row!(
        DependencyProxyManifests from "dependency_proxy_manifests",
        states: "dependency_proxy_manifest_states" by "dependency_proxy_manifest_id",
        // A manifest that is fetched again is written to the same row.
        changed_at: ChangedAt::Own(&[required("updated_at", ColumnType::Time)]),
    );

    fn add_keys(&self, keys: &mut LookupKeys) {
        keys.group_paths.extend(self.group_id);
    }

    fn record(self, lookups: &Lookups, storages: &Storages) -> SourceRecord {
        let expected: Option<Digest> = self.digest.as_deref().and_then(digest::of_manifest);
        let Self { id, group_id, file_store, file, .. } = self;
        SourceRecord {
            created_at: self.created_at,
            file_size: file_size(self.size),
            expected,
            content_changed_at: self.updated_at,
            ..cached(id, group_id, file_store, file.as_ref(), lookups, storages)
        }
    }
}

/// What layers and manifests have in common.
fn cached(
    id: i64,
    group_id: Option<i64>,
    file_store: Option<i64>,
    file: Option<&String>,
    lookups: &Lookups,
    storages: &Storages,
) -> SourceRecord {
    let storage = storages.file(ObjectType::DependencyProxy, file_store, "DependencyProxy::FileUploader");
    let path = file_name(file).and_then(|file| {
        let group = not_null(group_id, "group_id")?;
        Ok(path::below(group, &[&"dependency_proxy", &group, &"files", &id, file]))
    });
    SourceRecord { owner: lookups.group_path(group_id), ..record_at(id, storage, path, DigestRule::Stored) }
}
