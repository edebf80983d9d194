//! Values of the Helm chart.

use super::*;

/// With the common connection, as `helm get values --all` prints them in part.
const CONSOLIDATED: &str = "\
global:
  appConfig:
    object_store:
      enabled: true
      connection:
        secret: rails-storage
    lfs:
      bucket: our-lfs
    terraformState:
      enabled: true
    dependencyProxy:
      enabled: false
    artifacts:
      enabled: true
      bucket: our-artifacts
      connection: {}
  pages:
    enabled: true
    objectStore:
      enabled: true
      bucket: our-pages
  minio:
    enabled: false
  gitaly:
    internal:
      names: [default, second]
    external:
      - name: third
        hostname: gitaly.example.com
";

/// A secret as Kubernetes mounts it.
const CONNECTION: &str = "\
provider: AWS
region: eu-west-1
aws_access_key_id: AKIA
aws_secret_access_key: hush
";

/// An installation by these values, with the secrets in a folder: each by its name, its key and what it is.
fn values(text: &str, secrets: &[(&str, &str, &str)]) -> Installation {
    let folder = TempDir::new().unwrap();
    for (secret, key, content) in secrets {
        fs::create_dir_all(folder.path().join(secret)).unwrap();
        fs::write(folder.path().join(secret).join(key), content).unwrap();
    }
    let installation = Installation::none().with_kubernetes_secrets(Some(folder.path().to_owned()));
    read(installation, "gitlab.values.yaml", text).unwrap()
}

fn buckets(installation: &Installation) -> Vec<(&'static str, String)> {
    let files = installation.files.iter();
    files.filter_map(|(of, storage)| Some((of.name(), storage.object.known()?.name.clone()))).collect()
}

#[test]
fn one_connection_serves_all_types_that_are_enabled() {
    let installation = values(CONSOLIDATED, &[("rails-storage", "connection", CONNECTION)]);
    let mut found = buckets(&installation);
    found.sort_unstable();
    let expected = [
        ("artifacts", "our-artifacts"),
        ("lfs", "our-lfs"),
        ("packages", "gitlab-packages"),
        ("pages", "our-pages"),
        ("terraform_state", "gitlab-terraform-state"),
        ("uploads", "gitlab-uploads"),
    ];
    assert_eq!(found, expected.map(|(of, bucket)| (of, bucket.to_owned())));
    let Some(bucket) = installation.files[&ObjectType::Lfs].object.known() else { panic!("no bucket") };
    let Connection::Aws { region, .. } = &bucket.connection else { panic!("{bucket:?}") };
    assert_eq!(region.as_deref(), Some("eu-west-1"));
    // All of Gitaly's storages are in other pods.
    let names: Vec<&String> = installation.git.keys().collect();
    assert_eq!(names, ["default", "second", "third"]);
    assert!(installation.git.values().all(|folder| folder.unknown().is_some()));
}

#[test]
fn a_connection_whose_secret_is_not_there_is_unknown() {
    let installation = values(CONSOLIDATED, &[]);
    assert_eq!(buckets(&installation), []);
    let told = unknown(&installation);
    let lfs = "gitlab.values.yaml, line 6: `global.appConfig.object_store.connection` is in a secret of Kubernetes: set \
               `storages.gitlab-lfs-objects`";
    assert!(told.contains(&lfs.to_owned()), "{told:#?}");
    assert!(told.iter().all(|line| !line.contains("dependency-proxy")), "{told:#?}");
}

#[test]
fn each_type_may_have_a_connection_of_its_own() {
    let text = "\
global:
  appConfig:
    lfs:
      bucket: our-lfs
      connection:
        secret: lfs-storage
        key: aws
    uploads:
      enabled: false
  minio:
    enabled: false
";
    let installation = values(text, &[("lfs-storage", "aws", CONNECTION)]);
    assert_eq!(buckets(&installation), [("lfs", "our-lfs".to_owned())]);
}

#[test]
fn the_charts_own_minio_has_its_keys_in_a_secret() {
    let installation = values("global:\n  hosts:\n    domain: example.com\n", &[]);
    assert_eq!(buckets(&installation), []);
    let told = unknown(&installation);
    assert!(told.iter().any(|line| line.ends_with("set `storages.gitlab-artifacts-objects`")), "{told:#?}");
}

#[test]
fn the_virtual_storages_of_a_cluster_are_known_by_name() {
    let text = "global:\n  praefect:\n    enabled: true\n    virtualStorages:\n      - name: fast\n      - name: slow\n";
    let installation = values(text, &[]);
    assert_eq!(installation.git.keys().collect::<Vec<_>>(), ["fast", "slow"]);
}
