//! The values of GitLab's Helm chart, as the `gitlab.yml` that the chart makes of them
//! (<https://docs.gitlab.com/charts/charts/globals/>).
//!
//! Connections of buckets and the registry's storage are not among the values, but in secrets of Kubernetes, each with a name
//! and a key. They are read out of a folder that has them as Kubernetes mounts them: a folder for each secret, with a file for
//! each key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stocktake_domain::ObjectType;

use crate::file::{self, InstallationError};
use crate::node::{Document, Map, Node, UnknownReason, Value};
use crate::yaml;

/// Where the values of a type are, whether it is enabled without any, and the name of its bucket then.
const fn of_type(object_type: ObjectType) -> (&'static [&'static str], bool, &'static str) {
    match object_type {
        ObjectType::Artifacts => (&["appConfig", "artifacts"], true, "gitlab-artifacts"),
        ObjectType::Lfs => (&["appConfig", "lfs"], true, "git-lfs"),
        ObjectType::Uploads => (&["appConfig", "uploads"], true, "gitlab-uploads"),
        ObjectType::Packages => (&["appConfig", "packages"], true, "gitlab-packages"),
        ObjectType::DependencyProxy => (&["appConfig", "dependencyProxy"], false, "gitlab-dependency-proxy"),
        ObjectType::TerraformState => (&["appConfig", "terraformState"], false, "gitlab-terraform-state"),
        ObjectType::CiSecureFiles => (&["appConfig", "ciSecureFiles"], false, "gitlab-ci-secure-files"),
        ObjectType::ExternalDiffs => (&["appConfig", "externalDiffs"], false, "gitlab-mr-diffs"),
        ObjectType::Pages => (&["pages", "objectStore"], true, "gitlab-pages"),
    }
}

/// The name of a setting of the `gitlab.yml` among the values.
pub(crate) fn name(setting: &[String]) -> String {
    let types = ObjectType::ALL.into_iter();
    let own = |key: &String| types.clone().find(|object_type| object_type.name() == key);
    let global = |keys: &[&str]| format!("global.{}", keys.join("."));
    match setting {
        [key, rest @ ..] if own(key).is_some() => {
            let (path, ..) = own(key).map_or((&[][..], false, ""), of_type);
            let rest = rest.iter().filter(|key| *key != "object_store");
            let rest = rest.map(|key| if key == "remote_directory" { "bucket" } else { key });
            global(&path.iter().copied().chain(rest).collect::<Vec<_>>())
        }
        [key, objects, of, rest @ ..] if key == "object_store" && objects == "objects" => {
            name(&[std::slice::from_ref(of), rest].concat())
        }
        [key, rest @ ..] if key == "object_store" => global(
            &["appConfig", "object_store"]
                .into_iter()
                .chain(rest.iter().map(String::as_str))
                .collect::<Vec<_>>(),
        ),
        [key, _, rest @ ..] if key == "repositories" => {
            global(&["gitaly"].into_iter().chain(rest.iter().map(String::as_str)).collect::<Vec<_>>())
        }
        _ => setting.join("."),
    }
}

/// Whether a file has values of the chart: these are below `global`, which no `gitlab.yml` has.
pub(crate) fn is_values(document: &Document) -> bool {
    matches!(document.root.get("global"), Some(Node { value: Value::Map(_), .. }))
}

/// The settings of the `gitlab.yml`. `secrets` is the folder of the secrets, if there is one.
pub(crate) fn rendered(document: Document, secrets: Option<&Path>) -> Result<Document, InstallationError> {
    let Document { root, files, ignored } = document;
    let mut chart = Chart { root: &root, secrets, files };
    let mut settings = BTreeMap::from([("repositories".to_owned(), chart.repositories())]);
    let common = chart.global(&["appConfig", "object_store"]).cloned();
    let is_consolidated = common.as_ref().is_some_and(|common| is_on(common.get("enabled"), false));
    let mut objects = BTreeMap::new();
    for object_type in ObjectType::ALL {
        let (path, is_default, bucket) = of_type(object_type);
        let own = chart.global(path).cloned().unwrap_or_else(|| Node::map(1));
        let is_enabled = is_on(own.get("enabled"), is_default)
            && (object_type != ObjectType::Pages || is_on(chart.global(&["pages", "enabled"]), false));
        let name = object_type.name().to_owned();
        let default_bucket = || Node::new(own.place, Value::Text(bucket.to_owned()));
        let bucket =
            own.get("bucket").filter(|bucket| !bucket.is_empty()).cloned().unwrap_or_else(default_bucket);
        let enabled = Node::new(own.place, Value::Flag(is_enabled));
        if is_consolidated {
            objects.insert(name, map(&own, [("enabled", enabled), ("bucket", bucket)]));
        } else if is_enabled {
            let mut pairs = vec![("enabled", enabled), ("remote_directory", bucket)];
            pairs.extend(chart.connection(&own)?.map(|connection| ("connection", connection)));
            settings.insert(name, map(&own, [("object_store", map(&own, pairs))]));
        }
    }
    if let Some(common) = common.filter(|_| is_consolidated) {
        let enabled = Node::new(common.place, Value::Flag(true));
        let mut pairs = vec![("enabled", enabled), ("objects", Node::new(common.place, plain(objects)))];
        pairs.extend(chart.connection(&common)?.map(|connection| ("connection", connection)));
        settings.insert("object_store".to_owned(), map(&common, pairs));
    }
    let registry = chart.registry()?;
    settings.insert("registry".to_owned(), registry);
    let files = chart.files;
    Ok(Document { root: Node::new(root.place, plain(settings)), files, ignored })
}

/// The values, and what is read beside them.
struct Chart<'v> {
    root: &'v Node,
    secrets: Option<&'v Path>,
    files: Vec<String>,
}

impl<'v> Chart<'v> {
    /// The value at this path below `global`.
    fn global(&self, path: &[&str]) -> Option<&'v Node> {
        path.iter().try_fold(self.root.get("global")?, |node, key| node.get(key))
    }

    /// The connection of a bucket: that of its secret, or of the `MinIO` that the chart brings along.
    fn connection(&mut self, of: &Node) -> Result<Option<Node>, InstallationError> {
        let Some(connection) = of.get("connection").filter(|connection| !connection.is_empty()) else {
            let is_own = is_on(self.global(&["minio", "enabled"]), true);
            return Ok(is_own.then(|| Node::new(of.place, Value::Unknown(UnknownReason::Secret))));
        };
        self.secret(connection, "connection").map(Some)
    }

    /// The YAML in the secret and key that are named here; unknown if it is not there.
    fn secret(&mut self, named: &Node, default_key: &str) -> Result<Node, InstallationError> {
        let key = text(named.get("key")).unwrap_or_else(|| default_key.to_owned());
        let Some(file) = self.secret_file(named, &key) else {
            return Ok(Node::new(named.place, Value::Unknown(UnknownReason::Secret)));
        };
        let read = yaml::document(&file, &file::text(&file)?)?.root;
        self.files.push(file.display().to_string());
        Ok(of_file(read, self.files.len() - 1))
    }

    /// The file of a key of the secret that is named here, if there is one.
    fn secret_file(&self, named: &Node, key: &str) -> Option<PathBuf> {
        let file = self.secrets?.join(text(named.get("secret"))?).join(key);
        // One that cannot be looked at is told when it is read.
        file.try_exists().unwrap_or(true).then_some(file)
    }

    /// The container registry: the storage that its own configuration has, and whether it has a metadata database
    /// (<https://docs.gitlab.com/charts/charts/registry/>).
    fn registry(&mut self) -> Result<Node, InstallationError> {
        let none = Node::map(self.root.place.line);
        let registry = self.root.get("registry").unwrap_or(&none);
        if !is_on(registry.get("enabled"), true) {
            return Ok(none);
        }
        let mut pairs = Vec::new();
        let storage = registry.get("storage").filter(|storage| text(storage.get("secret")).is_some());
        if let Some(storage) = storage {
            let driver = self.secret(storage, "config")?;
            pairs.push(("storage", self.with_key_file(driver, storage)));
        } else if is_on(self.global(&["minio", "enabled"]), true) {
            pairs.push(("storage", Node::new(registry.place, Value::Unknown(UnknownReason::Secret))));
        }
        pairs.extend(registry.get("database").map(|database| ("database", database.clone())));
        Ok(map(registry, pairs))
    }

    /// The same storage with the file of Google's key where it is here: in the same secret, under the name that it has in the
    /// pod.
    fn with_key_file(&self, mut storage: Node, named: &Node) -> Node {
        let Value::Map(drivers) = &mut storage.value else { return storage };
        let google = drivers.pairs.get_mut("gcs").map(|google| &mut google.value);
        let Some(Value::Map(google)) = google else { return storage };
        if let Some(file) = google.pairs.get_mut("keyfile") {
            let name =
                text(Some(file)).as_deref().and_then(|file| file.rsplit('/').next().map(str::to_owned));
            let found = name.and_then(|name| self.secret_file(named, &name));
            file.value = match found {
                Some(found) => Value::Text(found.display().to_string()),
                None => Value::Unknown(UnknownReason::Secret),
            };
        }
        storage
    }

    /// Gitaly's storages, all of which are in pods of their own.
    fn repositories(&self) -> Node {
        let place = self.root.place;
        let is_cluster = is_on(self.global(&["praefect", "enabled"]), false);
        let mut names = Vec::new();
        if is_cluster {
            names.extend(named(self.global(&["praefect", "virtualStorages"])));
        } else if is_on(self.global(&["gitaly", "enabled"]), true) {
            names.extend(texts(self.global(&["gitaly", "internal", "names"])));
        }
        names.extend(named(self.global(&["gitaly", "external"])));
        if names.is_empty() {
            names.push("default".to_owned());
        }
        let address = || Node::new(place, Value::Text("tcp://gitaly".to_owned()));
        let storages = names.into_iter().map(|name| (name, map(self.root, [("gitaly_address", address())])));
        map(self.root, [("storages", Node::new(place, plain(storages.collect())))])
    }
}

fn plain(pairs: BTreeMap<String, Node>) -> Value {
    Value::Map(Map { pairs, doubts: Vec::new() })
}

fn map(at: &Node, pairs: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    let pairs = pairs.into_iter().map(|(key, node)| (key.to_owned(), node));
    Node::new(at.place, plain(pairs.collect()))
}

fn is_on(flag: Option<&Node>, default: bool) -> bool {
    match flag.map(|node| &node.value) {
        Some(Value::Flag(flag)) => *flag,
        _ => default,
    }
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    list(node).iter().filter_map(|node| text(Some(node))).collect()
}

/// The names in a list of what has one each.
fn named(node: Option<&Node>) -> Vec<String> {
    list(node).iter().filter_map(|node| text(node.get("name"))).collect()
}

/// A text that is not empty.
fn text(node: Option<&Node>) -> Option<String> {
    match &node?.value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The same value, in another of the files that were read.
fn of_file(mut node: Node, file: usize) -> Node {
    node.place.file = file;
    node.value = match node.value {
        Value::List(list) => Value::List(list.into_iter().map(|node| of_file(node, file)).collect()),
        Value::Map(Map { pairs, doubts }) => {
            let pairs = pairs.into_iter().map(|(key, node)| (key, of_file(node, file))).collect();
            Value::Map(Map { pairs, doubts })
        }
        value => value,
    };
    node
}
