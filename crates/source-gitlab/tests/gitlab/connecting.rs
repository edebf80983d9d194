//! Connections to the database: over TLS, and to a streaming replica, which can be read instead of the primary. What a
//! URL may say about TLS is tested where it is read, in `stocktake-net`.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use stocktake_domain::Model;
use stocktake_domain::ports::{Source as _, SourceError};
use stocktake_testbed::{Certificate, GitlabDatabase, PgCluster};

use crate::support::{assert_rows, source, unreadable};

/// A hot standby in a folder of its primary, which runs as the same user. It stops when this is dropped.
struct Replica<'p> {
    primary: &'p PgCluster,
    data: PathBuf,
}

impl<'p> Replica<'p> {
    fn start(primary: &'p PgCluster, port: u16) -> Self {
        let folder = primary.folder().unwrap();
        let replica = Self { primary, data: folder.join("replica") };
        let origin = format!("--dbname={}", primary.url("postgres"));
        let target = format!("--pgdata={}", replica.data.display());
        let copy = ["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", &origin, &target];
        replica.run("pg_basebackup", &copy);
        let place = format!("--options=-p {port} -k {}", folder.display());
        let log = format!("--log={}", folder.join("replica.log").display());
        // The copy has its primary's settings, which those of the command line override.
        replica.run("pg_ctl", &["start", "--wait", "--silent", &log, &place, &target]);
        replica
    }

    fn command(&self, program: &str) -> Command {
        let folder = self.primary.folder().unwrap();
        let account = folder.join("data").metadata().unwrap();
        let mut command = self.primary.command(program);
        // Becoming the current user needs no privilege.
        command.uid(account.uid()).gid(account.gid());
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.command(program).args(arguments).status().unwrap().success(), "{program}");
    }
}

impl Drop for Replica<'_> {
    fn drop(&mut self) {
        let target = format!("--pgdata={}", self.data.display());
        let _ = self.command("pg_ctl").args(["stop", "--mode=immediate", "--silent", &target]).status();
    }
}

#[tokio::test]
async fn a_replica_is_read_like_its_primary() {
    let primary = PgCluster::start().unwrap();
    let url = primary.create_database().unwrap();
    let fixture = GitlabDatabase::load(&url).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _replica = Replica::start(&primary, port);
    let (place, database) = url.rsplit_once('/').unwrap();
    let (place, _) = place.rsplit_once(':').unwrap();
    let url = format!("{place}:{port}/{database}");
    assert_eq!(primary.sql(&url, "SELECT pg_is_in_recovery()").unwrap(), "t");
    let source = source(&url);
    assert!(unreadable(&source).await.is_empty());
    assert_rows(&source, &fixture.records, Model::ALL).await;
}

#[tokio::test]
async fn a_certificate_must_be_of_the_authority_and_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "DNS:localhost").unwrap();
    let cluster = PgCluster::start().unwrap();
    cluster.enable_tls(&certificate).unwrap();
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
