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

/// Where the registry is, or why that is not known; the folder of the secrets is left out.
fn registry(text: &str, secrets: &[(&str, &str, &str)]) -> String {
    let Some(registry) = values(text, secrets).registry else { return "none".to_owned() };
    match registry.data {
        Fact::Known(RegistryData::Bucket(bucket)) => {
            let credentials = match &bucket.connection {
                Connection::Aws { credentials: AwsCredentials::Keys { id, .. }, .. } => id.clone(),
                Connection::Google { credentials: GoogleCredentials::KeyFile(file), .. } => {
                    let parts: Vec<_> =
                        file.iter().rev().take(2).map(|part| part.display().to_string()).collect();
                    format!("{}/{}", parts[1], parts[0])
                }
                other => format!("{other:?}"),
            };
            format!("{} {:?} {credentials}", bucket.name, bucket.prefix)
        }
        Fact::Known(data) => format!("{data:?}"),
        Fact::Unknown(unknown) => unknown.sentence.rsplit('/').next().unwrap_or_default().to_owned(),
        Fact::Absent => "none".to_owned(),
    }
}

#[test]
fn the_registrys_bucket_is_in_a_secret_of_its_own() {
    let named =
        "global:\n  minio:\n    enabled: false\nregistry:\n  storage:\n    secret: registry-storage\n";
    let s3 = "s3:\n  bucket: our-registry\n  accesskey: AKIA\n  secretkey: hush\n  region: eu\n  rootdirectory: /reg\n";
    let in_config = |content| [("registry-storage", "config", content)];
    assert_eq!(registry(named, &in_config(s3)), "our-registry Some(\"reg\") AKIA");
    let keyed = format!("{named}    key: s3.yaml\n");
    assert_eq!(registry(&keyed, &[("registry-storage", "s3.yaml", s3)]), "our-registry Some(\"reg\") AKIA");
    let missing = "gitlab.values.yaml, line 6: `registry.storage` is in a secret of Kubernetes";
    assert_eq!(registry(&keyed, &in_config(s3)), missing);
    // Google's key is another key of the same secret, and has a path of its own in the pod.
    let google = "gcs:\n  bucket: our-registry\n  keyfile: /etc/docker/registry/storage/gcs.json\n";
    let with_key = [in_config(google)[0], ("registry-storage", "gcs.json", "{}")];
    assert_eq!(registry(named, &with_key), "our-registry None registry-storage/gcs.json");
    let missing = "config, line 3: `registry.storage.gcs.keyfile` is in a secret of Kubernetes";
    assert_eq!(registry(named, &in_config(google)), missing);
    let folder = "filesystem:\n  rootdirectory: /var/lib/registry\n";
    assert!(registry(named, &in_config(folder)).ends_with("`registry.storage` is a folder of a pod"));
}

#[test]
fn what_is_said_of_the_registry_beside_its_bucket() {
    let minio = "global:\n  hosts:\n    domain: example.com\n";
    assert!(registry(minio, &[]).ends_with("`registry.storage` is in a secret of Kubernetes"));
    assert_eq!(registry(&format!("{minio}registry:\n  enabled: false\n"), &[]), "none");
    assert_eq!(registry("global:\n  minio:\n    enabled: false\n", &[]), "none");
    let s3 = [("registry-storage", "config", "s3_v2:\n  bucket: b\n  accesskey: AKIA\n  secretkey: hush\n")];
    let named = |database: &str| {
        format!(
            "{minio}registry:\n  database:\n    enabled: {database}\n  storage:\n    secret: registry-storage\n"
        )
    };
    assert_eq!(registry(&named("false"), &s3), "b None AKIA");
    let in_database = "`registry.database.enabled` keeps the list of images in a database";
    assert!(registry(&named("true"), &s3).contains(in_database));
}
