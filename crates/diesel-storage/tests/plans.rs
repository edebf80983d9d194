//! Every statement that the ports run about records goes through an index, and none sorts the table: asked of
//! both databases, about the very statements, recorded as they are run.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::{
    Connection as _, Instrumentation, InstrumentationEvent, set_default_instrumentation,
};
use diesel::sqlite::SqliteConnection;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use futures_util::stream;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{
    ClaimFilter, CountLimit, Lease, LeaseTerms, ModelSyncState, Outcome, PageRequest, PageStart, ScanLimit,
    ScannedRange, SortField, SortLimit, SortOrder, SortPosition, SortedPageRequest, SortedStart, SyncBatch,
    WorkerId, numbered,
};
use stocktake_domain::{
    Digest, Failure, FailureKind, Location, Model, NewAcceptance, NewJob, RecordFilter, RecordKey, Selection,
    SourceRecord, State, Timestamp,
};
use stocktake_testbed::postgres;

const ROWS: i64 = 20_000;
const LEASE: Duration = Duration::from_secs(3600);
/// A worker counts as alive for longer, so that its leases time out.
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: LEASE.saturating_mul(9) };

/// The statements run since the last look.
static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn taken() -> Vec<String> {
    std::mem::take(&mut *STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature is Diesel's")]
fn recorder() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let text = text.split(" -- binds:").next().unwrap_or_default().to_owned();
            STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }))
}

/// The databases' clock.
static CLOCK: LazyLock<Arc<ManualClock>> = LazyLock::new(Arc::default);

fn now_is(millis: i64) {
    CLOCK.set(Timestamp::from_millis(millis));
}

fn settings(url: &str, max_connections: u32) -> StoreSettings {
    let clock = StoreClock::Fixed(CLOCK.clone());
    StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections,
        thread_connections: 0,
        timeout: LEASE,
        clock,
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn entry(number: i64) -> SourceRecord {
    let location = Location { storage: "main".to_owned(), path: format!("{number}.bin") };
    SourceRecord { disabled: number % 10 == 0, ..SourceRecord::new(RecordKey::integer(number), location) }
}

async fn filled(settings: &StoreSettings) -> Store {
    migrate(settings).await.unwrap();
    let store = open(settings).await.unwrap();
    now_is(1);
    for model in [Model::Uploads, Model::LfsObjects] {
        let batches = stream::iter([Ok(numbered(1, (0..ROWS).map(entry)))]);
        store.catalogue.import(model, Box::pin(batches)).await.unwrap();
    }
    store
}

async fn pages(store: &Store) {
    let middle = RecordKey::integer(ROWS / 2);
    let starts = [
        PageStart::First,
        PageStart::After(middle.clone()),
        PageStart::Before(middle),
        PageStart::After(RecordKey::integer(ROWS - 20)),
        PageStart::Offset(100),
    ];
    let keys = Some((0..50).map(|number| RecordKey::integer(number * 7)).collect::<Vec<_>>());
    let states = State::ALL.into_iter().map(Some).chain([None]);
    for (state, keys) in states.flat_map(|state| [(state, None), (state, keys.clone())]) {
        let selection = Selection { state, keys, ..Selection::default() };
        for start in &starts {
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                let (start, selection) = (start.clone(), selection.clone());
                let (model, limit, scan_at_most) = (Model::Uploads, 20, ScanLimit::PAGE);
                let request = PageRequest { model, selection, order, start, limit, scan_at_most };
                store.catalogue.page(&request).await.unwrap();
            }
        }
        store.catalogue.count(Model::Uploads, &selection, CountLimit::page(100)).await.unwrap();
        sorted_pages(store, &selection).await;
    }
    let key = RecordKey::integer(5);
    store.catalogue.get(Model::Uploads, &key).await.unwrap();
    store.catalogue.knows_shape(Model::Uploads, &RecordKey::from_parts(vec![1, 2]).unwrap()).await.unwrap();
    store.catalogue.largest_key(Model::Uploads).await.unwrap();
    store.catalogue.largest_key_in(Model::Uploads, "main").await.unwrap();
    store.catalogue.witnesses("main", 16).await.unwrap();
    store.catalogue.stored(Model::Uploads, "main", Some(key.clone()), 20).await.unwrap();
    store.catalogue.findings(Model::Uploads, Some(key.clone()), 20).await.unwrap();
    store.catalogue.failure_groups().await.unwrap();
    store.catalogue.count_in_storage("main").await.unwrap();
    store.catalogue.storages().await.unwrap();
    store.catalogue.results_by_day(30).await.unwrap();
    store.catalogue.with_checksum(&Digest::Md5([1; 16]), 20).await.unwrap();
    let (checksum, by) = (Digest::Md5([1; 16]), "root@host".to_owned());
    let acceptance = NewAcceptance { checksum: Some(checksum), size: Some(1), by, reason: None };
    store.catalogue.accept(Model::Uploads, &key, &acceptance).await.unwrap();
    store.catalogue.acceptances(Model::Uploads, &key).await.unwrap();
    store.catalogue.take_back(Model::Uploads, &key, "root@host", None).await.unwrap();
}

/// Pages in every order, that begin anywhere.
async fn sorted_pages(store: &Store, selection: &Selection) {
    let place = |value| SortPosition { value, key: RecordKey::integer(ROWS / 2) };
    let starts = [
        SortedStart::First,
        SortedStart::After(place(Some(3))),
        SortedStart::Before(place(Some(3))),
        SortedStart::After(place(None)),
        SortedStart::Before(place(None)),
    ];
    for field in SortField::ALL {
        for start in &starts {
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                let (selection, start) = (selection.clone(), start.clone());
                let request = SortedPageRequest {
                    model: Model::Uploads,
                    selection,
                    field,
                    order,
                    start,
                    limit: 20,
                    sorted_at_most: SortLimit::PAGE,
                    scan_at_most: ScanLimit::PAGE,
                };
                store.catalogue.sorted_page(&request).await.unwrap();
            }
        }
    }
}

/// Every part of a filter but the pattern, which calls a function that only the program has.
async fn filtered(store: &Store) {
    let parts = [
        RecordFilter { kinds: vec![FailureKind::Altered, FailureKind::Missing], ..RecordFilter::default() },
        RecordFilter { storages: vec!["a".to_owned(), "b".to_owned()], ..RecordFilter::default() },
        RecordFilter {
            kinds: vec![FailureKind::Altered],
            storages: vec!["main".to_owned()],
            ..RecordFilter::default()
        },
        RecordFilter { storages: vec!["main".to_owned()], ..RecordFilter::default() },
        RecordFilter { kinds: FailureKind::ALL.to_vec(), ..RecordFilter::default() },
        RecordFilter { text: Some("7.bin".to_owned()), ..RecordFilter::default() },
        RecordFilter { owner: Some("group".to_owned()), ..RecordFilter::default() },
        RecordFilter { since: Some(at(1)), before: Some(at(9)), ..RecordFilter::default() },
    ];
    let states = [None, Some(State::Pending), Some(State::Failed)];
    for (filter, state) in parts.into_iter().flat_map(|filter| states.map(|state| (filter.clone(), state))) {
        let selection = Selection { state, keys: None, filter };
        let (model, middle) = (Model::Uploads, RecordKey::integer(ROWS / 2));
        for start in [PageStart::First, PageStart::After(middle.clone()), PageStart::Before(middle)] {
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                let (selection, start) = (selection.clone(), start.clone());
                let scan_at_most = ScanLimit::PAGE;
                let request = PageRequest { model, selection, order, start, limit: 20, scan_at_most };
                store.catalogue.page(&request).await.unwrap();
            }
        }
        store.catalogue.count(model, &selection, CountLimit::page(100)).await.unwrap();
        sorted_pages(store, &selection).await;
        let after = Some(RecordKey::integer(ROWS - 10));
        store.queue.recalculate_next(model, &selection, Some(500_000), after, 5).await.unwrap();
    }
}

fn outcomes(lease: &Lease) -> Vec<(RecordKey, Outcome)> {
    let bad = |record: &stocktake_domain::ports::ClaimedRecord| {
        let failed = record.verification.clone().fail(Failure::missing_repository(), at(3), 0);
        (record.key.clone(), Outcome::Failed(failed))
    };
    let good = |record: &stocktake_domain::ports::ClaimedRecord| {
        let done = record.verification.clone().succeed(Digest::Sha256([1; 32]), at(3));
        (record.key.clone(), Outcome::Succeeded(done))
    };
    let records = lease.records.iter().enumerate();
    records.map(|(index, record)| if index % 2 == 0 { bad(record) } else { good(record) }).collect()
}

async fn work(store: &Store) {
    let (queue, worker) = (&store.queue, WorkerId("w".to_owned()));
    let mut filter = ClaimFilter::any(500);
    now_is(2);
    for _ in 0..4 {
        let lease = queue.claim(&worker, &filter, TERMS).await.unwrap().unwrap();
        queue.complete(lease.id, &outcomes(&lease), true).await.unwrap();
    }
    filter.due_from = Some(at(1));
    queue.claim(&worker, &filter, TERMS).await.unwrap().unwrap();
    queue.claim_one(&worker, Model::Uploads, &RecordKey::integer(77), TERMS).await.unwrap();
    queue.outstanding(&filter, 1000).await.unwrap();
    now_is(4);
    queue.recalculate(Model::Uploads, &RecordKey::integer(78)).await.unwrap();
    now_is(1_000_000);
    queue.retry_failed(&Model::ALL, 100).await.unwrap();
    let after = Some(RecordKey::integer(10));
    for model in [Model::Uploads, Model::LfsObjects] {
        let expired = queue.expire_succeeded(model, after.clone(), LEASE / 100, 1000).await.unwrap();
        assert!(expired.1 > 0);
    }
    now_is(10_000_000);
    queue.reap(LEASE).await.unwrap();
}

async fn jobs(store: &Store) {
    queue_some(store).await;
    let keys = Some((0..50).map(|number| RecordKey::integer(number * 7)).collect());
    let states = State::ALL.into_iter().map(Selection::in_state);
    for selection in states.chain([Selection::default(), Selection { keys, ..Selection::default() }]) {
        let job = NewJob { model: Model::Uploads, selection, requested_by: "me".to_owned() };
        let job = store.jobs.enqueue(&job).await.unwrap();
        store.jobs.advance(10).await.unwrap();
        store.jobs.cancel(job.id).await.unwrap();
    }
}

/// All that is asked of a model that is marked, of which a part is verified and a part is held.
async fn marked(store: &Store) {
    let (queue, worker, model) = (&store.queue, WorkerId("w".to_owned()), Model::Uploads);
    let job = NewJob { model, selection: Selection::default(), requested_by: "me".to_owned() };
    let filter = ClaimFilter { models: vec![model], ..ClaimFilter::any(500) };
    // The second time half of what was read is good, and so it is marked.
    for round in 0..2 {
        store.jobs.enqueue(&job).await.unwrap();
        while store.jobs.advance(10).await.unwrap().is_some() {}
        for part in 0..4 {
            let lease = queue.claim(&worker, &filter, TERMS).await.unwrap().unwrap();
            let results = if round == 0 || part % 2 == 0 { outcomes(&lease) } else { continue };
            queue.complete(lease.id, &results, true).await.unwrap();
        }
    }
    queue.outstanding(&filter, 100_000).await.unwrap();
    pages(store).await;
    filtered(store).await;
    queue.expire_succeeded(model, Some(RecordKey::integer(10)), LEASE, 1000).await.unwrap();
    now_is(20_000_000);
    queue.reap(LEASE).await.unwrap();
}

async fn queue_some(store: &Store) {
    let filter = ClaimFilter::any(9);
    store.queue.claim(&WorkerId("x".to_owned()), &filter, TERMS).await.unwrap().unwrap();
}

/// A second import: nothing new, one change.
async fn import(store: &Store) {
    let mut entries: Vec<SourceRecord> = (0..5000).map(entry).collect();
    for entry in &mut entries {
        match entry.key.as_integer() {
            Some(3) => entry.file_size = Some(3),
            Some(4) => entry.location = Location { storage: "b".to_owned(), path: "b".to_owned() },
            _ => {}
        }
    }
    let batches = stream::iter([Ok(numbered(1, entries))]);
    store.catalogue.import(Model::Uploads, Box::pin(batches)).await.unwrap();
}

/// A sync of some that are known, one that changed and one that is new; others go, or are kept.
async fn sync(store: &Store) {
    let worker = WorkerId("s".to_owned());
    assert!(store.sync_state.acquire_leader_lease(&worker, LEASE).await.unwrap());
    for most_deleted in [0, 1_000_000] {
        let mut entries: Vec<SourceRecord> = (0..3000).map(entry).collect();
        entries.push(SourceRecord { file_size: Some(3), ..entry(2) });
        entries.push(entry(ROWS + 1));
        let scanned_range = ScannedRange { after: Some(RecordKey::integer(5)), to: None, most_deleted };
        let mut piece = SyncBatch { records: entries, scanned_range: None };
        let state = ModelSyncState::new(Model::Uploads);
        store.sync_state.apply(&worker, piece.clone(), &state).await.unwrap().unwrap();
        (piece.records, piece.scanned_range) = (vec![entry(1000)], Some(scanned_range));
        let applied = store.sync_state.apply(&worker, piece, &state).await.unwrap().unwrap();
        assert_eq!(applied.deleted > 0, most_deleted > 0);
    }
    store.catalogue.mismatched(Model::Uploads, Some(RecordKey::integer(5)), 100).await.unwrap();
}

/// The statement that makes the table of an import, and all others that are run about records, each once.
async fn statements(store: &Store) -> (String, Vec<String>) {
    taken();
    pages(store).await;
    filtered(store).await;
    work(store).await;
    jobs(store).await;
    marked(store).await;
    import(store).await;
    sync(store).await;
    let mut statements = taken();
    let staged =
        statements.iter().find(|statement| statement.contains("CREATE TEMPORARY TABLE")).unwrap().clone();
    statements.retain(|statement| statement.contains("records") && !statement.contains("CREATE"));
    // Those of the counts that are kept read all of what changed, and look at no record.
    statements.retain(|statement| {
        !statement.contains("record_count_changes") && !statement.contains("success_slots")
    });
    statements.sort();
    statements.dedup();
    assert!(statements.len() > 60, "{}", statements.len());
    (staged, statements)
}

/// The kept counts of what a filter means, in SQLite.
const KEPT_COUNTS: &str = "FROM record_counts AS r";

/// Whether the statement sorts no more than queues, kept counts, what leases hold, what was asked for by key, or as many as
/// may be sorted for a page: all few.
fn sorts_few(statement: &str) -> bool {
    [
        "matching AS MATERIALIZED",
        "FROM record_counts AS c",
        KEPT_COUNTS,
        "AS wanted",
        "FROM leases l CROSS JOIN",
        "FROM queues q",
    ]
    .iter()
    .any(|few| statement.contains(few))
}

#[derive(QueryableByName)]
struct PlanLine {
    #[diesel(sql_type = sql_types::Text)]
    detail: String,
}

async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("{}/test.db", folder.path().display());
    let url = format!("sqlite://{path}");
    let store = filled(&settings(&url, 2)).await;
    let mut connection = SqliteConnection::establish(&path).unwrap();
    let (staged, statements) = statements(&store).await;
    sql_query(staged).execute(&mut connection).unwrap();
    // They read no record, and call a function that only the program has.
    for trigger in ["records_added", "records_changed", "records_moved", "records_removed"] {
        sql_query(format!("DROP TRIGGER {trigger}")).execute(&mut connection).unwrap();
    }
    for statement in statements {
        let query = sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
        let lines: Vec<PlanLine> = query.load(&mut connection).unwrap();
        let plan: Vec<String> = lines.into_iter().map(|line| line.detail).collect();
        for line in &plan {
            // The kept counts have that name as well.
            let scans = (line.starts_with("SCAN r ") || line == "SCAN r") && !statement.contains(KEPT_COUNTS);
            let scans = scans || line.contains("SCAN records");
            let sorts = line.contains("USE TEMP B-TREE") && !sorts_few(&statement);
            let partly = line.contains("SEARCH r ") && !line.contains("key") && !line.contains("retry_at");
            // The first or last of a model needs no more.
            let partly = partly && !is_first_or_last(&statement) && !reads_a_part(&statement);
            let partly = partly && !line.contains("records_in_queue (<expr>=? AND storage=?)");
            let of_counts = line.starts_with("SEARCH r USING PRIMARY KEY") && statement.contains(KEPT_COUNTS);
            let partly = partly && !of_counts;
            assert!(!scans && !sorts && !partly, "{statement}\n{}", plan.join("\n"));
        }
    }
}

async fn postgresql() {
    let url = postgres().create_database().unwrap();
    let store = filled(&settings(&url, 2)).await;
    let planner = taken().into_iter().find(|statement| statement.contains("enable_seqscan")).unwrap();
    let (staged, statements) = statements(&store).await;
    let setup = format!("{planner}; SET plan_cache_mode = force_generic_plan; {staged}");
    // The plans must not depend on what the planner knows: they are asked for before and after ANALYZE, and in
    // a database that is empty as yet, because PostgreSQL keeps a plan made there while the table fills.
    all_are_good(&url, &setup, &statements);
    postgres().sql(&url, "ANALYZE").unwrap();
    all_are_good(&url, &setup, &statements);
    // As after a round that found all good: nothing is due, failed or different, as far as the planner knows.
    let all_good = "UPDATE records SET state = 2, due_at = NULL, failure_kind = NULL, failure_cause = NULL, retry_at = NULL, \
        matches_source = NULL, baseline = COALESCE(baseline, sha256(key)), baseline_at = COALESCE(baseline_at, 1)";
    postgres().sql(&url, all_good).unwrap();
    postgres().sql(&url, "ANALYZE").unwrap();
    all_are_good(&url, &setup, &statements);
    let empty = postgres().create_database().unwrap();
    migrate(&settings(&empty, 1)).await.unwrap();
    let mut kept = statements;
    kept.retain(|statement| !planned_anew(statement));
    assert!(kept.len() > 40, "{}", kept.len());
    all_are_good(&empty, &setup, &kept);
}

/// Whether the statement is planned each time it is run: those that write, and those of an import.
fn planned_anew(statement: &str) -> bool {
    ["UPDATE", "INSERT", "staged"].iter().any(|part| statement.contains(part))
}

fn all_are_good(url: &str, setup: &str, statements: &[String]) {
    for batch in statements.chunks(12) {
        let plans = postgres().sql(url, &explained(setup, batch)).unwrap();
        let plans = plans.split(MARK).skip(1);
        assert_eq!(plans.clone().count(), batch.len());
        for (statement, plan) in batch.iter().zip(plans) {
            assert!(is_good(statement, plan), "{statement}\n{plan}");
            assert!(partitions(plan).len() <= 1 || is_about_all_models(statement), "{statement}\n{plan}");
        }
    }
}

/// Whether PostgreSQL's plan finds records by index only, and sorts none but few.
fn is_good(statement: &str, plan: &str) -> bool {
    let scans = plan.contains("Seq Scan on records") || plan.contains("Bitmap");
    let joins = plan.contains("Hash Join") || plan.contains("Merge Join");
    // A merge of what is read in order names its sort key, and sorts nothing.
    let sorts = plan.contains("Sort  (") && !sorts_few(statement);
    // An index is read by a range of its last column, or for the first or last of a model.
    let lines: Vec<&str> = plan.lines().collect();
    let whole = lines.windows(2).any(|pair| {
        matches!(pair, [scan, next] if scan.contains(" on records") && scan.contains("Index")
            && !(next.contains("Index Cond") && ["key ", "retry_at ", "storage)"].iter().any(|by| next.contains(by))))
    });
    let whole = whole && !is_first_or_last(statement) && !reads_a_part(statement);
    !scans && !joins && !sorts && !whole
}

/// The partitions of the records that are read or written.
fn partitions(plan: &str) -> BTreeSet<&str> {
    let number = |rest: &'_ str| rest.chars().take_while(char::is_ascii_digit).count();
    plan.split(" on records_").skip(1).map(|rest| rest.split_at(number(rest)).0).collect()
}

/// Whether the statement is about no model in particular. The others name the partition of theirs, as each plan that is kept has to
/// lock all that it could concern.
fn is_about_all_models(statement: &str) -> bool {
    [
        "r.state = 3 AND r.due_at IS NULL AND r.retry_at",
        "substr(r.baseline, 1, 12) =",
        "FROM queues q WHERE q.model =",
        "FROM record_counts UNION ALL",
    ]
    .iter()
    .any(|part| statement.contains(part))
}

/// Whether the statement asks for no more than the first or last record of a model.
fn is_first_or_last(statement: &str) -> bool {
    statement.contains("ORDER BY r.key LIMIT 1") || statement.contains("ORDER BY r.key DESC LIMIT 1")
}

/// Whether the statement asks for all with one checksum, which has an index.
fn reads_a_part(statement: &str) -> bool {
    statement.contains("substr(r.baseline, 1, 12) =")
}

const MARK: &str = "@@@";

/// SQL that shows the plans that statements have for values not known beforehand.
fn explained(setup: &str, statements: &[String]) -> String {
    let mut sql = setup.to_owned();
    for (index, statement) in statements.iter().enumerate() {
        let values = (1..100).take_while(|number| statement.contains(&format!("${number}"))).count();
        let nulls =
            if values == 0 { String::new() } else { format!("({})", vec!["NULL"; values].join(", ")) };
        let shown =
            format!("; PREPARE p{index} AS {statement}; SELECT '{MARK}'; EXPLAIN EXECUTE p{index}{nulls}");
        sql.push_str(&shown);
    }
    sql
}

/// One test for both: what is recorded is recorded for the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn no_statement_scans_or_sorts_the_records() {
    set_default_instrumentation(recorder).unwrap();
    sqlite().await;
    postgresql().await;
}
