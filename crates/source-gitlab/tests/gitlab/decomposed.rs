//! Several databases, each with stale copies of the others' tables.

use stocktake_domain::ports::Source as _;
use stocktake_domain::{DigestRule, Model, RecordKey};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource};
use stocktake_testbed::{GitlabDatabase, postgres};

use crate::support::{all, assert_rows, decomposed, loaded, source, storages, unreadable};

const CI: [&str; 3] = ["ci_job_artifacts", "ci_pipeline_artifacts", "ci_secure_files"];

fn databases() -> (String, String, GitlabDatabase) {
    let (main, ci) = (postgres().create_database().unwrap(), postgres().create_database().unwrap());
    let fixture = GitlabDatabase::load_decomposed(&main, &ci).unwrap();
    (main, ci, fixture)
}

#[tokio::test]
async fn each_model_is_read_from_its_database() {
    let (main, ci, fixture) = databases();
    let source = decomposed(&main, &ci);
    assert!(unreadable(&source).await.is_empty());
    assert_rows(&source, &fixture.records, Model::ALL).await;
}

#[tokio::test]
async fn stale_copies_are_not_read() {
    let (main, ci, _) = databases();
    let alone = unreadable(&source(&main)).await;
    assert_eq!(alone.keys().copied().collect::<Vec<_>>(), CI);
    assert!(alone["ci_secure_files"].contains("ci_database_url"), "{alone:?}");
    let swapped = unreadable(&decomposed(&ci, &main)).await;
    assert!(swapped["projects"].contains("database_url must name the main database"), "{swapped:?}");
    assert!(!CI.iter().any(|model| swapped.contains_key(model)), "{swapped:?}");
}

#[tokio::test]
async fn a_locked_table_is_a_copy_whatever_its_keys() {
    let (main, ci, fixture) = databases();
    let farther = "SET session_replication_role = replica; UPDATE p_ci_job_artifacts SET id = 1000";
    postgres().sql(&main, farther).unwrap();
    assert_rows(&decomposed(&main, &ci), &fixture.records, [Model::CiJobArtifacts]).await;
}

#[tokio::test]
async fn a_copy_without_a_lock_is_the_table_with_lower_keys() {
    let (main, ci, fixture) = databases();
    let unlock = "DROP TRIGGER gitlab_schema_write_trigger_for_p_ci_job_artifacts ON p_ci_job_artifacts";
    postgres().sql(&main, unlock).unwrap();
    let source = decomposed(&main, &ci);
    assert_rows(&source, &fixture.records, [Model::CiJobArtifacts]).await;
    // Only one row remains in the main database.
    assert!(postgres().sql(&main, "SELECT count(*) FROM p_ci_job_artifacts").unwrap() == "1");
}

#[tokio::test]
async fn without_the_database_of_ci_the_other_models_are_read() {
    let (main, _, fixture) = databases();
    let source = decomposed(&main, "postgres://nobody@127.0.0.1:1/nothing");
    let unreadable = unreadable(&source).await;
    assert_eq!(unreadable.keys().copied().collect::<Vec<_>>(), CI);
    assert!(unreadable["ci_job_artifacts"].contains("database of CI"), "{unreadable:?}");
    assert_eq!(all(&source, Model::Uploads, 1000).await.len(), fixture.of("uploads").count());
    assert!(source.page(Model::CiJobArtifacts, None, 1).await.is_err());
}

/// The owner of an upload in a database of security, whose tables the main database has empty copies of.
#[tokio::test]
async fn owners_of_uploads_may_be_in_the_database_of_security() {
    let (main, _) = loaded();
    let sec = postgres().create_database().unwrap();
    let table = "CREATE TABLE IF NOT EXISTS vulnerability_archive_exports (id bigint PRIMARY KEY);";
    let upload = "INSERT INTO uploads (id, size, path, model_id, model_type, uploader, created_at, store) \
                  SELECT 900 + id, 1, 'uploads/-/system/vulnerabilities/archive_export/file/' || id || '/a.csv', id, \
                  'Vulnerabilities::ArchiveExport', 'AttachmentUploader', now(), 1 FROM generate_series(1, 2) AS id;";
    let lock = "CREATE FUNCTION gitlab_schema_prevent_write() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'locked'; END $$; \
                CREATE TRIGGER gitlab_schema_write_trigger_for_vulnerability_archive_exports BEFORE INSERT \
                ON vulnerability_archive_exports FOR EACH STATEMENT EXECUTE FUNCTION gitlab_schema_prevent_write()";
    postgres().sql(&main, &format!("{table}{upload}{lock}")).unwrap();
    postgres().sql(&sec, &format!("{table} INSERT INTO vulnerability_archive_exports VALUES (1)")).unwrap();
    let rules = async |sec_database_url| {
        let settings = GitlabSettings::new(main.as_str().into(), storages());
        let source = GitlabSource::new(GitlabSettings { sec_database_url, ..settings }).unwrap();
        let records = all(&source, Model::Uploads, 1000).await;
        let of =
            |id| records.iter().find(|record| record.key == RecordKey::integer(id)).unwrap().rule.clone();
        [of(901), of(902)]
    };
    // Nothing follows from a copy, nor from a database that is away.
    assert_eq!(rules(None).await, [DigestRule::Stored, DigestRule::Stored]);
    let away = "postgres://nobody@127.0.0.1:1/nothing";
    assert_eq!(rules(Some(away.into())).await, [DigestRule::Stored, DigestRule::Stored]);
    let [there, missing] = rules(Some(sec.as_str().into())).await;
    assert_eq!(there, DigestRule::Stored);
    assert!(
        matches!(&missing, DigestRule::Unresolved(why) if why.contains("ArchiveExport ID#2")),
        "{missing:?}"
    );
}
