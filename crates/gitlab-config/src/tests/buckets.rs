//! Which types of objects have a bucket, and how it is reached.

use super::*;

const AWS: &str = "{ 'provider' => 'AWS', 'use_iam_profile' => true }";

#[test]
fn buckets_in_the_consolidated_form() {
    let all = format!(
        "gitlab_rails['object_store']['enabled'] = true\n\
         gitlab_rails['object_store']['connection'] = {AWS}\n\
         gitlab_rails['object_store']['objects']['lfs']['bucket'] = 'b/all/lfs'\n\
         gitlab_rails['object_store']['objects']['pages']['bucket'] = 'p'\n"
    );
    let own = format!(
        "gitlab_rails['pages_object_store_enabled'] = true\ngitlab_rails['pages_object_store_connection'] = {AWS}\n"
    );
    let with = |more: &str| buckets(&rb(&format!("{all}{more}")));
    let (lfs, pages) = ((ObjectType::Lfs, "b/all/lfs".to_owned()), (ObjectType::Pages, "p".to_owned()));
    assert_eq!(with(""), [lfs.clone(), pages.clone()]);
    assert_eq!(
        with("gitlab_rails['object_store']['objects']['pages']['enabled'] = false"),
        std::slice::from_ref(&lfs)
    );
    assert_eq!(with("gitlab_rails['object_store']['enabled'] = false"), []);
    assert_eq!(with(&own), [lfs.clone(), (ObjectType::Pages, "pages".to_owned())]);
    // Pages need a connection of their own for that.
    assert_eq!(with("gitlab_rails['pages_object_store_enabled'] = true"), [lfs, pages]);
    // Settings of any other type alone make GitLab ignore the consolidated form.
    let uploads = own.replace("pages", "uploads");
    assert_eq!(with(&uploads), [(ObjectType::Uploads, "uploads".to_owned())]);
    let nested = format!(
        "gitlab_rails['object_store'] = {{ enabled: true, connection: {AWS}, objects: {{ lfs: {{ bucket: 'b' }} }} }}"
    );
    assert_eq!(buckets(&rb(&nested)), [(ObjectType::Lfs, "b".to_owned())]);
    let without = "gitlab_rails['object_store']['enabled'] = true\n\
                   gitlab_rails['object_store']['objects']['lfs']['bucket'] = 'b'\n";
    assert_eq!(buckets(&rb(without)), []);
}

#[test]
fn buckets_in_the_storage_specific_form() {
    let names = [
        ("artifacts", "artifacts"),
        ("lfs", "lfs-objects"),
        ("uploads", "uploads"),
        ("packages", "packages"),
        ("dependency_proxy", "dependency_proxy"),
        ("terraform_state", "terraform"),
        ("ci_secure_files", "ci-secure-files"),
        ("external_diffs", "external-diffs"),
        ("pages", "pages"),
    ];
    for (object_type, (name, bucket)) in ObjectType::ALL.into_iter().zip(names) {
        let text = format!(
            "gitlab_rails['{name}_object_store_enabled'] = true\n\
             gitlab_rails['{name}_object_store_connection'] = {AWS}\n"
        );
        assert_eq!(buckets(&rb(&text)), [(object_type, bucket.to_owned())]);
        let with_name = format!("{text}gitlab_rails['{name}_object_store_remote_directory'] = 'x/y/'\n");
        assert_eq!(buckets(&rb(&with_name)), [(object_type, "x/y".to_owned())]);
        let yaml = format!(
            "{name}:\n  object_store:\n    enabled: true\n    remote_directory: x\n    bucket_prefix: y\n    \
             connection: {{provider: AWS, use_iam_profile: true}}\n"
        );
        assert_eq!(buckets(&yml(&yaml)), [(object_type, "x/y".to_owned())]);
    }
}

#[test]
fn a_later_file_overlays_an_earlier_one() {
    let enabled = rb(&format!(
        "gitlab_rails['lfs_object_store_enabled'] = true\ngitlab_rails['lfs_object_store_connection'] = {AWS}\n"
    ));
    let silent = read(enabled.clone(), "b.rb", "gitlab_rails['artifacts_path'] = '/a'").unwrap();
    assert_eq!(buckets(&silent), [(ObjectType::Lfs, "lfs-objects".to_owned())]);
    let disabled = read(enabled, "b.rb", "gitlab_rails['lfs_object_store_enabled'] = false").unwrap();
    assert_eq!(buckets(&disabled), []);
}

#[test]
fn connections() {
    let cases = [
        (
            "'provider' => 'AWS', 'region' => 'eu-central-1', 'aws_access_key_id' => 'K', 'aws_secret_access_key' => 'S'",
            "aws eu-central-1  false K:S",
        ),
        ("provider: 'aws', use_iam_profile: true, host: 's3.amazonaws.com'", "aws   false iam"),
        (
            "provider: 'AWS', use_iam_profile: true, endpoint: 'http://127.0.0.1:9000/', path_style: true, host: 'x'",
            "aws  http://127.0.0.1:9000 true iam",
        ),
        (
            "provider: 'AWS', use_iam_profile: true, host: 's3.example.com'",
            "aws  https://s3.example.com false iam",
        ),
        (
            "provider: 'AWS', use_iam_profile: true, host: 'localhost', port: 9000, scheme: 'http'",
            "aws  http://localhost:9000 false iam",
        ),
        (
            "provider: 'Google', google_project: 'p', google_json_key_location: '/etc/key.json'",
            "google p /etc/key.json",
        ),
        (
            "provider: 'Google', google_json_key_location: 'config/key.json'",
            "google  /opt/gitlab/embedded/service/gitlab-rails/config/key.json",
        ),
        ("provider: 'Google', google_project: 'p', google_json_key_string: '{}'", "google p {}"),
        ("provider: 'Google', google_project: 'p', google_application_default: true", "google p default"),
        ("provider: 'AzureRM', azure_storage_account_name: 'a', azure_storage_access_key: 'k'", "azure a:k "),
        (
            "provider: 'AzureRM', azure_storage_account_name: 'a', azure_storage_domain: 'd.example'",
            "azure a: d.example",
        ),
    ];
    for (hash, expected) in cases {
        let text = format!(
            "gitlab_rails['lfs_object_store_enabled'] = true\ngitlab_rails['lfs_object_store_connection'] = {{ {hash} }}\n"
        );
        let installation = rb(&text);
        assert_eq!(connection(&installation, ObjectType::Lfs), expected);
        assert_eq!(installation.notes, [""; 0]);
    }
}

#[test]
fn connections_that_are_not_understood_are_ignored() {
    let cases = [
        ("{ provider: 'AWS', aws_access_key_id: 'KEY' }", "has neither both keys nor `use_iam_profile`"),
        ("{ provider: 'Rackspace' }", "has the provider \"Rackspace\", which is not supported"),
        ("{ region: 'x' }", "has no `provider`"),
        ("{ provider: 'Google' }", "has neither a key nor `google_application_default`"),
        ("{ provider: 'AzureRM' }", "has no `azure_storage_account_name`"),
        ("JSON.parse(x)", "is calculated"),
    ];
    let setting = "gitlab_rails['lfs_object_store_connection']";
    for (hash, why) in cases {
        let installation =
            rb(&format!("gitlab_rails['lfs_object_store_enabled'] = true\n{setting} = {hash}\n"));
        let note = format!(
            "gitlab.rb, line 2: `{setting}` {why}, so it was ignored: \
             set `storages.gitlab-lfs-objects` in Stocktake's configuration instead"
        );
        assert_eq!((buckets(&installation), installation.notes), (vec![], vec![note]), "{hash}");
    }
    let text = format!(
        "gitlab_rails['lfs_object_store_enabled'] = true\n{setting} = {{\n  'provider' => 'AWS',\n  \
         'aws_access_key_id' => ENV['KEY'],\n  'aws_secret_access_key' => 'SECRET'\n}}\n"
    );
    let [note] = rb(&text).notes.try_into().unwrap();
    assert!(
        note.starts_with(&format!("gitlab.rb, line 4: `{setting}['aws_access_key_id']` is calculated")),
        "{note}"
    );
}
