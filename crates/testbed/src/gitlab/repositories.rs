//! Rows of Git and container repositories.

use super::record::{CREATED, GitlabRecord, hashed};

const NO_ROUTE: &str = "the project 5 has no full path (no row in routes)";

pub(super) fn records() -> Vec<GitlabRecord> {
    [projects(), wikis(), designs(), group_wikis(), snippets(), containers()].concat()
}

fn projects() -> Vec<GitlabRecord> {
    let row = |id: i64, storage: &str, version: &str, pushed: &str| {
        let columns =
            "created_at, import_url, repository_storage, storage_version, last_repository_updated_at";
        let values = format!("{CREATED}, 'https://secret@host', '{storage}', {version}, {pushed}");
        GitlabRecord::new("projects", id, "projects", columns, &values)
    };
    let checksum = "e0c8b55c106d3f9a338da2daf8d5b939ea4ac2";
    vec![
        row(1, "default", "2", "'2025-02-06 10:00'")
            .at("git-default", format!("@hashed/{}.git", hashed(1)))
            .of("flights/Planner")
            .state("project_states", "project_id", 2, checksum)
            .elsewhere(checksum),
        row(2, "second", "1", "'2025-02-05 10:00'")
            .at("git-second", format!("@hashed/{}.git", hashed(2)))
            .of("flights/tower/lights"),
        // Legacy: under the full path; where that is gone, where GitLab last put it.
        row(4, "default", "0", "NULL")
            .with("INSERT INTO project_repositories (shard_id, disk_path, project_id) VALUES (1, 'old/recorded', 4)")
            .at("git-default", "old/recorded.git"),
        row(5, "default", "NULL", "NULL").at("git-default", "-").lost(NO_ROUTE),
        row(6, "ghost", "2", "NULL")
            .at("-", format!("@hashed/{}.git", hashed(6)))
            .lost(r#"the Git storage "ghost" is not configured"#),
        row(42, "default", "NULL", "'2025-02-07 10:00'")
            .at("git-default", "old/legacy.git")
            .of("old/legacy"),
    ]
}

/// A repository beside that of a project, for projects of both layouts and for one that is gone.
fn beside(model: &'static str, table: &str, suffix: &str) -> Vec<GitlabRecord> {
    let row = |id: i64, project: i64| {
        GitlabRecord::new(model, id, table, "project_id, created_at", &format!("{project}, {CREATED}"))
    };
    vec![
        row(1, 2).at("git-second", format!("@hashed/{}{suffix}.git", hashed(2))).of("flights/tower/lights"),
        row(2, 42).at("git-default", format!("old/legacy{suffix}.git")).of("old/legacy"),
        row(3, 9).lost("the project 9 that it belongs to is missing"),
    ]
}

fn wikis() -> Vec<GitlabRecord> {
    beside("projects_wiki_repositories", "project_wiki_repositories", ".wiki")
}

fn designs() -> Vec<GitlabRecord> {
    beside("design_management_repositories", "design_management_repositories", ".design")
}

fn group_wikis() -> Vec<GitlabRecord> {
    let row = |id: i64, shard: i64, disk: &str| {
        let values = format!("{shard}, '{disk}'");
        GitlabRecord::new(
            "group_wiki_repositories",
            id,
            "group_wiki_repositories",
            "shard_id, disk_path",
            &values,
        )
        .undated()
    };
    let disk = |id: u32| format!("@groups/{}", hashed(id));
    vec![
        row(7, 1, &disk(7)).at("git-default", format!("{}.wiki.git", disk(7))).of("flights"),
        row(8, 2, &disk(8)).at("git-second", format!("{}.wiki.git", disk(8))).of("flights/tower"),
        row(9, 3, &disk(9))
            .at("-", format!("{}.wiki.git", disk(9)))
            .lost("the shard 3 that it lies in is missing"),
    ]
}

fn snippets() -> Vec<GitlabRecord> {
    let row = |id: i64, shard: &str, disk: &str| {
        let values = format!("{shard}, '{disk}'");
        GitlabRecord::new("snippet_repositories", id, "snippet_repositories", "shard_id, disk_path", &values)
            .undated()
    };
    let disk = |id: u32| format!("@snippets/{}", hashed(id));
    let zeros = "0".repeat(40);
    vec![
        row(1, "1", &disk(1))
            .at("git-default", format!("{}.git", disk(1)))
            .state("snippet_repository_states", "snippet_repository_id", 2, &zeros)
            .elsewhere(&zeros)
            .older(|record| record.elsewhere = Some("0d".repeat(20))),
        row(2, "2", &disk(2)).at("git-second", format!("{}.git", disk(2))).of("flights/Planner"),
        row(3, "NULL", &disk(3)).at("-", format!("{}.git", disk(3))).lost("its shard_id is empty"),
    ]
}

fn containers() -> Vec<GitlabRecord> {
    let row = |id: i64, project: i64, name: &str, status: &str| {
        let columns = "project_id, name, created_at, status";
        let values = format!("{project}, '{name}', {CREATED}, {status}");
        GitlabRecord::new("container_repositories", id, "container_repositories", columns, &values)
    };
    vec![
        row(1, 1, "", "NULL").at("registry", "flights/planner").of("flights/Planner"),
        row(2, 1, "Tools/Build", "2").at("registry", "flights/planner/tools/build").of("flights/Planner"),
        row(3, 9, "image", "NULL")
            .at("registry", "-")
            .lost("the project 9 that it belongs to is missing or has no full path (no row in routes)"),
    ]
}
