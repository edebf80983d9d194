//! Rows whose content has one fault each, or of which GitLab's own verification says something else.

use super::super::blobs::{self, LFS_STATES};
use super::super::ci::{self, ARTIFACT_STATES};
use super::super::content::{Content, Images, MISSING_OBJECT, Shape, sha256, shown_size};
use super::super::packages;
use super::super::record::{AT, CREATED, GitlabRecord, PLANNER, hashed};
use super::super::repositories::{self as git, DESIGNS, WIKIS};
use crate::sealing::{derived_key, seal};

/// What the repositories belong to.
pub(super) const OWNERS: &str = "
    INSERT INTO namespaces (id, path) VALUES (10, 'quiet');
    INSERT INTO routes (source_type, source_id, path) VALUES
        ('Namespace', 10, 'quiet'), ('Project', 101, 'faults/missing'), ('Project', 102, 'faults/broken'),
        ('Project', 103, 'faults/empty'), ('Project', 104, 'faults/mismatched');
";

/// The project of whose repository GitLab's verification says something else.
const DIFFERING_PROJECT: i64 = 104;

pub(super) fn records() -> anyhow::Result<Vec<GitlabRecord>> {
    let files = [missing_files(), altered_files(), differing_files(), vec![unreadable_state()?]].concat();
    Ok([files, repositories(), never_created(), containers()].concat())
}

/// Whether GitLab's own checksum of the record is wrong on purpose.
pub(super) fn has_other_checksum(record: &GitlabRecord) -> bool {
    record.model == "projects" && record.id == DIFFERING_PROJECT
}

/// Is nowhere.
fn missing(record: GitlabRecord) -> GitlabRecord {
    let text = format!("File is not checksummable - file does not exist at: {AT}");
    record.holds(Content::Nothing).fails("missing", &text)
}

/// Holds something else, which has another digest.
fn altered(record: GitlabRecord, found: &str, digest: fn(&str) -> String) -> GitlabRecord {
    let expected = record.expected.clone().unwrap_or_default().replace(':', " ");
    let text = format!("Checksum mismatch: expected {expected}, calculated {}", digest(found));
    record.bytes(found).fails("altered", &text)
}

/// What files and objects held when they were stored, and what the altered ones hold now.
const STORED: &str = "as it was stored";
const FOUND: &str = "as it was storeD";

fn artifact(id: i64, sha256: &str) -> GitlabRecord {
    let record = ci::artifact(id, 100, STORED, &format!("1, 'a.zip', 1, {sha256}, 2, NULL"));
    record.at("artifacts-disk", ci::artifact_path(id, "a.zip"))
}

fn altered_files() -> Vec<GitlabRecord> {
    let package = |id: i64, values: &str| packages::file(id, 5, STORED, packages::FILE, values);
    let (sha256, md5) = (sha256(STORED), packages::md5(STORED));
    let known = format!("sha256:{sha256}");
    let text_sha256 = |text: &str| super::sha256(text);
    vec![
        altered(artifact(101, &format!("'{sha256}'")).digest(known.as_str()), FOUND, text_sha256),
        // Only the size of this one is known.
        artifact(102, "NULL")
            .bytes(format!("{STORED}!"))
            .fails("altered", "Size mismatch: expected 16 bytes, found 17"),
        altered(
            package(101, &format!("1, 2, NULL, NULL, '{sha256}'"))
                .at("packages-bucket", packages::file_path(101))
                .digest(known),
            FOUND,
            text_sha256,
        ),
        altered(
            package(102, &format!("1, 1, '{md5}', NULL, NULL"))
                .at("packages-disk", packages::file_path(102))
                .digest(format!("md5:{md5}")),
            FOUND,
            |text| packages::md5(text),
        ),
    ]
}

/// As they were, whatever GitLab's own verification says.
fn differing_files() -> Vec<GitlabRecord> {
    let (digest, other) = (sha256(STORED), sha256(FOUND));
    let (object, _) = blobs::lfs_object(103, "an LFS object in a bucket", "2", CREATED);
    vec![
        artifact(103, &format!("'{digest}'"))
            .digest(format!("sha256:{digest}"))
            .state(ARTIFACT_STATES.0, ARTIFACT_STATES.1, 2, &other)
            .source_checksum(other),
        object.state(LFS_STATES.0, LFS_STATES.1, 2, &shown_size(123)).source_checksum(shown_size(123)),
    ]
}

fn missing_files() -> Vec<GitlabRecord> {
    let file = blobs::lfs_object(101, "an LFS object that is gone", "1", CREATED);
    let object = blobs::lfs_object(102, "an LFS object that left its bucket", "2", CREATED);
    vec![missing(file.0), missing(object.0)]
}

/// Encrypted with the secret of another instance.
fn unreadable_state() -> anyhow::Result<GitlabRecord> {
    let key = derived_key("db-key-base-of-another-gitlab", "1")?;
    let sealed = seal(key, 101, blobs::terraform_plain(101).as_bytes())?;
    Ok(blobs::terraform_version(101, 101, "1, 1, '101.tfstate', true")
        .with(&blobs::terraform_state(101, 1, true))
        .at("terraform_state-disk", format!("{}/uuid101/101.tfstate", hashed(1)))
        .rule("terraform_state:1")
        .bytes(sealed)
        .fails("unreadable", "cannot be decrypted"))
}

fn repositories() -> Vec<GitlabRecord> {
    let project = |number: u32| {
        let record = git::project(i64::from(number), "default", "2", None);
        record.at("git-default", format!("@hashed/{}.git", hashed(number)))
    };
    let other = "e0c8b55c106d3f9a338da2daf8d5b939ea4ac2";
    let snippet = git::snippet_path(101);
    let broken = format!("refs/heads/gone: its object {MISSING_OBJECT} is missing");
    vec![
        project(101).of("faults/missing").fails("missing", "Repository does not exist"),
        project(102).of("faults/broken").git(Shape::Broken).fails("unreadable", &broken),
        project(103).of("faults/empty").git(Shape::Empty),
        project(104)
            .of("faults/mismatched")
            .git(Shape::Loose)
            .state("project_states", "project_id", 2, other)
            .source_checksum(other),
        git::snippet(101, "1", &snippet)
            .at("git-default", format!("{snippet}.git"))
            .fails("missing", "Repository does not exist"),
    ]
}

/// Repositories that are made only when they are first used, and were not yet.
fn never_created() -> Vec<GitlabRecord> {
    let beside = |(model, table): (&'static str, &'static str), suffix: &str| {
        git::beside(model, table, 101, 103)
            .at("git-default", format!("@hashed/{}{suffix}.git", hashed(103)))
            .of("faults/empty")
    };
    let group = git::group_path(10);
    vec![
        beside(WIKIS, ".wiki"),
        beside(DESIGNS, ".design"),
        git::group_wiki(10, 1, &group).at("git-default", format!("{group}.wiki.git")).of("quiet"),
    ]
}

fn containers() -> Vec<GitlabRecord> {
    let altered = git::container(102, 1, "altered", "NULL")
        .at("registry", "flights/planner/altered")
        .of(PLANNER)
        .holds(Content::Images(Images::AlteredLayer))
        .fails("altered", &format!("layer {AT} of tag latest: "));
    // GitLab 18.9 itself sees no digest of an index.
    let index = git::container(101, 1, "multi", "NULL")
        .at("registry", "flights/planner/multi")
        .of(PLANNER)
        .holds(Content::Images(Images::Index));
    vec![index, altered]
}
