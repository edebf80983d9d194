//! The layers, the checks and the masking.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use toml::Value;

use super::*;

pub(super) fn sources(folder: &Path) -> Sources {
    Sources { folder: folder.to_owned(), ..Default::default() }
}

fn variables(all: &[(&str, &str)]) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    all.iter().map(|(name, text)| (name.into(), text.into())).collect()
}

fn error(all: &[(&str, &str)]) -> String {
    let empty = tempfile::tempdir().unwrap();
    let sources = Sources { variables: variables(all), ..sources(empty.path()) };
    load_from(&sources).err().expect("an error").to_string()
}

#[test]
fn the_defaults_are_complete_and_each_has_a_comment() {
    let empty = tempfile::tempdir().unwrap();
    let settings = load_from(&sources(empty.path())).unwrap().settings;
    assert_eq!(settings.database.url.expose_secret(), "sqlite://var/stocktake.db");
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.verification.reverify_after, Duration::from_secs(90 * 86_400));
    assert!(settings.storages.is_empty(), "a storage that nobody configured");
    let text = include_str!("../../../../config/default.toml");
    let mut previous = "";
    for line in text.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(previous.starts_with('#'), "{line:?} has no comment above it");
        }
        previous = line;
    }
}

#[test]
fn later_layers_win_and_each_value_tells_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    write("config/default.toml", "[http]\nworkers = 1\noffset_limit = 1\n[log]\nlevel = \"warn\"\n");
    write("config/production.toml", "[http]\nworkers = 2\noffset_limit = 2\nmax_body = 2\n");
    let file =
        write("own.conf", "[http]\nworkers = 3\noffset_limit = 3\n[storages.disk1]\nroot = \"/disk1\"\n");
    let loaded = load_from(&Sources {
        folder: folder.path().to_owned(),
        system: PathBuf::new(),
        file: Some(file),
        variables: variables(&[
            ("STOCKTAKE_ENV", "production"),
            ("STOCKTAKE__HTTP__WORKERS", "4"),
            ("STOCKTAKE__HTTP__LISTEN", "127.0.0.1:1"),
            ("STOCKTAKE__WORKER__STORAGES", "disk1, disk2"),
            ("STOCKTAKE__STORAGES__DISK2__ROOT", "/disk2"),
        ]),
        overrides: vec![("http.listen", Value::from("127.0.0.1:2"), "--listen")],
    })
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.http.workers, 4);
    assert_eq!(settings.http.offset_limit, 3);
    assert_eq!(settings.http.max_body, 2);
    assert_eq!(settings.log.level, "warn");
    assert_eq!(settings.http.listen.port(), 2);
    assert_eq!(settings.worker.storages, Some(vec!["disk1".to_owned(), "disk2".to_owned()]));
    assert_eq!(settings.storages.keys().collect::<Vec<_>>(), ["disk1", "disk2"]);
    let shown = show(&loaded);
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("http.workers = \"4\" ").ends_with("# variable STOCKTAKE__HTTP__WORKERS"));
    assert!(line("http.offset_limit = 3 ").ends_with("own.conf line 3"));
    assert!(line("http.max_body = 2 ").ends_with("config/production.toml line 4"));
    assert!(line("http.listen = \"127.0.0.1:2\" ").ends_with("# option --listen"));
    assert!(line("verification.lease = \"8h\" ").ends_with("# default"));
}

#[test]
fn a_mistake_is_one_sentence_with_key_and_origin() {
    let cases = [
        (
            "STOCKTAKE__HTTP__LISTN",
            "x",
            "unknown configuration key http.listn (variable STOCKTAKE__HTTP__LISTN); did you mean http.listen?",
        ),
        ("STOCKTAKE__HTTP", "x", "unknown configuration key http (variable STOCKTAKE__HTTP)"),
        ("STOCKTAKE__HTTP__WORKERS", "many", "http.workers: must be a whole number from 0 to 512"),
        ("STOCKTAKE__DATABASE__URL", "", "database.url: must not be empty"),
        ("STOCKTAKE__VERIFICATION__LEASE", "1", "verification.lease: must be a duration"),
        (
            "STOCKTAKE__VERIFICATION__ALGORITHM",
            "sha1",
            "verification.algorithm: must be \"sha256\" or \"md5\"",
        ),
        (
            "STOCKTAKE__VERIFICATION__MODELS__UPLOAD__ALGORITHM",
            "md5",
            "\"upload\" is not the name of a model",
        ),
        (
            "STOCKTAKE__VERIFICATION__MODELS__UPLOADS__SPEED",
            "1",
            "verification.models.uploads.algorithm is not set",
        ),
        ("STOCKTAKE__STORAGES__MAIN__KIND", "tape", "storages.main.kind: must be one of \"directory\""),
        ("STOCKTAKE__STORAGES__MAIN__HOURS", "night", "storages.main.hours: must be daily hours"),
        (
            "STOCKTAKE__STORAGES__OTHER__KIND",
            "directory",
            "storages.other.root is not set (variable STOCKTAKE__STORAGES__OTHER__KIND)",
        ),
        ("STOCKTAKE__STORAGES__A B__ROOT", "/", "the name of a storage has letters"),
        (
            "STOCKTAKE__WORKER__STORAGES",
            "nowhere",
            "there is no storage \"nowhere\", nor any other: stocktake init FOLDER configures one",
        ),
        ("STOCKTAKE__LOG__LEVEL", "a=b=c", "log.level: must be error, warn"),
        ("STOCKTAKE__LOG__LEVEL", "loud", "log.level: must be error, warn"),
        ("STOCKTAKE__LOG__LEVEL", "info,stocktake_worker", "log.level: must be error, warn"),
        ("STOCKTAKE_ENV", "missing", "config/missing.toml (variable STOCKTAKE_ENV) cannot be read"),
        ("STOCKTAKE_ENV", "../x", "STOCKTAKE_ENV is the name of a configuration, not a path"),
    ];
    for (variable, value, sentence) in cases {
        let text = error(&[(variable, value)]);
        assert!(text.contains(sentence), "{variable}={value}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn broken_toml_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "[http]\nlisten = = 3\n").unwrap();
    let text =
        load_from(&Sources { file: Some(file.clone()), ..sources(folder.path()) }).err().unwrap().to_string();
    assert!(text.contains("own.toml line 2 is not TOML: "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_section_without_keys_is_no_mistake_unless_it_needs_some() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        load_from(&Sources { file: Some(file.clone()), ..sources(folder.path()) })
    };
    assert!(load("[http]\n[verification.models]\n").is_ok());
    assert!(
        load("[storages.disk1]\n").err().unwrap().to_string().contains("storages.disk1.root is not set (")
    );
    assert!(load("[htpp]\n").err().unwrap().to_string().contains("own.toml line 1)"));
}

#[test]
fn the_password_is_never_shown() {
    let empty = tempfile::tempdir().unwrap();
    for url in [
        "postgres://me:hush-hush@db:5432/stocktake",
        "postgres://db/stocktake?user=me&password=hush-hush",
        "postgres://me:hush-hush@db:not-a-port/x",
    ] {
        let variables = variables(&[("STOCKTAKE__DATABASE__URL", url)]);
        let loaded = load_from(&Sources { variables, ..sources(empty.path()) }).unwrap();
        let shown = show(&loaded);
        assert!(!shown.contains("hush-hush"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
        assert!(!format!("{:?}", loaded.settings).contains("hush-hush"));
        assert_eq!(loaded.settings.database.url.expose_secret(), url);
    }
}

#[test]
fn nothing_secret_in_a_url_is_shown_whatever_its_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    for (url, shown_as) in [
        ("https://me:hush-hush@objects.test/x", "https://me:***@objects.test/x"),
        // A token alone, which is the user then.
        ("https://hush-hush@objects.test/", "https://***@objects.test/"),
        ("https://objects.test/?sv=hush-hush&sig=hush-hush", "https://objects.test/?sv=***&sig=***"),
        ("https://objects.test/?private_token=hush-hush", "https://objects.test/?private_token=***"),
        ("hush-hush@objects.test", "***"),
    ] {
        for section in ["kind = \"s3\"\nbucket = \"b\"\nendpoint", "kind = \"registry\"\nurl"] {
            std::fs::write(&file, format!("[storages.x]\n{section} = {url:?}\n")).unwrap();
            let loaded = load_from(&Sources { file: Some(file.clone()), ..sources(folder.path()) }).unwrap();
            let shown = show(&loaded);
            assert!(
                !shown.contains("hush-hush") && shown.contains(&format!("{shown_as:?}")),
                "{url}: {shown}"
            );
            let place = loaded.place_of("x").unwrap_or_default();
            assert!(!place.contains("hush-hush"), "{url}: {place}");
        }
    }
}

#[test]
fn secrets_are_hidden_and_absent_ones_are_seen_to_be() {
    let empty = tempfile::tempdir().unwrap();
    let load = |pairs: &[(&str, &str)]| {
        load_from(&Sources { variables: variables(pairs), ..sources(empty.path()) }).unwrap()
    };
    let loaded = load(&[("STOCKTAKE__SECRETS__DB_KEY_BASE", "hush-hush")]);
    assert!(show(&loaded).contains("secrets.db_key_base = \"***\""));
    assert!(!format!("{:?}", loaded.settings).contains("hush-hush"));
    let base = loaded.settings.secrets.db_key_base.unwrap();
    assert_eq!(base.expose_secret(), "hush-hush");
    let loaded = load(&[]);
    assert!(show(&loaded).contains("secrets.db_key_base = \"\""));
    assert!(loaded.settings.secrets.db_key_base.is_none());
}

#[test]
fn renamed_keys_go_on_working_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "[worker]\nsign_of_life = \"7s\"\n").unwrap();
    let load = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, text)| (name.into(), text.into())).collect();
        load_from(&Sources { file: Some(file.clone()), variables, ..sources(folder.path()) }).unwrap()
    };
    let loaded = load(&[("STOCKTAKE__SOURCES__GITLAB__SWEEP", "1h")]);
    assert_eq!(loaded.settings.worker.heartbeat_timeout, Duration::from_secs(7));
    let [sweep, heartbeat] = &loaded.notes[..] else { panic!("{:?}", loaded.notes) };
    let variable = "sources.gitlab.sweep (variable STOCKTAKE__SOURCES__GITLAB__SWEEP)";
    assert_eq!(*sweep, format!("{variable} is called sources.gitlab.full_scan now"));
    assert!(heartbeat.ends_with("is called worker.heartbeat_timeout now"), "{heartbeat}");
    let both = load(&[("STOCKTAKE__WORKER__HEARTBEAT_TIMEOUT", "9s")]);
    assert_eq!(both.settings.worker.heartbeat_timeout, Duration::from_secs(9));
}

#[test]
fn the_table_holds_no_secret_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let text = "[database]\nurl = \"postgres://u:hush@h/d\"\n[secrets]\ndb_key_base = \"hush\"\n\
        [sources.gitlab]\nci_database_url = \"postgres://u:hush@h/c\"\n\
        sec_database_url = \"postgres://u:hush@h/s\"\n\
        praefect_database_url = \"postgres://u:hush@h/p\"\n\
        [storages.x]\nkind = \"azure\"\naccount = \"a\"\ncontainer = \"c\"\naccess_key = \"hush\"\n";
    std::fs::write(&file, text).unwrap();
    let loaded = load_from(&Sources { file: Some(file), ..sources(folder.path()) }).unwrap();
    assert!(!format!("{:?}", loaded.table).contains("hush"));
    let shown = show(&loaded);
    assert!(!shown.contains("hush") && shown.contains("postgres://u:***@h/d"), "{shown}");
}
