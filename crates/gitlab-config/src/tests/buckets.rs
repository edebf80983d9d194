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
    assert_eq!(with("gitlab_rails['pages_object_store_enabled'] = true"), [lfs.clone(), pages.clone()]);
    // Settings of another type make GitLab give up the consolidated form only if they are a whole other connection.
    let uploads = own.replace("pages", "uploads");
    let all_types = [lfs, pages];
    assert_eq!(with(&uploads), all_types, "it is the same connection");
    let other = uploads
        .replace("'use_iam_profile' => true", "'aws_access_key_id' => 'a', 'aws_secret_access_key' => 'b'");
    assert_eq!(with(&other), [(ObjectType::Uploads, "uploads".to_owned())]);
    for left_over in [
        other.replace("enabled'] = true", "enabled'] = false"),
        other.replace("gitlab_rails['uploads_object_store_enabled'] = true\n", ""),
        "gitlab_rails['uploads_object_store_enabled'] = true\n".to_owned(),
        "gitlab_rails['uploads_object_store_enabled'] = true\ngitlab_rails['uploads_object_store_connection'] = {}\n".to_owned(),
    ] {
        assert_eq!(with(&left_over), all_types, "{left_over}");
    }
    let yaml = "object_store:\n  enabled: true\n  connection: {provider: AWS, use_iam_profile: true}\n  objects: {lfs: {bucket: b}}\n\
                uploads: {object_store: {enabled: true, connection: {}}}\n";
    assert_eq!(buckets(&yml(yaml)), [(ObjectType::Lfs, "b".to_owned())]);
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
fn connections_that_are_not_understood_are_unknown() {
    let cases = [
        ("{ provider: 'AWS', aws_access_key_id: 'KEY' }", "has neither both keys nor `use_iam_profile`"),
        ("{ provider: 'Rackspace' }", "has the provider \"Rackspace\", which is not supported"),
        ("{ region: 'x' }", "has no `provider`"),
        ("{ provider: 'Google' }", "has neither a key nor `google_application_default`"),
        ("{ provider: 'AzureRM' }", "has no `azure_storage_account_name`"),
        ("JSON.parse(x)", "is calculated"),
    ];
    let setting = "gitlab_rails['lfs_object_store_connection']";
    let enabled = "gitlab_rails['lfs_object_store_enabled'] = true\n";
    for (hash, why) in cases {
        let installation = rb(&format!("{enabled}{setting} = {hash}\n"));
        let why = format!("gitlab.rb, line 2: `{setting}` {why}: set `storages.gitlab-lfs-objects`");
        assert_eq!((buckets(&installation), unknown(&installation)), (vec![], vec![why]), "{hash}");
    }
    let text = format!(
        "{enabled}{setting} = {{\n  'provider' => 'AWS',\n  \
         'aws_access_key_id' => ENV['KEY'],\n  'aws_secret_access_key' => 'SECRET'\n}}\n"
    );
    let [why] = unknown(&rb(&text)).try_into().unwrap();
    assert!(
        why.starts_with(&format!("gitlab.rb, line 4: `{setting}['aws_access_key_id']` is calculated")),
        "{why}"
    );
}

#[test]
fn what_decides_on_the_form_may_be_unknown() {
    let all = format!(
        "gitlab_rails['object_store']['connection'] = {AWS}\n\
         gitlab_rails['object_store']['objects']['lfs']['bucket'] = 'b'\n"
    );
    let on = "gitlab_rails['object_store']['enabled'] = true\n";
    let other =
        "gitlab_rails['uploads_object_store_connection'] = { provider: 'AWS', aws_access_key_id: 'a' }\n";
    for (text, line) in [
        (format!("{all}gitlab_rails['object_store']['enabled'] = ENV['X'] == '1'\n"), 3),
        (format!("{on}gitlab_rails['object_store']['connection'] = JSON.parse(ENV['X'])\n"), 2),
        (format!("{on}{all}{other}gitlab_rails['uploads_object_store_enabled'] = !ENV['X'].nil?\n"), 5),
        (
            format!(
                "{on}{all}gitlab_rails['uploads_object_store_enabled'] = true\n\
                  gitlab_rails['uploads_object_store_connection'] = {{ provider: ENV['X'], use_iam_profile: true }}\n"
            ),
            5,
        ),
    ] {
        let installation = rb(&text);
        assert_eq!(buckets(&installation), [], "{text}");
        for object_type in ObjectType::ALL {
            let why = installation.files[&object_type]
                .object
                .unknown()
                .unwrap_or_else(|| panic!("{object_type} of {text}"));
            assert_eq!(why.key, format!("storages.gitlab-{}-objects", object_type.name().replace('_', "-")));
            assert!(why.sentence.contains(&format!("gitlab.rb, line {line}: ")), "{}", why.sentence);
        }
    }
    // What surely is another connection decides, whatever else is unknown.
    let text = format!(
        "{on}{all}gitlab_rails['uploads_object_store_enabled'] = true\n\
         gitlab_rails['uploads_object_store_connection'] = {{ provider: 'Google', google_json_key_string: ENV['X'] }}\n"
    );
    assert_eq!(unknown(&rb(&text)).len(), 1);
}
