//! Rows of Git and container repositories.

use super::content::{Content, Images, Shape};
use super::record::{CREATED, GitlabRecord, PLANNER, hashed};

/// When projects were last pushed to.
const PUSHED_TO_2: Option<&str> = Some("2025-02-05T10:00:00Z");
const PUSHED_TO_42: Option<&str> = Some("2025-02-07T10:00:00Z");

const NO_ROUTE: &str = "the project 5 has no full path (no row in routes)";

pub(super) fn records() -> Vec<GitlabRecord> {
    [projects(), wikis(), designs(), group_wikis(), snippets(), containers()].concat()
}

/// A project: where its storage and layout are, and when it was pushed to.
pub(super) fn project(id: i64, storage: &str, version: &str, pushed: Option<&'static str>) -> GitlabRecord {
    let columns = "created_at, import_url, repository_storage, storage_version, last_repository_updated_at";
    let time = pushed.map_or("NULL".to_owned(), |time| format!("'{time}'"));
    let values = format!("{CREATED}, 'https://secret@host', '{storage}', {version}, {time}");
    GitlabRecord::new("projects", id, "projects", columns, &values).touched(pushed)
}

fn projects() -> Vec<GitlabRecord> {
    let checksum = "e0c8b55c106d3f9a338da2daf8d5b939ea4ac2";
    let recorded = "INSERT INTO project_repositories (shard_id, disk_path, project_id, object_format) \
                    VALUES (1, 'old/recorded', 4, 1)";
    vec![
        project(1, "default", "2", Some("2025-02-06T10:00:00Z"))
            .with("UPDATE projects SET pool_repository_id = 1 WHERE id = 1")
            .at("git-default", format!("@hashed/{}.git", hashed(1)))
            .git(Shape::Pooled)
            .of(PLANNER)
            .state("project_states", "project_id", 2, checksum)
            .source_checksum(checksum),
        project(2, "second", "1", PUSHED_TO_2)
            .at("git-second", format!("@hashed/{}.git", hashed(2)))
            .git(Shape::Reftable)
            .of("flights/tower/lights"),
        // Legacy: under the full path; where that is gone, where GitLab last put it.
        project(4, "default", "0", None)
            .with(recorded)
            .at("git-default", "old/recorded.git")
            .git(Shape::Sha256),
        project(5, "default", "NULL", None).at("git-default", "-").lost(NO_ROUTE),
        project(6, "ghost", "2", None)
            .at("-", format!("@hashed/{}.git", hashed(6)))
            .lost(r#"the Git storage "ghost" is not configured"#),
        project(42, "default", "NULL", PUSHED_TO_42)
            .at("git-default", "old/legacy.git")
            .git(Shape::Packed)
            .of("old/legacy"),
    ]
}

/// A repository beside that of a project.
pub(super) fn beside(model: &'static str, table: &str, id: i64, project: i64) -> GitlabRecord {
    GitlabRecord::new(model, id, table, "project_id, created_at", &format!("{project}, {CREATED}"))
}

/// Such repositories of projects of both layouts and of one that is gone.
fn all_beside(model: &'static str, table: &str, suffix: &str, second: Shape) -> Vec<GitlabRecord> {
    let row = |id: i64, project: i64| beside(model, table, id, project);
    vec![
        row(1, 2)
            .at("git-second", format!("@hashed/{}{suffix}.git", hashed(2)))
            .git(Shape::Loose)
            .of("flights/tower/lights")
            .touched(PUSHED_TO_2),
        row(2, 42)
            .at("git-default", format!("old/legacy{suffix}.git"))
            .git(second)
            .of("old/legacy")
            .touched(PUSHED_TO_42),
        row(3, 9).lost("the project 9 that it belongs to is missing"),
    ]
}

/// The model of wikis, and its table.
pub(super) const WIKIS: (&str, &str) = ("projects_wiki_repositories", "project_wiki_repositories");

/// The model of designs, and its table.
pub(super) const DESIGNS: (&str, &str) = ("design_management_repositories", "design_management_repositories");

fn wikis() -> Vec<GitlabRecord> {
    all_beside(WIKIS.0, WIKIS.1, ".wiki", Shape::Packed)
}

fn designs() -> Vec<GitlabRecord> {
    all_beside(DESIGNS.0, DESIGNS.1, ".design", Shape::Empty)
}

/// The wiki of a group: its shard and the path that it is recorded under.
pub(super) fn group_wiki(id: i64, shard: i64, disk: &str) -> GitlabRecord {
    let values = format!("{shard}, '{disk}'");
    let table = "group_wiki_repositories";
    GitlabRecord::new(table, id, table, "shard_id, disk_path", &values).undated()
}

/// The path under which a group's repositories are recorded.
pub(super) fn group_path(id: u32) -> String {
    format!("@groups/{}", hashed(id))
}

fn group_wikis() -> Vec<GitlabRecord> {
    let row = |id: i64, shard: i64, disk: &str| group_wiki(id, shard, disk).git(Shape::Loose);
    let disk = group_path;
    vec![
        row(7, 1, &disk(7)).at("git-default", format!("{}.wiki.git", disk(7))).of("flights"),
        row(8, 2, &disk(8)).at("git-second", format!("{}.wiki.git", disk(8))).of("flights/tower"),
        row(9, 3, &disk(9))
            .at("-", format!("{}.wiki.git", disk(9)))
            .lost("the shard 3 that it lies in is missing"),
    ]
}

/// The repository of a snippet: its shard and its path.
pub(super) fn snippet(id: i64, shard: &str, disk: &str) -> GitlabRecord {
    let values = format!("{shard}, '{disk}'");
    let table = "snippet_repositories";
    GitlabRecord::new(table, id, table, "shard_id, disk_path", &values).undated()
}

/// The path of a snippet's repository.
pub(super) fn snippet_path(id: u32) -> String {
    format!("@snippets/{}", hashed(id))
}

fn snippets() -> Vec<GitlabRecord> {
    let disk = snippet_path;
    let zeros = "0".repeat(40);
    vec![
        snippet(1, "1", &disk(1))
            .at("git-default", format!("{}.git", disk(1)))
            .git(Shape::Empty)
            .state("snippet_repository_states", "snippet_repository_id", 2, &zeros)
            .source_checksum(&zeros)
            .touched(Some("2025-02-06T00:00:00Z"))
            .older(|record| record.source_checksum = Some("0d".repeat(20))),
        snippet(2, "2", &disk(2))
            .at("git-second", format!("{}.git", disk(2)))
            .git(Shape::Loose)
            .of(PLANNER)
            .touched(Some("2025-02-05T00:00:00Z")),
        snippet(3, "NULL", &disk(3)).at("-", format!("{}.git", disk(3))).lost("its shard_id is empty"),
    ]
}

/// A container repository.
pub(super) fn container(id: i64, project: i64, name: &str, status: &str) -> GitlabRecord {
    let columns = "project_id, name, created_at, status";
    let values = format!("{project}, '{name}', {CREATED}, {status}");
    GitlabRecord::new("container_repositories", id, "container_repositories", columns, &values)
}

fn containers() -> Vec<GitlabRecord> {
    let plain = Content::Images(Images::Plain);
    vec![
        container(1, 1, "", "NULL").at("registry", "flights/planner").of(PLANNER).holds(plain.clone()),
        container(2, 1, "Tools/Build", "2")
            .at("registry", "flights/planner/tools/build")
            .of(PLANNER)
            .holds(plain),
        container(3, 9, "image", "NULL")
            .at("registry", "-")
            .lost("the project 9 that it belongs to is missing or has no full path (no row in routes)"),
    ]
}
