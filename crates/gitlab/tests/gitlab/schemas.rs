//! The schemas of several versions of GitLab.

use stocktake_domain::Model;
use stocktake_domain::ports::{Source as _, SourceError};
use stocktake_testbed::{GitlabFixture, postgres};

use crate::support::{assert_rows, source, unreadable};

#[tokio::test]
async fn all_rows_of_all_models_are_what_they_say() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabFixture::load(&url).unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    let counts = assert_rows(&source, &fixture.records, Model::ALL).await;
    assert_eq!(counts.len(), 19);
    assert!(counts.values().all(|count| *count > 1), "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), fixture.records.len());
}

#[tokio::test]
async fn an_older_version_is_read_as_far_as_it_goes() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabFixture::load_older(&url).unwrap();
    let source = source(&url);
    let unreadable = unreadable(&source).await;
    assert_eq!(unreadable.keys().copied().collect::<Vec<_>>(), ["supply_chain_attestations"]);
    assert!(unreadable["supply_chain_attestations"].contains("slsa_attestations is not there"));
    let error = source.page(Model::SupplyChainAttestations, None, 10).await.unwrap_err();
    assert!(matches!(error, SourceError::Refused(..)));
    let readable = Model::ALL.into_iter().filter(|model| *model != Model::SupplyChainAttestations);
    assert_rows(&source, &fixture.records, readable).await;
}

#[tokio::test]
async fn a_model_that_cannot_be_read_stops_no_other() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabFixture::load(&url).unwrap();
    let source = source(&url);
    let broken = [
        ("ALTER TABLE lfs_objects RENAME oid TO object_id", "lfs_objects", "lfs_objects has no column oid"),
        ("ALTER TABLE shards RENAME TO gitaly_storages", "snippet_repositories", "table shards is not there"),
        (
            "ALTER TABLE pages_deployments ALTER size TYPE text",
            "pages_deployments",
            "pages_deployments.size is of the type text",
        ),
    ];
    for (change, model, why) in broken {
        postgres().sql(&url, change).unwrap();
        let unreadable = unreadable(&source).await;
        assert!(unreadable[model].contains(why), "{unreadable:?}");
    }
    let unreadable = unreadable(&source).await;
    let names = ["group_wiki_repositories", "lfs_objects", "pages_deployments", "snippet_repositories"];
    assert_eq!(unreadable.keys().copied().collect::<Vec<_>>(), names);
    let others = Model::ALL.into_iter().filter(|model| !names.contains(&model.name()));
    assert_rows(&source, &fixture.records, others).await;
}

#[tokio::test]
async fn a_schema_that_changes_meanwhile_is_looked_at_again() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabFixture::load(&url).unwrap();
    let source = source(&url);
    assert_rows(&source, &fixture.records, [Model::CiJobArtifacts]).await;
    postgres().sql(&url, "ALTER TABLE p_ci_job_artifacts DROP file_location").unwrap();
    let error = source.page(Model::CiJobArtifacts, None, 10).await.unwrap_err();
    assert!(error.to_string().contains("file_location"), "{error}");
    let page = source.page(Model::CiJobArtifacts, None, 10).await.unwrap();
    assert_eq!(page.rows.len(), fixture.of("ci_job_artifacts").count());
}

#[tokio::test]
async fn a_verification_that_gitlab_begins_is_seen_at_the_next_survey() {
    let url = postgres().create_database().unwrap();
    GitlabFixture::load(&url).unwrap();
    postgres().sql(&url, "TRUNCATE pages_deployment_states").unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    let shown =
        async || source.page(Model::PagesDeployments, None, 1).await.unwrap().rows[0].elsewhere.clone();
    assert_eq!(shown().await, None);
    postgres().sql(&url, "INSERT INTO pages_deployment_states VALUES (1, now(), 2, 'abc')").unwrap();
    assert!(unreadable(&source).await.is_empty());
    assert_eq!(shown().await.as_deref(), Some("abc"));
}
