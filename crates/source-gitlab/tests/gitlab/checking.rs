//! What is said of a schema before any row is read.

use stocktake_domain::Model;
use stocktake_domain::ports::{Readable, Source as _};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource, Storages, UnknownPlaces, grants};
use stocktake_testbed::{GitlabDatabase, Praefect, postgres};

use crate::support::{decomposed, loaded, source, storages};

#[tokio::test]
async fn each_model_has_its_table_and_its_storages() {
    let (main, ci) = (postgres().create_database().unwrap(), postgres().create_database().unwrap());
    GitlabDatabase::load_decomposed(&main, &ci).unwrap();
    let found = decomposed(&main, &ci).check().await.unwrap();
    assert!(found.models.iter().map(|model| model.model).eq(Model::ALL));
    assert_eq!((found.not_understood, found.missing_rights), (vec![], vec![]));
    let of = |model| found.models.iter().find(|found| found.model == model).unwrap();
    let artifacts = of(Model::CiJobArtifacts);
    assert_eq!(artifacts.rows.as_deref(), Some("p_ci_job_artifacts in the database of CI"));
    assert_eq!(artifacts.storages, ["artifacts-disk", "artifacts-bucket"]);
    assert_eq!(of(Model::SupplyChainAttestations).storages, ["public-disk", "uploads-bucket"]);
    assert_eq!(of(Model::Projects).storages, ["git-default", "git-second"]);
    assert_eq!(of(Model::ContainerRepositories).storages, ["registry"]);
    assert!(found.models.iter().all(|model| model.rows.is_some() && model.unknown.is_empty()));
}

#[tokio::test]
async fn tables_that_no_rule_knows_are_named() {
    let (url, _) = loaded();
    let newer = "CREATE TABLE bundles (id bigint PRIMARY KEY, file text, file_store smallint); \
                 CREATE TABLE plans (id bigint PRIMARY KEY, plan_file text); \
                 CREATE TABLE parts (id bigint, file_store smallint) PARTITION BY LIST (id); \
                 CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); \
                 CREATE TABLE flags (id bigint PRIMARY KEY, new_file boolean, book_store text); \
                 ALTER TABLE lfs_objects ADD preview_store smallint; \
                 ALTER TABLE notes ADD attachment_store smallint";
    postgres().sql(&url, newer).unwrap();
    let found = source(&url).check().await.unwrap();
    let named = ["bundles.file_store", "lfs_objects.preview_store", "parts.file_store", "plans.plan_file"];
    assert_eq!(found.not_understood, named);
}

#[tokio::test]
async fn rights_on_the_database_of_praefect_are_looked_at() {
    let (url, _) = loaded();
    let praefect = postgres().create_database().unwrap();
    let with = |praefect: &str| {
        let settings = GitlabSettings {
            praefect_database_url: Some(praefect.into()),
            ..GitlabSettings::new(url.as_str().into(), storages())
        };
        GitlabSource::new(settings).unwrap()
    };
    let refused = with(&praefect).check().await.unwrap_err().to_string();
    assert!(
        refused.contains("there is no repositories.relative_path, so that it is not Praefect's"),
        "{refused}"
    );

    Praefect::create(&praefect, "default").unwrap();
    postgres().sql(&praefect, "CREATE ROLE praefect_reader LOGIN PASSWORD 'word'").unwrap();
    let (_, place) = praefect.split_once('@').unwrap();
    let source = with(&format!("postgres://praefect_reader:word@{place}"));
    let missing = source.check().await.unwrap().missing_rights;
    assert_eq!(missing.len(), 9, "{missing:?}");
    assert!(missing.contains(&"storage_repositories.generation in Praefect's database".to_owned()));
    postgres().sql(&praefect, &grants("praefect_reader")).unwrap();
    assert_eq!(source.check().await.unwrap().missing_rights, Vec::<String>::new());
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let (url, _) = loaded();
    let role = "CREATE ROLE gitlab_half LOGIN PASSWORD 'word'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO \
                gitlab_half; REVOKE SELECT ON lfs_objects, notes FROM gitlab_half; \
                GRANT SELECT (id, size) ON lfs_objects TO gitlab_half";
    postgres().sql(&url, role).unwrap();
    let (_, place) = url.split_once('@').unwrap();
    let found = source(&format!("postgres://gitlab_half:word@{place}")).check().await.unwrap();
    assert!(found.missing_rights.contains(&"lfs_objects.oid".to_owned()), "{:?}", found.missing_rights);
    assert!(found.missing_rights.contains(&"notes.id".to_owned()), "{:?}", found.missing_rights);
    assert!(!found.missing_rights.contains(&"lfs_objects.size".to_owned()), "{:?}", found.missing_rights);
    let lfs = found.models.iter().find(|found| found.model == Model::LfsObjects).unwrap();
    assert!(matches!(&lfs.readable, Readable::No(why) if why.contains("may not read")), "{lfs:?}");
    assert_eq!(lfs.rows, None);
}

#[tokio::test]
async fn places_that_are_not_known_are_told() {
    let (url, _) = loaded();
    let why = || "set storages.gitlab-git-far.root: gitaly is on another host".to_owned();
    let unknown = UnknownPlaces { git: [("far".to_owned(), why())].into(), ..UnknownPlaces::default() };
    let storages = Storages { unknown, registry: None, ..storages() };
    let source = GitlabSource::new(GitlabSettings::new(url.as_str().into(), storages)).unwrap();
    let found = source.check().await.unwrap();
    let of = |model| found.models.iter().find(|found| found.model == model).unwrap();
    assert_eq!(of(Model::SnippetRepositories).unknown, [why()]);
    assert_eq!(of(Model::ContainerRepositories).unknown, ["no storage is configured for GitLab's registry"]);
    assert!(of(Model::LfsObjects).unknown.is_empty());
}
