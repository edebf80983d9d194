//! The schemas of several versions of GitLab.

use stocktake_domain::ports::{Readable, Source as _, SourceError};
use stocktake_domain::{Digest, Metadata, Model, RecordKey};
use stocktake_source_gitlab::GitlabSource;
use stocktake_testbed::{GitlabDatabase, postgres};

use crate::support::{absent, all, assert_rows, decomposed, loaded, row, source, unreadable};

#[tokio::test]
async fn all_rows_of_all_models_become_their_records() {
    let (url, fixture) = loaded();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    let counts = assert_rows(&source, &fixture.records, Model::ALL).await;
    assert_eq!(counts.len(), 20);
    assert!(counts.values().all(|count| *count > 1), "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), fixture.records.len());
}

#[tokio::test]
async fn an_older_version_is_read_as_far_as_its_schema_allows() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabDatabase::load_older(&url).unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    let absent = absent(&source).await;
    let why = "GitLab's table slsa_attestations is not there: this version does not have it".to_owned();
    assert_eq!(absent, [("supply_chain_attestations", why)].into());
    let error = source.page(Model::SupplyChainAttestations, None, 10).await.unwrap_err();
    assert!(matches!(error, SourceError::Refused(..)));
    let readable = Model::ALL.into_iter().filter(|model| *model != Model::SupplyChainAttestations);
    assert_rows(&source, &fixture.records, readable).await;
}

#[tokio::test]
async fn the_oldest_version_is_read_and_one_before_it_is_told() {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabDatabase::load_oldest(&url).unwrap();
    let oldest = source(&url);
    assert!(unreadable(&oldest).await.is_empty());
    let later = [Model::PackagesNugetSymbols, Model::SupplyChainAttestations];
    assert!(absent(&oldest).await.into_keys().eq(later.map(Model::name)));
    let mut records = fixture.records;
    // Without the tables of states, GitLab's own checksums are not there either.
    for record in records.iter_mut().filter(|record| record.model == "projects") {
        record.source_checksum = None;
    }
    assert_rows(&oldest, &records, Model::ALL.into_iter().filter(|model| !later.contains(model))).await;
    postgres().sql(&url, "DROP TABLE design_management_repositories").unwrap();
    let absent = absent(&source(&url)).await;
    let why = &absent["design_management_repositories"];
    assert!(why.ends_with("this version is older than 15.11, the oldest that is supported"), "{why}");
}

#[tokio::test]
async fn a_database_that_shows_no_table_of_gitlab_has_no_absent_models() {
    let [empty, hidden, main] = [(); 3].map(|()| postgres().create_database().unwrap());
    GitlabDatabase::load(&hidden).unwrap();
    let hide = "CREATE ROLE gitlab_outsider LOGIN PASSWORD 'word'; REVOKE ALL ON SCHEMA public FROM PUBLIC";
    postgres().sql(&hidden, hide).unwrap();
    let (_, place) = hidden.split_once('@').unwrap();
    for url in [&empty, &format!("postgres://gitlab_outsider:word@{place}")] {
        let source = source(url);
        assert!(absent(&source).await.is_empty());
        let unreadable = unreadable(&source).await;
        assert_eq!(unreadable.len(), Model::ALL.len());
        for why in unreadable.values() {
            assert!(why.contains("database_url must name GitLab's database"), "{why}");
        }
    }
    // The same for the second database, whose tables exist nowhere else.
    GitlabDatabase::load(&main).unwrap();
    postgres().sql(&main, "DROP TABLE ci_secure_files").unwrap();
    let source = decomposed(&main, &empty);
    assert!(absent(&source).await.is_empty());
    let unreadable = unreadable(&source).await;
    assert_eq!(unreadable.keys().copied().collect::<Vec<_>>(), ["ci_secure_files"]);
    assert!(unreadable["ci_secure_files"].contains("ci_database_url must name"), "{unreadable:?}");
}

#[tokio::test]
async fn a_model_that_cannot_be_read_stops_no_other() {
    let (url, fixture) = loaded();
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
async fn a_schema_that_changes_is_probed_again() {
    let (url, fixture) = loaded();
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
    let (url, _) = loaded();
    postgres().sql(&url, "TRUNCATE pages_deployment_states").unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    let shown = async || source.page(Model::PagesDeployments, None, 1).await.unwrap().rows[0].source_checksum;
    assert_eq!(shown().await, None);
    postgres().sql(&url, "INSERT INTO pages_deployment_states VALUES (1, now(), 2, '0123')").unwrap();
    assert!(unreadable(&source).await.is_empty());
    assert_eq!(shown().await, Some(Digest::Metadata(Metadata::Size(123))));
}

/// The planner's estimate of a model's rows.
async fn about(source: &GitlabSource, model: Model) -> Option<u64> {
    let survey = source.survey().await.unwrap();
    match survey.into_iter().find(|(of, _)| *of == model).unwrap().1 {
        Readable::Yes { about } => about,
        Readable::Absent(why) | Readable::No(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn the_number_of_rows_is_the_planners_estimate() {
    let (url, fixture) = loaded();
    let source = source(&url);
    for model in Model::ALL {
        assert_eq!(about(&source, model).await, None, "{model}");
    }
    postgres().sql(&url, "ANALYZE").unwrap();
    for model in Model::ALL {
        // The table of job artifacts is partitioned.
        let count = u64::try_from(fixture.of(model.name()).count()).unwrap();
        assert_eq!(about(&source, model).await, Some(count), "{model}");
    }
}

#[tokio::test]
async fn states_of_uploads_may_be_in_tables_of_their_owners_types() {
    let (url, fixture) = loaded();
    let digest = "ab".repeat(32);
    let upload = fixture.of("uploads").find(|record| record.source_checksum.is_some()).unwrap();
    let other = fixture.of("uploads").find(|record| record.source_checksum.is_none()).unwrap().id;
    let states = format!(
        "CREATE TABLE project_upload_states (id bigint PRIMARY KEY, project_upload_id bigint UNIQUE, \
         verification_state smallint NOT NULL DEFAULT 0, verification_checksum bytea); \
         CREATE TABLE user_upload_states (LIKE project_upload_states); \
         ALTER TABLE user_upload_states RENAME project_upload_id TO user_upload_id; \
         INSERT INTO project_upload_states VALUES (1, {other}, 2, '{digest}'), (2, {}, 0, NULL)",
        upload.id
    );
    postgres().sql(&url, &states).unwrap();
    let source = source(&url);
    let found = all(&source, Model::Uploads, 4).await;
    let of =
        |id: i64| found.iter().find(|found| found.key == RecordKey::integer(id)).unwrap().source_checksum;
    assert_eq!(of(other), Some(format!("sha256:{digest}").parse().unwrap()));
    // A state that is as it was made leaves the older one.
    assert_eq!(of(upload.id), row(upload).source_checksum);
}

#[tokio::test]
async fn uploads_are_read_from_a_partitioned_table_as_well() {
    let (url, fixture) = loaded();
    let part = "ALTER TABLE uploads RENAME TO uploads_before; \
                CREATE TABLE uploads (LIKE uploads_before INCLUDING DEFAULTS, PRIMARY KEY (id, model_type)) \
                PARTITION BY LIST (model_type); \
                CREATE TABLE project_uploads PARTITION OF uploads FOR VALUES IN ('Project'); \
                CREATE TABLE user_uploads PARTITION OF uploads FOR VALUES IN ('User'); \
                CREATE TABLE other_uploads PARTITION OF uploads DEFAULT; \
                INSERT INTO uploads SELECT * FROM uploads_before; ANALYZE";
    postgres().sql(&url, part).unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    assert_rows(&source, &fixture.records, [Model::Uploads]).await;
    let pages: Vec<_> = fixture.of("uploads").map(row).collect();
    assert_eq!(all(&source, Model::Uploads, 4).await, pages);
    assert_eq!(about(&source, Model::Uploads).await, Some(u64::try_from(pages.len()).unwrap()));
}
