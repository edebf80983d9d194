//! GitLab in each way in which it is installed, from `sync --check` to findings and orphans.

use std::fs;
use std::path::Path;

use stocktake_testbed::{
    GitlabBuckets, GitlabOutcome, GitlabSchema, GitlabSetup, ObjectServer, ServerKind, postgres,
};

use super::report::assert_verified;
use super::{Fixture, keys, orphans};
use crate::documents::document;
use crate::support::Database;

/// Asserts that what would be read is understood, and that just what is wrong and what nobody claims is found. `absent`
/// are the models that this version does not have.
fn assert_found(fixture: &Fixture, absent: &[&str]) {
    let checked = fixture.installation.run(&["sync", "--check", "--json"]);
    let check = document("sync-check", &checked);
    assert_eq!(checked.code, 0, "{check:#}");
    for model in check["models"].as_array().unwrap() {
        let name = model["model_name"].as_str().unwrap();
        assert_eq!(model["rows"].is_null(), absent.contains(&name), "{model}");
    }
    let synced = fixture.sync(&[]);
    assert_eq!(synced.len(), 20);
    for (model, counts) in &synced {
        assert_eq!(counts["added"], fixture.gitlab.of(model).count(), "{model}: {counts}");
    }
    assert_verified(fixture);
    let walked = fixture.installation.run(&["orphans", "--no-sync", "--format", "json"]);
    let found = document("orphans", &walked);
    let mut expected = fixture.gitlab.orphans.clone();
    expected.sort();
    assert_eq!(orphans(&found), expected, "{walked:?}");
    assert_eq!(found["totals"]["not_understood"], 0, "{walked:?}");
    assert!(
        fixture.gitlab.records.iter().any(|record| matches!(record.outcome, GitlabOutcome::Failed { .. }))
    );
}

fn of_schema(database: Database, schema: GitlabSchema<'_>) -> Fixture {
    let setup = GitlabSetup { schema, ..GitlabSetup::default() };
    Fixture::installed(database, &setup, |_, served| keys(&served.gitlab_rb, &served.secrets))
}

#[test]
fn the_linux_package() {
    assert_found(&Fixture::new(Database::Sqlite), &[]);
}

#[test]
fn an_installation_from_source() {
    assert_found(&Fixture::new(Database::Postgres), &[]);
}

#[test]
fn the_container_image() {
    let setup = GitlabSetup { seen_at: Some(Path::new("/var/opt/gitlab")), ..GitlabSetup::default() };
    let fixture = Fixture::installed(Database::Sqlite, &setup, |gitlab, served| {
        let volumes = gitlab.folder.parent().unwrap();
        let config = volumes.join("config");
        fs::create_dir(&config).unwrap();
        fs::write(config.join("gitlab.rb"), "# external_url 'https://gitlab.example.com'\n").unwrap();
        fs::copy(&served.secrets, config.join("gitlab-secrets.json")).unwrap();
        let (volumes, compose) = (volumes.display().to_string(), served.compose.display().to_string());
        format!("installation = \"docker\"\nvolumes = {volumes:?}\nomnibus_config = {compose:?}\n")
    });
    assert_found(&fixture, &[]);
}

#[test]
fn the_helm_chart() {
    let fixture = Fixture::installed(Database::Postgres, &GitlabSetup::default(), |gitlab, served| {
        let secrets = served.kubernetes_secrets.display().to_string();
        let uploads = gitlab.folder.join("public/uploads").display().to_string();
        let own = format!(
            "installation = \"helm\"\nkubernetes_secrets = {secrets:?}\nuploads_folders = [{uploads:?}]\n"
        );
        // The folders of the pods are mounted.
        format!("{own}{}{}", keys(&served.values, &served.secrets), gitlab.sections().unwrap())
    });
    assert_found(&fixture, &[]);
}

/// With all objects in the bucket of an object store.
fn on(server: &ObjectServer, database: Database, buckets: GitlabBuckets) -> Fixture {
    let setup = GitlabSetup { buckets, ..GitlabSetup::default() };
    Fixture::installed(database, &setup, |_, served| {
        served.s3.copy(ObjectServer::BUCKET, server).unwrap();
        let text = fs::read_to_string(&served.gitlab_rb).unwrap();
        let text = text.replace(&served.s3.endpoint(), &format!("http://{}", server.address()));
        fs::write(&served.gitlab_rb, text).unwrap();
        keys(&served.gitlab_rb, &served.secrets)
    })
}

#[test]
fn one_bucket_of_all_types_with_prefixes() {
    let server = ObjectServer::start(ServerKind::S3).unwrap();
    assert_found(&on(&server, Database::Sqlite, GitlabBuckets::OneWithPrefixes), &[]);
}

#[test]
fn one_bucket_of_all_types_without_prefixes() {
    let server = ObjectServer::start(ServerKind::S3).unwrap();
    let mut fixture = on(&server, Database::Postgres, GitlabBuckets::One);
    // The first storage of the bucket that is searched tells of all that nobody claims.
    let in_bucket = fixture.gitlab.orphans.iter_mut().filter(|orphan| orphan.storage.ends_with("-objects"));
    in_bucket.for_each(|orphan| "gitlab-artifacts-objects".clone_into(&mut orphan.storage));
    assert_found(&fixture, &[]);
}

#[test]
fn three_databases() {
    let [ci, sec] = [(); 2].map(|()| postgres().create_database().unwrap());
    let setup = GitlabSetup { schema: GitlabSchema::Parted { ci: &ci, sec: &sec }, ..GitlabSetup::default() };
    let fixture = Fixture::installed(Database::Postgres, &setup, |_, served| {
        let urls = format!("ci_database_url = {ci:?}\nsec_database_url = {sec:?}\n");
        format!("{urls}{}", keys(&served.gitlab_rb, &served.secrets))
    });
    assert_found(&fixture, &[]);
}

#[test]
fn the_tables_of_16_11() {
    let fixture = of_schema(Database::Sqlite, GitlabSchema::Older);
    assert_found(&fixture, &["supply_chain_attestations"]);
}

#[test]
fn the_tables_of_19_3() {
    assert_found(&of_schema(Database::Postgres, GitlabSchema::Newer), &[]);
}
