//! Files as administrators have them, in full.

use super::*;

/// The Linux package with object storage in the consolidated form.
const CONSOLIDATED: &str = r#"
## GitLab configuration settings
##! This file is generated during initial installation.
external_url 'https://gitlab.example.com'
roles ['application_role']

# gitlab_rails['artifacts_path'] = "/mnt/commented"
gitlab_rails['time_zone'] = 'UTC'
gitlab_rails['smtp_password'] = File.read('/etc/gitlab/smtp').strip
gitlab_rails['ldap_servers'] = YAML.load <<-'EOS' # remember to close this block with 'EOS' below
main: # 'main' is the GitLab 'provider ID'
  label: 'LDAP'
  host: '_your_ldap_server'
  uid: "sAMAccountName"
EOS

gitlab_rails['object_store']['enabled'] = true
gitlab_rails['object_store']['proxy_download'] = false
gitlab_rails['object_store']['connection'] = {
  'provider' => 'AWS',
  'region' => 'eu-central-1', # Frankfurt
  'aws_access_key_id' => 'AKIAEXAMPLE',
  'aws_secret_access_key' => 'SECRET/with+signs',
}
gitlab_rails['object_store']['objects']['artifacts']['bucket'] = 'gitlab-artifacts'
gitlab_rails['object_store']['objects']['external_diffs']['bucket'] = 'gitlab-mr-diffs'
gitlab_rails['object_store']['objects']['lfs']['bucket'] = 'gitlab-lfs'
gitlab_rails['object_store']['objects']['uploads']['bucket'] = 'gitlab-uploads'
gitlab_rails['object_store']['objects']['packages']['bucket'] = 'gitlab-packages'
gitlab_rails['object_store']['objects']['dependency_proxy']['enabled'] = false
gitlab_rails['object_store']['objects']['terraform_state']['bucket'] = 'gitlab-terraform-state'
gitlab_rails['object_store']['objects']['ci_secure_files']['bucket'] = 'gitlab-ci-secure-files'
gitlab_rails['object_store']['objects']['pages']['enabled'] = false

gitaly['configuration'] = {
  storage: [
    { name: 'default', path: '/var/opt/gitlab/git-data/repositories' },
    { name: 'storage1', path: '/mnt/gitlab/git-data/repositories' },
  ],
}
gitlab_rails['initial_root_password'] = "a#b" unless false
postgresql['trust_auth_cidr_addresses'] = %w(127.0.0.0/24 192.168.1.0/24)
nginx['custom_gitlab_server_config'] = "location ^~ /foo {\n  deny all;\n}\n"
"#;

#[test]
fn the_linux_package() {
    let installation = rb(CONSOLIDATED);
    assert_eq!(installation.notes, [""; 0]);
    let expected = [
        (ObjectType::Artifacts, "gitlab-artifacts"),
        (ObjectType::Lfs, "gitlab-lfs"),
        (ObjectType::Uploads, "gitlab-uploads"),
        (ObjectType::Packages, "gitlab-packages"),
        (ObjectType::TerraformState, "gitlab-terraform-state"),
        (ObjectType::CiSecureFiles, "gitlab-ci-secure-files"),
        (ObjectType::ExternalDiffs, "gitlab-mr-diffs"),
    ];
    assert_eq!(
        buckets(&installation),
        expected.map(|(object_type, bucket)| (object_type, bucket.to_owned()))
    );
    assert_eq!(
        connection(&installation, ObjectType::Artifacts),
        "aws eu-central-1  false AKIAEXAMPLE:SECRET/with+signs"
    );
    assert_eq!(
        git(&installation),
        [
            pair("default", "/var/opt/gitlab/git-data/repositories"),
            pair("storage1", "/mnt/gitlab/git-data/repositories")
        ]
    );
}

/// The `gitlab.yml` that the Linux package renders from its own configuration.
const RENDERED: &str = r#"# This file is managed by gitlab-ctl. Manual changes will be
# erased! To change the contents below, edit /etc/gitlab/gitlab.rb
production: &base
  gitlab:
    host: gitlab.example.com
    port: 80
    https: false
    relative_url_root: ''
    trusted_proxies:
    time_zone:
    email_enabled:
  artifacts:
    enabled: true
    # The location where Build Artifacts are stored (default: shared/artifacts).
    path: /var/opt/gitlab/gitlab-rails/shared/artifacts
    object_store:
      enabled: false
      proxy_download: false
      remote_directory: "artifacts"
      connection: {}
  lfs:
    enabled:
    storage_path: /mnt/nas/lfs-objects
    object_store:
      enabled: false
      remote_directory: "lfs-objects"
      connection: {}
  uploads:
    storage_path: /opt/gitlab/embedded/service/gitlab-rails/public
    base_dir: uploads/-/system
    object_store:
      enabled: false
      remote_directory: "uploads"
      connection: {}
  pages:
    enabled: false
    path: /var/opt/gitlab/gitlab-rails/shared/pages
    object_store:
      enabled: false
      remote_directory: "pages"
      connection: {}
    local_store:
      enabled: true
      path: /var/opt/gitlab/gitlab-rails/shared/pages
  object_store:
    enabled: true
    connection: {"provider":"Google","google_project":"p","google_json_key_string":"{\n  \"type\": \"service_account\"\n}\n"}
    storage_options: {}
    objects: {"artifacts":{"enabled":true,"bucket":"all/artifacts"},"pages":{"enabled":false},"lfs":{"bucket":null}}
  registry:
    enabled: true
    host: registry.example.com
    port:
    api_url: http://127.0.0.1:5000
    key: /var/opt/gitlab/gitlab-rails/etc/gitlab-registry.key
    path: /var/opt/gitlab/gitlab-rails/shared/registry
  shared:
    path: /var/opt/gitlab/gitlab-rails/shared
  repositories:
    storages: {"default":{"path":"/mnt/git/repositories","gitaly_address":"unix:/var/opt/gitlab/gitaly/gitaly.socket"}}

development:
  <<: *base

test:
  <<: *base
"#;

#[test]
fn the_linux_package_as_rendered() {
    let installation = read(Installation::omnibus(), "gitlab.yml", RENDERED).unwrap();
    assert_eq!(installation.notes, [""; 0]);
    assert_eq!(local(&installation, ObjectType::Lfs), "/mnt/nas/lfs-objects");
    assert_eq!(local(&installation, ObjectType::Uploads), "/var/opt/gitlab/gitlab-rails/uploads");
    assert_eq!(installation.uploads_folders, OMNIBUS_UPLOADS);
    assert_eq!(buckets(&installation), [(ObjectType::Artifacts, "all/artifacts".to_owned())]);
    assert_eq!(
        connection(&installation, ObjectType::Artifacts),
        "google p {\n  \"type\": \"service_account\"\n}\n"
    );
    assert_eq!(git(&installation), [pair("default", "/mnt/git/repositories")]);
    let registry = installation.registry.unwrap();
    assert_eq!(registry.api_url.as_deref(), Some("http://127.0.0.1:5000"));
}

/// An installation from source, with folders of its own and a little ERB.
const SOURCE: &str = r"
production: &base
  gitlab:
    host: <%= `hostname -f`.strip %>
    port: 80
  artifacts:
    enabled: true
    # path: shared/artifacts
  lfs:
    enabled: true
    storage_path: <%= ENV['LFS'] || 'shared/lfs' %>
  external_diffs:
    enabled: true
    storage_path: /mnt/diffs
  uploads:
    # storage_path: public/
    object_store:
      enabled: true
      remote_directory: my-uploads
      connection:
        provider: AzureRM
        azure_storage_account_name: account
        azure_storage_access_key: SECRET==
  ci_secure_files:
    object_store:
      enabled: true
      connection:
        provider: Google
        google_project: 12345
        google_json_key_location: config/key.json
  repositories:
    storages: # You must have at least a `default` storage path.
      default:
        gitaly_address: unix:/home/git/gitlab/tmp/sockets/private/gitaly.socket

development:
  <<: *base
";

#[test]
fn an_installation_from_source() {
    let installation = yml(SOURCE);
    let why = "gitlab.yml, line 11: `lfs.storage_path` is calculated: set `storages.gitlab-lfs.root`";
    let git = "gitlab.yml, line 34: `repositories.storages.default` does not say where the repositories are: \
               set `storages.gitlab-git-default.root`";
    assert_eq!(unknown(&installation), [why, git]);
    assert_eq!(local(&installation, ObjectType::ExternalDiffs), "/mnt/diffs");
    assert_eq!(
        buckets(&installation),
        [
            (ObjectType::Uploads, "my-uploads".to_owned()),
            (ObjectType::CiSecureFiles, "ci-secure-files".to_owned())
        ]
    );
    assert_eq!(connection(&installation, ObjectType::Uploads), "azure account:SECRET== ");
    assert_eq!(
        connection(&installation, ObjectType::CiSecureFiles),
        "google 12345 /home/git/gitlab/config/key.json"
    );
}

/// A pod of the Helm chart.
const HELM: &str = r#"
production: &base
  gitlab:
    host: gitlab.example.com
    https: true
  artifacts:
    enabled: true
    object_store:
      enabled: true
      remote_directory: gitlab-artifacts
      proxy_download: true
      connection: {"provider":"AWS","region":"us-east-1","aws_access_key_id":"minio","aws_secret_access_key":"SECRET","endpoint":"http://minio.default.svc:9000","path_style":true}
  lfs:
    enabled: true
    object_store:
      enabled: true
      remote_directory: git-lfs
      connection: <%= YAML.load_file("/etc/gitlab/objectstorage/lfs").to_json() %>
  repositories:
    storages:
      default:
        path: /var/opt/gitlab/repo
        gitaly_address: tcp://gitlab-gitaly-0.gitlab-gitaly.default.svc:8075
  registry:
    enabled: true
    host: registry.example.com
    api_url: http://gitlab-registry.default.svc:5000
    key: /etc/gitlab/registry/gitlab-registry.key
    issuer: gitlab-issuer
"#;

#[test]
fn the_helm_chart() {
    let installation = read(Installation::none(), "gitlab.yml", HELM).unwrap();
    assert_eq!(
        unknown(&installation),
        [
            "gitlab.yml, line 18: `lfs.object_store.connection` is calculated: set `storages.gitlab-lfs-objects`",
            "gitlab.yml, line 22: `repositories.storages.default` is a Gitaly that is reached over the network, \
             whose folder must be mounted on this machine: set `storages.gitlab-git-default.root`",
        ]
    );
    assert_eq!(buckets(&installation), [(ObjectType::Artifacts, "gitlab-artifacts".to_owned())]);
    assert_eq!(
        connection(&installation, ObjectType::Artifacts),
        "aws us-east-1 http://minio.default.svc:9000 true minio:SECRET"
    );
    let registry = installation.registry.unwrap();
    assert_eq!(
        (matches!(registry.data, Fact::Absent), registry.api_url.as_deref()),
        (true, Some("http://gitlab-registry.default.svc:5000"))
    );
}

/// The Linux package with a connection for each type of objects, as before GitLab 13.2.
const OWN: &str = r#"
git_data_dirs({
  "default" => { "path" => "/mnt/git-data" },
  "nfs" => { "path" => "/mnt/nfs/git-data", "gitaly_address" => "unix:/var/opt/gitlab/gitaly/gitaly.socket" }
})
gitlab_rails['lfs_object_store_enabled'] = true
gitlab_rails['lfs_object_store_remote_directory'] = "lfs-objects/of-gitlab"
gitlab_rails['lfs_object_store_connection'] = {
  :provider => 'Google',
  :google_project => 'p',
  :google_json_key_string => <<~'EOS'
    {
      "type": "service_account",
      "private_key": "BEGIN\nSECRET\nEND\n"
    }
  EOS
}
gitlab_rails['db_key_base'] = 'k'.freeze
gitlab_rails['lfs_storage_path'] = "/mnt/lfs"
"#;

#[test]
fn the_linux_package_in_the_storage_specific_form() {
    let installation = rb(OWN);
    assert_eq!(installation.notes, [""; 0]);
    assert_eq!(
        git(&installation),
        [pair("default", "/mnt/git-data/repositories"), pair("nfs", "/mnt/nfs/git-data/repositories")]
    );
    assert_eq!(buckets(&installation), [(ObjectType::Lfs, "lfs-objects/of-gitlab".to_owned())]);
    let key = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"BEGIN\\nSECRET\\n\
               END\\n\"\n}\n";
    assert_eq!(connection(&installation, ObjectType::Lfs), format!("google p {key}"));
    assert_eq!(installation.db_key_base.known().unwrap().expose_secret(), "k");
    assert_eq!(local(&installation, ObjectType::Lfs), "/mnt/lfs");
}

/// A program of the comparison with a real Ruby, by its name.
fn compared(name: &str) -> Installation {
    let all = include_str!("../../tests/ruby/installations.txt");
    let text = all.split("#### ").find_map(|case| case.strip_prefix(&format!("{name}\n"))).unwrap();
    rb(text)
}

#[test]
fn a_mixture_of_all_forms() {
    let installation = compared("a mixture of forms");
    assert_eq!((unknown(&installation), &installation.notes), (vec![], &vec![]));
    for (object_type, folder) in [
        (ObjectType::Artifacts, "/srv/share/artifacts"),
        (ObjectType::Lfs, "/srv/share/lfs"),
        (ObjectType::Packages, "/srv/share/packages"),
        (ObjectType::DependencyProxy, "/srv/proxy"),
        (ObjectType::TerraformState, "/srv/terraform_state"),
        (ObjectType::CiSecureFiles, "/srv/share/shared/ci_secure_files"),
        (ObjectType::ExternalDiffs, "/srv/external_diffs"),
        (ObjectType::Pages, "/srv/pages"),
    ] {
        assert_eq!(local(&installation, object_type), folder);
    }
    let expected = [(ObjectType::Artifacts, "one/artifacts"), (ObjectType::Uploads, "one/uploads")];
    assert_eq!(
        buckets(&installation),
        expected.map(|(object_type, bucket)| (object_type, bucket.to_owned()))
    );
    assert_eq!(
        connection(&installation, ObjectType::Uploads),
        "aws eu-west-1 http://objects.example:9000 true ID:K#Y"
    );
    assert_eq!(
        git(&installation),
        [
            pair("default", "/srv/one/git-data/repositories"),
            pair("second", "/srv/two/git-data/repositories"),
            pair("third", "/srv/three/repositories"),
        ]
    );
}

#[test]
fn what_is_left_over_changes_nothing() {
    for (name, object_type, expected) in [
        ("a connection left over", ObjectType::Lfs, "files"),
        ("enabled is left over", ObjectType::Artifacts, "builds"),
        ("the same connection is left over", ObjectType::Artifacts, "b"),
    ] {
        assert_eq!(buckets(&compared(name)), [(object_type, expected.to_owned())], "{name}");
    }
    assert_eq!(local(&compared("pages and their two folders"), ObjectType::Pages), "/srv/pages");
    let registry = compared("a registry elsewhere").registry.unwrap();
    assert_eq!(
        (matches!(registry.data, Fact::Absent), registry.api_url.as_deref()),
        (true, Some("https://images.example.com:5000"))
    );
    let storages = git(&compared("storages with their folders"));
    assert_eq!(
        storages,
        [pair("default", "/srv/git/repositories"), pair("more", "/srv/more/git/repositories")]
    );
}
