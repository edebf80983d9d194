//! Whole files, and settings one by one.

mod buckets;
mod refused;
mod samples;

use std::fs;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;

/// What is known after a file of that name and text was read.
fn read(installation: Installation, name: &str, text: &str) -> Result<Installation, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let shortened = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    let mut installation = installation.read(&file).map_err(|error| shortened(error.to_string()))?;
    installation.notes = installation.notes.into_iter().map(shortened).collect();
    Ok(installation)
}

fn rb(text: &str) -> Installation {
    read(Installation::omnibus(), "gitlab.rb", text).unwrap()
}

fn yml(text: &str) -> Installation {
    read(Installation::source(), "gitlab.yml", text).unwrap()
}

fn local(installation: &Installation, shelf: Shelf) -> String {
    let folder = installation.places[&shelf].local.as_ref();
    folder.map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// `name`, `name/prefix`, or nothing.
fn bucket(installation: &Installation, shelf: Shelf) -> String {
    let Some(bucket) = &installation.places[&shelf].object else { return String::new() };
    let parts: Vec<_> = [Some(bucket.name.clone()), bucket.prefix.clone()].into_iter().flatten().collect();
    parts.join("/")
}

fn buckets(installation: &Installation) -> Vec<(Shelf, String)> {
    let all = Shelf::ALL.into_iter().map(|shelf| (shelf, bucket(installation, shelf)));
    all.filter(|(_, bucket)| !bucket.is_empty()).collect()
}

fn connection(installation: &Installation, shelf: Shelf) -> String {
    let Some(bucket) = &installation.places[&shelf].object else { return String::new() };
    match &bucket.connection {
        Connection::Aws { region, endpoint, path_style, credentials } => {
            let credentials = match credentials {
                AwsCredentials::Keys { id, secret } => format!("{id}:{}", secret.expose_secret()),
                AwsCredentials::IamProfile => "iam".to_owned(),
            };
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("aws {} {} {path_style} {credentials}", text(region), text(endpoint))
        }
        Connection::Google { project, credentials } => {
            let credentials = match credentials {
                GoogleCredentials::KeyFile(file) => file.display().to_string(),
                GoogleCredentials::Key(key) => key.expose_secret().to_owned(),
                GoogleCredentials::ApplicationDefault => "default".to_owned(),
            };
            format!("google {} {credentials}", project.as_deref().unwrap_or_default())
        }
        Connection::Azure { account, access_key, domain } => {
            let key = access_key.as_ref().map(|key| key.expose_secret().to_owned()).unwrap_or_default();
            format!("azure {account}:{key} {}", domain.as_deref().unwrap_or_default())
        }
    }
}

fn git(installation: &Installation) -> Vec<(String, String)> {
    installation.git.iter().map(|(name, folder)| (name.clone(), folder.display().to_string())).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn what_is_built_in() {
    let omnibus = Installation::omnibus();
    assert_eq!(local(&omnibus, Shelf::Artifacts), "/var/opt/gitlab/gitlab-rails/shared/artifacts");
    assert_eq!(local(&omnibus, Shelf::Lfs), "/var/opt/gitlab/gitlab-rails/shared/lfs-objects");
    assert_eq!(local(&omnibus, Shelf::ExternalDiffs), "/var/opt/gitlab/gitlab-rails/shared/external-diffs");
    assert_eq!(local(&omnibus, Shelf::Uploads), "/var/opt/gitlab/gitlab-rails/uploads");
    assert_eq!(omnibus.uploads_folders, crate::Storages::UPLOADS_FOLDERS[..2]);
    assert_eq!(git(&omnibus), [pair("default", "/var/opt/gitlab/git-data/repositories")]);
    assert_eq!(buckets(&omnibus), []);
    let source = Installation::source();
    assert_eq!(local(&source, Shelf::TerraformState), "/home/git/gitlab/shared/terraform_state");
    assert_eq!(local(&source, Shelf::Uploads), "/home/git/gitlab/public/uploads");
    assert_eq!(source.uploads_folders, crate::Storages::UPLOADS_FOLDERS[2..]);
    assert_eq!(source.registry.unwrap().folder, Some("/home/git/gitlab/shared/registry".into()));
    let none = Installation::none();
    assert_eq!(none.places.len(), Shelf::ALL.len());
    assert!(none.git.is_empty() && none.registry.is_none() && none.uploads_folders.is_empty());
}

#[test]
fn local_folders_by_their_settings() {
    let cases = [
        ("gitlab_rails['shared_path'] = '/mnt/shared/'", Shelf::Pages, "/mnt/shared/pages"),
        (
            "gitlab_rails['artifacts_path'] = '/mnt/a'\ngitlab_rails['shared_path'] = '/s'",
            Shelf::Artifacts,
            "/mnt/a",
        ),
        ("gitlab_rails['lfs_storage_path'] = '/mnt/a'", Shelf::Lfs, "/mnt/a"),
        ("gitlab_rails['packages_storage_path'] = '/mnt/a'", Shelf::Packages, "/mnt/a"),
        ("gitlab_rails['dependency_proxy_storage_path'] = '/mnt/a'", Shelf::DependencyProxy, "/mnt/a"),
        ("gitlab_rails['terraform_state_storage_path'] = '/mnt/a'", Shelf::TerraformState, "/mnt/a"),
        ("gitlab_rails['ci_secure_files_storage_path'] = '/mnt/a'", Shelf::CiSecureFiles, "/mnt/a"),
        ("gitlab_rails['external_diffs_storage_path'] = '/mnt/a'", Shelf::ExternalDiffs, "/mnt/a"),
        ("gitlab_rails['pages_path'] = '/mnt/a'", Shelf::Pages, "/mnt/a"),
        (
            "gitlab_rails['pages_path'] = '/b'\ngitlab_rails['pages_local_store_path'] = '/a'",
            Shelf::Pages,
            "/a",
        ),
        ("gitlab_rails['uploads_directory'] = '/mnt/a'", Shelf::Uploads, "/mnt/a"),
        ("gitlab_rails['uploads_storage_path'] = '/mnt/a'", Shelf::Uploads, "/mnt/a/uploads"),
        (
            "gitlab_rails['lfs_storage_path'] = nil",
            Shelf::Lfs,
            "/var/opt/gitlab/gitlab-rails/shared/lfs-objects",
        ),
    ];
    for (text, shelf, folder) in cases {
        let installation = rb(text);
        assert_eq!(local(&installation, shelf), folder, "{text}");
        assert_eq!(installation.notes, [""; 0], "{text}");
    }
    let cases = [
        ("shared: {path: /mnt/shared}", Shelf::ExternalDiffs, "/mnt/shared/external-diffs"),
        ("artifacts: {path: /a}", Shelf::Artifacts, "/a"),
        ("artifacts: {storage_path: /a}", Shelf::Artifacts, "/a"),
        ("lfs: {storage_path: shared/lfs}", Shelf::Lfs, "/home/git/gitlab/shared/lfs"),
        ("pages: {path: /a, local_store: {path: /b}}", Shelf::Pages, "/b"),
        ("uploads: {storage_path: public/}", Shelf::Uploads, "/home/git/gitlab/public/uploads"),
        ("uploads: {storage_path: /srv}", Shelf::Uploads, "/srv/uploads"),
    ];
    for (text, shelf, folder) in cases {
        assert_eq!(local(&yml(text), shelf), folder, "{text}");
    }
}

#[test]
fn the_folder_of_uploads_has_the_names_that_lead_to_it() {
    let cases = [
        (
            "gitlab_rails['uploads_directory'] = '/mnt/uploads'",
            vec!["/mnt/uploads", "/opt/gitlab/embedded/service/gitlab-rails/public/uploads"],
        ),
        ("gitlab_rails['uploads_storage_path'] = '/mnt'", vec!["/mnt/uploads"]),
        (
            "gitlab_rails['uploads_storage_path'] = '/mnt'\ngitlab_rails['uploads_directory'] = '/data'",
            vec!["/mnt/uploads", "/data"],
        ),
    ];
    for (text, folders) in cases {
        assert_eq!(rb(text).uploads_folders, folders, "{text}");
    }
    let rendered = "production: {uploads: {storage_path: /opt/gitlab/embedded/service/gitlab-rails/public}}";
    let installation = read(Installation::omnibus(), "gitlab.yml", rendered).unwrap();
    assert_eq!(local(&installation, Shelf::Uploads), "/var/opt/gitlab/gitlab-rails/uploads");
    let note = rb("gitlab_rails['uploads_base_dir'] = 'system'").notes.remove(0);
    assert!(note.starts_with("gitlab.rb, line 1: `gitlab_rails['uploads_base_dir']` is not below `uploads`"));
}

#[test]
fn relative_paths_need_a_folder() {
    let text = "lfs: {storage_path: shared/lfs}";
    let installation = read(Installation::none(), "gitlab.yml", text).unwrap();
    let note = "gitlab.yml, line 1: `lfs.storage_path` is relative to a folder that is not known, so it was passed over: \
                write `storages.gitlab-lfs.root` into Stocktake's configuration instead";
    assert_eq!((local(&installation, Shelf::Lfs).as_str(), installation.notes), ("", vec![note.to_owned()]));
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    let file = folder.path().join("config/gitlab.yml");
    fs::write(&file, text).unwrap();
    let installation = Installation::none().read(&file).unwrap();
    assert_eq!(local(&installation, Shelf::Lfs), folder.path().join("shared/lfs").display().to_string());
}

#[test]
fn storages_of_gitaly() {
    let default = pair("default", "/var/opt/gitlab/git-data/repositories");
    let a = pair("a", "/mnt/a/repositories");
    let cases = [
        ("git_data_dirs({ 'a' => { 'path' => '/mnt/a' } })", vec![a.clone(), default.clone()]),
        ("git_data_dirs({ 'a' => '/mnt/a/' })", vec![a.clone(), default.clone()]),
        ("git_data_dirs({ 'default' => { 'gitaly_address' => 'unix:/x' } })", vec![default.clone()]),
        (
            "gitaly['configuration'] = { storage: [ { name: 'a', path: '/mnt/a/repositories' } ] }",
            vec![a.clone(), default.clone()],
        ),
        (
            "gitlab_rails['repositories_storages'] = { 'a' => { 'gitaly_address' => 'tcp://x:1' } }\n\
             gitaly['configuration'][:storage] = [{ name: 'a', path: '/mnt/a/repositories' }]",
            vec![a, default.clone()],
        ),
    ];
    for (text, expected) in cases {
        let installation = rb(text);
        assert_eq!((git(&installation), installation.notes), (expected, vec![]), "{text}");
    }
    let elsewhere = "repositories:\n  storages:\n    default: {gitaly_address: 'tcp://x:1', path: /var/opt/gitlab/repo}\n    \
                     b: {gitaly_address: 'tcp://y:1'}\n    c: {gitaly_address: 'unix:/s', path: /mnt/c}\n";
    for before in [Installation::source(), Installation::none()] {
        let installation = read(before, "gitlab.yml", elsewhere).unwrap();
        assert_eq!(git(&installation), [pair("c", "/mnt/c")]);
        let note = |line: usize, name: &str| {
            over_the_network(&format!("gitlab.yml, line {line}: `repositories.storages.{name}`"), name)
        };
        assert_eq!(installation.notes, [note(4, "b"), note(3, "default")]);
    }
    let installation = yml("repositories: {storages: {b: {}}}");
    let note = "gitlab.yml, line 1: `repositories.storages.b` does not say where the repositories lie, so it was passed over: \
                write `storages.gitlab-git-b.root` into Stocktake's configuration instead";
    assert_eq!(installation.notes, [note]);
}

fn over_the_network(setting: &str, name: &str) -> String {
    format!(
        "{setting} is a Gitaly that is asked over the network: write into Stocktake's configuration, as \
         `storages.gitlab-git-{name}.root`, where its repositories are mounted here"
    )
}

#[test]
fn a_gitaly_elsewhere_has_not_the_folder_that_is_built_in() {
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
        let note = over_the_network(&format!("gitlab.rb, line 1: `{setting}`"), "default");
        assert_eq!((git(&installation), installation.notes), (vec![], vec![note]), "{text}");
    }
    // On the machine of a Gitaly that others ask over the network, its folder is named; a file read later, which
    // Rails has, does not take it away.
    let both = "gitlab_rails['repositories_storages'] = { 'default' => { 'gitaly_address' => 'tcp://x:1' } }\n\
                gitaly['configuration'] = { storage: [ { name: 'default', path: '/mnt/d' } ] }";
    let rendered = "repositories: {storages: {default: {gitaly_address: 'tcp://x:1', path: /gap}}}";
    let installation = read(rb(both), "gitlab.yml", rendered).unwrap();
    assert_eq!((git(&installation), installation.notes), (vec![pair("default", "/mnt/d")], vec![]));
}

#[test]
fn the_registry() {
    let place = |folder: Option<&str>, url: Option<&str>| RegistryPlace {
        folder: folder.map(Into::into),
        api_url: url.map(ToOwned::to_owned),
    };
    let built_in = "/var/opt/gitlab/gitlab-rails/shared/registry";
    let cases = [
        ("", place(Some(built_in), None), 0),
        ("gitlab_rails['registry_path'] = '/mnt/r'", place(Some("/mnt/r"), None), 0),
        (
            "gitlab_rails['registry_api_url'] = 'http://r:5000'",
            place(Some(built_in), Some("http://r:5000")),
            0,
        ),
        ("gitlab_rails['shared_path'] = '/s'", place(Some("/s/registry"), None), 0),
        ("registry['storage'] = { 's3' => { 'bucket' => 'b' } }", place(None, None), 1),
        ("registry['storage'] = { 'filesystem' => { 'rootdirectory' => '/r' } }", place(Some("/r"), None), 0),
        ("registry['storage'] = x", place(None, None), 1),
        ("registry['enabled'] = false", place(None, None), 0),
        ("registry['enabled'] = true", place(Some(built_in), None), 0),
        (
            "registry['enabled'] = false\ngitlab_rails['registry_api_url'] = 'http://r'",
            place(None, Some("http://r")),
            0,
        ),
        (
            "registry['enabled'] = false\ngitlab_rails['registry_path'] = '/mnt/r'",
            place(Some("/mnt/r"), None),
            0,
        ),
        ("registry['database'] = { 'enabled' => false }", place(Some(built_in), None), 0),
        ("registry['database'] = { 'enabled' => true }", place(None, None), 1),
        ("registry['database'] = { 'enabled' => 'prefer' }", place(None, None), 1),
        (
            "registry['database'] = { 'enabled' => true }\ngitlab_rails['registry_api_url'] = 'http://r'",
            place(None, Some("http://r")),
            0,
        ),
    ];
    for (text, registry, notes) in cases {
        let installation = rb(text);
        assert_eq!((installation.registry.unwrap(), installation.notes.len()), (registry, notes), "{text}");
    }
    let installation = read(Installation::none(), "gitlab.yml", "registry: {api_url: 'http://r'}").unwrap();
    assert_eq!(installation.registry, Some(place(None, Some("http://r"))));
}

#[test]
fn what_is_passed_over_is_told_if_it_would_have_mattered() {
    let installation = rb("gitlab_rails['smtp_password'] = ENV['PASSWORD']\n\
         gitlab_rails['lfs_storage_path'] = ENV['LFS']\n\
         if true\n  gitlab_rails['artifacts_path'] = '/a'\nend\n\
         gitlab_rails['shared_path'] = \"/mnt/#{node}\"\n\
         from_file '/etc/gitlab/more.rb'\n");
    let told = |line: usize, what: &str, hint: &str| {
        format!(
            "gitlab.rb, line {line}: {what}, so it was passed over: write `{hint}` into Stocktake's configuration instead"
        )
    };
    assert_eq!(
        installation.notes,
        [
            "gitlab.rb, line 7: `from_file` brings in what stands elsewhere, which was not read".to_owned(),
            told(6, "`gitlab_rails['shared_path']` is calculated", "storages.gitlab-….root"),
            told(
                4,
                "`gitlab_rails['artifacts_path']` holds under a condition only",
                "storages.gitlab-artifacts.root"
            ),
            told(2, "`gitlab_rails['lfs_storage_path']` is calculated", "storages.gitlab-lfs.root"),
        ]
    );
    let whole = rb("gitlab_rails['object_store'] = JSON.parse(x)\n");
    assert_eq!(
        whole.notes,
        [told(1, "`gitlab_rails['object_store']` is calculated", "storages.gitlab-…-objects")]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        for name in ["gitlab.rb", "gitlab.yml"] {
            if let Err(error) = read(Installation::omnibus(), name, &text) {
                prop_assert!(error.starts_with(name), "{}", error);
            }
        }
    }
}
