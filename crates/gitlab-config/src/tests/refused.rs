//! Errors, and that no secret is shown.

use super::*;

#[test]
fn what_is_wrong_is_one_sentence_with_file_line_and_key() {
    let cases = [
        (
            "gitlab.rb",
            "\ngitlab_rails['lfs_storage_path'] = 5",
            "gitlab.rb, line 2: `gitlab_rails['lfs_storage_path']` must be a path",
        ),
        (
            "gitlab.rb",
            "gitlab_rails['lfs_object_store_enabled'] = 'perhaps'",
            "gitlab.rb, line 1: `gitlab_rails['lfs_object_store_enabled']` must be true or false",
        ),
        (
            "gitlab.rb",
            "gitaly['configuration'] = { storage: '/mnt' }",
            "gitlab.rb, line 1: `gitaly['configuration']['storage']` must be a list of storages",
        ),
        (
            "gitlab.yml",
            "repositories: {storages: [x]}",
            "gitlab.yml, line 1: `repositories.storages` must be a hash of storages",
        ),
        (
            "gitlab.yml",
            "registry:\n  api_url: [x]\n",
            "gitlab.yml, line 2: `registry.api_url` must be a text",
        ),
        (
            "gitlab.yml",
            "lfs:\n  object_store:\n    enabled: true\n    connection: text\n",
            "gitlab.yml, line 4: `lfs.object_store.connection` must be a hash",
        ),
        (
            "gitlab.rb",
            "gitlab_rails['db_key_base'] = ['one', 'two']",
            "gitlab.rb, line 1: `gitlab_rails['db_key_base']` is a list of several keys, and only one is supported: \
          set `secrets.db_key_base` in Stocktake's configuration to the one that is in use",
        ),
    ];
    for (name, text, error) in cases {
        assert_eq!(read(Installation::omnibus(), name, text).unwrap_err(), error);
    }
    let long = "#".repeat(1024 * 1024 + 1);
    let error = read(Installation::omnibus(), "gitlab.rb", &long).unwrap_err();
    assert_eq!(error, "gitlab.rb is longer than 1 MiB, the most that is read of a configuration file");
    let error = Installation::none().read(Path::new("/nowhere/gitlab.rb")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/gitlab.rb cannot be read: "), "{error}");
}

fn secret(name: &str, text: &str) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let read = Installation::none().read_secrets(&file);
    let read =
        read.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))?;
    Ok(read.db_key_base.known().unwrap().expose_secret().to_owned())
}

#[test]
fn db_key_base() {
    let json = "gitlab-secrets.json";
    let yml = "secrets.yml";
    let good = [
        (json, r#"{"gitlab_rails": {"db_key_base": "k", "otp_key_base": "o"}}"#),
        (json, r#"{"gitlab_rails": {"db_key_base": ["k"]}}"#),
        (yml, "production:\n  db_key_base: k\n  otp_key_base: o\n"),
        (yml, "db_key_base: [k]\n"),
    ];
    for (name, text) in good {
        assert_eq!(secret(name, text).as_deref(), Ok("k"), "{text}");
    }
    let several = "is a list of several keys, and only one is supported: \
                   set `secrets.db_key_base` in Stocktake's configuration to the one that is in use";
    let bad = [
        (json, "{\n  \"secret", "gitlab-secrets.json, line 2: is not JSON".to_owned()),
        (json, "{}", "gitlab-secrets.json has no `gitlab_rails.db_key_base`".to_owned()),
        (
            json,
            r#"{"gitlab_rails": {"db_key_base": ["old", "new"]}}"#,
            format!("gitlab-secrets.json has a `gitlab_rails.db_key_base` that {several}"),
        ),
        (yml, "production:\n  db_key_base: [old, new]\n", format!("secrets.yml, line 2: `db_key_base` {several}")),
        (yml, "production:\n  db_key_base: 5\n", "secrets.yml, line 2: `db_key_base` must be a text".to_owned()),
        (yml, "test:\n  db_key_base: x\n", "secrets.yml has no `production.db_key_base`".to_owned()),
        (
            yml,
            "production:\n  db_key_base: <%= ENV['X'] %>\n",
            "secrets.yml, line 2: `db_key_base` is calculated: set `secrets.db_key_base` in Stocktake's configuration \
             instead"
                .to_owned(),
        ),
    ];
    for (name, text, error) in bad {
        assert_eq!(secret(name, text), Err(error), "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let installation = rb(&format!(
        "gitlab_rails['db_key_base'] = 'SECRET'\n{}",
        "gitlab_rails['lfs_object_store_enabled'] = true\n\
         gitlab_rails['lfs_object_store_connection'] = { provider: 'AWS', aws_access_key_id: 'K', \
         aws_secret_access_key: 'SECRET' }\n\
         gitlab_rails['pages_object_store_enabled'] = true\n\
         gitlab_rails['pages_object_store_connection'] = { provider: 'Google', google_json_key_string: 'SECRET' }\n"
    ));
    assert_eq!(buckets(&installation).len(), 2);
    assert!(!format!("{installation:?}").contains("SECRET"));
}
