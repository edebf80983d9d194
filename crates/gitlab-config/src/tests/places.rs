//! Gitaly's storages, the registry, and what is unknown.

use super::*;
use crate::{AwsCredentials, Bucket, Connection, Fact, GoogleCredentials, RegistryData, Version};

#[test]
fn storages_of_gitaly() {
    let default = pair("default", "/var/opt/gitlab/git-data/repositories");
    let a = pair("a", "/mnt/a/repositories");
    let cases = [
        ("", vec![default.clone()]),
        ("git_data_dirs({})", vec![default]),
        // The built-in storage exists only if the file names none.
        ("git_data_dirs({ 'a' => { 'path' => '/mnt/a' } })", vec![a.clone()]),
        ("git_data_dirs 'a' => { 'path' => '/mnt/a' }", vec![a.clone()]),
        ("git_data_dirs({ 'a' => '/mnt/a/' })", vec![a.clone()]),
        ("gitlab_rails['repositories_storages'] = { 'a' => { 'path' => '/mnt/a' } }", vec![a.clone()]),
        (
            "gitaly['configuration'] = { storage: [ { name: 'a', path: '/mnt/a/repositories' } ] }",
            vec![a.clone()],
        ),
        (
            "gitlab_rails['repositories_storages'] = { 'a' => { 'gitaly_address' => 'tcp://x:1' } }\n\
             gitaly['configuration'][:storage] = [{ name: 'a', path: '/mnt/a/repositories' }]",
            vec![a.clone()],
        ),
        (
            "git_data_dirs({ 'a' => { 'path' => '/old' } })\n\
             gitlab_rails['repositories_storages'] = { 'a' => { 'path' => '/mnt/a' } }",
            vec![a],
        ),
    ];
    for (text, expected) in cases {
        let installation = rb(text);
        assert_eq!((git(&installation), unknown(&installation)), (expected, vec![]), "{text}");
    }
    // Before 17.8, this named the folder of the repositories itself.
    let before = Installation::omnibus().of_version(Version::parse("17.7.1-ee"));
    let text = "gitlab_rails['repositories_storages'] = { 'a' => { 'path' => '/mnt/a' } }";
    assert_eq!(git(&read(before, "gitlab.rb", text).unwrap()), [pair("a", "/mnt/a")]);
}

fn remote(setting: &str, name: &str) -> String {
    format!(
        "{setting} is a Gitaly that is reached over the network, whose folder must be mounted on this machine: set \
         `storages.gitlab-git-{name}.root`"
    )
}

#[test]
fn a_storage_without_a_folder_is_unknown() {
    let file = "repositories:\n  storages:\n    default: {gitaly_address: 'tcp://x:1', path: /var/opt/gitlab/repo}\n    \
                b: {gitaly_address: 'tcp://y:1'}\n    c: {gitaly_address: 'unix:/s', path: /mnt/c}\n";
    for before in [Installation::source(), Installation::omnibus(), Installation::none()] {
        let installation = read(before, "gitlab.yml", file).unwrap();
        assert_eq!(git(&installation), [pair("c", "/mnt/c")]);
        let why = |line: usize, name: &str| {
            remote(&format!("gitlab.yml, line {line}: `repositories.storages.{name}`"), name)
        };
        assert_eq!(unknown(&installation), [why(4, "b"), why(3, "default")]);
    }
    // As the package renders it since 17.8.
    let rendered =
        "repositories: {storages: {default: {gitaly_address: 'unix:/var/opt/gitlab/gitaly/gitaly.socket'}}}";
    let installation = read(Installation::omnibus(), "gitlab.yml", rendered).unwrap();
    let why = "gitlab.yml, line 1: `repositories.storages.default` does not say where the repositories are: \
               set `storages.gitlab-git-default.root`";
    assert_eq!((git(&installation), unknown(&installation)), (vec![], vec![why.to_owned()]));
    for (text, setting) in [
        (
            "git_data_dirs({ 'default' => { 'gitaly_address' => 'tcp://x:8075' } })",
            "git_data_dirs['default']",
        ),
        (
            "gitlab_rails['repositories_storages'] = { 'default' => { 'gitaly_address' => 'tls://x:1' } }",
            "gitlab_rails['repositories_storages']['default']",
        ),
    ] {
        let installation = rb(text);
        let why = remote(&format!("gitlab.rb, line 1: `{setting}`"), "default");
        assert_eq!((git(&installation), unknown(&installation)), (vec![], vec![why]), "{text}");
    }
    // On the machine of a Gitaly that others reach over the network, its own settings name the folder; a `gitlab.yml`
    // that is read later does not remove it.
    let both = "gitlab_rails['repositories_storages'] = { 'default' => { 'gitaly_address' => 'tcp://x:1' } }\n\
                gitaly['configuration'] = { storage: [ { name: 'default', path: '/mnt/d' } ] }";
    let rendered = "repositories: {storages: {default: {gitaly_address: 'tcp://x:1', path: /gap}}}";
    let installation = read(rb(both), "gitlab.yml", rendered).unwrap();
    assert_eq!((git(&installation), unknown(&installation)), (vec![pair("default", "/mnt/d")], vec![]));
}

#[test]
fn storages_that_are_not_known_hide_all_others() {
    for text in
        ["git_data_dirs(JSON.parse(File.read('/x')))", "git_data_dirs({ ENV['X'] => { 'path' => '/a' } })"]
    {
        let installation = rb(text);
        assert_eq!(git(&installation), []);
        let other = installation.other_git.unwrap();
        assert_eq!(other.key, "storages.gitlab-git-….root");
    }
}

/// Where the registry is, or why that is not known.
fn registry(text: &str) -> String {
    match rb(text).registry.unwrap() {
        RegistryStorage { data: Fact::Known(RegistryData::Bucket(bucket)), .. } => {
            let Bucket { name, prefix, connection } = *bucket;
            let place = match connection {
                Connection::Aws { region, endpoint, path_style, credentials } => {
                    let has_keys = matches!(credentials, AwsCredentials::Keys { .. });
                    format!("s3 {region:?} {endpoint:?} {path_style} {has_keys}")
                }
                Connection::Google { credentials, .. } => {
                    let is_file = matches!(credentials, GoogleCredentials::KeyFile(_));
                    format!("gcs {is_file}")
                }
                Connection::Azure { account, access_key, domain } => {
                    format!("azure {account} {} {domain:?}", access_key.is_some())
                }
            };
            format!("{name} {prefix:?} {place}")
        }
        RegistryStorage { data: Fact::Known(RegistryData::Folder(folder)), .. } => {
            folder.display().to_string()
        }
        RegistryStorage { api_url: Some(url), .. } => url,
        RegistryStorage { data: Fact::Unknown(unknown), .. } => unknown
            .sentence
            .split("`: ")
            .last()
            .map_or_else(String::new, |text| text.split("` ").last().unwrap_or_default().to_owned()),
        RegistryStorage { data: Fact::Absent, .. } => "none".to_owned(),
    }
}

#[test]
fn the_registry() {
    let built_in = "/var/opt/gitlab/gitlab-rails/shared/registry";
    let url = "gitlab_rails['registry_api_url'] = 'http://r'\n";
    let used = "keeps the list of images in a database, so the registry's folder is not enough";
    for (text, expected) in [
        ("", built_in),
        ("gitlab_rails['registry_path'] = '/mnt/r'", "/mnt/r"),
        (url, built_in),
        ("gitlab_rails['shared_path'] = '/s'", "/s/registry"),
        ("registry['storage'] = { 'swift' => { 'container' => 'b' } }", "is `swift`, which is not supported"),
        ("registry['storage'] = { 'filesystem' => { 'rootdirectory' => '/r' } }", "/r"),
        ("registry['storage']['delete'] = { 'enabled' => true }", built_in),
        ("registry['storage'] = ENV['X']", "is calculated"),
        ("registry['enable'] = false", "none"),
        ("registry['enable'] = true", built_in),
        // It is no setting of the package's.
        ("registry['enabled'] = false", built_in),
        (&format!("registry['enable'] = false\n{url}"), "http://r"),
        (&format!("registry['enable'] = false\n{url}gitlab_rails['registry_path'] = '/mnt/r'"), "http://r"),
        ("registry['enable'] = false\ngitlab_rails['registry_path'] = '/mnt/r'", "/mnt/r"),
        ("registry['database'] = { 'enabled' => false }", built_in),
        ("registry['database'] = { 'enabled' => true }", used),
        // What is there decides.
        ("registry['database'] = { 'enabled' => 'prefer' }", built_in),
        (&format!("registry['database'] = {{ 'enabled' => true }}\n{url}"), "http://r"),
    ] {
        assert_eq!(registry(text), expected, "{text}");
    }
    let installation = read(Installation::none(), "gitlab.yml", "registry: {api_url: 'http://r'}").unwrap();
    assert_eq!(installation.registry.unwrap().api_url.as_deref(), Some("http://r"));
}

#[test]
fn the_bucket_of_a_registry() {
    let url = "gitlab_rails['registry_api_url'] = 'http://r'\n";
    for (text, expected) in [
        ("registry['storage'] = { 's3' => { 'bucket' => 'b' } }", "b None s3 None None false false"),
        (
            "registry['storage'] = { 's3_v2' => { 'bucket' => 'b', 'region' => 'eu', 'accesskey' => 'i', 'secretkey' => 's', \
             'regionendpoint' => 'minio:9000/', 'secure' => false, 'rootdirectory' => '/r/s' } }",
            "b Some(\"r/s\") s3 Some(\"eu\") Some(\"http://minio:9000\") true true",
        ),
        (
            "registry['storage'] = { 's3' => { 'bucket' => 'b', 'regionendpoint' => 'https://m', 'pathstyle' => false } }",
            "b None s3 None Some(\"https://m\") false false",
        ),
        ("registry['storage'] = { 's3' => { 'bucket' => ENV['B'] } }", "is calculated"),
        ("registry['storage'] = { 's3' => { 'region' => 'eu' } }", "has no `bucket`"),
        ("registry['storage'] = { 'gcs' => { 'bucket' => 'b', 'keyfile' => '/k.json' } }", "b None gcs true"),
        (
            "registry['storage'] = { 'azure' => { 'container' => 'c', 'accountname' => 'a', 'accountkey' => 'k', \
             'trimlegacyrootprefix' => true } }",
            "c None azure a true None",
        ),
        (
            "registry['storage'] = { 'azure' => { 'container' => 'c', 'accountname' => 'a', 'legacyrootprefix' => true, \
             'rootdirectory' => 'r/', 'realm' => 'core.usgovcloudapi.net' } }",
            "c Some(\"/r\") azure a false Some(\"blob.core.usgovcloudapi.net\")",
        ),
        (
            "registry['storage'] = { 'azure_v2' => { 'container' => 'c', 'accountname' => 'a' } }",
            "c None azure a false None",
        ),
        (
            "registry['storage'] = { 'azure' => { 'container' => 'c', 'accountname' => 'a' } }",
            "does not say `trimlegacyrootprefix`, so whether keys begin with a slash",
        ),
        (
            &format!("registry['storage'] = {{ 's3' => {{ 'bucket' => 'b' }} }}\n{url}"),
            "b None s3 None None false false",
        ),
        (
            &format!(
                "registry['storage'] = {{ 's3' => {{ 'bucket' => 'b' }} }}\nregistry['database'] = {{ 'enabled' => true }}\n{url}"
            ),
            "http://r",
        ),
    ] {
        assert_eq!(registry(text), expected, "{text}");
    }
}

#[test]
fn a_bucket_stays_until_another_storage_is_named() {
    let bucket = rb("registry['storage'] = { 's3' => { 'bucket' => 'b' } }");
    let next = |text: &str| {
        let data = read(bucket.clone(), "gitlab.rb", text).unwrap().registry.unwrap().data;
        match data.known() {
            Some(RegistryData::Bucket(bucket)) => bucket.name.clone(),
            Some(RegistryData::Folder(folder)) => folder.display().to_string(),
            None => "none".to_owned(),
        }
    };
    for folder in ["gitlab_rails['shared_path'] = '/s'", "gitlab_rails['registry_path'] = '/r'"] {
        assert_eq!(next(folder), "b");
    }
    assert_eq!(next("registry['storage'] = { 'filesystem' => { 'rootdirectory' => '/r' } }"), "/r");
    assert_eq!(next("registry['enable'] = false"), "none");
}

#[test]
fn the_folder_of_a_registry_says_whether_it_has_the_list_of_images() {
    let folder = TempDir::new().unwrap();
    let text = format!("gitlab_rails['registry_path'] = '{}'", folder.path().display());
    let of = |version: &str| {
        let installation = Installation::omnibus().of_version(Version::parse(version));
        read(installation, "gitlab.rb", &text).unwrap().settled().registry.unwrap().data
    };
    assert!(of("18.5").known().is_some() && of("19.1").known().is_some());
    let locks = folder.path().join("docker/registry/lockfiles");
    fs::create_dir_all(&locks).unwrap();
    fs::write(locks.join("filesystem-in-use"), "").unwrap();
    assert!(of("19.1").known().is_some());
    fs::write(locks.join("database-in-use"), "").unwrap();
    for version in ["", "18.5", "19.1"] {
        let folder = of(version);
        assert!(folder.unknown().unwrap().sentence.contains("database-in-use"), "{version}: {folder:?}");
    }
    // Without the folder, the version decides.
    drop(fs::remove_dir_all(folder.path()));
    assert!(of("18.5").known().is_some() && of("19.0").unknown().is_some());
    // What a bucket has is not looked at.
    let bucket = "registry['storage'] = { 's3' => { 'bucket' => 'b' } }";
    for (version, is_enough) in [("18.5", true), ("19.0", false)] {
        let installation = Installation::omnibus().of_version(Version::parse(version));
        let registry = read(installation, "gitlab.rb", bucket).unwrap().settled().registry.unwrap();
        assert_eq!(registry.data.known().is_some(), is_enough, "{version}: {registry:?}");
    }
    let prefer = format!("{text}\nregistry['database']['enabled'] = 'prefer'");
    let preferring =
        || read(Installation::omnibus(), "gitlab.rb", &prefer).unwrap().settled().registry.unwrap();
    assert!(preferring().data.unknown().is_some());
    fs::create_dir_all(folder.path()).unwrap();
    assert!(preferring().data.known().is_some());
    let off = format!("{text}\nregistry['database']['enabled'] = false");
    let installation = Installation::omnibus().of_version(Version::parse("19.0"));
    assert!(
        read(installation, "gitlab.rb", &off).unwrap().settled().registry.unwrap().data.known().is_some()
    );
}

#[test]
fn what_is_not_known_is_never_the_built_in_place() {
    let text = "gitlab_rails['smtp_password'] = ENV['PASSWORD']\n\
                gitlab_rails['lfs_storage_path'] = ENV['LFS']\n\
                if ENV['X']\n  gitlab_rails['artifacts_path'] = '/a'\nend\n\
                gitlab_rails['db_key_base'] = ENV['KEY']\n";
    let installation = rb(text);
    let why = |line: usize, what: &str, key: &str| {
        format!("gitlab.rb, line {line}: `gitlab_rails{what}: set `{key}`")
    };
    assert_eq!(
        unknown(&installation),
        [
            why(4, "['artifacts_path']` is set only under a condition", "storages.gitlab-artifacts.root"),
            why(2, "['lfs_storage_path']` is calculated", "storages.gitlab-lfs.root"),
            why(6, "['db_key_base']` is calculated", "secrets.db_key_base"),
        ]
    );
    assert_eq!(installation.notes, [""; 0]);
    let lfs = installation.files[&ObjectType::Lfs].local.unknown().unwrap().to_string();
    assert!(
        lfs.starts_with("set storages.gitlab-lfs.root: ")
            && lfs.ends_with("gitlab.rb calculates it in line 2"),
        "{lfs}"
    );
    // A shared folder that is unknown is unknown for all that is below it, but not for what is set by itself.
    let shared = rb(
        "gitlab_rails['shared_path'] = \"/mnt/#{ENV['NODE']}\"\ngitlab_rails['lfs_storage_path'] = '/lfs'\n",
    );
    assert_eq!(local(&shared, ObjectType::Lfs), "/lfs");
    assert_eq!(local(&shared, ObjectType::Packages), "");
    let keys: Vec<&str> = shared.unknown().map(|unknown| unknown.key.as_str()).collect();
    assert!(
        keys.contains(&"storages.gitlab-packages.root") && keys.contains(&"storages.gitlab-registry"),
        "{keys:?}"
    );
    assert!(!keys.contains(&"storages.gitlab-lfs.root"));
    // A file that is loaded and cannot be read may set anything.
    let loads = rb(
        "gitlab_rails['lfs_storage_path'] = '/a'\nfrom_file '/nowhere/more.rb'\ngitlab_rails['pages_path'] = '/p'\n",
    );
    assert_eq!(
        (local(&loads, ObjectType::Lfs).as_str(), local(&loads, ObjectType::Pages).as_str()),
        ("", "/p")
    );
    assert_eq!(git(&loads), []);
    let [note] = &loads.notes[..] else { panic!("{:?}", loads.notes) };
    assert!(
        note.starts_with("gitlab.rb, line 2: `from_file` loads /nowhere/more.rb, which cannot be read"),
        "{note}"
    );
}

#[test]
fn a_file_that_is_no_ruby_is_refused() {
    for (text, line) in [("gitlab_rails['a'] = {\n", 2), ("x = 1\n)\n", 2), ("raise 'not yet'\n", 1)] {
        let error = read(Installation::omnibus(), "gitlab.rb", text).unwrap_err();
        assert!(error.starts_with(&format!("gitlab.rb, line {line}: ")), "{error}");
    }
}

#[test]
fn a_file_that_is_very_deep_or_endless_is_survived() {
    let nested = format!("gitlab_rails['a'] = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let chain = format!("gitlab_rails['a'] = 1{}", "+1".repeat(20_000));
    let calls = format!("gitlab_rails['a'] = x{}", ".y".repeat(20_000));
    let signs = format!("gitlab_rails['a'] = {}1", "!".repeat(20_000));
    let twice = format!("a = 'x'\n{}gitlab_rails['lfs_storage_path'] = a\n", "a += a\n".repeat(60));
    let hashes = format!("a = {{}}\n{}gitlab_rails['a'] = a\n", "a = { x: a, y: a }\n".repeat(60));
    let endless = "while true\n  x = 1\nend\n".to_owned();
    let calling = "def f(x)\n  f(x) + f(x)\nend\ngitlab_rails['a'] = f(1)\n".to_owned();
    for text in [nested, chain, calls, signs, twice, hashes, endless, calling] {
        let installation = rb(&format!("{text}\n"));
        assert_eq!(installation.files.len(), 9, "{text:.40}");
    }
}
