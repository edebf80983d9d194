//! What GitLab's own page for the verification of data can do, and what it lacks, each with the name of what is better here.

use stocktake_domain::ports::Jobs as _;
use stocktake_domain::{Failure, JobState, Model, Record, State};

use crate::support::{ADMIN, Answer, Site, World, altered, at, failed, record};

/// Three records: one that waits, one altered, one missing.
async fn site() -> Site {
    let created_at = Some(at("2025-02-05T11:27:10Z"));
    let owner = Some("acme/website".to_owned());
    let lost = failed(Model::Uploads, 3, "lost/c.bin", Failure::missing_file("/srv/data/lost/c.bin"));
    let records = [
        record(Model::Uploads, 1, "a.bin"),
        Record { created_at, owner, ..altered(Model::Uploads, 2) },
        lost,
        record(Model::LfsObjects, 4, "d"),
    ];
    World::new().await.with(records).open()
}

async fn page(uri: &str) -> Answer {
    let site = site().await;
    let answer = site.signed_in(ADMIN).await.get(uri).await;
    assert_eq!(answer.status, 200, "{uri}");
    answer
}

/// The identifiers in the table, from above.
fn identifiers(page: &Answer) -> Vec<&str> {
    let rows = page.body().split("<a href=\"/console/models/uploads/").skip(1);
    rows.map(|row| row.split('"').next().unwrap()).collect()
}

#[actix_web::test]
async fn all_data_types_are_on_one_page_and_each_has_its_own() {
    let overview = page("/console").await;
    overview.says("<a href=\"/console/models/uploads\">uploads</a>");
    overview.says("<a href=\"/console/models/lfs_objects\">lfs_objects</a>");
    for model in Model::ALL {
        page(&format!("/console/models/{model}")).await.says(&format!("<title>{model} · Stocktake</title>"));
    }
}

#[actix_web::test]
async fn records_are_found_by_one_identifier_or_several() {
    assert_eq!(identifiers(&page("/console/models/uploads?identifiers=3").await), ["3"]);
    assert_eq!(identifiers(&page("/console/models/uploads?identifiers=1,3,99").await), ["1", "3"]);
}

#[actix_web::test]
async fn records_are_filtered_by_every_state() {
    for state in State::ALL {
        let expected: &[&str] = match state {
            State::Pending => &["1"],
            State::Failed => &["2", "3"],
            _ => &[],
        };
        let listed = page(&format!("/console/models/uploads?state={state}")).await;
        assert_eq!(identifiers(&listed), expected, "{state}");
    }
}

#[actix_web::test]
async fn records_are_sorted_by_identifier_both_ways() {
    assert_eq!(identifiers(&page("/console/models/uploads").await), ["1", "2", "3"]);
    assert_eq!(identifiers(&page("/console/models/uploads?sort=desc").await), ["3", "2", "1"]);
}

#[actix_web::test]
async fn a_row_names_its_record_and_leads_to_it() {
    page("/console/models/uploads").await.says("<a href=\"/console/models/uploads/2\">2</a>");
    page("/console/models/uploads/2").await.says("<h1>uploads 2</h1>");
}

#[actix_web::test]
async fn a_row_has_the_size_with_its_bytes_on_hover() {
    let size = "<data value=\"48213772\" title=\"48,213,772 bytes\">48.2 MB</data>";
    page("/console/models/uploads").await.says(size);
}

#[actix_web::test]
async fn ages_stand_beside_the_exact_time() {
    let rows = page("/console/models/uploads").await;
    rows.says("title=\"2026-11-25 22:41:07 UTC\">3 h ago</time> <small>25 Nov 22:41</small>");
    page("/console/models/uploads/2").await.says("5 Feb 2025, 11:27:10 UTC");
}

#[actix_web::test]
async fn a_row_has_its_state_as_a_badge_with_a_word_and_a_shape() {
    let rows = page("/console/models/uploads").await;
    rows.says("<span class=\"state failed\"><svg class=\"i\" aria-hidden=\"true\"><use href=\"#failed\"></use></svg>Failed</span>");
    rows.says("<use href=\"#pending\"></use></svg>Pending</span>");
}

#[actix_web::test]
async fn a_row_says_what_failed_and_what_to_do() {
    let rows = page("/console/models/uploads?identifiers=3").await;
    rows.says_in_order(&["<p class=\"bad\">", "Missing", "</p>"]);
    rows.says("<th scope=\"col\" class=\"all\" role=\"columnheader\">What to do</th>");
    page("/console/models/uploads/3").await.says("/srv/data/lost/c.bin");
}

#[actix_web::test]
async fn the_next_retry_is_shown_from_what_is_there() {
    page("/console/models/uploads").await.says("title=\"2026-11-26 02:55:20 UTC\">in 52 min</time>");
    page("/console/models/uploads/2").await.says("4 failed since it was last good");
}

#[actix_web::test]
async fn a_record_has_a_button_that_reads_it_again() {
    let shown = page("/console/models/uploads/2").await;
    shown.says("action=\"/console/models/uploads/2/recalculate\"");
    shown.says("<button type=\"submit\" class=\"primary\">Recalculate</button>");
}

#[actix_web::test]
async fn reading_all_again_says_how_many_and_is_about_the_filter_on_screen_alone() {
    let world = World::new().await.with([record(Model::Uploads, 1, "a"), altered(Model::Uploads, 2)]);
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let listed = admin.get("/console/models/uploads?state=failed").await;
    listed.says("<button type=\"submit\">Recalculate 1 record</button>");
    admin.act("/console/models/uploads/recalculate", &[("state", "failed")]).await;
    assert_eq!(store.advance(9).await.unwrap().unwrap().marked, 1);
}

#[actix_web::test]
async fn pages_are_turned_by_place_and_not_by_number() {
    let records = (1..=51).map(|key| record(Model::Uploads, key, "a"));
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    admin.get("/console/models/uploads").await.says("href=\"/console/models/uploads?after=50\"");
    assert_eq!(identifiers(&admin.get("/console/models/uploads?after=50").await), ["51"]);
}

#[actix_web::test]
async fn totals_are_there_of_all_of_a_data_type_and_of_what_matches() {
    let overview = page("/console").await;
    overview.says("<span data-live=\"verdict\">2 records need attention</span>");
    page("/console/models/uploads").await.says("3 records.");
    page("/console/models/uploads?state=failed").await.says("2 of 3 records match.");
}

#[actix_web::test]
async fn a_row_has_path_and_storage_and_can_be_found_by_them() {
    let rows = page("/console/models/uploads?text=lost%2F&storage=main").await;
    assert_eq!(identifiers(&rows), ["3"]);
    rows.says("<code class=\"path\"><span>lost/</span>c.bin</code>");
    rows.says("in main");
}

#[actix_web::test]
async fn a_row_has_its_owner_and_can_be_found_by_it() {
    let rows = page("/console/models/uploads?owner=acme").await;
    assert_eq!(identifiers(&rows), ["2"]);
    rows.says("acme/website");
}

#[actix_web::test]
async fn the_progress_of_a_job_is_shown_and_it_can_be_cancelled() {
    let world = World::new().await.with((1..=3).map(|key| record(Model::Uploads, key, "a")));
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    admin.act("/console/models/uploads/recalculate", &[("state", "pending")]).await;
    let job = store.advance(2).await.unwrap().unwrap();
    admin.get("/console").await.says("2 marked");
    let jobs = admin.get("/console/jobs").await;
    jobs.says_in_order(&["Running", "data-l=\"Marked so far\" role=\"cell\">2<"]);
    admin.act(&format!("/console/jobs/{}/cancel", job.id.0), &[]).await;
    assert_eq!(store.get(job.id).await.unwrap().unwrap().state, JobState::Cancelled);
}

#[actix_web::test]
async fn what_was_last_good_and_what_was_found_are_compared() {
    let shown = page("/console/models/uploads/2").await;
    shown.says_in_order(&["Recorded when stored", "Differs", "Last good", "Found", "Shown by the API"]);
}
