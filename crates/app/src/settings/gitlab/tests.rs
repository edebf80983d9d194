//! What a GitLab's own configuration becomes, and what counts instead of it.

use secrecy::ExposeSecret as _;
use stocktake_domain::ObjectType;

use super::super::sources::Sources;
use super::super::tests::sources;
use super::super::{Content, Loaded, SettingsError, load_from, show};

const URL: &str = "[sources.gitlab]\ndatabase_url = \"postgres://reader:hush@db/gitlab\"\n";

const GITLAB_RB: &str = r"
gitlab_rails['lfs_storage_path'] = '/mnt/lfs'
gitlab_rails['packages_storage_path'] = ENV['PACKAGES']
gitlab_rails['object_store']['enabled'] = true
gitlab_rails['object_store']['connection'] = {
  'provider' => 'AWS', 'region' => 'eu-central-1', 'endpoint' => 'http://minio:9000', 'path_style' => true,
  'aws_access_key_id' => 'id', 'aws_secret_access_key' => 'hush-hush'
}
gitlab_rails['object_store']['objects']['artifacts']['bucket'] = 'our-artifacts/below'
gitaly['configuration'] = { storage: [ { name: 'fast', path: '/mnt/fast' } ] }
";

/// Loads a configuration file of this text, beside a `gitlab.rb` that `{rb}` in it stands for.
fn load(toml: &str) -> Result<Loaded, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let rb = folder.path().join("gitlab.rb");
    std::fs::write(&rb, GITLAB_RB).unwrap();
    std::fs::write(
        folder.path().join("gitlab-secrets.json"),
        r#"{"gitlab_rails":{"db_key_base":"hush-key"}}"#,
    )
    .unwrap();
    let file = folder.path().join("own.toml");
    std::fs::write(&file, toml.replace("{}", &folder.path().display().to_string())).unwrap();
    load_from(&Sources { file: Some(file), ..sources(folder.path()) })
}

fn root(loaded: &Loaded, storage: &str) -> String {
    match &loaded.settings.storages[storage].content {
        Content::Directory(settings) => settings.root.display().to_string(),
        Content::Git(settings) => settings.root.display().to_string(),
        Content::RegistryDirectory(settings) => settings.root.display().to_string(),
        other => panic!("{storage}: {other:?}"),
    }
}

#[test]
fn without_a_gitlab_there_is_none() {
    let loaded = load("").unwrap();
    assert!(loaded.settings.gitlab.is_none());
    assert!(loaded.settings.storages.is_empty());
}

#[test]
fn the_linux_package_has_its_places_built_in() {
    let loaded = load(URL).unwrap();
    for (storage, folder) in [
        ("gitlab-artifacts", "/var/opt/gitlab/gitlab-rails/shared/artifacts"),
        ("gitlab-lfs", "/var/opt/gitlab/gitlab-rails/shared/lfs-objects"),
        ("gitlab-ci-secure-files", "/var/opt/gitlab/gitlab-rails/shared/ci_secure_files"),
        ("gitlab-external-diffs", "/var/opt/gitlab/gitlab-rails/shared/external-diffs"),
        ("gitlab-uploads", "/var/opt/gitlab/gitlab-rails/uploads"),
        ("gitlab-public", "/opt/gitlab/embedded/service/gitlab-rails/public"),
        ("gitlab-git-default", "/var/opt/gitlab/git-data/repositories"),
        ("gitlab-registry", "/var/opt/gitlab/gitlab-rails/shared/registry"),
    ] {
        assert_eq!(root(&loaded, storage), folder);
    }
    let gitlab = loaded.settings.gitlab.unwrap().source;
    let lfs = &gitlab.storages.files[&ObjectType::Lfs];
    assert_eq!((lfs.local.as_deref(), lfs.object.as_deref()), (Some("gitlab-lfs"), None));
    assert_eq!(gitlab.storages.git["default"], "gitlab-git-default");
    assert!(
        gitlab.storages.uploads_folders.iter().any(|folder| folder == "/var/opt/gitlab/gitlab-rails/uploads")
    );
}

#[test]
fn gitlabs_own_configuration_is_a_layer_and_what_it_calculates_is_told() {
    let text =
        format!("{URL}configuration = \"{{}}/gitlab.rb\"\nsecrets_file = \"{{}}/gitlab-secrets.json\"\n");
    let loaded = load(&text).unwrap();
    assert_eq!(root(&loaded, "gitlab-lfs"), "/mnt/lfs");
    assert_eq!(root(&loaded, "gitlab-git-fast"), "/mnt/fast");
    let Content::Objects(bucket) = &loaded.settings.storages["gitlab-artifacts-objects"].content else {
        panic!("another kind")
    };
    assert_eq!(bucket.prefix, "below");
    let [note] = &loaded.notes[..] else { panic!("{:?}", loaded.notes) };
    assert!(note.contains("packages_storage_path"), "{note}");
    let secret = loaded.settings.secrets.db_key_base.as_ref().unwrap();
    assert_eq!(secret.expose_secret(), "hush-key");
    let shown = show(&loaded);
    assert!(!shown.contains("hush"), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("storages.gitlab-lfs.root")).unwrap();
    assert!(line.contains("# GitLab's ") && line.ends_with("gitlab.rb"), "{line}");
    for (key, origin) in [
        ("storages.gitlab-artifacts.root", "# GitLab, installed as \"omnibus\""),
        ("secrets.db_key_base", "gitlab-secrets.json"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.ends_with(origin), "{line}");
    }
}

#[test]
fn a_section_of_ones_own_changes_single_keys_or_all() {
    let own = "[storages.gitlab-artifacts-objects]\nreaders = 7\nbucket = \"other\"\n\
               [storages.gitlab-lfs]\nroot = \"/elsewhere\"\n\
               [storages.gitlab-registry]\nkind = \"registry\"\nurl = \"https://registry.example.com\"\n\
               [secrets]\ndb_key_base = \"own-key\"\n";
    let loaded = load(&format!(
        "{URL}configuration = \"{{}}/gitlab.rb\"\nsecrets_file = \"{{}}/gitlab-secrets.json\"\n{own}"
    ))
    .unwrap();
    assert_eq!(root(&loaded, "gitlab-lfs"), "/elsewhere");
    let Content::Objects(bucket) = &loaded.settings.storages["gitlab-artifacts-objects"].content else {
        panic!("another kind")
    };
    assert_eq!(bucket.requests.get(), 7);
    assert!(matches!(loaded.settings.storages["gitlab-registry"].content, Content::Registry(_)));
    let secret = loaded.settings.secrets.db_key_base.as_ref().unwrap();
    assert_eq!(secret.expose_secret(), "own-key");
}

#[test]
fn mistakes_are_named() {
    for (lines, sentence) in [
        (
            "installation = \"docker\"",
            "sources.gitlab.installation: must be one of \"omnibus\", \"source\", \"none\"",
        ),
        ("interval = \"1ms\"", "sources.gitlab.interval: must be at least 1s"),
        ("batch_size = 0", "sources.gitlab.batch_size: must be a whole number from 1"),
        ("configuration = \"/nowhere/gitlab.rb\"", "/nowhere/gitlab.rb cannot be read"),
        ("colour = \"red\"", "unknown configuration key sources.gitlab.colour"),
    ] {
        let text =
            load(&format!("{URL}{lines}\n")).err().unwrap_or_else(|| panic!("{lines}: no error")).to_string();
        assert!(text.starts_with(sentence) && !text.contains("hush"), "{lines}: {text}");
    }
}
