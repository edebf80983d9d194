//! Single settings; whole files are in `samples`.

mod buckets;
mod refused;
mod samples;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use stocktake_domain::ObjectType;
use tempfile::TempDir;

use crate::*;

/// The names of the folder of uploads in the Linux package.
const OMNIBUS_UPLOADS: [&str; 2] =
    ["/var/opt/gitlab/gitlab-rails/uploads", "/opt/gitlab/embedded/service/gitlab-rails/public/uploads"];

/// The installation after a file of that name and text was read.
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

fn local(installation: &Installation, object_type: ObjectType) -> String {
    let folder = installation.files[&object_type].local.as_ref();
    folder.map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// `name`, `name/prefix`, or nothing.
fn bucket(installation: &Installation, object_type: ObjectType) -> String {
    let Some(bucket) = &installation.files[&object_type].object else { return String::new() };
    let parts: Vec<_> = [Some(bucket.name.clone()), bucket.prefix.clone()].into_iter().flatten().collect();
    parts.join("/")
}

fn buckets(installation: &Installation) -> Vec<(ObjectType, String)> {
    let all = ObjectType::ALL.into_iter().map(|object_type| (object_type, bucket(installation, object_type)));
    all.filter(|(_, bucket)| !bucket.is_empty()).collect()
}

fn connection(installation: &Installation, object_type: ObjectType) -> String {
    let Some(bucket) = &installation.files[&object_type].object else { return String::new() };
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
    assert_eq!(local(&omnibus, ObjectType::Artifacts), "/var/opt/gitlab/gitlab-rails/shared/artifacts");
    assert_eq!(local(&omnibus, ObjectType::Lfs), "/var/opt/gitlab/gitlab-rails/shared/lfs-objects");
    assert_eq!(
        local(&omnibus, ObjectType::ExternalDiffs),
        "/var/opt/gitlab/gitlab-rails/shared/external-diffs"
    );
    assert_eq!(local(&omnibus, ObjectType::Uploads), "/var/opt/gitlab/gitlab-rails/uploads");
    assert_eq!(omnibus.uploads_folders, OMNIBUS_UPLOADS);
    assert_eq!(git(&omnibus), [pair("default", "/var/opt/gitlab/git-data/repositories")]);
    assert_eq!(buckets(&omnibus), []);
    let source = Installation::source();
    assert_eq!(local(&source, ObjectType::TerraformState), "/home/git/gitlab/shared/terraform_state");
    assert_eq!(local(&source, ObjectType::Uploads), "/home/git/gitlab/public/uploads");
    assert_eq!(source.uploads_folders, ["/home/git/gitlab/public/uploads"]);
    assert_eq!(source.registry.unwrap().folder, Some("/home/git/gitlab/shared/registry".into()));
    let none = Installation::none();
    assert_eq!(none.files.len(), ObjectType::ALL.len());
    assert!(none.git.is_empty() && none.registry.is_none() && none.uploads_folders.is_empty());
}

#[test]
fn local_folders_by_their_settings() {
    let cases = [
        ("gitlab_rails['shared_path'] = '/mnt/shared/'", ObjectType::Pages, "/mnt/shared/pages"),
        (
            "gitlab_rails['artifacts_path'] = '/mnt/a'\ngitlab_rails['shared_path'] = '/s'",
            ObjectType::Artifacts,
            "/mnt/a",
        ),
        ("gitlab_rails['lfs_storage_path'] = '/mnt/a'", ObjectType::Lfs, "/mnt/a"),
        ("gitlab_rails['packages_storage_path'] = '/mnt/a'", ObjectType::Packages, "/mnt/a"),
        ("gitlab_rails['dependency_proxy_storage_path'] = '/mnt/a'", ObjectType::DependencyProxy, "/mnt/a"),
        ("gitlab_rails['terraform_state_storage_path'] = '/mnt/a'", ObjectType::TerraformState, "/mnt/a"),
        ("gitlab_rails['ci_secure_files_storage_path'] = '/mnt/a'", ObjectType::CiSecureFiles, "/mnt/a"),
        ("gitlab_rails['external_diffs_storage_path'] = '/mnt/a'", ObjectType::ExternalDiffs, "/mnt/a"),
        ("gitlab_rails['pages_path'] = '/mnt/a'", ObjectType::Pages, "/mnt/a"),
        (
            "gitlab_rails['pages_path'] = '/b'\ngitlab_rails['pages_local_store_path'] = '/a'",
            ObjectType::Pages,
            "/a",
        ),
        ("gitlab_rails['uploads_directory'] = '/mnt/a'", ObjectType::Uploads, "/mnt/a"),
        ("gitlab_rails['uploads_storage_path'] = '/mnt/a'", ObjectType::Uploads, "/mnt/a/uploads"),
        (
            "gitlab_rails['lfs_storage_path'] = nil",
            ObjectType::Lfs,
            "/var/opt/gitlab/gitlab-rails/shared/lfs-objects",
        ),
    ];
    for (text, object_type, folder) in cases {
        let installation = rb(text);
        assert_eq!(local(&installation, object_type), folder, "{text}");
        assert_eq!(installation.notes, [""; 0], "{text}");
    }
    let cases = [
        ("shared: {path: /mnt/shared}", ObjectType::ExternalDiffs, "/mnt/shared/external-diffs"),
        ("artifacts: {path: /a}", ObjectType::Artifacts, "/a"),
        ("artifacts: {storage_path: /a}", ObjectType::Artifacts, "/a"),
        ("lfs: {storage_path: shared/lfs}", ObjectType::Lfs, "/home/git/gitlab/shared/lfs"),
        ("pages: {path: /a, local_store: {path: /b}}", ObjectType::Pages, "/b"),
        ("uploads: {storage_path: public/}", ObjectType::Uploads, "/home/git/gitlab/public/uploads"),
        ("uploads: {storage_path: /srv}", ObjectType::Uploads, "/srv/uploads"),
    ];
    for (text, object_type, folder) in cases {
        assert_eq!(local(&yml(text), object_type), folder, "{text}");
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
    assert_eq!(local(&installation, ObjectType::Uploads), "/var/opt/gitlab/gitlab-rails/uploads");
    let note = rb("gitlab_rails['uploads_base_dir'] = 'system'").notes.remove(0);
    assert!(note.starts_with("gitlab.rb, line 1: `gitlab_rails['uploads_base_dir']` is not below `uploads`"));
}

#[test]
fn relative_paths_need_a_folder() {
    let text = "lfs: {storage_path: shared/lfs}";
    let installation = read(Installation::none(), "gitlab.yml", text).unwrap();
    let note = "gitlab.yml, line 1: `lfs.storage_path` is relative to an unknown folder, so it was ignored: \
                set `storages.gitlab-lfs.root` in Stocktake's configuration instead";
    assert_eq!(
        (local(&installation, ObjectType::Lfs).as_str(), installation.notes),
        ("", vec![note.to_owned()])
    );
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    let file = folder.path().join("config/gitlab.yml");
    fs::write(&file, text).unwrap();
    let installation = Installation::none().read(&file).unwrap();
    assert_eq!(local(&installation, ObjectType::Lfs), folder.path().join("shared/lfs").display().to_string());
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
    let remote = "repositories:\n  storages:\n    default: {gitaly_address: 'tcp://x:1', path: /var/opt/gitlab/repo}\n    \
                     b: {gitaly_address: 'tcp://y:1'}\n    c: {gitaly_address: 'unix:/s', path: /mnt/c}\n";
    for before in [Installation::source(), Installation::none()] {
        let installation = read(before, "gitlab.yml", remote).unwrap();
        assert_eq!(git(&installation), [pair("c", "/mnt/c")]);
        let note = |line: usize, name: &str| {
            over_the_network(&format!("gitlab.yml, line {line}: `repositories.storages.{name}`"), name)
        };
        assert_eq!(installation.notes, [note(4, "b"), note(3, "default")]);
    }
    let installation = yml("repositories: {storages: {b: {}}}");
    let note = "gitlab.yml, line 1: `repositories.storages.b` does not say where the repositories are, so it was ignored: \
                set `storages.gitlab-git-b.root` in Stocktake's configuration instead";
    assert_eq!(installation.notes, [note]);
}

fn over_the_network(setting: &str, name: &str) -> String {
    format!(
        "{setting} is a Gitaly that is reached over the network: set \
         `storages.gitlab-git-{name}.root` in Stocktake's configuration to the folder where its repositories are mounted on this machine"
    )
}

#[test]
fn a_remote_gitaly_does_not_have_the_default_folder() {
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
    // On the machine of a Gitaly that others reach over the network, its own settings name the folder; a `gitlab.yml`
    // that is read later does not remove it.
    let both = "gitlab_rails['repositories_storages'] = { 'default' => { 'gitaly_address' => 'tcp://x:1' } }\n\
                gitaly['configuration'] = { storage: [ { name: 'default', path: '/mnt/d' } ] }";
    let rendered = "repositories: {storages: {default: {gitaly_address: 'tcp://x:1', path: /gap}}}";
    let installation = read(rb(both), "gitlab.yml", rendered).unwrap();
    assert_eq!((git(&installation), installation.notes), (vec![pair("default", "/mnt/d")], vec![]));
}

#[test]
fn the_registry() {
    let storage = |folder: Option<&str>, url: Option<&str>| RegistryStorage {
        folder: folder.map(Into::into),
        api_url: url.map(ToOwned::to_owned),
    };
    let built_in = "/var/opt/gitlab/gitlab-rails/shared/registry";
    let cases = [
        ("", storage(Some(built_in), None), 0),
        ("gitlab_rails['registry_path'] = '/mnt/r'", storage(Some("/mnt/r"), None), 0),
        (
            "gitlab_rails['registry_api_url'] = 'http://r:5000'",
            storage(Some(built_in), Some("http://r:5000")),
            0,
        ),
        ("gitlab_rails['shared_path'] = '/s'", storage(Some("/s/registry"), None), 0),
        ("registry['storage'] = { 's3' => { 'bucket' => 'b' } }", storage(None, None), 1),
        (
            "registry['storage'] = { 'filesystem' => { 'rootdirectory' => '/r' } }",
            storage(Some("/r"), None),
            0,
        ),
        ("registry['storage'] = x", storage(None, None), 1),
        ("registry['enabled'] = false", storage(None, None), 0),
        ("registry['enabled'] = true", storage(Some(built_in), None), 0),
        (
            "registry['enabled'] = false\ngitlab_rails['registry_api_url'] = 'http://r'",
            storage(None, Some("http://r")),
            0,
        ),
        (
            "registry['enabled'] = false\ngitlab_rails['registry_path'] = '/mnt/r'",
            storage(Some("/mnt/r"), None),
            0,
        ),
        ("registry['database'] = { 'enabled' => false }", storage(Some(built_in), None), 0),
        ("registry['database'] = { 'enabled' => true }", storage(None, None), 1),
        ("registry['database'] = { 'enabled' => 'prefer' }", storage(None, None), 1),
        (
            "registry['database'] = { 'enabled' => true }\ngitlab_rails['registry_api_url'] = 'http://r'",
            storage(None, Some("http://r")),
            0,
        ),
    ];
    for (text, registry, notes) in cases {
        let installation = rb(text);
        assert_eq!((installation.registry.unwrap(), installation.notes.len()), (registry, notes), "{text}");
    }
    let installation = read(Installation::none(), "gitlab.yml", "registry: {api_url: 'http://r'}").unwrap();
    assert_eq!(installation.registry, Some(storage(None, Some("http://r"))));
}

#[test]
fn what_is_ignored_is_noted_if_it_would_have_mattered() {
    let installation = rb("gitlab_rails['smtp_password'] = ENV['PASSWORD']\n\
         gitlab_rails['lfs_storage_path'] = ENV['LFS']\n\
         if true\n  gitlab_rails['artifacts_path'] = '/a'\nend\n\
         gitlab_rails['shared_path'] = \"/mnt/#{node}\"\n\
         from_file '/etc/gitlab/more.rb'\n");
    let note = |line: usize, what: &str, hint: &str| {
        format!(
            "gitlab.rb, line {line}: {what}, so it was ignored: set `{hint}` in Stocktake's configuration instead"
        )
    };
    assert_eq!(
        installation.notes,
        [
            "gitlab.rb, line 7: `from_file` loads other settings, which were not read".to_owned(),
            note(6, "`gitlab_rails['shared_path']` is calculated", "storages.gitlab-….root"),
            note(
                4,
                "`gitlab_rails['artifacts_path']` is set only under a condition",
                "storages.gitlab-artifacts.root"
            ),
            note(2, "`gitlab_rails['lfs_storage_path']` is calculated", "storages.gitlab-lfs.root"),
        ]
    );
    let whole = rb("gitlab_rails['object_store'] = JSON.parse(x)\n");
    assert_eq!(
        whole.notes,
        [note(1, "`gitlab_rails['object_store']` is calculated", "storages.gitlab-…-objects")]
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
