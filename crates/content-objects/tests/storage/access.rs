//! Errors of the storage as a whole are distinguished, and no secret is in their texts; which certificates are trusted.

use std::fs;

use secrecy::SecretString;
use stocktake_content_objects::{
    AzureCredentials, AzureSettings, GcsCredentials, GcsSettings, KeyPair, Mode, Network, ObjectSettings,
    ObjectStorage, S3Keys, S3Settings, Service,
};
use stocktake_domain::ContentError;
use stocktake_domain::ports::ListError;
use stocktake_testbed::{Certificate, Fault, S3Server};

use crate::support::{
    Lab, answer, assert_good, impatient, inspect, list, not_judged, pair, pool, s3, service, settings,
    storage,
};

fn with(service: S3Settings) -> ObjectSettings {
    ObjectSettings { service: Service::S3(service), ..settings("") }
}

fn broken(found: &[Result<stocktake_domain::ports::Found, ListError>]) -> &str {
    match found {
        [Err(ListError::Broken(reason))] => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_distinguished() {
    let lab = Lab::new();
    lab.put("a", b"content");
    lab.server.create_bucket("forbidden-one").unwrap();
    let (host, url) = (lab.server.address(), lab.server.endpoint());
    let secret = "words-that-nobody-may-see";
    let wrong = |access_key: &str| {
        S3Keys::Pair(KeyPair {
            access_key: access_key.to_owned(),
            secret_key: SecretString::from(secret),
            session_token: Some(SecretString::from(secret)),
        })
    };
    let cases = [
        (
            S3Settings { bucket: "nowhere".to_owned(), ..s3(&url) },
            format!("there is no bucket nowhere at {host}"),
        ),
        (
            S3Settings { bucket: "forbidden-one".to_owned(), ..s3(&url) },
            format!("{host} forbids access (AccessDenied): s3://forbidden-one/"),
        ),
        (
            S3Settings { keys: wrong("nobody"), ..s3(&url) },
            format!("{host} does not know the access key of bucket content (InvalidAccessKeyId)"),
        ),
        (
            S3Settings { keys: wrong(S3Server::ACCESS_KEY), ..s3(&url) },
            format!("{host} says that the secret key of bucket content is wrong (SignatureDoesNotMatch)"),
        ),
        (
            S3Settings { keys: S3Keys::Anonymous, ..s3(&url) },
            format!("{host} forbids access (AccessDenied): s3://content/"),
        ),
    ];
    for (service, expected) in cases {
        let settings = with(service);
        assert!(!format!("{settings:?}").contains(secret));
        let storage_of = |mode| storage(ObjectSettings { mode, ..settings.clone() });
        assert!(!format!("{:?}", storage_of(Mode::Content)).contains(secret));
        for mode in [Mode::Content, Mode::Metadata] {
            assert_eq!(not_judged(&storage_of(mode), "a").await, expected);
        }
        assert_eq!(broken(&list(&storage_of(Mode::Content)).await), expected);
    }
    for mode in [Mode::Content, Mode::Metadata] {
        let seen = inspect(&storage(ObjectSettings { mode, ..settings(&url) }), "b").await;
        assert_eq!(seen, Err(ContentError::MissingFile { at: "s3://content/b".to_owned() }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_not_trusted_is_named() {
    let lab = Lab::new();
    // No port that is given to whoever asks for any, so that nobody listens there.
    let nobody = "127.0.0.1:1";
    let text = not_judged(&impatient(settings(&format!("http://{nobody}"))), "a").await;
    assert!(text.starts_with(&format!("connection to {nobody}: Connection refused")), "{text}");
    let found = list(&impatient(settings(&format!("http://{nobody}")))).await;
    assert!(broken(&found).starts_with(&format!("connection to {nobody}: Connection refused")));
    // It speaks no TLS.
    let host = lab.server.address();
    let text = not_judged(&storage(settings(&format!("https://{host}"))), "a").await;
    assert!(text.starts_with(&format!("no trusted connection to {host}: ")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_another_region_is_named_with_it() {
    let lab = Lab::new();
    let proxy = lab.proxy(|_| Fault::Answer {
        status: 301,
        headers: vec![("x-amz-bucket-region".to_owned(), "eu-west-9".to_owned())],
        body: "<Error><Code>PermanentRedirect</Code></Error>".to_owned(),
    });
    let text = not_judged(&storage(settings(&proxy.url())), "a").await;
    assert_eq!(text, "bucket content is in region eu-west-9, not in us-east-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_a_profile_and_a_session_token_is_sent() {
    let lab = Lab::new();
    lab.put("a", b"content");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let (access_key, secret_key) = (S3Server::ACCESS_KEY, S3Server::SECRET_KEY);
    let text = format!(
        "[stocktake]\naws_access_key_id={access_key}\naws_secret_access_key = {secret_key}\naws_session_token=t\n"
    );
    fs::write(&file, text).unwrap();
    let proxy = lab.proxy(|_| Fault::None);
    let profile = S3Keys::Profile { name: Some("stocktake".to_owned()), file: Some(file) };
    let storage = storage(with(S3Settings { keys: profile, ..s3(&proxy.url()) }));
    assert_good(&inspect(&storage, "a").await, b"content");
    assert_eq!(proxy.asked()[0].header("x-amz-security-token"), Some("t"));
}

#[test]
fn settings_that_cannot_serve_are_refused() {
    let refused = |service| {
        ObjectStorage::new(ObjectSettings { service, ..settings("") }, pool()).unwrap_err().to_string()
    };
    let plain = S3Settings { network: Network::default(), ..s3("http://host") };
    assert!(refused(Service::S3(plain)).contains("plain_http = true allows it"));
    let missing = S3Keys::Profile { name: None, file: Some("/nowhere/credentials".into()) };
    let missing = S3Settings { keys: missing, ..s3("http://host") };
    assert!(refused(Service::S3(missing)).starts_with("no keys: /nowhere/credentials: "));
    let slash = S3Settings { bucket: "a/b".to_owned(), keys: S3Keys::Pair(pair()), ..s3("http://host") };
    assert_eq!(refused(Service::S3(slash)), "\"a/b\" is no name of a bucket or container");
    let google = GcsSettings {
        bucket: "b".to_owned(),
        endpoint: None,
        credentials: GcsCredentials::Json(SecretString::from("{\"private_key\": \"hush\"}")),
        network: Network::default(),
    };
    assert!(!refused(Service::Gcs(google)).contains("hush"));
    let azure = AzureSettings {
        account: "account".to_owned(),
        container: "c".to_owned(),
        endpoint: None,
        credentials: AzureCredentials::AccessKey(SecretString::from("hush, no base64")),
        network: Network::default(),
    };
    assert!(!refused(Service::Azure(azure)).contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_the_settings_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "IP:127.0.0.1").unwrap();
    let plain = service(|_| answer(200, &[], "content"));
    let host = certificate.serve(plain.address()).unwrap().to_string();
    let trusting = |certificates| {
        let network = Network { certificates, plain_http: false };
        let service = Service::S3(S3Settings { network, ..s3(&format!("https://{host}")) });
        storage(ObjectSettings { service, ..settings("") })
    };
    let text = not_judged(&trusting(None), "a").await;
    assert!(
        text.starts_with(&format!("no trusted connection to {host}: invalid peer certificate")),
        "{text}"
    );
    assert_good(&inspect(&trusting(Some(certificate.authority)), "a").await, b"content");
}
