//! The database of a GitLab instance, with rows of all 20 models and all their exceptions.

mod blobs;
mod ci;
mod content;
mod debian;
mod fixture;
mod packages;
mod record;
mod repositories;
mod uploads;

use std::fmt::Write as _;

pub use fixture::{
    ClusterFault, GitlabBuckets, GitlabCluster, GitlabFixture, GitlabOrphan, GitlabSchema, GitlabServed,
    GitlabSetup,
};
pub use record::{GitlabOutcome, GitlabRecord};

use record::hashed;

use crate::postgres::run_script as run;

const MAIN: &str = include_str!("gitlab/main.sql");
const CI: &str = include_str!("gitlab/ci.sql");
const OLDER: &str = include_str!("gitlab/older.sql");
const OLDEST: &str = include_str!("gitlab/oldest.sql");
const NEWER: &str = include_str!("gitlab/newer.sql");

/// A table of the database of security, whose row owns an upload.
const SECURITY: &str = "CREATE TABLE vulnerability_export_parts (id bigint PRIMARY KEY);";

/// The tables of GitLab's own verification, each with its key.
const MAIN_STATES: [(&str, &str); 17] = [
    ("container_repository_states", "container_repository_id"),
    ("dependency_proxy_blob_states", "dependency_proxy_blob_id"),
    ("dependency_proxy_manifest_states", "dependency_proxy_manifest_id"),
    ("design_management_repository_states", "design_management_repository_id"),
    ("group_wiki_repository_states", "group_wiki_repository_id"),
    ("lfs_object_states", "lfs_object_id"),
    ("merge_request_diff_details", "merge_request_diff_id"),
    ("packages_debian_project_component_file_states", "packages_debian_project_component_file_id"),
    ("packages_nuget_symbol_states", "packages_nuget_symbol_id"),
    ("packages_package_file_states", "package_file_id"),
    ("pages_deployment_states", "pages_deployment_id"),
    ("project_states", "project_id"),
    ("wiki_repository_states", "project_wiki_repository_id"),
    ("snippet_repository_states", "snippet_repository_id"),
    ("supply_chain_attestation_states", "supply_chain_attestation_id"),
    ("terraform_state_version_states", "terraform_state_version_id"),
    ("upload_states", "upload_id"),
];

const CI_STATES: [(&str, &str); 3] = [
    ("ci_job_artifact_states", "job_artifact_id"),
    ("p_ci_pipeline_artifact_states", "pipeline_artifact_id"),
    ("ci_secure_file_states", "ci_secure_file_id"),
];

/// Tables of the database of CI, by which it is told from a copy.
const CI_TABLES: [&str; 3] = ["p_ci_job_artifacts", "ci_pipeline_artifacts", "ci_secure_files"];

/// The secret of the instance that the encrypted files are from.
const DB_KEY_BASE: &str = "db-key-base-of-the-gitlab";

/// An index of a channel of packages, which Helm reads.
const HELM_INDEX: &str = "apiVersion: v1\nentries: {}\n";

/// What all projects and groups, users and notes belong to.
const OWNERS: &str = "
    INSERT INTO shards VALUES (1, 'default'), (2, 'second');
    INSERT INTO namespaces (id, path) VALUES (7, 'flights'), (8, 'tower');
    INSERT INTO users VALUES (1, 'secret');
    INSERT INTO notes VALUES (1, 'words');
    INSERT INTO appearances VALUES (1);
    INSERT INTO topics VALUES (1);
    INSERT INTO issuable_metric_images VALUES (1);
    INSERT INTO bulk_import_export_uploads VALUES (1);
    INSERT INTO import_export_uploads VALUES (1);
    INSERT INTO design_management_designs_versions VALUES (1);
    INSERT INTO organization_details VALUES (1);
    INSERT INTO routes (source_type, source_id, path) VALUES
        ('Namespace', 7, 'flights'), ('Namespace', 8, 'flights/tower'),
        ('Project', 1, 'flights/Planner'), ('Project', 2, 'flights/tower/lights'), ('Project', 42, 'old/legacy');
    INSERT INTO snippets (id, project_id, updated_at, type) VALUES
        (1, NULL, '2025-02-06', 'PersonalSnippet'), (2, 1, '2025-02-05', 'ProjectSnippet');
";

/// A GitLab's rows, and what each of them says.
///
/// A storage is named after GitLab's place of files: `lfs-disk` is its local folder, `lfs-bucket` its bucket;
/// `public-disk` is the folder `public`, `git-default` and `git-second` are Gitaly's `default` and `second`,
/// `registry` is the registry. The folder of uploads is `/srv/uploads`.
#[derive(Debug, Clone)]
pub struct GitlabDatabase {
    /// What the rows say, by model and in the order of their keys.
    pub records: Vec<GitlabRecord>,
}

impl GitlabDatabase {
    /// Fills an empty database with the tables of GitLab 18.9 and rows of all models.
    pub fn load(url: &str) -> anyhow::Result<Self> {
        let schema = format!("{}{}", schema(MAIN, &MAIN_STATES), schema(CI, &CI_STATES));
        let records = planted()?;
        run(url, &format!("{schema}{OWNERS}{}{}", rows(&records, |_| true), others()))?;
        Ok(Self { records })
    }

    /// The same with the tables of GitLab 16.11, from which some models, columns and states are missing.
    pub fn load_older(url: &str) -> anyhow::Result<Self> {
        let Self { records } = Self::load(url)?;
        run(url, OLDER)?;
        Ok(Self { records: in_older(records) })
    }

    /// The same with the tables of GitLab 15.11, the oldest that is supported.
    pub fn load_oldest(url: &str) -> anyhow::Result<Self> {
        let Self { records } = Self::load_older(url)?;
        run(url, OLDEST)?;
        let is_there = |record: &GitlabRecord| record.model != "packages_nuget_symbols";
        Ok(Self { records: records.into_iter().filter(is_there).collect() })
    }

    /// Fills two empty databases with what GitLab 18.9 keeps in each; each also has the tables of the other,
    /// locked against writing, with a row left from before they were parted.
    pub fn load_decomposed(main: &str, ci: &str) -> anyhow::Result<Self> {
        let schema = format!("{}{}", schema(MAIN, &MAIN_STATES), schema(CI, &CI_STATES));
        run(main, &schema)?;
        run(ci, &schema)?;
        let records = planted()?;
        let stale = |model| rows(&records, |record| record.model == model && record.id == 1);
        let (old_artifact, old_project) = (stale("ci_job_artifacts"), stale("projects"));
        let main_tables = ["projects", "uploads", "lfs_objects", "routes"];
        let of_main = rows(&records, |record| !is_of_ci(record));
        run(main, &format!("{OWNERS}{of_main}{}{old_artifact}{}", others(), lock(&CI_TABLES)))?;
        run(ci, &format!("{}{old_project}{}", rows(&records, is_of_ci), lock(&main_tables)))?;
        Ok(Self { records })
    }

    /// The same in three: with what GitLab keeps in that of security, of which the main database has an empty copy.
    pub fn load_parted(main: &str, ci: &str, sec: &str) -> anyhow::Result<Self> {
        let loaded = Self::load_decomposed(main, ci)?;
        run(main, &format!("{SECURITY}{}", write_triggers(&["vulnerability_export_parts"])))?;
        run(sec, &format!("{SECURITY} INSERT INTO vulnerability_export_parts VALUES (1);"))?;
        Ok(loaded)
    }

    /// The records of one model.
    pub fn of(&self, model: &str) -> impl Iterator<Item = &GitlabRecord> {
        self.records.iter().filter(move |record| record.model == model)
    }

    /// Adds so many artifacts of jobs and so many uploads of notes and projects to a loaded database, all after the
    /// others: for measuring.
    pub fn multiply(url: &str, rows: u64) -> anyhow::Result<()> {
        run(
            url,
            &format!(
                "INSERT INTO p_ci_job_artifacts (id, project_id, job_id, file_type, size, created_at, file,
                     file_store, file_sha256, file_location, partition_id)
                 SELECT n, n % 1000 + 1001, n / 3, n % 20, n, timestamptz '2025-01-01Z' + n * interval '1 s',
                     'artifacts.zip', 1, convert_to(encode(sha256(n::text::bytea), 'hex'), 'UTF8'), 2, 100 + n % 2
                 FROM generate_series(1000001, 1000000 + {rows}) AS n;
                 INSERT INTO uploads (id, size, path, checksum, model_id, model_type, uploader, created_at, store,
                     project_id)
                 SELECT n, n, md5(n::text) || '/picture.png', encode(sha256(n::text::bytea), 'hex'), n % 1000 + 1001,
                     'Project', 'FileUploader', timestamp '2025-01-01' + n * interval '1 s', 1, n % 1000 + 1001
                 FROM generate_series(1000001, 1000000 + {rows}) AS n;
                 INSERT INTO projects (id, created_at, storage_version)
                 SELECT n, now(), 2 FROM generate_series(1001, 2000) AS n;
                 INSERT INTO routes (source_type, source_id, path)
                 SELECT 'Project', n, 'many/project-' || n FROM generate_series(1001, 2000) AS n;
                 VACUUM ANALYZE;"
            ),
        )
    }
}

/// All rows, in the order of model and key.
fn planted() -> anyhow::Result<Vec<GitlabRecord>> {
    let (ci, blobs, packages) = (ci::records()?, blobs::records()?, packages::records()?);
    let mut records =
        [ci, blobs, packages, debian::records(), repositories::records(), uploads::records()].concat();
    sort(&mut records);
    Ok(records)
}

fn sort(records: &mut [GitlabRecord]) {
    records.sort_by_key(|record| (record.model, record.id));
}

/// Rows of what is no record of a model: the recorded places of hashed repositories, a pool of objects, and indexes
/// of packages on both stores.
fn others() -> String {
    let (one, two, size) = (hashed(1), hashed(2), HELM_INDEX.len());
    let caches = [(1, 1), (2, 2)].map(|(id, store)| {
        format!(
            "INSERT INTO packages_helm_metadata_caches (id, created_at, updated_at, project_id, size, file_store,
                 channel, file, object_storage_key)
             VALUES ({id}, now(), now(), 1, {size}, {store}, 'channel{id}', 'index.yaml', '{}');",
            helm_key(id)
        )
    });
    format!(
        "{}INSERT INTO project_repositories (shard_id, disk_path, project_id)
             VALUES (1, '@hashed/{one}', 1), (2, '@hashed/{two}', 2);
         INSERT INTO pool_repositories VALUES (1, 1, '@pools/{one}', 'ready', 1);
         {}",
        debian::DISTRIBUTIONS,
        caches.concat()
    )
}

/// The folder of an index of packages.
fn helm_key(id: u32) -> String {
    format!("{}/packages/helm/metadata_caches/channel{id}", hashed(1))
}

fn schema(tables: &str, states: &[(&str, &str)]) -> String {
    let mut script = tables.to_owned();
    for (table, key) in states {
        // Writing to a String does not fail.
        let _ = write!(
            script,
            "CREATE TABLE {table} ({key} bigint PRIMARY KEY, verified_at timestamptz, verification_state smallint \
             NOT NULL DEFAULT 0, verification_checksum bytea, verification_failure text);"
        );
    }
    script
}

fn rows(records: &[GitlabRecord], wanted: impl Fn(&GitlabRecord) -> bool) -> String {
    let wanted = records.iter().filter(|record| wanted(record));
    wanted.flat_map(|record| [record.insert.as_str(), ";\n"]).collect()
}

/// As they are in GitLab 16.11, if they are there at all.
fn in_older(records: Vec<GitlabRecord>) -> Vec<GitlabRecord> {
    records.into_iter().filter_map(GitlabRecord::in_older).collect()
}

/// Whether GitLab keeps the row in its database of CI, if it has one.
fn is_of_ci(record: &GitlabRecord) -> bool {
    record.model.starts_with("ci_")
}

/// Locks tables as GitLab does when their rows have moved to its other database.
fn lock(tables: &[&str]) -> String {
    let function = "CREATE FUNCTION gitlab_schema_prevent_write() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'table % is write protected', TG_TABLE_NAME; END $$;";
    format!("{function}{}", write_triggers(tables))
}

fn write_triggers(tables: &[&str]) -> String {
    let mut script = String::new();
    for table in tables {
        let _ = write!(
            script,
            "CREATE TRIGGER gitlab_schema_write_trigger_for_{table} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
             ON {table} FOR EACH STATEMENT EXECUTE FUNCTION gitlab_schema_prevent_write();"
        );
    }
    script
}
