//! Pages: of any size, after any key, and of changed rows only.

use stocktake_domain::ports::Source as _;
use stocktake_domain::{Model, RecordKey, Timestamp};
use stocktake_testbed::postgres;

use crate::support::{all, loaded, row, source};

#[tokio::test]
async fn pages_of_any_size_give_each_row_once_in_order() {
    let (url, fixture) = loaded();
    let source = source(&url);
    for model in [Model::CiJobArtifacts, Model::GroupWikiRepositories, Model::Uploads] {
        let expected: Vec<_> = fixture.of(model.name()).map(row).collect();
        for limit in [1, 2, 3, 7, 1000] {
            assert_eq!(all(&source, model, limit).await, expected, "{model} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_page_says_whether_there_is_more() {
    let (url, fixture) = loaded();
    let source = source(&url);
    let ids: Vec<i64> = fixture.of("projects").map(|record| record.id).collect();
    let first = source.page(Model::Projects, None, 2).await.unwrap();
    assert_eq!(first.read_to, Some(RecordKey::integer(ids[1])));
    let behind = source.page(Model::Projects, first.read_to, 1000).await.unwrap();
    assert_eq!((behind.rows.len(), behind.read_to), (ids.len() - 2, None));
    let last = RecordKey::integer(i64::MAX);
    let none = source.page(Model::Projects, Some(last), 5).await.unwrap();
    assert_eq!((none.rows, none.read_to), (Vec::new(), None));
    // Empty pages would never reach the end.
    assert_eq!(source.page(Model::Projects, None, 0).await.unwrap().rows.len(), 1);
    let composite = RecordKey::from_parts(vec![1, 100]).unwrap();
    assert!(source.page(Model::Projects, Some(composite), 5).await.is_err());
}

/// The ids of the rows that were changed since then, and the number of pages.
async fn changed(url: &str, model: Model, since: &str, limit: u32) -> (Vec<i64>, usize) {
    let (source, since) = (source(url), Timestamp::parse_rfc3339(since).unwrap());
    let (mut ids, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = source.changed(model, since, after.take(), limit).await.unwrap();
        pages += 1;
        ids.extend(page.rows.iter().filter_map(|row| row.key.as_integer()));
        match page.read_to {
            Some(key) => after = Some(key),
            None => return (ids, pages),
        }
    }
}

#[tokio::test]
async fn only_changed_rows_are_returned() {
    let (url, _) = loaded();
    let since = "2025-02-06T10:00:00Z";
    for (model, ids) in [
        (Model::Projects, &[1, 42][..]),
        (Model::ProjectsWikiRepositories, &[2]),
        (Model::DesignManagementRepositories, &[2]),
        (Model::DependencyProxyManifests, &[2]),
        (Model::TerraformStateVersions, &[]),
        (Model::SnippetRepositories, &[]),
        (Model::Uploads, &[]),
    ] {
        assert_eq!(changed(&url, model, since, 100).await, (ids.to_vec(), 1), "{model}");
    }
    assert_eq!(changed(&url, Model::SnippetRepositories, "2025-02-05T12:00:00Z", 100).await.0, [1]);
    let before = "2025-02-05T11:27:10Z";
    assert_eq!(changed(&url, Model::TerraformStateVersions, before, 100).await.0, [1, 2, 3, 4]);
}

/// A thousand more projects, every hundredth of which was pushed to later than the others; returns their ids.
fn push_to_some_of_many(url: &str) -> Vec<i64> {
    let many = "INSERT INTO projects (id, last_repository_updated_at) \
                SELECT n, timestamp '2025-01-01' + (n % 100 = 0)::int * interval '90 days' \
                FROM generate_series(1001, 2000) n; \
                INSERT INTO project_wiki_repositories (id, project_id, created_at) \
                SELECT n, n, now() FROM generate_series(1001, 2000) n";
    postgres().sql(url, many).unwrap();
    (1001..=2000).filter(|id| id % 100 == 0).collect()
}

const LATER: &str = "2025-03-01T00:00:00Z";

#[tokio::test]
async fn changes_are_searched_in_bounded_steps() {
    let (url, _) = loaded();
    let expected = push_to_some_of_many(&url);
    // A thousand rows and six or three, thirty at a time.
    for model in [Model::Projects, Model::ProjectsWikiRepositories] {
        assert_eq!(changed(&url, model, LATER, 3).await, (expected.clone(), 34), "{model}");
    }
    assert_eq!(changed(&url, Model::Projects, "2025-01-01T00:00:00Z", 7).await.0.len(), 1003);
}

#[tokio::test]
async fn an_index_on_the_time_finds_the_changed_rows() {
    let (url, _) = loaded();
    let expected = push_to_some_of_many(&url);
    postgres().sql(&url, "CREATE INDEX ON projects (last_repository_updated_at)").unwrap();
    // Ten rows, three at a time.
    for model in [Model::Projects, Model::ProjectsWikiRepositories] {
        assert_eq!(changed(&url, model, LATER, 3).await, (expected.clone(), 4), "{model}");
    }
    assert_eq!(changed(&url, Model::Projects, "2025-01-01T00:00:00Z", 7).await.0.len(), 1003);
}

#[tokio::test]
async fn changed_rows_have_the_time_of_the_change() {
    let (url, fixture) = loaded();
    let source = source(&url);
    for model in Model::ALL {
        let since = Timestamp::parse_rfc3339("2025-01-01T00:00:00Z").unwrap();
        let page = source.changed(model, since, None, 1000).await.unwrap();
        let expected: Vec<_> =
            fixture.of(model.name()).filter(|record| record.content_changed_at.is_some()).map(row).collect();
        assert_eq!(page.rows, expected, "{model}");
        for touched in page.rows {
            let again = source.changed(model, touched.content_changed_at.unwrap(), None, 1000).await.unwrap();
            assert!(again.rows.contains(&touched), "{model} {touched:?}");
        }
    }
}
