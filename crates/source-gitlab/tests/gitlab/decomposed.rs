//! Two databases, each with stale copies of the other's tables.

use stocktake_domain::Model;
use stocktake_domain::ports::Source as _;
use stocktake_testbed::{GitlabDatabase, postgres};

use crate::support::{all, assert_rows, decomposed, source, unreadable};

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
