//! Who may read: passwords, tokens and certificates, each wanted by a real registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use stocktake_content_registry::{RegistrySettings, RegistryStore, SettingsError};
use stocktake_domain::ports::ListError;
use stocktake_net::tls::TlsError;
use stocktake_testbed::{Asked, Fault, FaultProxy, Registry, RegistrySetup, TokenServer};

use crate::support::*;

fn with_password(url: &str, password: &str) -> Store {
    let credentials = Some((Registry::USER.to_owned(), password.into()));
    open(RegistrySettings { credentials, ..settings(url) })
}

#[tokio::test]
async fn a_registry_may_want_a_password() {
    let registry = Registry::start(&RegistrySetup { password: true, ..RegistrySetup::default() }).unwrap();
    let image = registry.push_image("image", "1.0", true, &[b"layer"]).unwrap();
    let url = registry.url();
    let good = with_password(&url, Registry::PASSWORD);
    assert_eq!(shown(&inspect(&good, "image").await), checksum(&[("1.0", &image.manifest)]));
    assert_eq!(list(&good).await, [Ok("image".to_owned())]);
    let wrong = not_judged(inspect(&with_password(&url, "guessed"), "image").await);
    assert_eq!(wrong, format!("registry {url} refuses the user name or the password"));
    let none = not_judged(inspect(&http(&url), "image").await);
    assert_eq!(none, format!("registry {url} wants a user name and a password, and none are configured"));
}

#[tokio::test]
async fn a_password_is_not_given_to_whom_we_are_redirected() {
    let registry = Registry::start(&RegistrySetup { password: true, ..RegistrySetup::default() }).unwrap();
    let image = registry.push_image("image", "1.0", true, &[b"layer"]).unwrap();
    // Stands for object storage, which knows nobody.
    let shelf = FaultProxy::start("127.0.0.1:1", |_| Fault::Answer {
        status: 200,
        headers: Vec::new(),
        body: "layer".to_owned(),
    });
    let shelf = shelf.unwrap();
    let (layer, location) = (image.layers[0].clone(), format!("{}/layer", shelf.url()));
    let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
        if !asked.target.ends_with(&layer) {
            return Fault::None;
        }
        let headers = vec![("Location".to_owned(), location.clone())];
        Fault::Answer { status: 307, headers, body: String::new() }
    });
    let proxy = proxy.unwrap();
    let store = with_password(&proxy.url(), Registry::PASSWORD);
    assert_eq!(shown(&inspect(&store, "image").await), checksum(&[("1.0", &image.manifest)]));
    assert!(proxy.asked().iter().any(|asked| asked.header("Authorization").is_some()));
    let at_shelf = shelf.asked();
    assert!(at_shelf.len() == 1 && at_shelf[0].header("Authorization").is_none());
}

/// Runs `openssl` with these words; what it prints.
fn openssl(folder: &Path, words: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {words:?}");
    output.stdout
}

/// A key and a certificate of it that 127.0.0.1 may show.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let words = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=sample -keyout key.pem -out cert.pem \
                 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    openssl(folder, &words.split_whitespace().collect::<Vec<_>>(), &[]);
    (folder.join("cert.pem"), folder.join("key.pem"))
}

/// A token that lets its bearer pull what the request's scope names; `expired` ones are of no use.
fn token(folder: &Path, scope: Option<&str>, expired: bool) -> String {
    let der = openssl(folder, &["x509", "-in", "cert.pem", "-outform", "DER"], &[]);
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [STANDARD.encode(der)]});
    let access: Vec<_> = scope
        .into_iter()
        .map(|scope| {
            let (kind, rest) = scope.split_once(':').unwrap();
            let (name, actions) = rest.rsplit_once(':').unwrap();
            serde_json::json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()})
        })
        .collect();
    let claims = serde_json::json!({
        "iss": Registry::SERVICE, "aud": Registry::SERVICE, "sub": "sample", "jti": "1", "access": access,
        "iat": 0, "nbf": 0, "exp": if expired { 1_u64 } else { 4_102_444_800 },
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = openssl(folder, &["dgst", "-sha256", "-sign", "key.pem"], signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token server. The first token that it gives is expired, though it says otherwise.
fn token_server(folder: &Path) -> FaultProxy {
    let (folder, first) = (folder.to_owned(), Mutex::new(true));
    let plan = move |asked: &Asked| {
        let proof = STANDARD.encode(format!("{}:{}", Registry::USER, Registry::PASSWORD));
        let refuse = |status| Fault::Answer { status, headers: Vec::new(), body: String::new() };
        if asked.header("Authorization").is_some_and(|shown| shown != format!("Basic {proof}")) {
            return refuse(401);
        }
        let query = format!("http://x{}", asked.target);
        let query = url::Url::parse(&query).unwrap();
        let value = |name: &str| {
            query.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(value("service").as_deref(), Some(Registry::SERVICE));
        let expired = std::mem::replace(&mut *first.lock().unwrap(), false);
        // Whoever does not say who they are may see public repositories only.
        let scope = value("scope")
            .filter(|scope| asked.header("Authorization").is_some() || scope.contains("public"));
        let token = token(&folder, scope.as_deref(), expired);
        let body = serde_json::json!({"token": token, "expires_in": 3600}).to_string();
        Fault::Answer { status: 200, headers: Vec::new(), body }
    };
    FaultProxy::start("127.0.0.1:1", plan).unwrap()
}

#[tokio::test]
async fn a_registry_may_want_tokens_of_another_server() {
    let plain = registry();
    let image = plain.push_image("group/image", "1.0", true, &[&content(10_000, 1), b"layer"]).unwrap();
    plain.push_image("group/image", "2.0", true, &[b"layer"]).unwrap();
    plain.push_image("public/image", "1.0", true, &[b"layer"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, _) = certificate(folder.path());
    let server = token_server(folder.path());
    let setup = RegistrySetup {
        folder: Some(plain.folder().to_owned()),
        token: Some(TokenServer { realm: format!("{}/token", server.url()), certificate }),
        ..RegistrySetup::default()
    };
    let registry = Registry::start(&setup).unwrap();
    let proxy = FaultProxy::start(&registry.address().to_string(), |_| Fault::None).unwrap();
    let store = with_password(&proxy.url(), Registry::PASSWORD);
    for _ in 0..2 {
        let seen = inspect(&store, "group/image").await;
        assert!(shown(&seen) != checksum(&[]) && seen.unwrap().bytes_read > 10_000, "{image:?}");
    }
    assert_eq!(list(&store).await, [Ok("group/image".to_owned()), Ok("public/image".to_owned())]);
    // One of each kind, and one more where the first was refused.
    assert_eq!(server.asked().len(), 3, "{:?}", server.asked());
    let shows_password =
        |asked: &Asked| asked.header("Authorization").is_some_and(|proof| proof.starts_with("Basic"));
    assert!(!proxy.asked().iter().any(shows_password), "the password is for the token server");
    assert!(server.asked().iter().all(shows_password));

    let anonymous = http(&registry.url());
    assert!(inspect(&anonymous, "public/image").await.is_ok());
    let denied = reason(inspect(&anonymous, "group/image").await);
    assert_eq!(denied, format!("registry {} denies access to group/image", registry.url()));
    let denied = format!("registry {} denies access to its catalogue", registry.url());
    assert_eq!(list(&anonymous).await, [Err(ListError::Broken(denied))]);
    let wrong = not_judged(inspect(&with_password(&registry.url(), "guessed"), "group/image").await);
    assert_eq!(wrong, format!("token server {} refuses the user name or the password", server.url()));
}

#[tokio::test]
async fn a_certificate_is_trusted_only_if_the_configuration_says_so() {
    let plain = registry();
    let image = plain.push_image("image", "1.0", true, &[&content(1_000_000, 1)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let setup = RegistrySetup {
        folder: Some(plain.folder().to_owned()),
        tls: Some((certificate.clone(), key.clone())),
        ..RegistrySetup::default()
    };
    let registry = Registry::start(&setup).unwrap();
    let trusting = |path: &Path| RegistrySettings {
        ca_certificates: Some(path.to_owned()),
        ..settings(&registry.url())
    };
    let seen = inspect(&open(trusting(&certificate)), "image").await;
    assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]));
    let text = not_judged(inspect(&http(&registry.url()), "image").await);
    let expected = format!("{}: TLS fails: invalid peer certificate: ", registry.url());
    assert!(text.starts_with(&expected), "{text}");
    for path in [key, folder.path().join("nothing.pem")] {
        let error = RegistryStore::new(trusting(&path), pool()).unwrap_err();
        assert!(matches!(&error, SettingsError::Certificates(TlsError::File { .. })), "{error}");
    }
}
