//! TLS to the database; what a URL may say of it is tested where it is read, in `stocktake-net`.

use stocktake_domain::ports::{Source as _, SourceError};
use stocktake_testbed::{Certificate, GitlabDatabase, PgCluster};

use crate::support::{source, unreadable};

#[tokio::test]
async fn a_certificate_must_be_of_the_authority_and_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "DNS:localhost").unwrap();
    let cluster = PgCluster::start().unwrap();
    for (name, file) in [("server.crt", &certificate.certificate), ("server.key", &certificate.key)] {
        cluster.write_file(name, &std::fs::read_to_string(file).unwrap()).unwrap();
    }
    cluster.configure(&[("ssl", "on")]).unwrap();
    cluster.restart().unwrap();
    let url = cluster.create_database().unwrap();
    GitlabDatabase::load(&url).unwrap();
    let full = |url: &str| {
        source(&format!("{url}?sslmode=verify-full&sslrootcert={}", certificate.authority.display()))
    };
    let by_name = full(&url.replace("127.0.0.1", "localhost"));
    assert!(unreadable(&by_name).await.is_empty());
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'stocktake' AND ssl";
    assert_eq!(cluster.sql(&url, encrypted).unwrap(), "1");
    // The address is no name in the certificate.
    let error = full(&url).survey().await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
}
