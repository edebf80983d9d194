//! TLS, which the URL requests, with a certificate that must be valid.

use std::path::Path;
use std::process::Command;

use stocktake_domain::ports::{Source as _, SourceError};
use stocktake_testbed::{GitlabDatabase, PgCluster};

use crate::support::{source, unreadable};

/// Creates an authority in this folder, and a certificate for `localhost` signed by it.
fn certify(folder: &Path) {
    let names = folder.join("names");
    std::fs::write(&names, "subjectAltName=DNS:localhost\n").unwrap();
    let key = ["-newkey", "rsa:2048", "-nodes", "-keyout"];
    let sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
    let steps = [
        [&["req", "-x509"], &key[..], &["ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=authority"]]
            .concat(),
        [&["req"], &key[..], &["server.key", "-out", "server.csr", "-subj", "/CN=server"]].concat(),
        [&["x509", "-req", "-in", "server.csr", "-out", "server.pem", "-days", "30"], &sign[..]].concat(),
    ];
    for arguments in steps {
        let output = Command::new("openssl").args(&arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn a_certificate_must_be_of_the_authority_and_of_the_host() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(folder.path());
    certify(other.path());
    let cluster = PgCluster::start().unwrap();
    for (file, part) in [("server.crt", "server.pem"), ("server.key", "server.key")] {
        let text = std::fs::read_to_string(folder.path().join(part)).unwrap();
        cluster.write_file(file, &text).unwrap();
    }
    cluster.configure(&[("ssl", "on")]).unwrap();
    cluster.restart().unwrap();
    let url = cluster.create_database().unwrap();
    GitlabDatabase::load(&url).unwrap();
    let by_name = url.replace("127.0.0.1", "localhost");
    let asking = |url: &str, mode: &str, folder: &Path| {
        source(&format!("{url}?sslmode={mode}&sslrootcert={}/ca.pem", folder.display()))
    };
    let full = asking(&by_name, "verify-full", folder.path());
    assert!(unreadable(&full).await.is_empty());
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'stocktake' AND ssl";
    assert_eq!(cluster.sql(&url, encrypted).unwrap(), "1");
    // The certificate does not contain the address.
    assert!(unreadable(&asking(&url, "verify-ca", folder.path())).await.is_empty());
    for wrong in [asking(&url, "verify-full", folder.path()), asking(&by_name, "verify-ca", other.path())] {
        let error = wrong.survey().await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable(_)), "{error:?}");
    }
}
