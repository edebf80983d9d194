//! What claims content that no record has.

use std::collections::BTreeSet;

use stocktake_domain::ports::{Claim, Source as _, SourceError};
use stocktake_domain::{Location, ObjectType};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource, Stores};
use stocktake_testbed::{GitlabDatabase, postgres};

use crate::support::{decomposed, loaded, source, storages};

/// The folders of the ids 1 and 7.
const ONE: &str = "6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
const SEVEN: &str = "79/02/7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451";

/// Indexes of packages that the fixture does not have.
const INDEXES: &str = "
    CREATE TABLE packages_rpm_repository_files (
        id bigint PRIMARY KEY, project_id bigint NOT NULL, file text NOT NULL, file_store integer DEFAULT 1);
    CREATE TABLE packages_composer_cache_files (
        id bigint PRIMARY KEY, namespace_id integer, file text NOT NULL, file_store smallint NOT NULL DEFAULT 1);
    CREATE TABLE packages_debian_group_component_files (
        id bigint PRIMARY KEY, file text NOT NULL, file_store smallint NOT NULL DEFAULT 1);
    INSERT INTO packages_rpm_repository_files VALUES (9, 1, 'repomd.xml');
    INSERT INTO packages_composer_cache_files VALUES (9, 7, 'abc.json', 2);
    INSERT INTO packages_debian_group_component_files VALUES (9, 'Packages');
    INSERT INTO packages_debian_project_distributions VALUES (9, 1, 'sid', 'Release', 1, 'InRelease', 2);";

/// Rows of newer versions that the fixture does not have, and cached packages of virtual registries.
const FETCHED: &str = "
    CREATE TABLE packages_rubygems_spec_files (
        id bigint PRIMARY KEY, file text NOT NULL, object_storage_key text NOT NULL, file_store smallint);
    CREATE TABLE virtual_registries_packages_maven_cache_entries (
        object_storage_key text NOT NULL, file text, file_store smallint NOT NULL DEFAULT 1);
    CREATE TABLE virtual_registries_container_cache_remote_entries (
        object_storage_key text NOT NULL, file text, file_store smallint NOT NULL DEFAULT 1);
    CREATE TABLE sbom_vulnerability_scans (
        id bigint PRIMARY KEY, sbom_file text, sbom_file_store smallint DEFAULT 1, sbom_file_final_path text,
        result_file text, result_file_store smallint DEFAULT 1);
    CREATE TABLE sbom_vulnerability_scan_results (
        id bigint PRIMARY KEY, result_file text, result_file_store smallint DEFAULT 1);
    CREATE TABLE cd_application_flow_definitions (
        id bigint PRIMARY KEY, organization_id bigint NOT NULL, file_store smallint NOT NULL DEFAULT 1,
        file text NOT NULL);
    INSERT INTO sbom_vulnerability_scans VALUES
        (1, 'scan.json', 2, 'sbom/one', NULL, NULL), (7, 'scan.json', 1, NULL, 'result.json', 2);
    INSERT INTO sbom_vulnerability_scan_results VALUES (8, 'result.json', NULL);
    INSERT INTO cd_application_flow_definitions VALUES (9, 1, 1, 'definition.yml'), (10, 1, 2, 'definition.yml');
    INSERT INTO packages_rubygems_spec_files VALUES (1, 'specs.4.8.gz', 'gems/1', 1);
    INSERT INTO virtual_registries_packages_maven_cache_entries VALUES ('{ONE}/virtual_registries/1', 'a.jar');
    INSERT INTO virtual_registries_container_cache_remote_entries VALUES ('{ONE}/virtual_registries/2', 'layer', 2);";

const DELETED: &str = "
    CREATE TABLE ci_deleted_objects (
        id bigint PRIMARY KEY, file_store smallint NOT NULL DEFAULT 1, store_dir text NOT NULL, file text NOT NULL);
    INSERT INTO ci_deleted_objects VALUES (1, 1, '2017_01/7/1', 'artifacts.zip')";

/// What makes a table a copy that is no longer written to.
fn locked(table: &str) -> String {
    format!(
        "CREATE FUNCTION gitlab_schema_prevent_write() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'locked'; END $$; \
         CREATE TRIGGER gitlab_schema_write_trigger_for_x BEFORE INSERT ON {table} \
         FOR EACH STATEMENT EXECUTE FUNCTION gitlab_schema_prevent_write()"
    )
}

/// A storage and a path, and the expected claim.
type Case<'c> = (&'c str, &'c str, Claim);

fn place(storage: &str, path: &str) -> Location {
    Location { storage: storage.to_owned(), path: path.to_owned() }
}

async fn assert_claims(source: &GitlabSource, cases: &[Case<'_>]) {
    let pieces: Vec<_> = cases.iter().map(|(storage, path, _)| vec![place(storage, path)]).collect();
    let claims = source.claims(&pieces).await.unwrap();
    assert_eq!(claims.len(), cases.len());
    for (claim, expected) in claims.iter().zip(cases) {
        assert_eq!(*claim, expected.2, "{expected:?}");
    }
}

fn indexed() -> String {
    let (url, _) = loaded();
    let fetched = FETCHED.replace("{ONE}", ONE);
    postgres().sql(&url, &format!("{INDEXES}{fetched}{DELETED}")).unwrap();
    url
}

/// Repositories in Gitaly's storages.
const REPOSITORIES: [Case<'_>; 17] = [
    (
        "git-default",
        "@pools/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.git",
        Claim::Row,
    ),
    (
        "git-second",
        "@pools/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.git",
        Claim::Nobody,
    ),
    ("git-default", "@pools/aa/bb/aabb.git", Claim::Nobody),
    (
        "git-default",
        "@hashed/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.wiki.git",
        Claim::Row,
    ),
    (
        "git-default",
        "@hashed/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.design.git",
        Claim::Row,
    ),
    // Left behind when the project was moved to another storage.
    (
        "git-second",
        "@hashed/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.wiki.git",
        Claim::Nobody,
    ),
    ("git-default", "@hashed/aa/bb/aabb.wiki.git", Claim::Nobody),
    ("git-default", "old/legacy.wiki.git", Claim::Row),
    ("git-default", "old/legacy.git", Claim::Row),
    ("git-default", "old/recorded.design.git", Claim::Row),
    // Left behind when the project's repositories were moved to hashed paths.
    ("git-default", "flights/Planner.wiki.git", Claim::Nobody),
    ("git-default", "old/legacy+42+deleted.git", Claim::Nobody),
    ("git-default", "old/legacy", Claim::Nobody),
    // Its row is newer than the catalogue.
    (
        "git-default",
        "@groups/79/02/7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451.wiki.git",
        Claim::Row,
    ),
    (
        "git-default",
        "@snippets/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.git",
        Claim::Row,
    ),
    ("git-default", "+gitaly/tmp/x.git", Claim::Internal),
    ("git-default", "@cluster/repositories/ab/cd/1", Claim::Internal),
];

#[tokio::test]
async fn repositories_of_rows_that_are_no_records() {
    assert_claims(&source(&indexed()), &REPOSITORIES).await;
}

#[tokio::test]
async fn files_of_rows_that_are_no_records() {
    let source = source(&indexed());
    let below = |folder: &str, rest: &str| format!("{folder}/{rest}");
    let system = |folder: &str, id: u32| {
        format!("-/system/{folder}/cd_application_flow_definitions/{id}/definition.yml")
    };
    let helm = |id: u32, file: &str| format!("{ONE}/packages/helm/metadata_caches/channel{id}/{file}");
    let cases = [
        ("packages-disk", helm(1, "index.yaml"), Claim::Row),
        ("packages-bucket", helm(2, "index.yaml"), Claim::Row),
        // Left behind when it was moved to the bucket.
        ("packages-disk", helm(2, "index.yaml"), Claim::Nobody),
        ("packages-disk", helm(1, "other.yaml"), Claim::Nobody),
        ("artifacts-disk", helm(1, "index.yaml"), Claim::NotUnderstood),
        ("packages-disk", below(ONE, "projects/1/rpm/repository_files/9/repomd.xml"), Claim::Row),
        ("packages-disk", below(ONE, "projects/1/rpm/repository_files/8/repomd.xml"), Claim::Nobody),
        ("packages-disk", below(SEVEN, "projects/1/rpm/repository_files/9/repomd.xml"), Claim::Nobody),
        ("packages-bucket", below(SEVEN, "packages/composer_cache/7/abc.json"), Claim::Row),
        ("packages-disk", below(ONE, "debian_group_component_file/9/Packages"), Claim::Row),
        ("packages-disk", below(ONE, "debian_project_distribution/9/Release"), Claim::Row),
        ("packages-disk", below(ONE, "debian_project_distribution/9/InRelease"), Claim::Nobody),
        ("packages-bucket", below(ONE, "debian_project_distribution/9/InRelease"), Claim::Row),
        ("packages-disk", below(ONE, "debian_project_distribution/9/x"), Claim::Nobody),
        ("packages-disk", "gems/1/specs.4.8.gz".to_owned(), Claim::Row),
        ("dependency_proxy-disk", below(ONE, "virtual_registries/1/a.jar"), Claim::Row),
        ("dependency_proxy-disk", below(ONE, "virtual_registries/1/b.jar"), Claim::Nobody),
        ("dependency_proxy-bucket", below(ONE, "virtual_registries/1/a.jar"), Claim::Nobody),
        ("dependency_proxy-bucket", below(ONE, "virtual_registries/1"), Claim::Nobody),
        // In a bucket, the row has the whole key.
        ("dependency_proxy-bucket", below(ONE, "virtual_registries/2"), Claim::Row),
        ("dependency_proxy-bucket", below(ONE, "virtual_registries/2/layer"), Claim::Row),
        ("dependency_proxy-disk", below(ONE, "virtual_registries/2"), Claim::Nobody),
        ("packages-bucket", below(ONE, "virtual_registries/2"), Claim::NotUnderstood),
        // Types with a place of their own, in a bucket that another type has as well.
        ("packages-bucket", below(ONE, "yaml_definitions/9/definition.yml"), Claim::NotUnderstood),
        ("uploads-bucket", below(ONE, "work_item_agent_plans/9/9.json"), Claim::NotUnderstood),
        ("packages-bucket", "catalog/bundles/a/1.0.0/c.yml".to_owned(), Claim::NotUnderstood),
        ("uploads-bucket", "sbom/one".to_owned(), Claim::Row),
        ("uploads-bucket", "sbom/two".to_owned(), Claim::NotUnderstood),
        ("uploads-disk", system(ONE, 9), Claim::Row),
        ("uploads-disk", system(ONE, 10), Claim::Nobody),
        ("uploads-disk", system(SEVEN, 9), Claim::Nobody),
        ("uploads-bucket", format!("uploads/{}", system(ONE, 10)), Claim::Row),
        ("uploads-bucket", format!("uploads/{}", system(ONE, 9)), Claim::Nobody),
        ("public-disk", below(ONE, "attestations/1/predicate.json"), Claim::Row),
        ("uploads-bucket", below(ONE, "attestations/2/predicate.json"), Claim::Row),
        ("public-disk", below(ONE, "attestations/2/predicate.json"), Claim::Nobody),
        ("uploads-disk", below(SEVEN, "attestations/1/predicate.json"), Claim::NotUnderstood),
        ("artifacts-disk", "2017_01/7/1/artifacts.zip".to_owned(), Claim::Row),
        ("artifacts-bucket", "2017_01/7/1/artifacts.zip".to_owned(), Claim::Nobody),
        ("public-disk", "404.html".to_owned(), Claim::Internal),
        ("lfs-disk", "tmp/cache/x".to_owned(), Claim::Internal),
        ("uploads-bucket", "tmp/uploads/x".to_owned(), Claim::Internal),
        ("registry", "flights/planner/gone".to_owned(), Claim::Nobody),
        ("nowhere", "tmp/x".to_owned(), Claim::NotUnderstood),
    ];
    let cases: Vec<Case<'_>> =
        cases.iter().map(|(storage, path, claim)| (*storage, path.as_str(), *claim)).collect();
    assert_claims(&source, &cases).await;
    assert_claims(&source, &[]).await;
}

/// Pieces of content that lie at two places each.
async fn assert_pieces(source: &GitlabSource, cases: &[([(&str, String); 2], Claim)]) {
    for (places, expected) in cases {
        let mut piece: Vec<Location> = places.iter().map(|(storage, path)| place(storage, path)).collect();
        for _ in 0..2 {
            assert_eq!(source.claims(&[piece.clone()]).await.unwrap(), [*expected], "{piece:?}");
            piece.reverse();
        }
    }
}

#[tokio::test]
async fn content_that_lies_in_two_storages_is_that_of_either() {
    let url = indexed();
    let at = |storage: &'static str, path: &str| (storage, path.to_owned());
    let same = |one, two, path: &str| [at(one, path), at(two, path)];
    let helm = |id: u32| format!("{ONE}/packages/helm/metadata_caches/channel{id}/index.yaml");
    let (last, temporary) = (format!("{ONE}/@final/aa/bb/cc"), "tmp/uploads/1");
    let left = "-/system/user/avatar/9/left.png";
    let cases = [
        // One of the two knows the folder, and its rows claim what they claim.
        (same("artifacts-bucket", "packages-bucket", &helm(2)), Claim::Row),
        (same("artifacts-bucket", "packages-bucket", &helm(3)), Claim::Nobody),
        (same("artifacts-bucket", "packages-bucket", &last), Claim::Nobody),
        (same("artifacts-bucket", "lfs-bucket", &helm(2)), Claim::NotUnderstood),
        (same("artifacts-disk", "lfs-disk", "2017_01/7/1/artifacts.zip"), Claim::Row),
        ([at("artifacts-bucket", &format!("p/{}", helm(2))), at("packages-bucket", &helm(2))], Claim::Row),
        // The innermost decides what else it may be.
        ([at("uploads-bucket", "user/new/1"), at("packages-bucket", "new/1")], Claim::NotUnderstood),
        ([at("lfs-bucket", &format!("p/{last}")), at("packages-bucket", &last)], Claim::Nobody),
        ([at("lfs-bucket", "p/tmp/uploads/1"), at("packages-bucket", temporary)], Claim::Internal),
        ([at("public-disk", &format!("uploads/{left}")), at("uploads-disk", left)], Claim::Nobody),
        // Another storage's name is none of GitLab's.
        ([at("packages-bucket", &helm(3)), at("nowhere", "index.yaml")], Claim::Nobody),
    ];
    assert_pieces(&source(&url), &cases).await;
    // What cannot be judged of one of them is not judged.
    postgres().sql(&url, &locked("ci_deleted_objects")).unwrap();
    let cases = [
        (same("artifacts-bucket", "packages-bucket", &last), Claim::NotUnderstood),
        (same("artifacts-bucket", "packages-bucket", &helm(3)), Claim::Nobody),
    ];
    assert_pieces(&source(&url), &cases).await;
}

#[tokio::test]
async fn rows_of_a_place_that_is_not_known_may_claim_anything() {
    let mut storages = storages();
    storages.files.insert(ObjectType::Packages, Stores::default());
    let settings = GitlabSettings::new(indexed().as_str().into(), storages);
    let helm = |id: u32| format!("{ONE}/packages/helm/metadata_caches/channel{id}/index.yaml");
    let (one, two, three) = (helm(1), helm(2), helm(3));
    let cases = [
        ("artifacts-disk", one.as_str(), Claim::Row),
        ("artifacts-disk", &two, Claim::NotUnderstood),
        ("artifacts-bucket", &two, Claim::Row),
        ("artifacts-bucket", &three, Claim::NotUnderstood),
    ];
    assert_claims(&GitlabSource::new(settings).unwrap(), &cases).await;
}

#[tokio::test]
async fn files_of_scans_are_known_by_a_folder_with_the_id_of_their_row() {
    let cases = [
        ("uploads-disk", "-/system/sbom_scans/7/scan.json", Claim::Row),
        ("uploads-disk", "-/system/sbom_scans/3/7/x/scan.json", Claim::Row),
        ("uploads-disk", "-/system/sbom_scans/8/result.json", Claim::Row),
        ("uploads-bucket", "sbom_scans/7/result.json", Claim::Row),
        // It is in the other of the two places.
        ("uploads-disk", "-/system/sbom_scans/1/scan.json", Claim::NotUnderstood),
        ("uploads-disk", "-/system/sbom_scans/7/result.json", Claim::NotUnderstood),
        ("uploads-disk", "-/system/sbom_scans/7/other.json", Claim::NotUnderstood),
        ("uploads-disk", "-/system/other/7/scan.json", Claim::NotUnderstood),
    ];
    assert_claims(&source(&indexed()), &cases).await;
}

#[tokio::test]
async fn attachments_of_deleted_projects() {
    let url = indexed();
    let rows = "INSERT INTO uploads (id, size, path, model_id, model_type, uploader, created_at, store) VALUES \
                (901, 1, 'aa/left.png', 7, 'Project', 'FileUploader', now(), 1), \
                (902, 1, 'aa/old.png', 7, 'Project', 'FileUploader', now(), NULL), \
                (903, 1, 'aa/moved.png', 7, 'Project', 'FileUploader', now(), 2), \
                (904, 1, 'aa/other.png', 7, 'Group', 'NamespaceFileUploader', now(), 1)";
    postgres().sql(&url, rows).unwrap();
    let at = |folder: &str, file: &str| format!("@hashed/{folder}/{file}");
    let cases = [
        ("uploads-disk", at(SEVEN, "aa/left.png"), Claim::Row),
        ("uploads-disk", at(SEVEN, "aa/old.png"), Claim::Row),
        ("uploads-disk", at(SEVEN, "aa/moved.png"), Claim::Nobody),
        ("uploads-disk", at(SEVEN, "aa/other.png"), Claim::Nobody),
        ("uploads-disk", at(SEVEN, "ab/left.png"), Claim::Nobody),
        // The same name in a folder of another project.
        ("uploads-disk", at(ONE, "aa/left.png"), Claim::Nobody),
        ("uploads-bucket", at(SEVEN, "aa/left.png"), Claim::Nobody),
        ("lfs-disk", at(SEVEN, "aa/left.png"), Claim::NotUnderstood),
    ];
    let cases: Vec<Case<'_>> =
        cases.iter().map(|(storage, path, claim)| (*storage, path.as_str(), *claim)).collect();
    assert_claims(&source(&url), &cases).await;
}

#[tokio::test]
async fn container_repositories_that_are_newer_than_the_catalogue() {
    let (url, _) = loaded();
    let rows = "INSERT INTO routes (source_id, source_type, path) VALUES \
                (901, 'Project', 'New/Sub/App'), (901, 'Namespace', 'new/group'); \
                INSERT INTO container_repositories (id, project_id, name, created_at) VALUES \
                (901, 901, '', now()), (902, 901, 'web/front', now())";
    postgres().sql(&url, rows).unwrap();
    let cases = [
        ("registry", "new/sub/app", Claim::Row),
        ("registry", "new/sub/app/web/front", Claim::Row),
        ("registry", "new/sub/app/web", Claim::Nobody),
        ("registry", "new/sub", Claim::Nobody),
        ("registry", "new/group", Claim::Nobody),
        ("packages-disk", "new/sub/app", Claim::NotUnderstood),
    ];
    assert_claims(&source(&url), &cases).await;
}

#[tokio::test]
async fn repositories_without_a_shard_may_be_on_any() {
    let (url, _) = loaded();
    let row = "INSERT INTO snippet_repositories (snippet_id, disk_path) VALUES (901, '@snippets/aa/bb/aabb')";
    postgres().sql(&url, row).unwrap();
    let cases = [
        ("git-default", "@snippets/aa/bb/aabb.git", Claim::Row),
        ("git-second", "@snippets/aa/bb/aabb.git", Claim::Row),
        ("git-second", "@snippets/aa/bb/aabb.wiki.git", Claim::Nobody),
    ];
    assert_claims(&source(&url), &cases).await;
}

#[tokio::test]
async fn tables_that_do_not_exist_claim_nothing() {
    let url = postgres().create_database().unwrap();
    GitlabDatabase::load_older(&url).unwrap();
    postgres().sql(&url, "DROP TABLE pool_repositories").unwrap();
    let attestation = format!("{ONE}/attestations/1/predicate.json");
    let cases = [
        ("git-default", "@pools/aa/bb/aabb.git", Claim::Nobody),
        ("git-default", "old/legacy.wiki.git", Claim::Row),
        ("packages-disk", "helm/one/index.yaml", Claim::NotUnderstood),
        ("public-disk", &attestation, Claim::Nobody),
        ("artifacts-disk", "2017_01/7/1/artifacts.zip", Claim::Nobody),
    ];
    assert_claims(&source(&url), &cases).await;
}

#[tokio::test]
async fn files_that_await_deletion_are_in_the_database_of_ci() {
    let (main, ci) = (postgres().create_database().unwrap(), postgres().create_database().unwrap());
    GitlabDatabase::load_decomposed(&main, &ci).unwrap();
    postgres().sql(&ci, DELETED).unwrap();
    let both = decomposed(&main, &ci);
    let deleted = ("artifacts-disk", "2017_01/7/1/artifacts.zip", Claim::Row);
    assert_claims(&both, &[deleted, ("git-default", "old/legacy.wiki.git", Claim::Row)]).await;
    let alone = decomposed(&main, "postgres://nobody@127.0.0.1:1/nothing");
    // Other storages are answered for nevertheless.
    assert_claims(&alone, &[("git-default", "old/legacy.wiki.git", Claim::Row)]).await;
    let error = alone.claims(&[vec![place(deleted.0, deleted.1)]]).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_copy_that_is_no_longer_written_to_says_nothing() {
    let url = indexed();
    let lock =
        format!("DELETE FROM packages_helm_metadata_caches; {}", locked("packages_helm_metadata_caches"));
    postgres().sql(&url, &lock).unwrap();
    let helm = format!("{ONE}/packages/helm/metadata_caches/channel1/index.yaml");
    let npm = format!("{ONE}/packages/npm/metadata_caches/1/metadata.json");
    let cases =
        [("packages-disk", helm.as_str(), Claim::NotUnderstood), ("packages-disk", &npm, Claim::Nobody)];
    assert_claims(&source(&url), &cases).await;
}

#[tokio::test]
async fn a_table_that_is_not_as_it_is_known_says_nothing() {
    let url = indexed();
    let helm = format!("{ONE}/packages/helm/metadata_caches/channel3/index.yaml");
    let cached = format!("{ONE}/virtual_registries/1/b.jar");
    let both = |claim| [("packages-disk", helm.as_str(), claim), ("dependency_proxy-disk", &cached, claim)];
    assert_claims(&source(&url), &both(Claim::Nobody)).await;
    let newer = "ALTER TABLE packages_helm_metadata_caches RENAME COLUMN object_storage_key TO key; \
                 CREATE TABLE virtual_registries_packages_new_entries (id bigint, file text, file_store smallint)";
    postgres().sql(&url, newer).unwrap();
    assert_claims(&source(&url), &both(Claim::NotUnderstood)).await;
    // What other tables claim there, they claim.
    let known = format!("{ONE}/virtual_registries/1/a.jar");
    assert_claims(&source(&url), &[("dependency_proxy-disk", &known, Claim::Row)]).await;
    // Without a column of theirs, repositories that belong to no project would seem to be nobody's.
    postgres().sql(&url, "ALTER TABLE pool_repositories RENAME COLUMN disk_path TO path").unwrap();
    let error = source(&url).claims(&[vec![place("git-default", "@pools/a.git")]]).await.unwrap_err();
    assert!(error.to_string().contains("pool_repositories has no column disk_path"), "{error}");
}

#[tokio::test]
async fn all_storages_are_named() {
    let source = source("postgres://nobody@127.0.0.1:1/nothing");
    let mut expected: BTreeSet<String> =
        ["public-disk", "registry", "git-default", "git-second"].map(ToOwned::to_owned).into();
    for object_type in ObjectType::ALL {
        expected.extend([format!("{object_type}-disk"), format!("{object_type}-bucket")]);
    }
    assert_eq!(source.storages(), expected);
}
