//! A role with only the granted privileges, and databases that are slow or unreachable.

use std::time::Duration;

use stocktake_domain::ports::{Claim, Source as _, SourceError};
use stocktake_domain::{DigestRule, Location, Model};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource, grants};
use stocktake_testbed::{GitlabDatabase, PgCluster, postgres};

use crate::support::{all, assert_rows, decomposed, loaded, source, storages, unreadable};

/// The URL of a database for another role.
fn with_role(url: &str, role: &str) -> String {
    let (_, place) = url.split_once('@').unwrap();
    format!("postgres://{role}:word@{place}")
}

/// Creates a role with only the granted privileges in these databases.
fn role(name: &str, urls: &[&str]) {
    postgres().sql(urls[0], &format!("CREATE ROLE {name} LOGIN PASSWORD 'word'")).unwrap();
    for url in urls {
        postgres().sql(url, &grants(name)).unwrap();
    }
}

#[tokio::test]
async fn the_grants_are_enough_and_no_more() {
    let (url, fixture) = loaded();
    role("gitlab_reader", &[&url]);
    let reader = with_role(&url, "gitlab_reader");
    let source = source(&reader);
    assert!(unreadable(&source).await.is_empty());
    assert_rows(&source, &fixture.records, Model::ALL).await;
    for secret in
        ["SELECT import_url FROM projects", "SELECT encrypted_password FROM users", "DELETE FROM shards"]
    {
        let error = postgres().sql(&reader, secret).unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
    }
}

#[tokio::test]
async fn the_grants_are_enough_on_two_databases_and_on_older_ones() {
    let [main, ci, older] = [(); 3].map(|()| postgres().create_database().unwrap());
    let fixture = GitlabDatabase::load_decomposed(&main, &ci).unwrap();
    let before = GitlabDatabase::load_older(&older).unwrap();
    role("gitlab_reader_of_three", &[&main, &ci, &older]);
    let reader = |url: &str| with_role(url, "gitlab_reader_of_three");
    let both = decomposed(&reader(&main), &reader(&ci));
    assert_rows(&both, &fixture.records, Model::ALL).await;
    let readable = Model::ALL.into_iter().filter(|model| *model != Model::SupplyChainAttestations);
    assert_rows(&source(&reader(&older)), &before.records, readable).await;
}

#[tokio::test]
async fn what_the_role_may_not_read_is_named() {
    let (url, fixture) = loaded();
    role("gitlab_poor_reader", &[&url]);
    let take = "REVOKE SELECT (key_data) ON ci_secure_files FROM gitlab_poor_reader; \
                REVOKE SELECT (id) ON users FROM gitlab_poor_reader; \
                REVOKE SELECT (upload_id, verification_state, verification_checksum) ON upload_states \
                FROM gitlab_poor_reader";
    postgres().sql(&url, take).unwrap();
    let source = source(&with_role(&url, "gitlab_poor_reader"));
    let unreadable = unreadable(&source).await;
    assert_eq!(unreadable["ci_secure_files"], "the database's role may not read ci_secure_files.key_data");
    assert_eq!(unreadable.len(), 1);
    // Without the privilege to read users, their uploads are assumed to have owners, and no checksum is shown.
    let uploads = all(&source, Model::Uploads, 1000).await;
    assert_eq!(uploads.len(), fixture.of("uploads").count());
    assert!(uploads.iter().all(|row| row.source_checksum.is_none()));
    let ownerless = uploads.iter().find(|row| row.key.as_integer() == Some(50)).unwrap();
    assert_eq!(ownerless.rule, DigestRule::Stored);
}

#[tokio::test]
async fn the_grants_are_enough_for_claims() {
    let (url, _) = loaded();
    let pool = "INSERT INTO pool_repositories (id, shard_id, disk_path) VALUES (101, 1, '@pools/a')";
    postgres().sql(&url, pool).unwrap();
    role("gitlab_claims_reader", &[&url]);
    let reader = with_role(&url, "gitlab_claims_reader");
    let places = ["@pools/a.git", "old/legacy.wiki.git"]
        .map(|path| vec![Location { storage: "git-default".to_owned(), path: path.to_owned() }]);
    assert_eq!(source(&reader).claims(&places).await.unwrap(), [Claim::Row; 2]);
    // Without the privilege to read rows, their content must not be reported as unclaimed.
    postgres().sql(&url, "REVOKE SELECT (disk_path) ON pool_repositories FROM gitlab_claims_reader").unwrap();
    let error = source(&reader).claims(&places).await.unwrap_err();
    assert!(error.to_string().contains("may not read pool_repositories.disk_path"), "{error}");
}

#[tokio::test]
async fn nothing_is_written_and_no_transaction_stays_open() {
    let (url, _) = loaded();
    // The owner may write, but a function that writes on every read fails, because the transaction is read-only.
    let spy = "CREATE TABLE looks (n int); CREATE FUNCTION look() RETURNS boolean LANGUAGE plpgsql AS \
               $$ BEGIN INSERT INTO looks VALUES (1); RETURN true; END $$; \
               ALTER TABLE shards RENAME TO real_shards; \
               CREATE VIEW shards AS SELECT * FROM real_shards WHERE look()";
    let source = source(&url);
    all(&source, Model::Uploads, 1000).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stocktake' \
                AND datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(postgres().sql(&url, open).unwrap(), "0");
    postgres().sql(&url, spy).unwrap();
    let error = source.page(Model::GroupWikiRepositories, None, 10).await.unwrap_err();
    assert!(format!("{error:?}").contains("read-only transaction"), "{error:?}");
}

#[tokio::test]
async fn a_statement_that_times_out_is_an_outage() {
    let (url, _) = loaded();
    let slow = "ALTER TABLE shards RENAME TO real_shards; \
                CREATE VIEW shards AS SELECT id, name FROM real_shards, pg_sleep(60)";
    let settings = GitlabSettings::new(url.as_str().into(), storages());
    let source =
        GitlabSource::new(GitlabSettings { statement_timeout: Duration::from_millis(300), ..settings })
            .unwrap();
    assert!(unreadable(&source).await.is_empty());
    postgres().sql(&url, slow).unwrap();
    let error = source.page(Model::GroupWikiRepositories, None, 10).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
    // The next call succeeds.
    assert!(source.page(Model::Uploads, None, 10).await.is_ok());
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let fixture = GitlabDatabase::load(&url).unwrap();
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    cluster.stop().unwrap();
    let error = source.page(Model::Uploads, None, 10).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
    assert!(matches!(source.survey().await, Err(SourceError::Unavailable(_))));
    cluster.restart().unwrap();
    assert_eq!(all(&source, Model::Uploads, 1000).await.len(), fixture.of("uploads").count());
}

#[tokio::test]
async fn wrong_settings_are_distinguished_from_an_unreachable_server() {
    let url = postgres().create_database().unwrap();
    let refused = |url: String| async move { source(&url).survey().await.unwrap_err() };
    for wrong in [with_role(&url, "nobody_of_this_name"), url.replace("stocktake_", "nowhere_")] {
        assert!(matches!(refused(wrong.clone()).await, SourceError::Refused(..)), "{wrong}");
    }
    let secret = GitlabSource::new(GitlabSettings::new("postgres:/word@".into(), storages())).unwrap_err();
    assert!(!format!("{secret:?}").contains("word@"));
}
