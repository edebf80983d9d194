//! The three kinds of object storage.

use secrecy::ExposeSecret as _;
use stocktake_content_objects::{
    Addressing, AzureCredentials, GcsCredentials, Mode, S3Keys, S3Settings, Service,
};

use super::*;

fn objects(lines: &str) -> ObjectSettings {
    match storage(lines).content {
        Content::Objects(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn s3(lines: &str) -> S3Settings {
    match objects(&format!("kind = \"s3\"\nbucket = \"b\"\n{lines}")).service {
        Service::S3(settings) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_has_defaults_for_all_but_the_bucket() {
    let settings = s3("");
    assert_eq!((settings.bucket.as_str(), settings.region.as_str()), ("b", "us-east-1"));
    assert_eq!((settings.endpoint, settings.addressing), (None, Addressing::VirtualHost));
    assert!(matches!(settings.keys, S3Keys::Automatic));
    assert_eq!((settings.network.certificates, settings.network.plain_http), (None, false));
    let settings = s3("region = \"eu-1\"\nendpoint = \"http://s3:9000\"\nca_certificates = \"/ca.pem\"\n\
         plain_http = true\nkeys = \"anonymous\"");
    assert_eq!(settings.region, "eu-1");
    assert_eq!(settings.endpoint.as_deref(), Some("http://s3:9000"));
    assert!(matches!(settings.keys, S3Keys::Anonymous));
    assert_eq!(settings.network.certificates.as_deref(), Some(Path::new("/ca.pem")));
    assert!(settings.network.plain_http);
}

#[test]
fn path_style_is_the_default_of_an_endpoint() {
    let endpoint = "endpoint = \"https://s3.example.com\"\n";
    for (lines, addressing) in [
        (String::new(), Addressing::VirtualHost),
        ("endpoint = \"\"".to_owned(), Addressing::VirtualHost),
        ("path_style = true".to_owned(), Addressing::PathStyle),
        (endpoint.to_owned(), Addressing::PathStyle),
        (format!("{endpoint}path_style = true"), Addressing::PathStyle),
        (format!("{endpoint}path_style = false"), Addressing::VirtualHost),
    ] {
        assert_eq!(s3(&lines).addressing, addressing, "{lines}");
    }
}

#[test]
fn what_is_looked_at_of_objects_and_their_prefix() {
    for kind in &MINIMAL[2..5] {
        for (lines, prefix, mode) in [
            ("", "", Mode::Content),
            ("prefix = \"a/b\"\ncontent = \"read\"", "a/b", Mode::Content),
            ("content = \"metadata\"", "", Mode::Metadata),
        ] {
            let settings = objects(&format!("{kind}\n{lines}"));
            assert_eq!((settings.prefix.as_str(), settings.mode), (prefix, mode), "{kind} {lines}");
        }
        let text = mistake(&format!("{kind}\ncontent = \"etag\""));
        assert!(text.starts_with("storages.x.content: must be one of \"read\", \"metadata\""), "{text}");
    }
}

const PAIR: &str = "access_key_id = \"id\"\nsecret_access_key = \"hush\"\n";

/// The kind of S3's keys, and all that is in it, secrets too.
fn keys(lines: &str) -> String {
    match s3(lines).keys {
        S3Keys::Automatic => "automatic".to_owned(),
        S3Keys::Pair(pair) => {
            let token = pair.session_token.map(|token| token.expose_secret().to_owned());
            format!("pair {} {} {token:?}", pair.access_key, pair.secret_key.expose_secret())
        }
        S3Keys::Environment => "environment".to_owned(),
        S3Keys::Profile { name, file } => format!("profile {name:?} {file:?}"),
        S3Keys::Role { metadata_endpoint } => format!("role {metadata_endpoint:?}"),
        S3Keys::Anonymous => "anonymous".to_owned(),
    }
}

#[test]
fn s3_keys_are_those_that_are_given_unless_keys_says_where_from() {
    let pair_and_token = format!("{PAIR}session_token = \"hush too\"");
    let chosen = format!("{PAIR}keys = \"configuration\"");
    for (lines, expected) in [
        ("", "automatic"),
        ("keys = \"automatic\"", "automatic"),
        (PAIR, "pair id hush None"),
        (&chosen, "pair id hush None"),
        (&pair_and_token, "pair id hush Some(\"hush too\")"),
        ("keys = \"environment\"", "environment"),
        ("keys = \"profile\"", "profile None None"),
        ("profile = \"p\"", "profile Some(\"p\") None"),
        ("profile_file = \"/f\"", "profile None Some(\"/f\")"),
        ("keys = \"profile\"\nprofile = \"p\"\nprofile_file = \"/f\"", "profile Some(\"p\") Some(\"/f\")"),
        ("keys = \"role\"", "role None"),
        ("keys = \"role\"\nmetadata_endpoint = \"http://m\"", "role Some(\"http://m\")"),
        ("keys = \"anonymous\"", "anonymous"),
    ] {
        assert_eq!(keys(lines), expected, "{lines}");
    }
}

#[test]
fn s3_keys_that_contradict_each_other_are_a_mistake() {
    let half = |key: &str| format!("{key} = \"hush\"");
    let mut cases = vec![
        (half("access_key_id"), "storages.x.secret_access_key: is needed beside access_key_id"),
        (half("secret_access_key"), "storages.x.access_key_id: is needed beside secret_access_key"),
        ("keys = \"configuration\"".to_owned(), "storages.x.access_key_id: is not set"),
        ("keys = \"vault\"".to_owned(), "storages.x.keys: must be one of \"automatic\""),
    ];
    for from in ["automatic", "environment", "profile", "role", "anonymous"] {
        let sentence = "storages.x.access_key_id: is set, but keys says to take others";
        cases.push((format!("{PAIR}keys = {from:?}"), sentence));
    }
    for (lines, sentence) in cases {
        let text = mistake(&format!("kind = \"s3\"\nbucket = \"b\"\n{lines}"));
        assert!(text.starts_with(sentence), "{lines}: {text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn google() {
    for (lines, expected) in [
        ("", "default"),
        ("anonymous = false", "default"),
        ("anonymous = true", "anonymous"),
        ("service_account_file = \"/key.json\"", "file /key.json"),
        ("service_account_key = \"hush\"", "json hush"),
    ] {
        let settings = objects(&format!("kind = \"gcs\"\nbucket = \"b\"\nendpoint = \"https://g\"\n{lines}"));
        let Service::Gcs(settings) = settings.service else { panic!("{lines}") };
        assert_eq!((settings.bucket.as_str(), settings.endpoint.as_deref()), ("b", Some("https://g")));
        let credentials = match settings.credentials {
            GcsCredentials::ApplicationDefault => "default".to_owned(),
            GcsCredentials::File(file) => format!("file {}", file.display()),
            GcsCredentials::Json(json) => format!("json {}", json.expose_secret()),
            GcsCredentials::Anonymous => "anonymous".to_owned(),
        };
        assert_eq!(credentials, expected, "{lines}");
    }
    let Service::Gcs(minimal) = objects(MINIMAL[3]).service else { panic!("another service") };
    assert_eq!(minimal.endpoint, None);
}

#[test]
fn azure() {
    for (lines, expected) in [
        ("", "environment"),
        ("anonymous = true", "anonymous"),
        ("access_key = \"hush\"", "key hush"),
        ("sas_token = \"hush\"", "sas hush"),
    ] {
        let Service::Azure(settings) = objects(&format!("{}\n{lines}", MINIMAL[4])).service else {
            panic!("{lines}")
        };
        assert_eq!((settings.account.as_str(), settings.container.as_str()), ("a", "c"));
        assert_eq!(settings.endpoint, None);
        let credentials = match settings.credentials {
            AzureCredentials::Environment => "environment".to_owned(),
            AzureCredentials::AccessKey(key) => format!("key {}", key.expose_secret()),
            AzureCredentials::Sas(sas) => format!("sas {}", sas.expose_secret()),
            AzureCredentials::Anonymous => "anonymous".to_owned(),
        };
        assert_eq!(credentials, expected, "{lines}");
    }
    let full = "endpoint = \"http://a\"\nplain_http = true\nca_certificates = \"/ca.pem\"";
    let Service::Azure(full) = objects(&format!("{}\n{full}", MINIMAL[4])).service else {
        panic!("another service")
    };
    assert_eq!(full.endpoint.as_deref(), Some("http://a"));
    assert_eq!(full.network.certificates.as_deref(), Some(Path::new("/ca.pem")));
    assert!(full.network.plain_http);
}

#[test]
fn credentials_of_two_kinds_are_a_mistake() {
    let sentence = "storages.x.anonymous: beside credentials, or two kinds of credentials at once";
    let both = ["service_account_file", "service_account_key", "access_key", "sas_token"];
    for (minimal, keys) in [(MINIMAL[3], &both[..2]), (MINIMAL[4], &both[2..])] {
        let set = |key: &&str| format!("{key} = \"hush\"\n");
        let pair: String = keys.iter().map(set).collect();
        let with_anonymous = keys.iter().map(|key| format!("{}anonymous = true", set(key)));
        for lines in with_anonymous.chain([pair]) {
            let text = mistake(&format!("{minimal}\n{lines}"));
            assert!(text.starts_with(sentence) && !text.contains("hush"), "{lines}: {text}");
        }
    }
}
