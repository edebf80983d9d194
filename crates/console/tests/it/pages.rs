//! What pages show.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use stocktake_console::ConfigurationValue;
use stocktake_domain::contract::MemoryStore;
use stocktake_domain::ports::{
    Beyond, Conditions as _, Counted, CountedTo, Jobs, MockCatalogue, ModelSummary, ModelSyncState,
    OrphanWalks, Page, PageStart, ScanLimit, SortOrder, SortedPage, SyncBatch, SyncState as _, WorkerId,
};
use stocktake_domain::{
    ConditionSubject, Failure, Location, Model, NewJob, Orphan, OrphanTotals, Record, RecordFilter,
    RecordKey, RegistryPiece, SearchedRegistry, Selection, State, StorageOutcome, Unreferenced,
    UnreferencedKind, UnreferencedTotals, WalkFindings, WalkedStorage, is_unsafe_to_show,
};

use crate::support::{ADMIN, World, altered, failed, record};

/// A path that would be markup, colour a terminal and turn the direction of writing, if it were let.
const HOSTILE: &str = "<script>alert(1)</script>/\u{1b}[31mred\u{202e}gpj.exe\"'&";

fn hostile(model: Model, key: i64) -> Record {
    let owner = Some("<img src=x onerror=alert(1)>\u{202e}".to_owned());
    Record { owner, ..failed(model, key, HOSTILE, Failure::unreadable(HOSTILE)) }
}

/// A walk that found what has this name, and a sync that could not read a data type and says this.
async fn with_hostile_findings(store: &MemoryStore) {
    let (runner, lasts) = (WorkerId("runner".to_owned()), Duration::from_secs(60));
    store.request(HOSTILE).await.unwrap();
    let walk = OrphanWalks::claim(store, &runner, lasts).await.unwrap().unwrap();
    let failed = Some(StorageOutcome::Failed(HOSTILE.to_owned()));
    let location = Location { storage: HOSTILE.to_owned(), path: HOSTILE.to_owned() };
    let piece = Unreferenced {
        kind: UnreferencedKind::Manifest,
        path: HOSTILE.to_owned(),
        size: 1,
        modified_at: None,
    };
    let findings = WalkFindings {
        storages: vec![WalkedStorage {
            storage: HOSTILE.to_owned(),
            outcome: failed.clone(),
            totals: OrphanTotals::default(),
        }],
        orphans: vec![Orphan { location, size: None, modified_at: None }],
        registries: vec![SearchedRegistry {
            storage: HOSTILE.to_owned(),
            outcome: failed,
            totals: UnreferencedTotals::default(),
        }],
        pieces: vec![RegistryPiece { storage: HOSTILE.to_owned(), piece }],
    };
    OrphanWalks::record(store, walk.id, &runner, lasts, &findings).await.unwrap();
    OrphanWalks::finish(store, walk.id, &runner, None).await.unwrap();
    store.acquire_leader_lease(&runner, lasts).await.unwrap();
    let state = ModelSyncState { problem: Some(HOSTILE.to_owned()), ..ModelSyncState::new(Model::Uploads) };
    store.apply(&runner, SyncBatch::default(), &state).await.unwrap().unwrap();
}

#[actix_web::test]
async fn what_comes_from_data_is_shown_and_does_nothing() {
    let mut world = World::new().await.with([hostile(Model::Uploads, 1)]);
    let storage = ConditionSubject::Storage("main".to_owned());
    world.store.report(&storage, "<b>host", HOSTILE).await.unwrap();
    with_hostile_findings(&world.store).await;
    let filter = RecordFilter { text: Some(HOSTILE.to_owned()), ..RecordFilter::default() };
    let (model, selection) = (Model::Uploads, Selection::filtered(filter));
    let job = NewJob { model, selection, requested_by: HOSTILE.to_owned() };
    Jobs::enqueue(&*world.store, &job).await.unwrap();
    world.settings.configuration = vec![ConfigurationValue {
        key: HOSTILE.to_owned(),
        value: HOSTILE.to_owned(),
        origin: HOSTILE.to_owned(),
    }];
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    for uri in [
        "/console",
        "/console/findings",
        "/console/findings?storage=main&kind=unreadable",
        "/console/models/uploads",
        "/console/models/uploads/1",
        "/console/jobs",
        "/console/sync",
        "/console/orphans",
        "/console/storages",
        "/console/settings",
    ] {
        let answer = admin.get(uri).await;
        assert_eq!(answer.status, 200, "{uri}");
        answer.says_not("<script>alert");
        answer.says_not("<img src=x");
        answer.says_not("<b>host");
        answer.says_not("\u{1b}");
        answer.says_not("\u{202e}");
        answer.says("&lt;script&gt;alert(1)&lt;/");
        answer.says("<span class=\"ctl\">U+001B</span>");
        answer.says("<span class=\"ctl\">U+202E</span>");
    }
}

#[actix_web::test]
async fn a_hostile_name_is_seen_wherever_names_are_shown() {
    let mut altered = altered(Model::Uploads, 1);
    HOSTILE.clone_into(&mut altered.location.storage);
    for records in [vec![altered], vec![]] {
        let mut world = World::new().await.with(records.clone());
        HOSTILE.clone_into(&mut world.settings.storages[0].name);
        HOSTILE.clone_into(&mut world.settings.host);
        let site = world.open();
        let admin = site.signed_in(ADMIN).await;
        let pages = ["/console", "/console/storages", "/console/settings", "/console/jobs"];
        let of_record =
            ["/console/findings", "/console/models/uploads", "/console/models/uploads/1"].map(str::to_owned);
        let of_record = of_record.into_iter().filter(|_| !records.is_empty());
        for uri in pages.map(str::to_owned).into_iter().chain(of_record) {
            let answer = admin.get(&uri).await;
            assert_eq!(answer.status, 200, "{uri}");
            let text = answer.text();
            assert!(text.contains("U+001B[31mredU+202Egpj.exe"), "{uri}: {text}");
            assert!(!text.contains(is_unsafe_to_show), "{uri}: {text}");
        }
    }
}

#[actix_web::test]
async fn what_is_in_an_address_is_shown_and_does_nothing() {
    let site = World::new().await.with([record(Model::Uploads, 1, "a")]).open();
    let admin = site.signed_in(ADMIN).await;
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%1B%E2%80%AE%22%27";
    for uri in [
        "/console/models/uploads?text=",
        "/console/models/uploads?owner=",
        "/console/models/uploads?storage=",
        "/console/models/uploads?state=",
        "/console/models/uploads?sort=",
        "/console/models/uploads?identifiers=",
        "/console/models/uploads?checked_after=",
        "/console/models/uploads/",
        "/console/models/",
        "/console/findings?storage=",
        "/console/findings?kind=",
        "/console/findings?model=",
        "/console/orphans?notice=",
        "/console/orphans?after_storage=a&after=",
        "/console/jobs?notice=",
        "/console/jobs?before=",
        "/console/login?to=",
        "/console/",
    ] {
        let answer = admin.get(&format!("{uri}{hostile}")).await;
        assert!([200, 303, 400, 404].contains(&answer.status), "{uri}: {}", answer.status);
        answer.says_not("<script>alert");
        answer.says_not("\"'");
    }
}

#[actix_web::test]
async fn the_overview_begins_with_the_verdict() {
    let site =
        World::new().await.with([altered(Model::Uploads, 1), record(Model::LfsObjects, 2, "a")]).open();
    let page = site.signed_in(ADMIN).await.get("/console").await;
    page.says("<span data-live=\"verdict\">1 record needs attention</span>");
    page.says("<title>1 record needs attention · Stocktake</title>");
    page.says("<a href=\"/console/models/lfs_objects\">lfs_objects</a>");
    page.says("48.2 MB");
}

#[actix_web::test]
async fn a_new_installation_says_what_to_do_next() {
    let site = World::new().await.open();
    let page = site.signed_in(ADMIN).await.get("/console").await;
    page.says("<h1>No records yet</h1>");
    page.says("scan uploads main");
    // What is to be copied has its lines.
    page.says("<code>[storages.main]&#10;kind = &quot;directory&quot;&#10;root = ");
    page.says_not("U+000A");
}

#[actix_web::test]
async fn a_storage_that_is_closed_is_said_on_every_page_about_its_records() {
    let world = World::new().await.with([altered(Model::Uploads, 1)]);
    let storage = ConditionSubject::Storage("main".to_owned());
    world.store.report(&storage, "files-1", "its root is an empty folder").await.unwrap();
    world.store.report(&ConditionSubject::Process, "files-2", "no file descriptors").await.unwrap();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    for uri in ["/console", "/console/findings", "/console/storages", "/console/models/uploads/1"] {
        let page = admin.get(uri).await;
        page.says("Storage main is closed");
        page.says("its root is an empty folder");
    }
    admin.get("/console").await.says("no file descriptors");
}

#[actix_web::test]
async fn pages_of_records_lead_on_and_back() {
    let records = (1..=120).map(|key| record(Model::Uploads, key, "a"));
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    let keys = |body: &str| body.matches("rowheader\"><a href=").count();
    let first = admin.get("/console/models/uploads").await;
    first.says("120 records.");
    assert_eq!(keys(first.body()), 50);
    first.says("rel=\"next\" href=\"/console/models/uploads?after=50\"");
    first.says_not("rel=\"prev\"");
    let last = admin.get("/console/models/uploads?after=100").await;
    assert_eq!(keys(last.body()), 20);
    last.says("rel=\"prev\" href=\"/console/models/uploads?before=101\"");
    last.says_not("rel=\"next\"");
    let down = admin.get("/console/models/uploads?sort=desc&after=71").await;
    down.says("href=\"/console/models/uploads/70\"");
    down.says("rel=\"prev\" href=\"/console/models/uploads?sort=desc&amp;before=70\"");
}

#[actix_web::test]
async fn records_are_sorted_by_last_check_size_and_first_failure_beside_every_filter() {
    let sized = |key: i64| Record {
        file_size: Some(u64::try_from(key % 3).unwrap() * 1_000),
        ..record(Model::Uploads, key, "a")
    };
    let mut records: Vec<Record> = (1..=60).map(sized).collect();
    records.push(altered(Model::Uploads, 61));
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    let largest = admin.get("/console/models/uploads?text=a&sort=size_desc").await;
    largest.says("Records, by size, largest first");
    // One is large, and a third each are of 2 kB, 1 kB and nothing.
    largest.says_in_order(&[
        "/uploads/61\"",
        "/uploads/59\"",
        "/uploads/56\"",
        "/uploads/58\"",
        "/uploads/55\"",
    ]);
    largest.says(
        "rel=\"next\" href=\"/console/models/uploads?text=a&amp;sort=size_desc&amp;after=36&amp;value=0\"",
    );
    let rest = admin.get("/console/models/uploads?text=a&sort=size_desc&after=36&value=0").await;
    rest.says("href=\"/console/models/uploads/33\"");
    rest.says(
        "rel=\"prev\" href=\"/console/models/uploads?text=a&amp;sort=size_desc&amp;before=33&amp;value=0\"",
    );
    let failing = admin.get("/console/models/uploads?sort=failing_asc").await;
    failing.says_in_order(&["/uploads/61\"", "Failing for", "/uploads/1\"", "/uploads/2\""]);
    failing.says("after=49\"");
    let checked = admin.get("/console/models/uploads?sort=checked_desc").await;
    checked.says_in_order(&["/uploads/61\"", "/uploads/60\"", "/uploads/59\""]);
    admin.get("/console/models/uploads?sort=name").await.says("is no order");
}

#[actix_web::test]
async fn records_that_cannot_be_sorted_are_shown_by_identifier_with_what_to_do() {
    let too_many = "More than 100,000 records match: narrow the filter to sort them by size.";
    let not_searched = "Only the first 100,000 records are looked at for this filter";
    for (found, note) in [(SortedPage::TooMany, too_many), (SortedPage::NotSearched, not_searched)] {
        let mut catalogue = MockCatalogue::new();
        catalogue.expect_sorted_page().returning(move |_| Ok(found.clone()));
        catalogue.expect_page().returning(|request| {
            assert_eq!((&request.start, request.order), (&PageStart::First, SortOrder::Ascending));
            let records = vec![record(Model::Uploads, 1, "a")];
            Ok(Page { records, next: Beyond::Matches, previous: Beyond::Nothing })
        });
        let least = Counted { matches: 10_000, to: CountedTo::MatchLimit };
        catalogue.expect_count().returning(move |_, _, _| Ok(least));
        catalogue.expect_storages().returning(|| Ok(Vec::new()));
        catalogue.expect_summary().returning(|| Ok(Vec::new()));
        let mut world = World::new().await;
        world.catalogue = Some(Arc::new(catalogue));
        let site = world.open();
        let admin = site.signed_in(ADMIN).await;
        // A place in the list that was sorted is none in this one.
        for place in ["", "&after=77&value=5"] {
            let page = admin.get(&format!("/console/models/uploads?text=a&sort=size_desc{place}")).await;
            page.says(note);
            page.says("Records, by identifier, smallest first");
            page.says(
                "rel=\"next\" href=\"/console/models/uploads?text=a&amp;sort=size_desc&amp;by=identifier&amp;after=1\"",
            );
        }
    }
}

#[actix_web::test]
async fn pages_by_identifier_stay_so_though_they_could_be_sorted_meanwhile() {
    let records = (1..=120).map(|key| record(Model::Uploads, key, "a"));
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/models/uploads?sort=size_desc&by=identifier&after=50").await;
    page.says_in_order(&["/uploads/51\"", "/uploads/52\"", "/uploads/100\""]);
    page.says("<a href=\"/console/models/uploads?sort=size_desc\">Sort by size</a>");
    page.says("rel=\"next\" href=\"/console/models/uploads?sort=size_desc&amp;by=identifier&amp;after=100\"");
    page.says("rel=\"prev\" href=\"/console/models/uploads?sort=size_desc&amp;by=identifier&amp;before=51\"");
}

#[actix_web::test]
async fn a_text_that_hardly_any_record_has_is_looked_for_piece_by_piece() {
    let mut catalogue = MockCatalogue::new();
    catalogue.expect_page().returning(|request| {
        assert_eq!(request.scan_at_most, ScanLimit::PAGE);
        let not_searched = |key| Beyond::NotSearched(RecordKey::integer(key));
        let found = vec![record(Model::Uploads, 7, "needle")];
        Ok(match &request.start {
            PageStart::First => {
                Page { records: found, next: not_searched(100_000), previous: Beyond::Nothing }
            }
            PageStart::After(_) => {
                Page { records: vec![], next: not_searched(200_000), previous: not_searched(9) }
            }
            PageStart::Before(key) if key.as_integer() == Some(9) => {
                Page { records: vec![], next: Beyond::Matches, previous: not_searched(3) }
            }
            _ => Page::default(),
        })
    });
    let counts = [(0, CountedTo::ScanLimit), (1_200, CountedTo::ScanLimit), (10_000, CountedTo::MatchLimit)];
    let mut counts = counts.into_iter().cycle();
    let count = move |_, _: &_, _| {
        let (matches, to) = counts.next().unwrap();
        Ok(Counted { matches, to })
    };
    catalogue.expect_count().returning(count);
    catalogue.expect_storages().returning(|| Ok(Vec::new()));
    let all = ModelSummary { states: vec![(State::Pending, 5_000_000)], ..ModelSummary::new(Model::Uploads) };
    catalogue.expect_summary().returning(move || Ok(vec![all.clone()]));
    let mut world = World::new().await;
    world.catalogue = Some(Arc::new(catalogue));
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let first = admin.get("/console/models/uploads?text=needle").await;
    first.says("At least 1 of 5,000,000 records matches, found among the first 100,000 looked at.");
    first.says("100,000 records were looked at, as far as identifier 100000. More may match behind it.");
    first.says("Recalculate at least 1 record…");
    first.says("rel=\"next\" href=\"/console/models/uploads?text=needle&amp;after=100000\">Look further</a>");
    first.says_not("rel=\"prev\"");
    let further = admin.get("/console/models/uploads?text=needle&after=100000").await;
    further.says("None of the first 100,000 looked at matches; there are 5,000,000 records.");
    further.says("Recalculate all matching records…");
    further.says("after=200000\">Look further</a>");
    further.says("before=9\">Look further back</a>");
    further.says_not("No record matches");
    let back = admin.get("/console/models/uploads?text=needle&before=9").await;
    back.says("At least 1,200 of 5,000,000 records match, found among the first 100,000 looked at.");
    back.says("100,000 records were looked at, as far as identifier 3. More may match before it.");
    back.says_not("No record matches");
    let failed = admin.get("/console/models/uploads?text=needle&state=failed&before=5").await;
    failed.says("At least 10,000 of 5,000,000 records match.");
    failed.says("No record matches.");
    let failed = admin.get("/console/models/uploads?text=needle&state=failed").await;
    failed.says("25,000 records were looked at, as far as identifier 100000.");
}

#[actix_web::test]
async fn findings_go_over_all_models_page_by_page_and_whole_in_a_file() {
    let mut records: Vec<Record> = (1..=101).map(|key| altered(Model::LfsObjects, key)).collect();
    records.extend([altered(Model::Uploads, 1), record(Model::Uploads, 2, "a")]);
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    let first = admin.get("/console/findings").await;
    first.says("102 failed records in 2 groups, over all data types.");
    first.says("href=\"/console/findings?after_model=lfs_objects&amp;after=100\"");
    let second = admin.get("/console/findings?after_model=lfs_objects&after=100").await;
    second.says("href=\"/console/models/lfs_objects/101\"");
    second.says("href=\"/console/models/uploads/1\"");
    second.says_not("href=\"/console/models/uploads/2\"");

    let csv = admin.get("/console/findings.csv").await;
    assert_eq!(csv.header("Content-Disposition"), Some("attachment; filename=\"findings.csv\""));
    assert_eq!((csv.body().lines().count(), csv.body().lines().last()), (103, Some("uploads,1")));
    assert_eq!(admin.get("/console/findings.csv?model=uploads").await.body(), "model,id\nuploads,1\n");
    assert_eq!(admin.get("/console/findings.json?model=uploads").await.body(), "[\n{\"id\":1}\n]\n");
    assert_eq!(admin.get("/console/findings.json?model=projects").await.body(), "[\n]\n");
}

#[actix_web::test]
async fn findings_of_one_kind_come_in_order_from_all_storages() {
    let in_attic = |key| {
        let mut record = altered(Model::Uploads, key);
        record.location.storage = "attic".to_owned();
        record
    };
    let missing = failed(Model::Uploads, 3, "a", Failure::missing_file("a"));
    let records = [altered(Model::Uploads, 1), in_attic(2), missing, altered(Model::Uploads, 4), in_attic(5)];
    let site = World::new().await.with(records).open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/findings?kind=altered").await;
    page.says_in_order(&["/uploads/1\"", "/uploads/2\"", "/uploads/4\"", "/uploads/5\""]);
    page.says_not("/uploads/3\"");
    let page = admin.get("/console/findings?storage=attic&after_model=uploads&after=2").await;
    page.says("/uploads/5\"");
    page.says_not("/uploads/2\"");
}

#[actix_web::test]
async fn the_configuration_is_shown_with_its_origins() {
    let site = World::new().await.open();
    let page = site.signed_in(ADMIN).await.get("/console/settings").await;
    page.says("postgres://root:***@db");
    page.says("stocktake.toml line 2");
}

#[actix_web::test]
async fn a_cold_visit_is_at_most_40_kilobytes() {
    let records = (1..=100).map(|key| {
        let path = format!("@hashed/6b/86/{:064x}/{:032x}/design-{key}.sketch", key * 7_919, key * 104_729);
        let failure = Failure::missing_file(&path);
        Record {
            owner: Some(format!("acme/website-{key}")),
            file_size: Some(18_220_118),
            ..failed(Model::Uploads, key, &path, failure)
        }
    });
    let world = World::new().await.with(records);
    assert!(world.store.states().await.unwrap().is_empty());
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let compressed = |uri: String| {
        let request = TestRequest::get().uri(&uri).insert_header(("Accept-Encoding", "gzip"));
        let admin = &admin;
        async move {
            let answer = admin.send(request).await;
            assert_eq!((answer.status, answer.header("Content-Encoding")), (200, Some("gzip")), "{uri}");
            answer.bytes
        }
    };
    for uri in ["/console", "/console/findings", "/console/models/uploads"] {
        let page = compressed(uri.to_owned()).await;
        let mut html = String::new();
        flate2::read::GzDecoder::new(page.as_slice()).read_to_string(&mut html).unwrap();
        let mut size = page.len();
        let assets: Vec<&str> = html.split('"').filter(|text| text.starts_with("/console/assets/")).collect();
        assert_eq!(assets.len(), 3, "{uri}");
        for asset in assets {
            let answer = admin.get(asset).await;
            assert_eq!(
                answer.header("Cache-Control"),
                Some("public, max-age=31536000, immutable"),
                "{asset}"
            );
            size += compressed(asset.to_owned()).await.len();
        }
        assert!(size <= 40_000, "{uri}: {size} bytes");
    }
}
