//! `sslmode` and `sslrootcert` against real servers, with TLS and without.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use stocktake_net::postgres::Connector;
use stocktake_net::tls::is_untrusted;
use stocktake_testbed::{Certificate, PgCluster, postgres};
use tokio_postgres::{Error, SimpleQueryMessage};

/// Whether a connection speaks TLS, or why there is none.
async fn speaks_tls(url: &str) -> Result<bool, Error> {
    let connector = Connector::new(url, "net", Duration::from_secs(10)).unwrap();
    let (client, connection) = connector.connect().await?;
    let connection = tokio::spawn(connection);
    let query = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE pid = pg_backend_pid() AND application_name = 'net'";
    let answer = client.simple_query(query).await?;
    drop(client);
    connection.await.unwrap()?;
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(rows.collect::<Vec<_>>() == ["t"])
}

/// A cluster that speaks TLS with a certificate for `localhost`, and the file of its authority.
fn cluster_with_tls(folder: &Path) -> (PgCluster, String) {
    let certificate = Certificate::issue(folder, "DNS:localhost").unwrap();
    let cluster = PgCluster::start().unwrap();
    cluster.enable_tls(&certificate).unwrap();
    (cluster, certificate.authority.display().to_string())
}

#[tokio::test]
async fn each_mode_with_a_server_that_speaks_tls() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (cluster, authority) = cluster_with_tls(folder.path());
    let stranger = Certificate::issue(other.path(), "DNS:localhost").unwrap().authority;
    let address = cluster.create_database().unwrap();
    let name = address.replace("127.0.0.1", "localhost");
    for (query, tls) in
        [("", true), ("?sslmode=disable", false), ("?sslmode=allow", false), ("?sslmode=prefer", true)]
    {
        assert_eq!(speaks_tls(&format!("{address}{query}")).await.unwrap(), tls, "{query}");
    }
    let with =
        |url: &str, mode: &str, authority: &str| format!("{url}?sslmode={mode}&sslrootcert={authority}");
    for mode in ["prefer", "verify-ca"] {
        assert!(speaks_tls(&with(&address, mode, &authority)).await.unwrap(), "{mode}: any host");
    }
    for mode in ["require", "verify-full"] {
        assert!(speaks_tls(&with(&name, mode, &authority)).await.unwrap(), "{mode}");
    }
    let stranger = stranger.display().to_string();
    for url in [
        with(&address, "require", &authority),
        with(&address, "verify-full", &authority),
        with(&name, "prefer", &stranger),
        with(&name, "require", &stranger),
        with(&name, "verify-ca", &stranger),
        with(&name, "verify-full", &stranger),
    ] {
        let error = speaks_tls(&url).await.unwrap_err();
        assert!(is_untrusted(&error), "{url}: {error:?}");
    }
    // With no file, the authorities are those of the system, none of which issued it.
    for query in ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "sslrootcert=system"] {
        let connector = Connector::new(&format!("{name}?{query}"), "net", Duration::from_secs(10));
        let refused = match connector {
            Ok(connector) => connector.connect().await.is_err_and(|error| is_untrusted(&error)),
            Err(error) => error.to_string().contains("no CA certificates"),
        };
        assert!(refused, "{query}");
    }
}

#[tokio::test]
async fn each_mode_with_a_server_without_tls() {
    let url = postgres().create_database().unwrap();
    for query in ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer"] {
        assert!(!speaks_tls(&format!("{url}{query}")).await.unwrap(), "{query}");
    }
    let error = speaks_tls(&format!("{url}?sslmode=require")).await.unwrap_err();
    assert_eq!(error.to_string(), "error performing TLS handshake");
}

#[tokio::test]
async fn the_servers_rules_decide_where_the_mode_leaves_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let (cluster, _) = cluster_with_tls(folder.path());
    let url = cluster.create_database().unwrap();
    let allow_only = |kind: &str| {
        cluster.write_file("pg_hba.conf", &format!("{kind} all all all scram-sha-256\n")).unwrap();
        cluster.restart().unwrap();
    };
    allow_only("hostssl");
    assert!(speaks_tls(&format!("{url}?sslmode=allow")).await.unwrap());
    assert!(speaks_tls(&format!("{url}?sslmode=disable")).await.unwrap_err().as_db_error().is_some());
    allow_only("hostnossl");
    assert!(!speaks_tls(&url).await.unwrap());
    // A wrong password is not sent again another way.
    let (before, behind) = url.split_once('@').unwrap();
    let wrong = format!("{before}-wrong@{behind}");
    allow_only("host");
    let error = speaks_tls(&wrong).await.unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("28P01"));
}

#[tokio::test]
async fn a_socket_needs_no_tls() {
    let cluster = PgCluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    let (before, rest) = url.rsplit_once('@').unwrap();
    let (host, database) = rest.split_once('/').unwrap();
    let (_, port) = host.rsplit_once(':').unwrap();
    let folder = cluster.folder().unwrap().display().to_string().replace('/', "%2F");
    for mode in ["prefer", "require", "verify-full"] {
        let url = format!("{before}@/{database}?host={folder}&port={port}&sslmode={mode}");
        assert!(!speaks_tls(&url).await.unwrap(), "{mode}");
    }
}
