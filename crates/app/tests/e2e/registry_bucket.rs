//! A container registry whose data lie in a bucket, of a real registry and an object store that other people wrote: faults
//! of every kind, of which none may be missed, and nothing else told.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stocktake_testbed::{
    ObjectServer, PushedImage, Registry, RegistryBucket, RegistryDatabase, RegistrySetup, ServerKind,
    digest_of,
};

use crate::documents::document;
use crate::support::{Database, Finished, Installation};

const ROOT: &str = "registries/main";
const V2: &str = "registries/main/docker/registry/v2";

/// How many repositories have a fault of each kind, and how many have none.
const OF_EACH: usize = 2;

/// What was done to a repository behind the registry's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    LayerAltered,
    LayerTruncated,
    LayerGrown,
    LayerEmptied,
    LayerGone,
    LayerLinkGone,
    ConfigAltered,
    ConfigGone,
    ManifestAltered,
    ManifestGone,
    RevisionGone,
    TagLinkGone,
    TagLinkBroken,
    TagLeadsOutside,
    ChildGone,
    ChildLayerAltered,
}

const FAULTS: [Fault; 16] = [
    Fault::LayerAltered,
    Fault::LayerTruncated,
    Fault::LayerGrown,
    Fault::LayerEmptied,
    Fault::LayerGone,
    Fault::LayerLinkGone,
    Fault::ConfigAltered,
    Fault::ConfigGone,
    Fault::ManifestAltered,
    Fault::ManifestGone,
    Fault::RevisionGone,
    Fault::TagLinkGone,
    Fault::TagLinkBroken,
    Fault::TagLeadsOutside,
    Fault::ChildGone,
    Fault::ChildLayerAltered,
];

/// A registry on a bucket.
struct Lab {
    server: ObjectServer,
    registry: Registry,
}

/// A repository with an image, and an index of another one that no tag names itself.
struct Repository {
    name: String,
    image: PushedImage,
    child: PushedImage,
    fault: Fault,
}

impl Lab {
    fn new() -> Self {
        let server = ObjectServer::start(ServerKind::S3).unwrap();
        let bucket = RegistryBucket {
            endpoint: format!("http://{}", server.address()),
            bucket: ObjectServer::BUCKET.to_owned(),
            root: format!("/{ROOT}"),
        };
        let registry = Registry::start(&RegistrySetup { bucket: Some(bucket), ..RegistrySetup::default() });
        Self { server, registry: registry.unwrap() }
    }

    /// The section of the storage `bucket`.
    fn section(&self, more: &str) -> String {
        format!(
            "[storages.bucket]\nkind = \"registry-bucket\"\nservice = \"s3\"\nbucket = \"{}\"\nprefix = \"{ROOT}\"\n\
             endpoint = \"http://{}\"\nplain_http = true\naccess_key_id = \"test\"\nsecret_access_key = \"made-up\"\n{more}",
            ObjectServer::BUCKET,
            self.server.address()
        )
    }

    fn push(&self, name: String, fault: Fault) -> Repository {
        // Longer than one piece of a reading, and shared by no other.
        let layer = |of: &str| format!("layer {of} of {name} ").repeat(8_000).into_bytes();
        let push = |tag: &str| self.registry.push_image(&name, tag, true, &[&layer(tag), b"shared"]).unwrap();
        let (child, image) = (push("child"), push("1.0"));
        self.registry.push_index(&name, "all", true, &[&child]).unwrap();
        for end in ["current/link", &format!("index/sha256/{}/link", digits(&child.manifest))] {
            self.server.delete(&format!("{V2}/repositories/{name}/_manifests/tags/child/{end}")).unwrap();
        }
        Repository { name, image, child, fault }
    }
}

fn digits(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

fn data(digest: &str) -> String {
    let digits = digits(digest);
    format!("{V2}/blobs/sha256/{}/{digits}/data", &digits[..2])
}

/// What is to be told: the kind and the text.
type Told = (&'static str, String);

impl Repository {
    /// Plants the fault; what is to be told of it.
    fn plant(&self, server: &ObjectServer) -> Option<Told> {
        match self.fault {
            Fault::None => None,
            Fault::LayerAltered
            | Fault::LayerTruncated
            | Fault::LayerGrown
            | Fault::LayerEmptied
            | Fault::ConfigAltered
            | Fault::ManifestAltered
            | Fault::ChildLayerAltered => Some(("altered", self.alter(server))),
            _ => Some(("unreadable", self.remove(server))),
        }
    }

    /// Changes the bytes of something.
    fn alter(&self, server: &ObjectServer) -> String {
        let Self { image, child, fault, .. } = self;
        let change = |digest: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut content = server.get(&data(digest)).unwrap();
            change(&mut content);
            server.put(&data(digest), &content, &[]).unwrap();
            digest_of(&content)
        };
        let flip = |content: &mut Vec<u8>| {
            let middle = content.len() / 2;
            content[middle] ^= 0x10;
        };
        let layer = format!("layer {} of tag 1.0", image.layers[0]);
        let size = server.get(&data(&image.layers[0])).unwrap().len();
        let (what, digest) = match fault {
            Fault::LayerTruncated => {
                change(&image.layers[0], &|content| content.truncate(size - 1));
                return format!("{layer}: has {} bytes instead of {size}", size - 1);
            }
            Fault::LayerGrown => {
                change(&image.layers[0], &|content| content.push(0));
                return format!("{layer}: is larger than {size} bytes");
            }
            Fault::LayerEmptied => {
                change(&image.layers[0], &Vec::clear);
                return format!("{layer}: has 0 bytes instead of {size}");
            }
            Fault::ConfigAltered => (format!("config {} of tag 1.0", image.config), &image.config),
            Fault::ManifestAltered => (format!("manifest {} of tag 1.0", image.manifest), &image.manifest),
            Fault::ChildLayerAltered => (format!("layer {} of tag all", child.layers[0]), &child.layers[0]),
            _ => (layer, &image.layers[0]),
        };
        format!("{what}: content has {}", change(digest, &flip))
    }

    /// Removes something, or breaks a link to it.
    fn remove(&self, server: &ObjectServer) -> String {
        let Self { name, image, child, fault } = self;
        let in_repository = |path: String| format!("{V2}/repositories/{name}/{path}");
        let tag_link = in_repository("_manifests/tags/1.0/current/link".to_owned());
        let break_link = |content: &[u8]| {
            server.put(&tag_link, content, &[]).unwrap();
            "tag 1.0: malformed digest in its link".to_owned()
        };
        let (what, key) = match fault {
            Fault::TagLinkBroken => return break_link(b"sha256:00"),
            Fault::TagLeadsOutside => return break_link(b"../../../../../../secret"),
            Fault::TagLinkGone => {
                server.delete(&tag_link).unwrap();
                return "tag 1.0: no manifest".to_owned();
            }
            Fault::LayerLinkGone => {
                let link = in_repository(format!("_layers/sha256/{}/link", digits(&image.layers[0])));
                (format!("layer {} of tag 1.0", image.layers[0]), link)
            }
            Fault::ConfigGone => (format!("config {} of tag 1.0", image.config), data(&image.config)),
            Fault::ManifestGone => (format!("manifest {} of tag 1.0", image.manifest), data(&image.manifest)),
            Fault::RevisionGone => {
                let digits = digits(&image.manifest);
                let link = in_repository(format!("_manifests/revisions/sha256/{digits}/link"));
                (format!("manifest {} of tag 1.0", image.manifest), link)
            }
            Fault::ChildGone => (format!("manifest {} of tag all", child.manifest), data(&child.manifest)),
            _ => (format!("layer {} of tag 1.0", image.layers[0]), data(&image.layers[0])),
        };
        server.delete(&key).unwrap();
        format!("{what}: not in the registry")
    }
}

/// The failures by the path of the repository: kind and text.
fn failures(installation: &Installation) -> BTreeMap<String, (String, String)> {
    let text = installation.run(&["export", "--format", "json"]).success();
    let report: Value = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report.as_array().unwrap().iter();
    findings
        .map(|finding| {
            let (path, told) = (text(&finding["path"]), text(&finding["checksum_failure"]));
            let told = told.trim_start_matches("Error during verification: ");
            let told = told.trim_end_matches(&format!(": {path}")).to_owned();
            (path, (text(&finding["kind"]), told))
        })
        .collect()
}

fn scan(installation: &Installation) -> Finished {
    installation.run(&["scan", "container_repositories", "bucket"])
}

#[test]
fn a_bucket_hides_no_fault_of_a_registry() {
    let lab = Lab::new();
    let planted = FAULTS.iter().flat_map(|fault| [*fault; OF_EACH]);
    let faults = planted.chain([Fault::None; OF_EACH * FAULTS.len()]);
    let names =
        |number| format!("group-{}/{}image-{number}", number % 5, ["", "a/", "a-b/", "a.b/"][number % 4]);
    let repositories: Vec<_> =
        faults.enumerate().map(|(number, fault)| lab.push(names(number), fault)).collect();
    // One whose last tag is deleted, one that never had any, and one with layers alone, which the registry does not list.
    let image = lab.registry.push_image("untagged", "1.0", true, &[b"shared"]).unwrap();
    for end in ["current/link", &format!("index/sha256/{}/link", digits(&image.manifest))] {
        lab.server.delete(&format!("{V2}/repositories/untagged/_manifests/tags/1.0/{end}")).unwrap();
    }
    lab.registry.push_blob("layers-only", b"shared").unwrap();

    let installation = Installation::with(Database::Sqlite, &lab.section(""));
    let count = repositories.len() + 1;
    let scanned = scan(&installation).success();
    assert!(scanned.starts_with(&format!("found {count}, new {count}, gone 0, skipped 0\n")), "{scanned}");
    let more = r#"{"record_identifier":1000,"storage":"bucket","path":"layers-only"}"#.to_owned();
    installation.import("container_repositories", &[more]).success();
    installation.run(&["verify"]).success();
    assert_eq!(failures(&installation), BTreeMap::new());

    let expected: BTreeMap<_, _> = repositories
        .iter()
        .filter_map(|repository| {
            let (kind, text) = repository.plant(&lab.server)?;
            Some((repository.name.clone(), (kind.to_owned(), text)))
        })
        .collect();
    assert_eq!(expected.len(), FAULTS.len() * OF_EACH);
    assert_eq!(installation.run(&["verify", "--all"]).code, 1);
    let found = failures(&installation);
    let missed = expected.iter().filter(|(path, told)| found.get(*path) != Some(told)).count();
    let false_alarms = found.keys().filter(|path| !expected.contains_key(*path)).count();
    println!("{count} repositories, {} faults, {missed} missed, {false_alarms} false alarms", expected.len());
    assert_eq!(found, expected);

    // A repository that is gone as a whole is missing by the bucket's own word.
    let more = r#"{"record_identifier":1001,"storage":"bucket","path":"none"}"#.to_owned();
    installation.import("container_repositories", &[more]).success();
    assert_eq!(installation.run(&["verify"]).code, 1);
    assert_eq!(failures(&installation)["none"].0, "missing");
}

#[test]
fn another_place_of_the_bucket_makes_no_repository_missing() {
    let lab = Lab::new();
    lab.registry.push_image("image", "1.0", true, &[b"layer"]).unwrap();
    let section = lab.section("").replace(ROOT, "registries/other");
    let installation =
        Installation::with(Database::Sqlite, &format!("[verification]\ngive_up_after = \"1s\"\n{section}"));
    let line = r#"{"record_identifier":1,"storage":"bucket","path":"image"}"#.to_owned();
    installation.import("container_repositories", &[line]).success();
    let verified = installation.run(&["verify", "--json"]);
    assert_eq!(verified.code, 2, "{verified:?}");
    let place = format!("s3://{}/registries/other/docker/registry/v2/repositories", ObjectServer::BUCKET);
    assert!(verified.stdout.contains(&format!("{place}: No such folder")), "{verified:?}");
    let scanned = scan(&installation);
    assert!(scanned.code == 2 && scanned.stderr.contains("Storage bucket is empty"), "{scanned:?}");
}

#[test]
fn the_metadata_database_of_a_registry_in_a_bucket_has_its_tags() {
    let lab = Lab::new();
    let database = RegistryDatabase::new().unwrap();
    database.add_repository(1, "group/image").unwrap();
    let repository = lab.push("group/image".to_owned(), Fault::LayerGone);
    let manifest = &repository.image.manifest;
    let payload = lab.server.get(&data(manifest)).unwrap();
    database.add_manifest(1, Some("1.0"), manifest, &payload).unwrap();
    lab.server.put(&format!("{ROOT}/docker/registry/lockfiles/database-in-use"), b"1", &[]).unwrap();
    // What the bucket says of tags is out of date.
    lab.server
        .put(&format!("{V2}/repositories/group/image/_manifests/tags/old/current/link"), b"sha256:0", &[])
        .unwrap();
    let section = lab.section(&format!("database_url = \"{}\"", database.url()));
    let installation = Installation::with(Database::Sqlite, &section);
    assert!(scan(&installation).success().starts_with("found 1, new 1, gone 0, skipped 0\n"));
    installation.run(&["verify"]).success();
    let (kind, text) = repository.plant(&lab.server).unwrap();
    assert_eq!(installation.run(&["verify", "--all"]).code, 1);
    let expected = json!({ "group/image": [kind, text] });
    assert_eq!(json!(failures(&installation)), expected);

    let without = Installation::with(
        Database::Sqlite,
        &format!("[verification]\ngive_up_after = \"1s\"\n{}", lab.section("")),
    );
    let scanned = scan(&without);
    assert!(scanned.code == 2 && scanned.stderr.contains("set database_url"), "{scanned:?}");
}

#[test]
fn what_nothing_in_a_bucket_refers_to_is_told() {
    let lab = Lab::new();
    let needed = lab.push("group/image".to_owned(), Fault::None);
    let registry = &lab.registry;
    let deleted = registry.push_image("group/other", "1.0", true, &[b"deleted", b"shared"]).unwrap();
    registry.delete_manifest("group/other", &deleted.manifest).unwrap();
    let untagged = registry.push_image("group/other", "2.0", true, &[b"untagged", b"shared"]).unwrap();
    registry.push_image("group/other", "2.0", true, &[b"shared"]).unwrap();
    let begun = registry.request("POST", "/v2/group/layers/blobs/uploads/", &[], &[]).unwrap();
    assert_eq!(begun.status, 202);
    let below = |key: &str| key.strip_prefix(&format!("{ROOT}/")).unwrap().to_owned();
    let size = |digest: &str| lab.server.get(&data(digest)).unwrap().len();
    let blob = |kind: &str, digest: &str| (below(&data(digest)), (kind.to_owned(), size(digest)));
    let mut expected = BTreeMap::from([
        blob("unreferenced_blob", &deleted.manifest),
        blob("unreferenced_blob", &deleted.config),
        blob("unreferenced_blob", &deleted.layers[0]),
        blob("blob_of_untagged_manifest", &untagged.layers[0]),
    ]);
    let (path, size) = (format!("group/other@{}", untagged.manifest), size(&untagged.manifest));
    expected.insert(path, ("untagged_manifest".to_owned(), size));

    let installation = Installation::with(Database::Sqlite, &lab.section(""));
    let young = installation.run(&["orphans"]).success();
    assert!(
        young.contains("too young to be judged\nIn 1 registry storage, nothing unreferenced was found.\n"),
        "{young}"
    );
    // After as long as an upload may take.
    let finished = installation.run_at("+2d", &["orphans", "--format", "json"]);
    let document = document("orphans", &finished);
    let mut found = BTreeMap::new();
    for piece in document["unreferenced"].as_array().unwrap() {
        let size = usize::try_from(piece["size"].as_u64().unwrap()).unwrap();
        let told = (piece["kind"].as_str().unwrap().to_owned(), size);
        assert_eq!(piece["storage"], "bucket");
        assert_eq!(found.insert(piece["path"].as_str().unwrap().to_owned(), told), None);
    }
    let uploads = found.iter().filter(|(_, (kind, _))| kind == "abandoned_upload").count();
    found.retain(|_, (kind, _)| kind != "abandoned_upload");
    assert_eq!((found, uploads), (expected, 1));
    let registry = &document["registries"][0];
    assert_eq!((&registry["problem"], &registry["skipped"]), (&Value::Null, &json!(0)));
    let bytes = deleted.size + size_of_all(&lab.server, &[&deleted.config, &deleted.layers[0]]);
    assert_eq!(
        registry["unreferenced"][0],
        json!({ "kind": "unreferenced_blob", "count": 3, "bytes": bytes })
    );
    let people = installation.run_at("+2d", &["orphans"]).success();
    let line = format!(
        "group/other@{}  (that no tag reaches; a client may still pull it by its digest)",
        untagged.manifest
    );
    assert!(people.contains(&line) && people.contains("\nbucket: 3 blobs, "), "{people}");
    let table = installation.run_at("+2d", &["orphans", "--format", "csv"]).success();
    assert!(
        table.contains(",untagged_manifest\n") && !table.contains(&below(&data(&needed.image.config))),
        "{table}"
    );

    // A manifest that is gone named nobody knows what.
    lab.server.delete(&data(&needed.image.manifest)).unwrap();
    let incomplete = installation.run_at("+2d", &["orphans"]);
    assert_eq!(incomplete.code, 1, "{incomplete:?}");
    assert!(incomplete.stdout.contains("blobs are not judged: ") && !incomplete.stdout.contains("/blobs/"));
}

fn size_of_all(server: &ObjectServer, digests: &[&str]) -> usize {
    digests.iter().map(|digest| server.get(&data(digest)).unwrap().len()).sum()
}
