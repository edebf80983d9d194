//! The container image: its volumes, and the variable with its settings.

use super::*;
use crate::Fact;

#[test]
fn folders_are_below_the_volumes_of_the_machine() {
    let installation = Installation::docker(Path::new("/srv/gitlab")).settled();
    assert_eq!(local(&installation, ObjectType::Lfs), "/srv/gitlab/data/gitlab-rails/shared/lfs-objects");
    assert_eq!(local(&installation, ObjectType::Uploads), "/srv/gitlab/data/gitlab-rails/uploads");
    assert_eq!(git(&installation), [pair("default", "/srv/gitlab/data/git-data/repositories")]);
    // Rows name the folders of the container.
    assert_eq!(installation.uploads_folders, OMNIBUS_UPLOADS);
    assert_eq!(installation.public, Fact::Absent);
    let elsewhere = read(
        Installation::docker(Path::new("/d")),
        "gitlab.rb",
        "gitlab_rails['lfs_storage_path'] = '/mnt/lfs'",
    );
    let elsewhere = elsewhere.unwrap().settled();
    let why = elsewhere.files[&ObjectType::Lfs].local.unknown().unwrap();
    assert_eq!(
        why.to_string(),
        "set storages.gitlab-lfs.root: /mnt/lfs is in the container, and on none of its usual volumes"
    );
}

const SETTINGS: &str = "external_url 'https://gitlab.example.com'\ngitlab_rails['lfs_storage_path'] = '/var/opt/gitlab/lfs'\n\
                        gitlab_rails['pages_path'] = ENV['PAGES']\n";

/// What is read out of a file with the variable, and a `gitlab.rb` of this text.
fn container(name: &str, text: &str, configuration: &str) -> Result<Installation, String> {
    let folder = TempDir::new().unwrap();
    let (variable, file) = (folder.path().join(name), folder.path().join("gitlab.rb"));
    fs::write(&variable, text).unwrap();
    fs::write(&file, configuration).unwrap();
    let installation = Installation::docker(Path::new("/srv/gitlab"));
    let read = installation.read_container(Some(&variable), Some(&file));
    read.map(Installation::settled)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn the_variable_is_read_in_every_form() {
    let indented = SETTINGS.replace('\n', "\n        ");
    let forms = [
        ("omnibus.rb", SETTINGS.to_owned(), 3),
        ("gitlab.env", format!("# of the container\nA=b\nGITLAB_OMNIBUS_CONFIG=\"{SETTINGS}\"\nC=d\n"), 5),
        (".env", format!("export GITLAB_OMNIBUS_CONFIG='{}'\n", SETTINGS.replace('\'', "\"")), 3),
        ("one.env", format!("GITLAB_OMNIBUS_CONFIG={}", SETTINGS.trim_end().replace('\n', "; ")), 1),
        (
            "compose.yaml",
            format!(
                "services:\n  db:\n    image: postgres\n  gitlab:\n    environment:\n      GITLAB_OMNIBUS_CONFIG: |\n        {indented}\n"
            ),
            9,
        ),
        (
            "docker-compose.yml",
            format!(
                "services:\n  gitlab:\n    environment:\n      - A=b\n      - |\n        GITLAB_OMNIBUS_CONFIG={indented}\n"
            ),
            8,
        ),
    ];
    for (name, text, line) in forms {
        let installation = container(name, &text, "# nothing\n").unwrap();
        assert_eq!(local(&installation, ObjectType::Lfs), "/srv/gitlab/data/lfs", "{name}");
        let why = installation.files[&ObjectType::Pages].local.unknown().unwrap();
        let expected = format!("{name} calculates it in line {line}");
        assert!(why.to_string().ends_with(&expected), "{name}: {why}");
        assert_eq!(installation.notes, [""; 0], "{name}");
    }
    for (name, text, error) in [
        ("gitlab.env", "A=b\n", "gitlab.env does not set GITLAB_OMNIBUS_CONFIG"),
        ("compose.yml", "a: 1\n", "compose.yml has no `services`"),
        (
            "compose.yml",
            "services: {a: {image: x}}\n",
            "compose.yml has no service with the variable GITLAB_OMNIBUS_CONFIG",
        ),
    ] {
        assert_eq!(container(name, text, "").unwrap_err(), error);
    }
}

#[test]
fn the_file_is_read_after_the_variable() {
    let both =
        container("variable.rb", SETTINGS, "gitlab_rails['lfs_storage_path'] = '/var/opt/gitlab/other'\n");
    assert_eq!(local(&both.unwrap(), ObjectType::Lfs), "/srv/gitlab/data/other");
}

#[test]
fn a_file_that_sets_nothing_is_worth_a_word() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("gitlab.rb");
    for (text, notes) in [("# external_url 'x'\n\n", 1), ("external_url 'x'\n", 0)] {
        fs::write(&file, text).unwrap();
        let installation = Installation::docker(folder.path()).read_container(None, Some(&file)).unwrap();
        assert_eq!(installation.notes.len(), notes, "{:?}", installation.notes);
        assert!(installation.notes.iter().all(|note| note.contains("GITLAB_OMNIBUS_CONFIG")));
    }
}
