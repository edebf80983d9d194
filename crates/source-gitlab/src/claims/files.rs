//! Files claimed by rows that are no records.
//!
//! The folders are those that the classes in `app/uploaders` of GitLab's source define.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use stocktake_domain::ObjectType;
use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Unclaimed;
use crate::column::{Column, ColumnType, Field as _, required};
use crate::database::Value;
use crate::mapping::DbKind;
use crate::path;
use crate::schema::{Schema, TableColumns, Tables};
use crate::settings::{LOCAL, OBJECT, StorageRole};

/// A table whose rows have a file each.
struct Claimant {
    db: DbKind,
    object_type: ObjectType,
    folder: Folder,
    table: &'static str,
    /// The row's key or its folder; the file's name; its store; the id whose hash the folder is below, if the row has
    /// it.
    columns: &'static [Column],
}

/// The folder of a row's file.
#[derive(Clone, Copy)]
enum Folder {
    /// The row contains it.
    Named,
    /// The row contains it; in a bucket, what it contains is the whole key of the file.
    Keyed,
    /// The row contains the whole key of a file in a bucket; where it is on a disk is not known.
    KeyedInBuckets,
    /// This one, below the hashed folder of an id; `#` stands for the row's own id, `%` for that id.
    Hashed(&'static str),
    /// The same, below the folder of uploads that belong to no project.
    HashedInSystem(&'static str),
    /// One below this one, which belongs to no project. How it is named is not known, but the row's own id is part of it.
    Within(&'static str),
}

const fn optional(name: &'static str, data_type: ColumnType) -> Column {
    Column { name, data_type, required: false }
}

/// The columns of rows that contain their folder.
macro_rules! named {
    ($key:literal) => {
        &[
            required($key, ColumnType::Text),
            required("file", ColumnType::Text),
            optional("file_store", ColumnType::Integer),
        ]
    };
}

/// The columns of rows whose folder follows from ids.
macro_rules! hashed {
    ($key:literal, $file:literal, $store:literal $(, $root:literal)?) => {
        &[
            required($key, ColumnType::Integer),
            required($file, ColumnType::Text),
            optional($store, ColumnType::Integer),
            $(required($root, ColumnType::Integer),)?
        ]
    };
}

const CLAIMANTS: &[Claimant] =
    &[
        // SupplyChain::AttestationUploader: an attestation's second file, which is no record.
        of("slsa_attestations", Folder::Hashed("attestations/#"))
            .with(hashed!("id", "predicate_file", "predicate_file_store", "project_id"))
            .on(DbKind::Main, ObjectType::Uploads),
        // Packages::Helm::MetadataCacheUploader and Packages::Npm::MetadataCacheUploader: indexes of packages.
        of("packages_helm_metadata_caches", Folder::Named).with(named!("object_storage_key")),
        of("packages_npm_metadata_caches", Folder::Named).with(named!("object_storage_key")),
        // Packages::Rpm::RepositoryFileUploader.
        of("packages_rpm_repository_files", Folder::Hashed("projects/%/rpm/repository_files/#"))
            .with(hashed!("id", "file", "file_store", "project_id")),
        // Packages::Composer::CacheUploader.
        of("packages_composer_cache_files", Folder::Hashed("packages/composer_cache/#")).with(hashed!(
            "namespace_id",
            "file",
            "file_store",
            "namespace_id"
        )),
        // Packages::Debian::ComponentFileUploader, of groups; those of projects are records.
        of("packages_debian_group_component_files", Folder::Hashed("debian_group_component_file/#"))
            .with(hashed!("id", "file", "file_store")),
        // Packages::Debian::DistributionReleaseFileUploader: two files in a row, each with a store of its own.
        of("packages_debian_project_distributions", Folder::Hashed("debian_project_distribution/#"))
            .with(hashed!("id", "file", "file_store", "project_id")),
        of("packages_debian_project_distributions", Folder::Hashed("debian_project_distribution/#"))
            .with(hashed!("id", "signed_file", "signed_file_store", "project_id")),
        of("packages_debian_group_distributions", Folder::Hashed("debian_group_distribution/#"))
            .with(hashed!("id", "file", "file_store", "group_id")),
        of("packages_debian_group_distributions", Folder::Hashed("debian_group_distribution/#"))
            .with(hashed!("id", "signed_file", "signed_file_store", "group_id")),
        // Packages::Rubygems::SpecFileUploader: an index of gems.
        of("packages_rubygems_spec_files", Folder::Named).with(named!("object_storage_key")),
        // VirtualRegistries: cached upstream packages, under the names that the tables have had.
        cached_upstream("virtual_registries_packages_maven_cached_responses"),
        cached_upstream("virtual_registries_packages_maven_cache_entries"),
        cached_upstream("virtual_registries_packages_maven_cache_remote_entries"),
        cached_upstream("virtual_registries_packages_npm_cache_entries"),
        cached_upstream("virtual_registries_packages_npm_cache_remote_entries"),
        cached_upstream("virtual_registries_container_cache_entries"),
        cached_upstream("virtual_registries_container_cache_remote_entries"),
        // What was found in bills of materials, and what was looked at for that.
        of("sbom_vulnerability_scans", Folder::KeyedInBuckets)
            .with(&[
                required("sbom_file_final_path", ColumnType::Text),
                required("sbom_file", ColumnType::Text),
                optional("sbom_file_store", ColumnType::Integer),
            ])
            .on(DbKind::Sec, ObjectType::Uploads),
        scanned("sbom_vulnerability_scans", hashed!("id", "sbom_file", "sbom_file_store")),
        scanned("sbom_vulnerability_scans", hashed!("id", "result_file", "result_file_store")),
        scanned("sbom_vulnerability_scan_results", hashed!("id", "result_file", "result_file_store")),
        // Cd::ApplicationFlowDefinitionUploader.
        of("cd_application_flow_definitions", Folder::HashedInSystem("cd_application_flow_definitions/#"))
            .with(hashed!("id", "file", "file_store", "organization_id"))
            .on(DbKind::Main, ObjectType::Uploads),
        // DeletedObjectUploader: artifacts whose row is deleted and whose file GitLab has yet to delete.
        of("ci_deleted_objects", Folder::Named)
            .with(named!("store_dir"))
            .on(DbKind::Ci, ObjectType::Artifacts),
    ];

/// A table of packages, as most are.
const fn of(table: &'static str, folder: Folder) -> Claimant {
    Claimant { db: DbKind::Main, object_type: ObjectType::Packages, folder, table, columns: &[] }
}

/// A table of virtual registries, which use the dependency proxy's storage.
const fn cached_upstream(table: &'static str) -> Claimant {
    const COLUMNS: &[Column] = named!("object_storage_key");
    of(table, Folder::Keyed).with(COLUMNS).on(DbKind::Main, ObjectType::DependencyProxy)
}

/// A table of scans of bills of materials.
const fn scanned(table: &'static str, columns: &'static [Column]) -> Claimant {
    of(table, Folder::Within("sbom_scans/")).with(columns).on(DbKind::Sec, ObjectType::Uploads)
}

impl Claimant {
    const fn with(self, columns: &'static [Column]) -> Self {
        Self { columns, ..self }
    }

    const fn on(self, db: DbKind, object_type: ObjectType) -> Self {
        Self { db, object_type, ..self }
    }

    const fn part(&self) -> TableColumns {
        TableColumns { table: self.table, columns: self.columns }
    }

    /// The store of rows whose file is in a storage of this role; `None` if there are no such files.
    fn store_of(&self, role: StorageRole) -> Option<i64> {
        match role {
            StorageRole::Folder(of) if of == self.object_type => Some(LOCAL),
            StorageRole::Bucket(of) if of == self.object_type => Some(OBJECT),
            // The uploader of attestations uses the storage of uploads, but locally the folder `public`.
            StorageRole::Public if self.object_type == ObjectType::Uploads => Some(LOCAL),
            _ => None,
        }
    }
}

/// Whether rows of this database may claim content of a storage of this role.
pub(super) fn is_of(db: DbKind, role: StorageRole) -> bool {
    CLAIMANTS.iter().any(|claimant| claimant.db == db && claimant.store_of(role).is_some())
}

/// The tables of this database that say nothing about what there is: copies that are no longer written to, and tables that
/// have other columns than those that are known.
pub(super) fn unjudged(db: DbKind, schema: &Schema) -> impl Iterator<Item = &'static str> {
    let of = CLAIMANTS.iter().filter(move |claimant| claimant.db == db);
    let is_other = |claimant: &&Claimant| {
        schema.is_locked(claimant.table)
            || (schema.has_table(claimant.table) && !schema.has(&claimant.part()))
    };
    of.filter(is_other).map(|claimant| claimant.table)
}

/// Everything that is read.
pub(super) fn parts() -> impl Iterator<Item = TableColumns> {
    CLAIMANTS.iter().map(Claimant::part)
}

/// The indexes of the locations that rows of this database claim.
pub(super) async fn claimed(
    db: DbKind,
    tables: Tables<'_>,
    locations: &[Unclaimed<'_>],
) -> Result<HashSet<usize>, SourceError> {
    let mut claimed = HashSet::new();
    let is_live = |claimant: &&Claimant| {
        let is_known = tables.schema.has(&claimant.part()) && !tables.schema.is_locked(claimant.table);
        claimant.db == db && is_known
    };
    for claimant in CLAIMANTS.iter().filter(is_live) {
        claimed.extend(match claimant.folder {
            Folder::Named => claimant.named(tables, locations).await?,
            Folder::Keyed => {
                let mut claimed = claimant.named(tables, locations).await?;
                claimed.extend(claimant.keyed(tables, locations).await?);
                claimed
            }
            Folder::KeyedInBuckets => claimant.keyed(tables, locations).await?,
            Folder::Hashed(folder) => claimant.hashed("", folder, tables, locations).await?,
            Folder::HashedInSystem(folder) => claimant.hashed(SYSTEM, folder, tables, locations).await?,
            Folder::Within(folder) => claimant.within(folder, tables, locations).await?,
        });
    }
    Ok(claimed)
}

/// The folder of uploads that belong to no project.
const SYSTEM: &str = "-/system/";

/// A location, the path in it that is compared, and the row that may claim it: the row's key, the file's name and its
/// store.
type Candidate<'p, K> = (&'p Unclaimed<'p>, &'p str, (K, String, i64));

impl Claimant {
    /// The locations of rows that contain their folder.
    async fn named(
        &self,
        tables: Tables<'_>,
        locations: &[Unclaimed<'_>],
    ) -> Result<Vec<usize>, SourceError> {
        let candidates = locations.iter().filter_map(|location| {
            let (folder, file) = location.path.rsplit_once('/')?;
            let row = (folder.to_owned(), file.to_owned(), self.store_of(location.role)?);
            Some((location, location.path, row))
        });
        let candidates: Vec<Candidate<'_, String>> = candidates.collect();
        let keys: Vec<&str> = candidates.iter().map(|(.., (folder, ..))| folder.as_str()).collect();
        let keys: Value<'_> = (&keys, Type::TEXT_ARRAY);
        let rows = self.rows(tables, &candidates, keys, |row| row.try_get::<_, String>(0)).await?;
        let claimed = candidates.iter().filter(|(.., row)| rows.contains_key(row));
        Ok(claimed.map(|(location, ..)| location.index).collect())
    }

    /// The locations in buckets of rows that contain the whole key.
    async fn keyed(
        &self,
        tables: Tables<'_>,
        locations: &[Unclaimed<'_>],
    ) -> Result<Vec<usize>, SourceError> {
        let part = self.part();
        let [key, _, store, ..] = self.columns else { return Ok(Vec::new()) };
        let candidates: Vec<&Unclaimed<'_>> =
            locations.iter().filter(|location| self.store_of(location.role) == Some(OBJECT)).collect();
        if candidates.is_empty() || !tables.can_read(&part)? {
            return Ok(Vec::new());
        }
        let paths: Vec<&str> = candidates.iter().map(|location| location.path).collect();
        let of_bucket = if tables.schema.has_column(self.table, store.name) {
            format!(" AND {} = {OBJECT}", store.name)
        } else {
            String::new()
        };
        let statement = format!("SELECT {0} FROM {1} WHERE {0} = ANY ($1){of_bucket}", key.name, part.table);
        let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
        let rows = tables.snapshot.rows(&statement, &values, |row| row.try_get::<_, String>(0)).await?;
        let rows: HashSet<String> = rows.into_iter().collect();
        let claimed = candidates.into_iter().filter(|location| rows.contains(location.path));
        Ok(claimed.map(|location| location.index).collect())
    }

    /// The locations of rows whose folder follows from ids. In a bucket, the folder above may be named as on the disk,
    /// or left out.
    async fn hashed(
        &self,
        above: &str,
        folder: &str,
        tables: Tables<'_>,
        locations: &[Unclaimed<'_>],
    ) -> Result<Vec<usize>, SourceError> {
        let candidates = locations.iter().filter_map(|location| {
            let store = self.store_of(location.role)?;
            let path = below_system(location.path, above, store)?;
            let (_, below) = below_hashed(path)?;
            let (id, file) = numbered(below, folder)?;
            Some((location, path, (id, file.to_owned(), store)))
        });
        let candidates: Vec<Candidate<'_, i64>> = candidates.collect();
        let keys: Vec<i64> = candidates.iter().map(|(.., (id, ..))| *id).collect();
        let keys: Value<'_> = (&keys, Type::INT8_ARRAY);
        let rows = self.rows(tables, &candidates, keys, |row| i64::read(row, 0)).await?;
        let claimed = candidates.iter().filter(|(_, path, row)| {
            // If the row does not have the id whose hash the folder is below, its own id is enough.
            rows.get(row).is_some_and(|root| root.is_none_or(|root| is_below(path, root, folder)))
        });
        Ok(claimed.map(|(location, ..)| location.index).collect())
    }

    /// The locations below a folder of rows whose id names one of the folders in between.
    async fn within(
        &self,
        folder: &str,
        tables: Tables<'_>,
        locations: &[Unclaimed<'_>],
    ) -> Result<Vec<usize>, SourceError> {
        let mut candidates: Vec<Candidate<'_, i64>> = Vec::new();
        for location in locations {
            let Some(store) = self.store_of(location.role) else { continue };
            let below = below_system(location.path, SYSTEM, store).and_then(|path| path.strip_prefix(folder));
            let Some((folders, file)) = below.and_then(|below| below.rsplit_once('/')) else { continue };
            let ids = folders.split('/').filter_map(|name| name.parse().ok());
            candidates.extend(ids.map(|id| (location, location.path, (id, file.to_owned(), store))));
        }
        let keys: Vec<i64> = candidates.iter().map(|(.., (id, ..))| *id).collect();
        let keys: Value<'_> = (&keys, Type::INT8_ARRAY);
        let rows = self.rows(tables, &candidates, keys, |row| i64::read(row, 0)).await?;
        let claimed = candidates.iter().filter(|(.., row)| rows.contains_key(row));
        Ok(claimed.map(|(location, ..)| location.index).collect())
    }

    /// The candidates' rows, each with the id whose hash its folder is below, if the row has it.
    async fn rows<K: Eq + Hash>(
        &self,
        tables: Tables<'_>,
        candidates: &[Candidate<'_, K>],
        keys: Value<'_>,
        key: impl Fn(&Row) -> Result<K, tokio_postgres::Error>,
    ) -> Result<HashMap<(K, String, i64), Option<i64>>, SourceError> {
        let part = self.part();
        let [key_column, file_column, _, rest @ ..] = self.columns else { return Ok(HashMap::new()) };
        if candidates.is_empty() || !tables.can_read(&part)? {
            return Ok(HashMap::new());
        }
        let names: Vec<&str> = candidates.iter().map(|(.., (_, file, _))| file.as_str()).collect();
        let statement = format!(
            "SELECT {} FROM {} WHERE {} = ANY ($1) AND {} = ANY ($2)",
            tables.schema.select(&part),
            part.table,
            key_column.name,
            file_column.name
        );
        let values: [Value<'_>; 2] = [keys, (&names, Type::TEXT_ARRAY)];
        let read = |row: &Row| {
            let store = Option::<i64>::read(row, 2)?.unwrap_or(LOCAL);
            let root = if rest.is_empty() { None } else { Option::<i64>::read(row, 3)? };
            Ok(((key(row)?, row.try_get(1)?, store), root))
        };
        Ok(tables.snapshot.rows(&statement, &values, read).await?.into_iter().collect())
    }
}

/// A path below this folder of uploads. In a bucket, the folder may be named as on the disk, or left out.
fn below_system<'p>(path: &'p str, above: &str, store: i64) -> Option<&'p str> {
    if store == LOCAL {
        return path.strip_prefix(above);
    }
    let below = path.strip_prefix("uploads/").and_then(|path| path.strip_prefix(above));
    Some(below.unwrap_or(path))
}

/// The hashed folder at the beginning of a path, and the rest of the path.
pub(super) fn below_hashed(path: &str) -> Option<(&str, &str)> {
    let mut ends = path.match_indices('/').map(|(end, _)| end);
    let (hashed, below) = ends.nth(2).and_then(|end| path.split_at_checked(end))?;
    let mut folders = hashed.split('/');
    let (first, second, digits) = (folders.next()?, folders.next()?, folders.next()?);
    let is_hashed = digits.len() == 64
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        && digits.strip_prefix(first)?.starts_with(second)
        && (first.len(), second.len()) == (2, 2);
    is_hashed.then_some((hashed, below.strip_prefix('/')?))
}

/// The row's own id in a path below a hashed folder, and the name of the file.
fn numbered<'p>(below: &'p str, folder: &str) -> Option<(i64, &'p str)> {
    let mut parts = below.splitn(folder.split('/').count() + 1, '/');
    let mut id = None;
    for (expected, part) in folder.split('/').zip(&mut parts) {
        match expected {
            "#" => id = Some(part.parse().ok()?),
            // Compared with the row's id by `is_below`.
            "%" => {}
            _ if expected == part => {}
            _ => return None,
        }
    }
    Some((id?, parts.next()?))
}

/// Whether a path begins with the hashed folder of this id, and contains the id wherever the folder has it.
fn is_below(path: &str, root: i64, folder: &str) -> bool {
    let Some((hashed, below)) = below_hashed(path) else { return false };
    let mut parts = folder.split('/').zip(below.split('/'));
    hashed == path::hashed(root) && parts.all(|(expected, part)| expected != "%" || part == root.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_paths() {
        let hashed = path::hashed(42);
        for (below, folder, expected) in [
            ("attestations/7/p.json", "attestations/#", Some((7, "p.json"))),
            ("attestations/7/a/b", "attestations/#", Some((7, "a/b"))),
            ("attestations/x/p.json", "attestations/#", None),
            ("attestations/7", "attestations/#", None),
            ("packages/7/p.json", "attestations/#", None),
            (
                "projects/42/rpm/repository_files/9/f.xml",
                "projects/%/rpm/repository_files/#",
                Some((9, "f.xml")),
            ),
        ] {
            let path = format!("{hashed}/{below}");
            assert_eq!(below_hashed(&path), Some((hashed.as_str(), below)));
            assert_eq!(numbered(below, folder), expected, "{below}");
            if expected.is_some() {
                assert!(is_below(&path, 42, folder) && !is_below(&path, 43, folder), "{below}");
            }
        }
        let other = format!("{hashed}/projects/1/rpm/repository_files/9/f.xml");
        assert!(!is_below(&other, 42, "projects/%/rpm/repository_files/#"));
    }

    #[test]
    fn other_paths_are_in_no_hashed_folder() {
        let digits = "73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049";
        for path in [
            "",
            "a",
            "73/47/x/y",
            &format!("73/47/{digits}"),
            &format!("73/48/{digits}/x"),
            &format!("734/75/{digits}/x"),
            &format!("@hashed/73/47/{digits}/x"),
            &format!("73/47/{}/x", digits.to_uppercase()),
        ] {
            assert_eq!(below_hashed(path), None, "{path}");
        }
        assert!(below_hashed(&format!("73/47/{digits}/x")).is_some());
    }
}
