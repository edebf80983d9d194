//! The world is what its rows say, and the same each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sha1::{Digest as _, Sha1};
use tempfile::TempDir;

use super::places::Site;
use super::*;
use crate::gitlab::packages::md5;
use crate::s3::S3Server;
use crate::{GitRepository, postgres};

fn written() -> (TempDir, String, GitlabWorld) {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres().create_database().unwrap();
    let world = GitlabWorld::write(folder.path(), &url).unwrap();
    (folder, url, world)
}

/// The file or folder of what lies there, be it in a bucket.
fn file(folder: &Path, storage: &str, path: &str) -> PathBuf {
    match places::site(storage).unwrap() {
        Site::Folder(below) => folder.join(below).join(path),
        Site::Bucket(bucket) => S3Server::start(&folder.join(places::OBJECTS)).unwrap().path(bucket, path),
    }
}

fn is_git(record: &GitlabRecord) -> bool {
    record.storage.starts_with("git-")
}

/// The digest and the size that were recorded of content that is stored as these bytes.
fn recorded(record: &GitlabRecord, stored: &[u8], algorithm: &str) -> (String, usize) {
    let rule = record.rule.as_deref().unwrap_or_default();
    let mut bytes = stored.to_vec();
    match rule.split(':').next().unwrap() {
        // The vector's plaintext.
        "secure_file" => bytes = b"hello".to_vec(),
        "portable_pdb" => bytes[32..52].fill(0),
        _ => {}
    }
    let overhead = if rule.starts_with("pipeline_artifact") { 28 } else { 0 };
    let digest = match algorithm {
        "sha1" => hex::encode(Sha1::digest(&bytes)),
        "md5" => md5(&bytes),
        _ => sha256(&bytes),
    };
    (digest, stored.len() - overhead)
}

#[test]
fn files_and_objects_are_what_their_rows_say() {
    let (folder, _, world) = written();
    let mut seen = BTreeSet::new();
    for record in &world.records {
        let name = format!("{} {}", record.model, record.id);
        let placed = record.storage != "-" && record.path != "-";
        if is_git(record) || record.storage == "registry" || !placed || record.disabled {
            continue;
        }
        let stored = fs::read(file(folder.path(), &record.storage, &record.path));
        if matches!(&record.outcome, GitlabOutcome::Failed { kind: "missing", .. }) {
            assert!(stored.is_err(), "{name}");
            continue;
        }
        let stored = stored.unwrap();
        let (algorithm, expected) = record.expected.as_deref().unwrap_or("sha256:").split_once(':').unwrap();
        let (digest, size) = recorded(record, &stored, algorithm);
        let same_digest = expected.is_empty() || digest == expected;
        let same_size = record.file_size.is_none_or(|bytes| usize::try_from(bytes).unwrap() == size);
        match &record.outcome {
            GitlabOutcome::Failed { kind: "altered", text } => {
                assert!(!same_digest || !same_size, "{name}");
                assert!(text.contains(&digest) || text.ends_with(&format!("found {size}")), "{text}");
            }
            GitlabOutcome::Succeeded => {
                assert!(same_digest && same_size, "{name}");
                assert_eq!(record.checksum, Some(sha256(&stored)), "{name}");
                let length = record.rule.as_deref().and_then(|rule| rule.strip_prefix("length:"));
                assert!(length.is_none_or(|length| length == stored.len().to_string()), "{name}");
                seen.insert(record.storage.as_str());
            }
            _ => {}
        }
    }
    // All nine folders, all buckets and `public`.
    assert_eq!(seen.len(), 18, "{seen:?}");
}

#[test]
fn repositories_are_whole_but_for_the_broken_one() {
    let (folder, _, world) = written();
    let mut whole = 0;
    for record in world.records.iter().filter(|record| is_git(record)) {
        let path = file(folder.path(), &record.storage, &record.path);
        let name = format!("{} {}", record.model, record.id);
        let placed = record.path != "-";
        match &record.outcome {
            GitlabOutcome::Succeeded if path.is_dir() => {
                GitRepository::at(&path).git(&["fsck", "--full", "--strict"]).expect(&name);
                whole += 1;
            }
            GitlabOutcome::Succeeded => assert!(record.id == 101 || record.id == 10, "{name}"),
            GitlabOutcome::Failed { kind: "unreadable", .. } => {
                GitRepository::at(&path).show_ref().expect_err(&name);
                GitRepository::at(&path).git(&["fsck"]).expect_err(&name);
            }
            _ => assert!(!placed || !path.exists(), "{name}"),
        }
    }
    assert_eq!(whole, 14);
    let pooled = file(folder.path(), "git-default", &world.of("projects").next().unwrap().path);
    let alternates = GitRepository::at(&pooled).git(&["count-objects", "-v"]).unwrap();
    assert!(alternates.contains("alternate: "), "{alternates}");
}

#[test]
fn gitlabs_own_checksums_are_in_the_database() {
    let (_folder, url, world) = written();
    let project = world.of("projects").next().unwrap();
    let shown = project.source_checksum.clone().unwrap();
    let stored =
        "SELECT convert_from(verification_checksum, 'UTF8') FROM project_states WHERE project_id = 1";
    assert_eq!(postgres().sql(&url, stored).unwrap(), shown);
    assert!(shown.len() <= 38, "{shown}");
    for (model, table, _) in repositories::STATES {
        let states = postgres().sql(&url, &format!("SELECT count(*) FROM {table}")).unwrap();
        let known = world.of(model).filter(|record| record.source_checksum.is_some());
        assert_eq!(states, known.count().to_string(), "{table}");
    }
    let mismatched: Vec<_> =
        world.records.iter().filter(|record| record.matches_source == Some(false)).collect();
    let mismatched: Vec<_> = mismatched.iter().map(|record| (record.model, record.id)).collect();
    assert_eq!(mismatched, [("ci_job_artifacts", 103), ("lfs_objects", 103), ("projects", 104)]);
    assert!(world.records.iter().filter(|record| record.matches_source == Some(true)).count() > 20);
}

#[test]
fn each_fault_is_planted_once() {
    let (folder, _, world) = written();
    let mut failures: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in &world.records {
        if let GitlabOutcome::Failed { kind, text } = &record.outcome {
            assert!(text.starts_with("Error during verification: ") && !text.contains(AT), "{text}");
            assert!(text.chars().count() <= MAX_FAILURE_CHARS);
            assert_eq!((record.matches_source, &record.checksum), (None, &None));
            failures.entry(*kind).or_default().push((record.model, record.id));
        }
    }
    let kinds = |kind| failures.get(kind).cloned().unwrap_or_default();
    assert_eq!(
        kinds("missing"),
        [("lfs_objects", 101), ("lfs_objects", 102), ("projects", 101), ("snippet_repositories", 101)]
    );
    assert_eq!(
        kinds("altered"),
        [
            ("ci_job_artifacts", 101),
            ("ci_job_artifacts", 102),
            ("container_repositories", 102),
            ("packages_package_files", 101),
            ("packages_package_files", 102)
        ]
    );
    assert_eq!(kinds("unreadable"), [("projects", 102), ("terraform_state_versions", 101)]);
    let unresolved = world.records.iter().filter(|record| record.rule.as_deref().is_some_and(is_unresolved));
    assert_eq!(kinds("invalid").len(), unresolved.count());
    assert!(kinds("invalid").contains(&("merge_request_diffs", 2)));
    let gone = world.of("lfs_objects").find(|record| record.id == 101).unwrap();
    let GitlabOutcome::Failed { text, .. } = &gone.outcome else { panic!("{gone:?}") };
    assert!(text.ends_with(&folder.path().join("shared/lfs-objects").join(&gone.path).display().to_string()));
}

fn is_unresolved(rule: &str) -> bool {
    rule.starts_with("unresolved:")
}

#[test]
fn a_place_too_long_for_the_text_keeps_its_end() {
    let text = format!("missing: {AT}!");
    assert_eq!(naming(&text, "/a/b"), "missing: /a/b!");
    let long = naming(&text, &format!("/{}/the-end", "x".repeat(300)));
    assert_eq!(long.chars().count(), MAX_FAILURE_CHARS);
    assert!(long.starts_with("missing: xxx") && long.ends_with("/the-end!"), "{long}");
}

#[test]
fn orphans_and_what_is_no_orphan_are_there() {
    let (folder, _, world) = written();
    let fixture_names = ["artifacts", "lfs", "packages", "pages", "public", "uploads"]
        .map(|place| [format!("{place}-disk"), format!("{place}-bucket")])
        .concat();
    let fixture_names =
        [fixture_names, ["git-default", "git-second", "registry"].map(str::to_owned).to_vec()];
    let names: BTreeMap<_, _> =
        fixture_names.concat().into_iter().map(|name| (places::program_name(&name), name)).collect();
    assert_eq!(world.orphans.len(), 12);
    assert!(world.orphans.is_sorted());
    for GitlabOrphan { storage, path, size } in &world.orphans {
        let storage = &names[storage];
        let claimed = world.records.iter().any(|record| &record.storage == storage && &record.path == path);
        assert!(!claimed, "{storage} {path}");
        if storage == "registry" {
            continue;
        }
        let found = file(folder.path(), storage, path);
        let metadata = fs::metadata(&found).unwrap();
        assert!(metadata.is_dir() || Some(metadata.len()) == *size, "{path}");
        assert!(size.unwrap() > 0);
    }
    for (storage, path, content) in orphans::claimed_files() {
        assert_eq!(fs::read_to_string(file(folder.path(), storage, &path)).unwrap(), content);
    }
    for path in orphans::claimed_repositories().into_iter().chain([repositories::pool_path()]) {
        assert!(file(folder.path(), "git-default", &path).join("HEAD").is_file());
    }
}

/// All files below a folder, with their content; but for those whose names git makes up by chance.
fn tree(folder: &Path, below: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() && entry.file_name() != "reftable" {
            files.extend(tree(folder, &path));
        } else if entry.file_type().unwrap().is_file() {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
    files
}

#[test]
fn it_is_the_same_each_time_and_small() {
    let worlds = [written(), written()];
    let shown = |(folder, _, world): &(TempDir, String, GitlabWorld)| {
        let own = folder.path().display().to_string();
        format!("{:#?}{:#?}", world.records, world.orphans).replace(&own, "FOLDER")
    };
    assert_eq!(shown(&worlds[0]), shown(&worlds[1]));
    let [one, other] = worlds.map(|(folder, ..)| tree(folder.path(), "."));
    assert!(one.keys().eq(other.keys()));
    assert!(one == other);
    assert!(one.values().map(Vec::len).sum::<usize>() < 500_000);
}

#[test]
fn its_configuration_names_all_places() {
    let (folder, _, world) = written();
    let served = world.serve().unwrap();
    let (ruby, yaml) =
        (fs::read_to_string(&served.gitlab_rb).unwrap(), fs::read_to_string(&served.gitlab_yml).unwrap());
    let public = folder.path().join(places::PUBLIC).display().to_string();
    for (text, quote) in [(&ruby, '\''), (&yaml, '"')] {
        let endpoint = served.s3.endpoint();
        assert!(text.contains(&format!("{quote}{endpoint}{quote}")), "{text}");
        assert!(text.contains(&format!("{quote}{public}{quote}")), "{text}");
        let git = places::GITALY.map(|(_, below)| below);
        let folders =
            places::PLACES.iter().map(|place| place.folder).filter(|below| *below != places::UPLOADS);
        for below in folders.chain(git).chain([places::REGISTRY]) {
            let path = folder.path().join(below);
            assert!(path.is_dir());
            assert!(text.contains(&format!("{quote}{}{quote}", path.display())), "{below}");
        }
        for bucket in places::PLACES.iter().filter_map(|place| place.bucket) {
            assert!(text.contains(bucket));
        }
    }
    // Uploads lie below `public` as well.
    assert!(ruby.contains(&folder.path().join(places::UPLOADS).display().to_string()));
    assert!(folder.path().join("public/uploads/-/system/user/avatar/1/me.png").is_file());
    let secrets = fs::read_to_string(served.secrets).unwrap();
    assert!(secrets.contains(&world.db_key_base));
}
