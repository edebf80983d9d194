//! The keys of each kind of storage, and what they come to.

mod objects;

use std::path::Path;

use secrecy::ExposeSecret as _;
use stocktake_content_git::Integrity;
use stocktake_content_objects::Service;
use stocktake_content_registry::Integrity as RegistryIntegrity;

use super::super::tests::sources;
use super::super::{Loaded, load_from, show};
use super::*;
use crate::settings::sources::Sources;

/// Loads a configuration file of this text.
fn load(toml: &str) -> Result<Loaded, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, toml).unwrap();
    load_from(&Sources { file: Some(file), ..sources(folder.path()) })
}

/// The storage `x` of a section with these lines.
fn storage(lines: &str) -> Storage {
    let loaded = load(&format!("[storages.x]\n{lines}"));
    loaded.unwrap_or_else(|error| panic!("{lines}: {error}")).settings.storages.remove("x").unwrap()
}

fn mistake(lines: &str) -> String {
    load(&format!("[storages.x]\n{lines}")).err().unwrap_or_else(|| panic!("{lines}: no error")).to_string()
}

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

const LIMITS: &str = "readers = 5\nbytes_per_second = \"3MB\"\nhours = \"22:00-06:00\"\n";

/// What [`LIMITS`] comes to.
fn limits() -> (NonZeroUsize, Option<NonZeroU64>) {
    (number(5), NonZeroU64::new(3_000_000))
}

/// What holds without any: as many readers as `worker.readers` says by itself.
fn no_limits() -> (NonZeroUsize, Option<NonZeroU64>) {
    (number(32), None)
}

/// One minimal section of each kind.
const MINIMAL: [&str; 8] = [
    "root = \"/d\"",
    "kind = \"git\"\nroot = \"/d\"",
    "kind = \"s3\"\nbucket = \"b\"",
    "kind = \"gcs\"\nbucket = \"b\"",
    "kind = \"azure\"\naccount = \"a\"\ncontainer = \"c\"",
    "kind = \"registry\"\nurl = \"https://registry.example.com\"",
    "kind = \"registry-directory\"\nroot = \"/d\"",
    "kind = \"registry-bucket\"\nbucket = \"b\"",
];

/// How many things are read at once, and how fast.
fn limits_of(content: &Content) -> (NonZeroUsize, Option<NonZeroU64>) {
    match content {
        Content::Directory(settings) => (settings.readers, settings.bytes_per_second),
        Content::Git(settings) => (settings.readers, settings.bytes_per_second),
        Content::Objects(settings) => (settings.requests, settings.bytes_per_second),
        Content::Registry(settings) => (settings.requests, settings.bytes_per_second),
        Content::RegistryDirectory(settings) => (settings.readers, settings.layout.bytes_per_second),
        Content::RegistryBucket(objects, layout) => (objects.requests, layout.bytes_per_second),
        Content::Cluster(_) => panic!("others read for it"),
    }
}

#[test]
fn readers_speed_and_hours_are_keys_of_every_kind() {
    for minimal in MINIMAL {
        let without = storage(minimal);
        assert_eq!(limits_of(&without.content), no_limits(), "{minimal}");
        assert_eq!(without.hours, None, "{minimal}");
        let with = storage(&format!("{minimal}\n{LIMITS}"));
        assert_eq!(limits_of(&with.content), limits(), "{minimal}");
        assert_eq!(with.hours, Some("22:00-06:00".parse().unwrap()), "{minimal}");
        let empty = storage(&format!("{minimal}\nbytes_per_second = 0\nhours = \"\""));
        assert_eq!((limits_of(&empty.content), empty.hours), (no_limits(), None), "{minimal}");
        let worker = load(&format!("[worker]\nreaders = 9\n[storages.x]\n{minimal}")).unwrap();
        assert_eq!(limits_of(&worker.settings.storages["x"].content).0, number(9), "{minimal}");
        let both = load(&format!("[worker]\nreaders = 9\n[storages.x]\n{minimal}\nreaders = 4")).unwrap();
        assert_eq!(limits_of(&both.settings.storages["x"].content).0, number(4), "{minimal}");
        assert!(
            mistake(&format!("{minimal}\nreaders = 0")).starts_with("storages.x.readers: must be a whole")
        );
    }
}

#[test]
fn clusters() {
    let praefect = "[sources.gitlab]\npraefect_database_url = \"postgres://u:hush@h/p\"\n";
    let nodes = "[storages.gitlab-git-g1]\nkind = \"git\"\nroot = \"/1\"\n\
                 [storages.far]\nkind = \"git\"\nroot = \"/2\"\n";
    let cluster = |replicas: &str| {
        format!("[storages.gitlab-git-main]\nkind = \"gitaly-cluster\"\nreplicas = {replicas}\n")
    };
    let both = cluster("[\"gitlab-git-g1\", \"far\"]");
    let mut loaded = load(&format!("{praefect}{nodes}{both}")).unwrap();
    let content = &mut loaded.settings.storages.get_mut("gitlab-git-main").unwrap().content;
    assert!(content.at_once().is_none() && content.readers().is_none());
    let Content::Cluster(Cluster { settings, replicas }) = content else { panic!("{content:?}") };
    assert_eq!(settings.virtual_storage, "main");
    let named: Vec<_> = replicas.iter().map(|(node, name)| (node.as_str(), name.as_str())).collect();
    assert_eq!(named, [("far", "far"), ("g1", "gitlab-git-g1")]);
    for (text, sentence) in [
        (format!("{nodes}{both}"), "needs sources.gitlab.praefect_database_url"),
        (format!("{praefect}{nodes}{}", cluster("[]")), "replicas: must name the storages"),
        (format!("{praefect}{both}"), "storages.far must be a storage of the kind \"git\""),
        (format!("{praefect}{nodes}{}", cluster("[\"none\"]")), "storages.none must be a storage"),
    ] {
        let told = load(&text).err().unwrap().to_string();
        assert!(told.contains(sentence), "{told}");
    }
}

#[test]
fn directories() {
    for lines in ["root = \"/d\"", "kind = \"directory\"\nroot = \"/d\""] {
        let Content::Directory(settings) = storage(lines).content else { panic!("{lines}") };
        assert_eq!(settings.root, Path::new("/d"));
    }
}

#[test]
fn git() {
    for (line, integrity) in [
        ("", Integrity::Connected),
        ("integrity = \"connected\"", Integrity::Connected),
        ("integrity = \"objects\"", Integrity::Objects),
        ("integrity = \"refs\"", Integrity::Refs),
    ] {
        let lines = format!("kind = \"git\"\nroot = \"/d\"\n{line}");
        let Content::Git(settings) = storage(&lines).content else { panic!("{lines}") };
        assert_eq!((settings.root.as_path(), settings.integrity), (Path::new("/d"), integrity));
    }
    let text = mistake("kind = \"git\"\nroot = \"/d\"\nintegrity = \"tags\"");
    assert!(
        text.starts_with("storages.x.integrity: must be one of \"connected\", \"objects\", \"refs\""),
        "{text}"
    );
}

#[test]
fn registries() {
    let Content::Registry(minimal) = storage(MINIMAL[5]).content else { panic!("another kind") };
    assert_eq!(minimal.url, "https://registry.example.com");
    assert!(minimal.credentials.is_none() && minimal.ca_certificates.is_none());
    assert_eq!(minimal.integrity, RegistryIntegrity::Content);
    let directory = format!("{}\ndatabase_url = \"postgres://u@h/d\"", MINIMAL[6]);
    let Content::RegistryDirectory(directory) = storage(&directory).content else { panic!("another kind") };
    assert!(directory.layout.database_url.is_some());
    let full = "username = \"u\"\npassword = \"hush\"\nca_certificates = \"/ca.pem\"\nintegrity = \"tags\""
        .to_owned();
    let Content::Registry(full) = storage(&format!("{}\n{full}", MINIMAL[5])).content else {
        panic!("another kind")
    };
    let (username, password) = full.credentials.unwrap();
    assert_eq!((username.as_str(), password.expose_secret()), ("u", "hush"));
    assert_eq!(full.ca_certificates.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(full.integrity, RegistryIntegrity::Tags);
    for (line, sentence) in [
        ("username = \"u\"", "storages.x.password: is needed beside username"),
        ("password = \"hush\"", "storages.x.username: is needed beside password"),
        ("integrity = \"refs\"", "storages.x.integrity: must be one of \"content\", \"tags\""),
    ] {
        let text = mistake(&format!("{}\n{line}", MINIMAL[5]));
        assert!(text.starts_with(sentence) && !text.contains("hush"), "{text}");
    }
}

#[test]
fn registry_directories() {
    for (line, integrity) in [
        ("", RegistryIntegrity::Content),
        ("integrity = \"content\"", RegistryIntegrity::Content),
        ("integrity = \"tags\"", RegistryIntegrity::Tags),
    ] {
        let lines = format!("{}\n{line}", MINIMAL[6]);
        let Content::RegistryDirectory(settings) = storage(&lines).content else { panic!("{lines}") };
        assert_eq!((settings.root.as_path(), settings.layout.integrity), (Path::new("/d"), integrity));
    }
}

#[test]
fn registry_buckets_are_those_of_any_service() {
    let more = "prefix = \"registries/main\"\nintegrity = \"tags\"\ndatabase_url = \"postgres://u@h/d\"";
    for (service, keys) in [
        ("", "bucket = \"b\""),
        ("service = \"s3\"", "bucket = \"b\"\naccess_key_id = \"k\"\nsecret_access_key = \"hush\""),
        ("service = \"gcs\"", "bucket = \"b\"\nanonymous = true"),
        ("service = \"azure\"", "account = \"a\"\ncontainer = \"c\"\nsas_token = \"hush\""),
    ] {
        let lines = format!("kind = \"registry-bucket\"\n{service}\n{keys}\n{more}");
        let Content::RegistryBucket(objects, layout) = storage(&lines).content else { panic!("{lines}") };
        let is_right = match objects.service {
            Service::S3(_) => service.is_empty() || service.contains("s3"),
            Service::Gcs(_) => service.contains("gcs"),
            Service::Azure(_) => service.contains("azure"),
        };
        assert!(is_right, "{lines}");
        assert_eq!((objects.prefix.as_str(), objects.mode), ("registries/main", Mode::Content));
        assert_eq!(layout.integrity, RegistryIntegrity::Tags);
        assert!(layout.database_url.is_some());
    }
    for (line, sentence) in [
        ("service = \"swift\"", "storages.x.service: must be one of \"s3\", \"gcs\", \"azure\""),
        ("content = \"metadata\"", "storages.x.content"),
    ] {
        let text = mistake(&format!("{}\n{line}", MINIMAL[7]));
        assert!(text.contains(sentence) && !text.contains("hush"), "{text}");
    }
}

#[test]
fn what_a_kind_needs_is_named() {
    for (lines, sentence) in [
        ("kind = \"directory\"", "storages.x.root is not set"),
        ("kind = \"git\"", "storages.x.root is not set"),
        ("kind = \"s3\"", "storages.x.bucket is not set"),
        ("kind = \"gcs\"", "storages.x.bucket is not set"),
        ("kind = \"azure\"\naccount = \"a\"", "storages.x.container is not set"),
        ("kind = \"azure\"\ncontainer = \"c\"", "storages.x.account is not set"),
        ("kind = \"registry\"", "storages.x.url is not set"),
        ("kind = \"registry-directory\"", "storages.x.root is not set"),
        ("kind = \"registry-bucket\"", "storages.x.bucket is not set"),
        ("kind = \"registry-bucket\"\nservice = \"azure\"", "storages.x.account is not set"),
        ("kind = \"s3\"\nbucket = \"\"", "storages.x.bucket: must not be empty"),
    ] {
        let text = mistake(lines);
        assert!(text.starts_with(sentence), "{lines}: {text}");
    }
}

#[test]
fn a_key_of_another_kind_is_unknown() {
    let keys = ["root", "root", "bucket", "bucket", "account", "url", "root"];
    let others = [
        ["bucket", "integrity"],
        ["bucket", "url"],
        ["root", "account"],
        ["root", "access_key_id"],
        ["root", "bucket"],
        ["root", "bucket"],
        ["url", "password"],
    ];
    for ((minimal, own), others) in MINIMAL.into_iter().zip(keys).zip(others) {
        assert!(minimal.contains(&format!("{own} = ")), "{minimal}");
        for other in others {
            let text = mistake(&format!("{minimal}\n{other} = \"hush\""));
            let sentence = format!("unknown configuration key storages.x.{other} (");
            assert!(text.starts_with(&sentence) && !text.contains("hush"), "{minimal}: {text}");
        }
    }
}

#[test]
fn no_secret_is_shown() {
    let user = "username = \"u\"\npassword";
    let pair = "access_key_id = \"id\"\nsecret_access_key";
    let token = "access_key_id = \"id\"\nsecret_access_key = \"other-word\"\nsession_token";
    for (minimal, key) in [
        (MINIMAL[2], pair),
        (MINIMAL[2], token),
        (MINIMAL[3], "service_account_key"),
        (MINIMAL[4], "access_key"),
        (MINIMAL[4], "sas_token"),
        (MINIMAL[5], user),
    ] {
        let loaded = load(&format!("[storages.x]\n{minimal}\n{key} = \"hush-hush\"")).unwrap();
        let name = key.lines().last().unwrap();
        let shown = show(&loaded);
        assert!(shown.contains(&format!("storages.x.{name} = \"***\"")), "{shown}");
        for text in [shown, format!("{:?}", loaded.settings)] {
            assert!(!text.contains("hush-hush") && !text.contains("other-word"), "{text}");
        }
    }
}

#[test]
fn what_may_have_been_meant_is_told() {
    let text = mistake("rot = \"/d\"");
    assert!(text.ends_with("; is storages.x.rot meant for it?"), "{text}");
    let text = mistake("kind = \"dirctory\"\nroot = \"/d\"");
    assert!(text.contains("; did you mean \"directory\"?"), "{text}");
}
