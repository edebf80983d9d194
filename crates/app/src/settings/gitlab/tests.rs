//! What a GitLab's own configuration becomes, and what counts instead of it.

use secrecy::ExposeSecret as _;
use stocktake_domain::ObjectType;

use super::super::sources::Sources;
use super::super::tests::sources;
use super::super::{Content, Loaded, SettingsError, load_from, show};

const URL: &str = "[sources.gitlab]\ndatabase_url = \"postgres://reader:hush@db/gitlab\"\n";

const GITLAB_RB: &str = r##"
gitlab_rails['lfs_storage_path'] = '/mnt/lfs'
gitlab_rails['packages_storage_path'] = ENV['PACKAGES']
gitlab_rails['pages_path'] = "#{ENV['PAGES']}/pages"
gitlab_rails['artifacts_path'] = File.join('/mnt', 'artifacts')
gitlab_rails['object_store']['enabled'] = true
gitlab_rails['object_store']['connection'] = {
  'provider' => 'AWS', 'region' => 'eu-central-1', 'endpoint' => 'http://minio:9000', 'path_style' => true,
  'aws_access_key_id' => 'id', 'aws_secret_access_key' => 'hush-hush'
}
gitlab_rails['object_store']['objects']['artifacts']['bucket'] = 'our-artifacts/below'
gitaly['configuration'] = { storage: [ { name: 'fast', path: '/mnt/fast' } ] }
"##;

/// Values of the Helm chart, and the secret that they name.
const VALUES: &str = "global:\n  appConfig:\n    object_store:\n      enabled: true\n      connection:\n        \
    secret: rails-storage\n    lfs:\n      bucket: our-lfs\n";
const CONNECTION: &str =
    "provider: AWS\nregion: eu-west-1\naws_access_key_id: id\naws_secret_access_key: hush-hush\n";

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
    std::fs::write(folder.path().join("values.yaml"), VALUES).unwrap();
    std::fs::create_dir(folder.path().join("rails-storage")).unwrap();
    std::fs::write(folder.path().join("rails-storage/connection"), CONNECTION).unwrap();
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
fn the_values_of_the_helm_chart_name_the_buckets() {
    let helm = format!("{URL}installation = \"helm\"\nconfiguration = \"{{}}/values.yaml\"\n");
    let loaded = load(&format!("{helm}kubernetes_secrets = \"{{}}\"\n")).unwrap();
    let storages = &loaded.settings.storages;
    assert!(matches!(storages["gitlab-lfs-objects"].content, Content::Objects(_)), "{storages:?}");
    assert!(
        !storages.contains_key("gitlab-lfs") && !storages.contains_key("gitlab-dependency-proxy-objects")
    );
    assert!(!show(&loaded).contains("hush-hush"));
    let without = load(&helm).unwrap();
    assert!(without.settings.storages.is_empty());
    let told = without.notes.iter().find(|note| note.contains("storages.gitlab-lfs-objects"));
    assert!(told.is_some_and(|note| note.contains("is in a secret of Kubernetes")), "{:?}", without.notes);
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
    assert_eq!(root(&loaded, "gitlab-artifacts"), "/mnt/artifacts");
    let [packages, pages] = &loaded.notes[..] else { panic!("{:?}", loaded.notes) };
    assert!(
        packages.ends_with(
            "gitlab.rb, line 3: `gitlab_rails['packages_storage_path']` is calculated, so that it is not known where \
             this is: set `storages.gitlab-packages.root` in Stocktake's configuration"
        ),
        "{packages}"
    );
    assert!(pages.contains("line 4: `gitlab_rails['pages_path']` is calculated"), "{pages}");
    let storages = &loaded.settings.gitlab.as_ref().unwrap().source.storages;
    assert_eq!(storages.files[&ObjectType::Packages].local, None);
    let why = &storages.unknown.local[&ObjectType::Packages];
    assert!(why.starts_with("set storages.gitlab-packages.root: "), "{why}");
    assert!(why.ends_with("gitlab.rb calculates it in line 3"), "{why}");
    let secret = loaded.settings.secrets.db_key_base.as_ref().unwrap();
    assert_eq!(secret.expose_secret(), "hush-key");
    let shown = show(&loaded);
    assert!(!shown.contains("hush"), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("storages.gitlab-lfs.root")).unwrap();
    assert!(line.contains("# GitLab's ") && line.ends_with("gitlab.rb"), "{line}");
    for (key, origin) in [
        ("storages.gitlab-external-diffs.root", "# GitLab, installed as \"omnibus\""),
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
fn a_registry_in_a_bucket_is_read_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gitlab.rb");
    let text = "gitlab_rails['registry_api_url'] = 'http://r'\nregistry['storage'] = { 's3' => { 'bucket' => 'images', \
                'region' => 'eu-west-1', 'accesskey' => 'id', 'secretkey' => 'key', 'rootdirectory' => '/main' } }\n";
    std::fs::write(&file, text).unwrap();
    let loaded = load(&format!("{URL}configuration = {file:?}\n")).unwrap();
    let Content::RegistryBucket(..) = &loaded.settings.storages["gitlab-registry"].content else {
        panic!("{:?}", loaded.settings.storages["gitlab-registry"])
    };
    let shown = show(&loaded);
    for line in ["storages.gitlab-registry.service = \"s3\"", "storages.gitlab-registry.prefix = \"main\""] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("storages.gitlab-registry.url"), "{shown}");
}

#[test]
fn what_is_unknown_is_said_by_its_root_alone() {
    let own = "[storages.gitlab-packages]\nroot = \"/own/packages\"\n[storages.gitlab-pages]\nreaders = 3\nroot = \"/own/pages\"\n";
    let loaded = load(&format!("{URL}configuration = \"{{}}/gitlab.rb\"\n{own}")).unwrap();
    assert_eq!(root(&loaded, "gitlab-packages"), "/own/packages");
    assert_eq!(root(&loaded, "gitlab-pages"), "/own/pages");
    assert_eq!(loaded.notes, [""; 0]);
    let storages = &loaded.settings.gitlab.as_ref().unwrap().source.storages;
    assert_eq!(storages.files[&ObjectType::Packages].local.as_deref(), Some("gitlab-packages"));
}

#[test]
fn a_container_has_its_folders_below_its_volumes() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("gitlab.rb"), "# external_url 'x'\n").unwrap();
    std::fs::write(config.join("gitlab-secrets.json"), r#"{"gitlab_rails":{"db_key_base":"hush-key"}}"#)
        .unwrap();
    let volumes = folder.path().display();
    let section = format!("{URL}installation = \"docker\"\nvolumes = \"{volumes}\"\n");
    let loaded = load(&section).unwrap();
    assert_eq!(root(&loaded, "gitlab-lfs"), format!("{volumes}/data/gitlab-rails/shared/lfs-objects"));
    assert_eq!(root(&loaded, "gitlab-git-default"), format!("{volumes}/data/git-data/repositories"));
    assert!(loaded.settings.secrets.db_key_base.is_some());
    let [note] = &loaded.notes[..] else { panic!("{:?}", loaded.notes) };
    assert!(note.contains("GITLAB_OMNIBUS_CONFIG"), "{note}");
    let compose = "services:\n  web:\n    environment:\n      GITLAB_OMNIBUS_CONFIG: |\n        \
                   gitlab_rails['lfs_storage_path'] = '/var/opt/gitlab/lfs'\n";
    std::fs::write(folder.path().join("compose.yml"), compose).unwrap();
    let loaded = load(&format!("{section}omnibus_config = \"{volumes}/compose.yml\"\n")).unwrap();
    assert_eq!(root(&loaded, "gitlab-lfs"), format!("{volumes}/data/lfs"));
    assert_eq!(loaded.notes, [""; 0]);
    let shown = show(&loaded);
    let line = shown.lines().find(|line| line.starts_with("storages.gitlab-lfs.root")).unwrap();
    assert!(line.ends_with("compose.yml"), "{line}");
}

#[test]
fn mistakes_are_named() {
    for (lines, sentence) in [
        (
            "installation = \"podman\"",
            "sources.gitlab.installation: must be one of \"omnibus\", \"docker\", \"helm\", \"source\", \"none\"",
        ),
        ("interval = \"1ms\"", "sources.gitlab.interval: must be at least 1s"),
        ("version = \"newest\"", "sources.gitlab.version: must be a version like \"18.5\""),
        ("batch_size = 0", "sources.gitlab.batch_size: must be a whole number from 1"),
        ("configuration = \"/nowhere/gitlab.rb\"", "/nowhere/gitlab.rb cannot be read"),
        ("colour = \"red\"", "unknown configuration key sources.gitlab.colour"),
    ] {
        let text =
            load(&format!("{URL}{lines}\n")).err().unwrap_or_else(|| panic!("{lines}: no error")).to_string();
        assert!(text.starts_with(sentence) && !text.contains("hush"), "{lines}: {text}");
    }
}
