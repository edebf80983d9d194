//! The rows of packages and of the dependency proxy.

use stocktake_domain::{Digest, DigestRule, Model, ObjectType, Timestamp};

use super::table;
use crate::digest;
use crate::field::row;
use crate::known::{Known, PACKAGES, Wanted};
use crate::path;
use crate::plan::{Facts, Owner, Plan, Side, Table, Touched, filled, named, needed, states};
use crate::settings::{OBJECT, Storages};

row! {
    /// A file of a package.
    PackageFile {
        id: i64 = must "id",
        package_id: Option<i64> = must "package_id",
        project_id: Option<i64> = may "project_id",
        created_at: Option<Timestamp> = must "created_at",
        size: Option<i64> = must "size",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        file_sha256: Option<Vec<u8>> = may "file_sha256",
        file_sha1: Option<Vec<u8>> = may "file_sha1",
        file_md5: Option<Vec<u8>> = may "file_md5",
        file_final_path: Option<String> = may "file_final_path",
        verification_state: Option<i64> = may "verification_state",
        verification_checksum: Option<Vec<u8>> = may "verification_checksum",
    }
}

impl Table for PackageFile {
    table!(Plan {
        model: Model::PackagesPackageFiles,
        side: Side::Main,
        tables: &["packages_package_files"],
        columns: Self::COLUMNS,
        states: states!("packages_package_file_states" by "package_file_id"),
        needs: &[PACKAGES],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        match self.project_id {
            Some(project) => wanted.project_paths.push(project),
            None => wanted.packages.extend(self.package_id),
        }
    }

    fn describe(self, known: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Packages, self.file_store, "Packages::PackageFileUploader");
        let project = self.project(known);
        let path = self.path(project);
        let of = |column: &Option<Vec<u8>>| column.as_deref().and_then(digest::of_bytes);
        let best = of(&self.file_sha256).or_else(|| of(&self.file_sha1)).or_else(|| of(&self.file_md5));
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected: best,
            owner: Owner::project(project),
            ..Facts::at(storage, path)
        }
    }

    fn own_state(&self) -> Option<(i64, Vec<u8>)> {
        self.verification_state.zip(self.verification_checksum.clone())
    }
}

impl PackageFile {
    /// The project: in older versions only the package knows it.
    fn project(&self, known: &Known) -> Option<i64> {
        self.project_id.or_else(|| known.packages.get(&self.package_id?).copied())
    }

    fn path(&self, project: Option<i64>) -> Result<String, String> {
        let final_path = self.file_final_path.as_ref().filter(|path| !path.is_empty());
        if let Some(path) = final_path.filter(|_| self.file_store == Some(OBJECT)) {
            return Ok(path.clone());
        }
        let file = named(self.file.as_ref())?;
        let package = filled(self.package_id, "package_id")?;
        let project =
            project.ok_or_else(|| format!("the package {package} that it belongs to is missing"))?;
        Ok(path::below(project, &[&"packages", &package, &"files", &self.id, file]))
    }
}

row! {
    /// A `NuGet` symbol file.
    NugetSymbol {
        id: i64 = must "id",
        created_at: Option<Timestamp> = must "created_at",
        project_id: Option<i64> = may "project_id",
        size: Option<i64> = must "size",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        object_storage_key: Option<String> = must "object_storage_key",
        file_sha256: Option<Vec<u8>> = may "file_sha256",
    }
}

impl Table for NugetSymbol {
    table!(Plan {
        model: Model::PackagesNugetSymbols,
        side: Side::Main,
        tables: &["packages_nuget_symbols"],
        columns: Self::COLUMNS,
        states: states!("packages_nuget_symbol_states" by "packages_nuget_symbol_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::project(self.project_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let storage = storages.file(ObjectType::Packages, self.file_store, "Packages::Nuget::SymbolUploader");
        let expected = self.file_sha256.as_deref().and_then(digest::of_bytes);
        Facts {
            created_at: self.created_at,
            file_size: self.size,
            expected,
            // Without a digest there is nothing that would be of other bytes than those stored.
            rule: expected.map_or(DigestRule::Stored, |_| DigestRule::PortablePdb),
            owner: Owner::project(self.project_id),
            ..Facts::at(storage, self.path())
        }
    }
}

impl NugetSymbol {
    fn path(&self) -> Result<String, String> {
        let file = named(self.file.as_ref())?;
        let key = self.object_storage_key.as_ref().filter(|key| !key.is_empty());
        Ok(format!("{}/{file}", filled(key, "object_storage_key")?))
    }
}

row! {
    /// A layer that the dependency proxy keeps.
    DependencyProxyBlob {
        id: i64 = must "id",
        group_id: Option<i64> = must "group_id",
        created_at: Option<Timestamp> = must "created_at",
        size: Option<i64> = must "size",
        file_store: Option<i64> = must "file_store",
        file_name: Option<String> = must "file_name",
        file: Option<String> = must "file",
    }
}

impl Table for DependencyProxyBlob {
    table!(Plan {
        model: Model::DependencyProxyBlobs,
        side: Side::Main,
        tables: &["dependency_proxy_blobs"],
        columns: Self::COLUMNS,
        states: states!("dependency_proxy_blob_states" by "dependency_proxy_blob_id"),
        needs: &[],
        touched: Touched::Never,
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::group(self.group_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let name = self.file_name.as_deref().unwrap_or_default();
        let expected = digest::of_text(name.strip_suffix(".gz").unwrap_or(name));
        let Self { id, group_id, created_at, size, file_store, file, .. } = self;
        Facts { expected, ..proxied(storages, id, group_id, created_at, size, file_store, file.as_ref()) }
    }
}

row! {
    /// A manifest that the dependency proxy keeps.
    DependencyProxyManifest {
        id: i64 = must "id",
        group_id: Option<i64> = must "group_id",
        created_at: Option<Timestamp> = must "created_at",
        updated_at: Option<Timestamp> = may "updated_at",
        size: Option<i64> = must "size",
        file_store: Option<i64> = must "file_store",
        file: Option<String> = must "file",
        digest: Option<String> = must "digest",
    }
}

impl Table for DependencyProxyManifest {
    table!(Plan {
        model: Model::DependencyProxyManifests,
        side: Side::Main,
        tables: &["dependency_proxy_manifests"],
        columns: Self::COLUMNS,
        states: states!("dependency_proxy_manifest_states" by "dependency_proxy_manifest_id"),
        needs: &[],
        // It is fetched again into the same row.
        touched: Touched::Own(&[needed("updated_at", crate::field::Kind::Time)]),
    });

    fn want(&self, wanted: &mut Wanted) {
        wanted.owner(Owner::group(self.group_id));
    }

    fn describe(self, _: &Known, storages: &Storages) -> Facts {
        let expected: Option<Digest> = self.digest.as_deref().and_then(digest::of_manifest);
        let Self { id, group_id, created_at, updated_at: content_changed_at, size, file_store, file, .. } =
            self;
        Facts {
            expected,
            content_changed_at,
            ..proxied(storages, id, group_id, created_at, size, file_store, file.as_ref())
        }
    }
}

/// What layers and manifests have in common.
fn proxied(
    storages: &Storages,
    id: i64,
    group_id: Option<i64>,
    created_at: Option<Timestamp>,
    size: Option<i64>,
    file_store: Option<i64>,
    file: Option<&String>,
) -> Facts {
    let storage = storages.file(ObjectType::DependencyProxy, file_store, "DependencyProxy::FileUploader");
    let path = named(file).and_then(|file| {
        let group = filled(group_id, "group_id")?;
        Ok(path::below(group, &[&"dependency_proxy", &group, &"files", &id, file]))
    });
    Facts { created_at, file_size: size, owner: Owner::group(group_id), ..Facts::at(storage, path) }
}
