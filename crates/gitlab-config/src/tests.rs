//! Single settings; whole files are in `samples`.

mod buckets;
mod containers;
mod helm;
mod places;
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

/// What is unknown, each once: the sentence, and the setting that says it instead.
fn unknown(installation: &Installation) -> Vec<String> {
    let mut all = Vec::new();
    for unknown in installation.unknown() {
        let name = unknown.sentence.find("gitlab.").unwrap_or_default();
        let line = format!("{}: set `{}`", &unknown.sentence[name..], unknown.key);
        if !all.contains(&line) {
            all.push(line);
        }
    }
    all
}

fn rb(text: &str) -> Installation {
    read(Installation::omnibus(), "gitlab.rb", text).unwrap()
}

fn yml(text: &str) -> Installation {
    read(Installation::source(), "gitlab.yml", text).unwrap()
}

fn local(installation: &Installation, object_type: ObjectType) -> String {
    let folder = installation.files[&object_type].local.known();
    folder.map(|folder| folder.display().to_string()).unwrap_or_default()
}

/// `name`, `name/prefix`, or nothing.
fn bucket(installation: &Installation, object_type: ObjectType) -> String {
    let Some(bucket) = installation.files[&object_type].object.known() else { return String::new() };
    let parts: Vec<_> = [Some(bucket.name.clone()), bucket.prefix.clone()].into_iter().flatten().collect();
    parts.join("/")
}

fn buckets(installation: &Installation) -> Vec<(ObjectType, String)> {
    let all = ObjectType::ALL.into_iter().map(|object_type| (object_type, bucket(installation, object_type)));
    all.filter(|(_, bucket)| !bucket.is_empty()).collect()
}

fn connection(installation: &Installation, object_type: ObjectType) -> String {
    let Some(bucket) = installation.files[&object_type].object.known() else { return String::new() };
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
    let known = installation.git.iter().filter_map(|(name, folder)| Some((name.clone(), folder.known()?)));
    known.map(|(name, folder)| (name, folder.display().to_string())).collect()
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
    assert_eq!(
        source.registry.unwrap().data.known().unwrap().folder(),
        Some(Path::new("/home/git/gitlab/shared/registry"))
    );
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
        // Nothing is written to the second.
        (
            "gitlab_rails['pages_path'] = '/b'\ngitlab_rails['pages_local_store_path'] = '/a'",
            ObjectType::Pages,
            "/b",
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
        ("pages: {path: /a, local_store: {path: /b}}", ObjectType::Pages, "/a"),
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
    let why = "gitlab.yml, line 1: `lfs.storage_path` is relative to an unknown folder: set `storages.gitlab-lfs.root`";
    assert_eq!(
        (local(&installation, ObjectType::Lfs).as_str(), unknown(&installation)),
        ("", vec![why.to_owned()])
    );
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    let file = folder.path().join("config/gitlab.yml");
    fs::write(&file, text).unwrap();
    let installation = Installation::none().read(&file).unwrap();
    assert_eq!(local(&installation, ObjectType::Lfs), folder.path().join("shared/lfs").display().to_string());
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
