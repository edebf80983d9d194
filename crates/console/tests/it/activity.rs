//! What runs, what failed together, and where a good copy may be.

use std::time::Duration;

use stocktake_console::StorageFacts;
use stocktake_domain::ports::{
    Announcement, ClaimFilter, Conditions as _, Jobs as _, LeaseTerms, Queue as _, StorageShare, WorkerId,
};
use stocktake_domain::{
    Baseline, Clock as _, ConditionSubject, Digest, Failure, History, Model, NewJob, Record, RecordKey,
    Selection, Status, Succeeded, Verification,
};

use crate::support::{ADMIN, World, altered, at, failed, record};

const MINUTE: Duration = Duration::from_secs(60);

/// A worker that read 250 records and 3 GB in the last ten seconds.
fn announcement(worker: &str) -> Announcement {
    Announcement {
        worker: WorkerId(worker.to_owned()),
        storages: vec![StorageShare { storage: "main".to_owned(), records: 250, bytes: 3_000_000_000 }],
        over: Duration::from_secs(10),
    }
}

fn succeeded(model: Model, key: i64, path: &str, digest: Digest) -> Record {
    let baseline = Some(Baseline { digest, at: at("2026-11-01T00:00:00Z") });
    let history = History { attempt: 1, baseline, ..History::default() };
    let status = Status::Succeeded(Verification::restore(history, Succeeded { matches_source: None }));
    Record { status, ..record(model, key, path) }
}

#[actix_web::test]
async fn workers_are_listed_with_what_each_does_and_how_fast() {
    let world = World::new().await;
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    admin.get("/console/jobs").await.says("No worker runs.");
    store.put(record(Model::Uploads, 1, "a"), Some(at("2026-11-26T00:00:00Z")));
    admin.get("/console").await.says("None</span>: nothing is read until one runs");
    for worker in ["files-1:17:1-00ff", "files-2:18:1-00ff"] {
        store.announce(&announcement(worker), MINUTE).await.unwrap();
    }
    let terms = LeaseTerms { duration: MINUTE, heartbeat_timeout: MINUTE };
    let busy = WorkerId("files-1:17:1-00ff".to_owned());
    store.claim(&busy, &ClaimFilter::any(9), terms).await.unwrap().unwrap();
    let page = admin.get("/console/jobs").await;
    for text in
        ["process 17 on files-1", "<p>uploads in main</p>", "25 records/s", "300 MB/s", "Waits", "0 s"]
    {
        page.says(text);
    }
    admin.get("/console").await.says("2 workers");
    admin.get("/console/storages").await.says("600 MB/s");
    clock.set(clock.now().after(Duration::from_secs(46)));
    admin.get("/console/jobs").await.says("Not heard of");
    admin.get("/console").await.says("2 not heard of</span>, of 2 workers");
}

#[actix_web::test]
async fn what_runs_is_shown_with_rate_and_time_left() {
    let digest = Digest::Md5([1; 16]);
    let waiting = (1..=3).map(|key| record(Model::Uploads, key, "a"));
    let world = World::new().await.with(waiting.chain([succeeded(Model::Uploads, 9, "b", digest)]));
    let store = world.store.clone();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let slow = Announcement { over: Duration::from_secs(2_500), ..announcement("files-1:17:1-00ff") };
    store.announce(&slow, MINUTE).await.unwrap();
    let page = admin.get("/console").await;
    page.says("3 to read");
    page.says("0.1 records/s, 1.2 MB/s");
    page.says("about 30 s left");
    page.says("<progress value=\"1\" max=\"4\"");
    let selection =
        Selection { keys: Some([1, 2, 3, 9].map(RecordKey::integer).into()), ..Selection::default() };
    let request = NewJob { model: Model::Uploads, selection, requested_by: "me".to_owned() };
    store.enqueue(&request).await.unwrap();
    admin.get("/console/jobs").await.says("data-l=\"Time left\" role=\"cell\">not known");
    store.advance(1).await.unwrap();
    admin.get("/console/jobs").await.says("data-l=\"Time left\" role=\"cell\">about 3 s");
}

#[actix_web::test]
async fn failures_are_counted_by_storage_and_lead_to_their_findings() {
    let mut other = altered(Model::LfsObjects, 3);
    other.location.storage = "lfs".to_owned();
    let world = World::new().await.with([altered(Model::Uploads, 1), altered(Model::Uploads, 2), other]);
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console").await;
    page.says("Failures by storage and kind");
    page.says("<a href=\"/console/findings?storage=main&amp;kind=altered\">2</a>");
    page.says("<a href=\"/console/findings?storage=lfs&amp;kind=altered\">1</a>");
    page.says("<a href=\"/console/findings?model=uploads&amp;kind=altered\">2</a>");
    let storages = admin.get("/console/storages").await;
    storages.says_in_order(&[
        "data-l=\"Records\" role=\"cell\">2</td>",
        "data-l=\"Failures\"",
        "href=\"/console/findings?storage=main\">2</a>",
    ]);
    let findings = admin.get("/console/findings?storage=lfs&kind=altered").await;
    findings.says("1 failed record, over all data types.");
    findings.says("href=\"/console/models/lfs_objects/3\"");
    findings.says_not("href=\"/console/models/uploads/1\"");
    findings.says("href=\"/console/findings.csv?storage=lfs&amp;kind=altered\"");
    let csv = admin.get("/console/findings.csv?storage=lfs&kind=altered").await;
    assert_eq!(csv.body(), "model,id\nlfs_objects,3\n");
    assert_eq!(admin.get("/console/findings.csv?kind=missing").await.body(), "model,id\n");
    assert_eq!(admin.get("/console/findings?kind=lost").await.status, 400);
}

#[actix_web::test]
async fn only_a_storage_in_which_content_was_looked_at_is_called_open() {
    let lies_in = |storage: &str, mut record: Record| {
        storage.clone_into(&mut record.location.storage);
        record
    };
    let mut world = World::new().await.with([
        lies_in("read", altered(Model::Uploads, 1)),
        lies_in("read", record(Model::Uploads, 2, "a")),
        lies_in("waiting", record(Model::Uploads, 3, "a")),
        lies_in("nowhere", failed(Model::Uploads, 4, "..", Failure::invalid("a path outside"))),
        lies_in("away", altered(Model::Uploads, 5)),
    ]);
    let away = ConditionSubject::Storage("away".to_owned());
    world.store.report(&away, "files-1", "its root is an empty folder").await.unwrap();
    let facts = world.settings.storages.remove(0);
    let named = |name: &str| StorageFacts { name: name.to_owned(), ..facts.clone() };
    world.settings.storages = ["read", "waiting", "nowhere", "empty", "away"].map(named).to_vec();
    let site = world.open();
    let page = site.signed_in(ADMIN).await.get("/console/storages").await;
    page.says("1 of 5 storages closed, 1 not read yet.");
    page.says_in_order(&[
        "rowheader\">away<",
        "Closed<",
        "rowheader\">empty<",
        "Nothing to read<",
        "rowheader\">nowhere<",
        "Nothing to read<",
        "rowheader\">read<",
        "Open<",
        "rowheader\">waiting<",
        "Not read yet<",
    ]);
    assert_eq!(page.body().matches("Open<").count(), 1);
}

#[actix_web::test]
async fn records_in_storages_that_the_service_lacks_are_told_with_who_has_them() {
    let lies_in = |storage: &str, key: i64| {
        let mut record = record(Model::Uploads, key, "a");
        storage.clone_into(&mut record.location.storage);
        record
    };
    let world = World::new().await.with([lies_in("away", 1), lies_in("lost", 2), lies_in("main", 3)]);
    let storages = vec![StorageShare { storage: "away".to_owned(), records: 0, bytes: 0 }];
    let elsewhere = Announcement { storages, ..announcement("other:1:1-0") };
    world.store.announce(&elsewhere, MINUTE).await.unwrap();
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/storages").await;
    page.says_in_order(&[
        "Not in the configuration of this service",
        "away: a worker has it",
        "lost: <",
        "no worker has it",
    ]);
    page.says_not("main: ");
    for (key, is_lacking) in [(2, true), (3, false)] {
        let page = admin.get(&format!("/console/models/uploads/{key}")).await;
        assert_eq!(page.body().contains("Not in the configuration of this service"), is_lacking, "{key}");
    }
}

#[actix_web::test]
async fn while_nobody_reads_nothing_is_said_to_be_read() {
    let site = World::new().await.with((1..=3).map(|key| record(Model::Uploads, key, "a"))).open();
    let page = site.signed_in(ADMIN).await.get("/console").await;
    page.says("0 of 3 records verified");
    page.says("Nobody reads: no worker runs, and 3 are to be read.");
    page.says_not("All that is due was read");
    // Neither good news nor bad.
    page.says("<h1 class=\"verdict\"><svg class=\"i\" aria-hidden=\"true\"><use href=\"#pending\">");
    page.says_not("class=\"state failed\"");
    page.says_not("class=\"state succeeded\"><svg class=\"i\" aria-hidden=\"true\"><use href=\"#succeeded\"></use></svg>Succeeded");
}

#[actix_web::test]
async fn the_command_that_accepts_is_there_with_its_button_alone() {
    let site = World::new().await.with([altered(Model::Uploads, 1), record(Model::Uploads, 2, "a")]).open();
    let admin = site.signed_in(ADMIN).await;
    admin.get("/console/models/uploads/1").await.says("stocktake accept uploads 1");
    let page = admin.get("/console/models/uploads/2").await;
    page.says("stocktake verify uploads --identifiers 2");
    page.says_not("stocktake accept");
    let page = admin.get("/console/models/lfs_objects").await;
    page.says("The catalogue has no record of this data type.");
}

#[actix_web::test]
async fn findings_are_grouped_with_what_they_have_in_common() {
    let lost = |key: i64, path: &str| Record {
        owner: Some("acme/<website>".to_owned()),
        ..failed(Model::Uploads, key, path, Failure::unreadable("Input/output error"))
    };
    let records = [lost(1, "7e/14/a"), lost(2, "7e/2a/b"), altered(Model::LfsObjects, 3)];
    let site = World::new().await.with(records).open();
    let page = site.signed_in(ADMIN).await.get("/console/findings").await;
    page.says("3 failed records in 2 groups, over all data types.");
    page.says("Storage main: 2 unreadable");
    page.says("Both lie below <code class=\"path\"><span>7e/</span></code>.");
    page.says("They belong to <code>acme/&lt;website&gt;</code>.");
    page.says("<q>Input/output error</q>");
    page.says("failed last within one hour");
    page.says("A single record.");
    page.says("href=\"/console/models/uploads?kind=unreadable&amp;storage=main\"");
}

#[actix_web::test]
async fn a_record_shows_where_the_same_content_is_good() {
    let digest = Digest::Md5([0x11; 16]);
    let world = World::new().await.with([
        altered(Model::Uploads, 1),
        succeeded(Model::LfsObjects, 7, "copy.bin", digest),
        succeeded(Model::LfsObjects, 8, "other.bin", Digest::Md5([0x12; 16])),
    ]);
    let site = world.open();
    let admin = site.signed_in(ADMIN).await;
    let page = admin.get("/console/models/uploads/1").await;
    page.says("Other records with the same digest");
    page.says("<a href=\"/console/models/lfs_objects/7\">lfs_objects 7</a>");
    page.says("A record that succeeded has a good copy of this one’s content.");
    page.says_not("lfs_objects 8");
    admin.get("/console/models/lfs_objects/8").await.says_not("Other records with the same digest");
}
