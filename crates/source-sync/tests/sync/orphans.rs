//! What nobody claims.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use stocktake_domain::ports::{
    Claim, ContentStore, Extent, Found, FoundStream, Inspection, InspectionSink, ListError, MockCatalogue,
    MockSource, MockStorageCheck, ProbedStorage, Source, StorageAddress, StoreError, UsageStream, Watch,
};
use stocktake_domain::{
    ContentError, Location, Model, NotJudged, Orphan, OrphanTotals, StorageOutcome, Timestamp, Unreferenced,
    Usage,
};
use stocktake_source_sync::{
    OrphanError, OrphanParts, OrphanReport, OrphanSettings, OrphanWatcher, StorageOrphans, orphans,
};

use crate::support::key;
use crate::support::source::MemorySource;

/// A storage that lists what it was told to.
#[derive(Clone, Default)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Result<Found, ListError>>,
    /// What is measured, where listing does not tell.
    sizes: BTreeMap<String, u64>,
    /// Whether nothing comes behind the last item, not even the end.
    is_endless: bool,
    /// The prefix of its bucket that it lists, if other storages are in that bucket too.
    prefix: Option<&'static str>,
    /// The host of that bucket.
    host: &'static str,
    /// What it says of its pieces, if it is a registry.
    usages: Option<Vec<Result<Usage, ListError>>>,
}

impl Listing {
    /// The same, which never comes to its end.
    pub(crate) fn endless(self) -> Self {
        Self { is_endless: true, ..self }
    }

    /// The same as a registry, which says this of its pieces.
    pub(crate) fn with_usages(self, usages: impl IntoIterator<Item = Result<Usage, ListError>>) -> Self {
        Self { usages: Some(usages.into_iter().collect()), ..self }
    }
}

#[async_trait]
impl ContentStore for Listing {
    async fn inspect(&self, _: Vec<Inspection>, _: Arc<Watch>, _: Arc<dyn InspectionSink>) {}

    async fn probe(&self) -> Result<ProbedStorage, NotJudged> {
        Ok(ProbedStorage { identity: None, is_empty: self.items.is_empty(), mounts: BTreeSet::new() })
    }

    async fn address(&self) -> Option<StorageAddress> {
        let (service, bucket) = (self.host.to_owned(), "shared".to_owned());
        self.prefix.map(|prefix| StorageAddress { service, bucket, prefix: prefix.to_owned() })
    }

    async fn look(&self, path: &str) -> Result<(), ContentError> {
        let is_listed =
            |found: &Result<Found, ListError>| found.as_ref().is_ok_and(|found| found.path == path);
        let found = self.items.iter().any(is_listed).then_some(());
        found.ok_or_else(|| ContentError::MissingFile { at: path.to_owned() })
    }

    fn list(&self) -> FoundStream {
        let items = stream::iter(self.items.clone());
        if self.is_endless { Box::pin(items.chain(stream::pending())) } else { Box::pin(items) }
    }

    fn unreferenced(&self, changed_before: Timestamp) -> Option<UsageStream> {
        let is_young = move |piece: &Unreferenced| piece.modified_at.is_some_and(|at| at >= changed_before);
        let judged = move |usage| match usage {
            Ok(Usage::Unreferenced(piece)) if is_young(&piece) => Ok(Usage::Young),
            usage => usage,
        };
        let usages = stream::iter(self.usages.clone()?).map(judged);
        Some(if self.is_endless { Box::pin(usages.chain(stream::pending())) } else { Box::pin(usages) })
    }

    async fn measure(&self, path: &str) -> Option<Extent> {
        let size = self.sizes.get(path).copied()?;
        // A large one is one that was made just now.
        let modified_at = (size > 1_000).then_some(Timestamp::from_millis(i64::MAX));
        Some(Extent { size, modified_at })
    }
}

/// Files of a size in bytes, changed a second each after the one before.
pub(crate) fn files<'a>(paths: impl IntoIterator<Item = &'a str>, size: Option<u64>) -> Listing {
    let found = |(second, path): (i64, &str)| {
        Ok(Found { path: path.to_owned(), size, modified_at: Some(Timestamp::from_millis(second * 1_000)) })
    };
    Listing { items: (1..).zip(paths).map(found).collect(), ..Listing::default() }
}

fn skipped(path: &str) -> Result<Found, ListError> {
    Err(ListError::Skipped { path: path.to_owned(), reason: "no".to_owned() })
}

/// Writes down what it is told.
#[derive(Default)]
struct Told(Vec<String>);

impl OrphanWatcher for Told {
    fn storage(&mut self, name: &str) {
        self.0.push(format!("search {name}"));
    }

    fn advanced(&mut self, _: &OrphanTotals) {}

    fn skipped(&mut self, storage: &str, path: &str, reason: &str) {
        self.0.push(format!("skipped {storage} {path}: {reason}"));
    }

    fn orphan(&mut self, orphan: &Orphan) {
        let Location { storage, path } = &orphan.location;
        self.0.push(format!("{storage} {path} {:?}", orphan.size));
    }

    fn done(&mut self, found: &StorageOrphans) {
        self.0.push(format!("done {}", found.storage));
    }
}

/// What a test searches.
struct Bench {
    source: Arc<dyn Source>,
    records: BTreeMap<&'static str, Vec<&'static str>>,
    storages: BTreeMap<&'static str, Listing>,
    changed_before: Option<Timestamp>,
    /// A storage that is not what it was.
    closed: Option<&'static str>,
    /// Models of which not all rows were read.
    unread: Vec<Model>,
}

impl Bench {
    fn new(storages: impl Into<BTreeMap<&'static str, Listing>>) -> Self {
        let source = Arc::new(MemorySource::new());
        Self {
            source,
            records: BTreeMap::new(),
            storages: storages.into(),
            changed_before: None,
            closed: None,
            unread: Vec::new(),
        }
    }

    async fn search(self) -> (Result<OrphanReport, OrphanError>, Vec<String>) {
        let mut catalogue = MockCatalogue::new();
        let records = self.records;
        catalogue.expect_paths().returning(move |model, storage| {
            assert_eq!(model, None);
            let paths = records.get(storage).cloned().unwrap_or_default();
            let known = |path: &str| match path {
                "!" => Err(StoreError::Schema("too old".to_owned())),
                path => Ok((path.to_owned(), key(1))),
            };
            Ok(Box::pin(stream::iter(paths.into_iter().map(known)).boxed()))
        });
        let mut storages = BTreeMap::<String, Arc<dyn ContentStore>>::new();
        for (name, store) in self.storages {
            storages.insert(name.to_owned(), Arc::new(store));
        }
        let mut check = MockStorageCheck::new();
        let closed = self.closed;
        check
            .expect_why_closed()
            .returning(move |name| Ok((closed == Some(name)).then(|| "empty".to_owned())));
        let (catalogue, check) = (Arc::new(catalogue), Arc::new(check));
        let parts = OrphanParts { source: self.source, catalogue, storages, check };
        let settings = OrphanSettings { changed_before: self.changed_before, unread: self.unread };
        let searching = async move {
            let mut told = Told::default();
            (orphans(parts, settings, &mut told).await, told.0)
        };
        // It can be a task of its own.
        tokio::spawn(searching).await.unwrap()
    }
}

fn outcomes(report: &OrphanReport) -> Vec<(&str, &StorageOutcome)> {
    report.storages.iter().map(|found| (found.storage.as_str(), &found.outcome)).collect()
}

#[tokio::test]
async fn what_no_record_and_no_row_claims_is_told() {
    let mut disk = files(["a", "a-b", "a/b", "c", "d", "e", "f", "g/7/x", "z"], Some(10));
    disk.items.insert(3, skipped("b"));
    let mut git = files(["new.git", "x.git", "y.git"], None);
    git.items.iter_mut().flatten().for_each(|found| found.modified_at = None);
    git.sizes.extend([("new.git".to_owned(), 1_001), ("x.git".to_owned(), 7)]);
    let source = MemorySource::new();
    source.rows().claims = [("c", Claim::Row), ("d", Claim::Internal), ("g/7/x", Claim::NotUnderstood)]
        .map(|(at, by)| (at.to_owned(), by))
        .into();
    let mut bench = Bench::new([("disk", disk), ("git", git), ("unused", files(["u"], None))]);
    bench.source = Arc::new(source);
    // Some share a file, and some have none.
    bench.records.insert("disk", vec!["", "a-b", "a-b", "b", "e", "ee", "f", "f", "zz"]);
    bench.changed_before = Some(Timestamp::from_millis(9_000));
    let (report, told) = bench.search().await;
    let report = report.unwrap();
    let expected = [
        "search disk",
        "skipped disk b: no",
        "disk a Some(10)",
        "disk a/b Some(10)",
        "done disk",
        "search elsewhere",
        "done elsewhere",
        "search git",
        "git x.git Some(7)",
        "git y.git None",
        "done git",
    ];
    assert_eq!(told, expected);
    let disk = OrphanTotals {
        looked_at: 9,
        orphans: 2,
        bytes: 20,
        unmeasured: 0,
        internal: 1,
        young: 1,
        not_understood: 1,
        skipped: 1,
    };
    let git = OrphanTotals {
        looked_at: 3,
        orphans: 2,
        bytes: 7,
        unmeasured: 1,
        young: 1,
        ..OrphanTotals::default()
    };
    assert_eq!((report.storages[0].totals, report.storages[2].totals), (disk, git));
    assert_eq!(
        report.totals,
        OrphanTotals { looked_at: 12, orphans: 4, bytes: 27, unmeasured: 1, young: 2, ..disk }
    );
    assert_eq!(report.storages[0].not_understood, [("g/*".to_owned(), 1)].into());
    let searched = &StorageOutcome::Searched;
    let expected = [("disk", searched), ("elsewhere", &StorageOutcome::NotConfigured), ("git", searched)];
    assert_eq!(outcomes(&report), expected);
}

#[tokio::test]
async fn the_source_is_asked_about_a_thousand_places_at_once() {
    let paths: Vec<String> = (10_000..12_500).map(|number| number.to_string()).collect();
    let source = Arc::new(MemorySource::new());
    let mut bench = Bench::new([("disk", files(paths.iter().map(String::as_str), Some(1)))]);
    bench.source = source.clone();
    let (report, told) = bench.search().await;
    assert_eq!((report.unwrap().totals.bytes, told.len()), (2_500, 2_500 + 6));
    assert_eq!(source.rows().asked, [1_000, 1_000, 500]);
}

/// Files of ten bytes each below this prefix of a bucket that others use as well.
fn in_shared_bucket<'a>(prefix: &'static str, paths: impl IntoIterator<Item = &'a str>) -> Listing {
    Listing { prefix: Some(prefix), ..files(paths, Some(10)) }
}

#[tokio::test]
async fn what_lies_in_two_storages_is_claimed_by_either_and_told_once() {
    let below = ["claimed", "internal", "left", "odd", "row", "young"];
    let whole = ["a", "lfs/claimed", "lfs/internal", "lfs/left", "lfs/odd", "lfs/row", "lfs/young", "z"];
    let by_row = [("row", Claim::Row), ("internal", Claim::Internal), ("odd", Claim::NotUnderstood)];
    // Without prefixes; and one in the other.
    for (disk, git, prefix_of_git, told_of) in [
        (("", &whole[..]), ("", &whole[..]), "lfs/", ["disk a Some(10)", "disk lfs/left Some(10)"]),
        (("", &whole), ("lfs/", &below), "", ["git left Some(10)", "disk a Some(10)"]),
        (("lfs/", &below), ("", &whole[..7]), "lfs/", ["disk left Some(10)", "git a Some(10)"]),
    ] {
        let mut bench = Bench::new([("disk", disk), ("git", git)].map(|(name, (prefix, paths))| {
            let mut listing = in_shared_bucket(prefix, paths.iter().copied());
            for found in listing.items.iter_mut().flatten().filter(|found| found.path.ends_with("young")) {
                found.modified_at = Some(Timestamp::from_millis(99_000));
            }
            (name, listing)
        }));
        bench.records.insert("git", vec![if prefix_of_git.is_empty() { "claimed" } else { "lfs/claimed" }]);
        bench.records.insert("disk", vec!["z"]);
        bench.changed_before = Some(Timestamp::from_millis(99_000));
        let source = MemorySource::new();
        source.rows().claims =
            by_row.map(|(name, claim)| (format!("git/{prefix_of_git}{name}"), claim)).into();
        bench.source = Arc::new(source);
        let (report, told) = bench.search().await;
        let report = report.unwrap();
        let told: Vec<_> = told.iter().filter(|told| told.ends_with(')')).collect();
        assert_eq!(told, told_of);
        let expected = OrphanTotals {
            looked_at: u64::try_from(disk.1.len() + git.1.len()).unwrap(),
            orphans: 2,
            bytes: 20,
            internal: 1,
            young: 1,
            not_understood: 1,
            ..OrphanTotals::default()
        };
        assert_eq!(report.totals, expected);
    }
}

#[tokio::test]
async fn what_a_search_that_broke_off_has_not_judged_is_left_to_the_next() {
    let mut git = in_shared_bucket("lfs/", ["a", "b"]);
    git.items.insert(0, skipped("0"));
    git.items.push(Err(ListError::Broken("it has gone".to_owned())));
    let mut disk = in_shared_bucket("", ["lfs/a", "lfs/b", "lfs/c"]);
    disk.items.insert(0, skipped("lfs/0"));
    let mut bench = Bench::new([("disk", disk.clone()), ("git", git.clone())]);
    bench.records.insert("git", vec!["b"]);
    let (_, told) = bench.search().await;
    let of_disk: Vec<_> = told.iter().filter(|told| told.contains("lfs/")).collect();
    assert_eq!(of_disk, ["skipped disk lfs/0: no", "disk lfs/a Some(10)", "disk lfs/c Some(10)"]);
    // With the whole listing, the second has nothing to add.
    git.items.pop();
    let (_, told) = Bench::new([("disk", disk), ("git", git)]).search().await;
    assert!(!told.iter().any(|told| told.contains("lfs/")), "{told:?}");
}

#[tokio::test]
async fn a_bucket_of_the_same_name_elsewhere_may_be_the_same() {
    let disk = in_shared_bucket("", ["a", "b"]);
    let git = Listing { host: "s3://other", ..disk.clone() };
    let mut bench = Bench::new([("disk", disk), ("git", git)]);
    bench.records.insert("git", vec!["a"]);
    let (_, told) = bench.search().await;
    assert_eq!(told.iter().filter(|told| told.ends_with(" b Some(10)")).count(), 2, "{told:?}");
    assert!(!told.iter().any(|told| told.contains(" a ")), "{told:?}");
}

#[tokio::test]
async fn what_may_be_of_a_record_whose_storage_is_not_known_is_not_understood() {
    for unknown in [Location::UNKNOWN, "elsewhere"] {
        let mut bench = Bench::new([("disk", files(["a/1/x", "b"], Some(10)))]);
        bench.records.insert(unknown, vec!["a/1/x", "c"]);
        let (report, told) = bench.search().await;
        let report = report.unwrap();
        assert_eq!((report.totals.orphans, report.totals.not_understood), (1, 1));
        assert_eq!(report.storages[0].not_understood, [("a/*".to_owned(), 1)].into());
        assert!(told.contains(&"disk b Some(10)".to_owned()), "{told:?}");
    }
}

#[tokio::test]
async fn a_storage_that_cannot_be_listed_does_not_stop_the_others() {
    let mut disk = files(["a", "b"], Some(1));
    disk.items.push(Err(ListError::Broken("it has gone".to_owned())));
    let elsewhere = Listing { items: vec![Err(ListError::Unsupported)], ..Listing::default() };
    let git = files(["x.git"], None);
    let (report, told) = Bench::new([("disk", disk), ("elsewhere", elsewhere), ("git", git)]).search().await;
    let report = report.unwrap();
    let failed = |reason: &str| StorageOutcome::Failed(reason.to_owned());
    let (gone, unsupported) = (failed("it has gone"), failed("this kind of storage cannot be listed"));
    let expected = [("disk", &gone), ("elsewhere", &unsupported), ("git", &StorageOutcome::Searched)];
    assert_eq!(outcomes(&report), expected);
    assert!(told.contains(&"disk b Some(1)".to_owned()) && told.contains(&"git x.git None".to_owned()));
    assert_eq!(report.totals.orphans, 3);
}

#[tokio::test]
async fn nothing_is_concluded_from_a_storage_that_is_not_what_it_was() {
    let mut bench = Bench::new([("disk", files(["a"], Some(1))), ("git", files(["x.git"], None))]);
    bench.closed = Some("disk");
    let report = bench.search().await.0.unwrap();
    let closed = StorageOutcome::Failed("empty".to_owned());
    assert_eq!(report.storages[0].outcome, closed);
    assert_eq!((report.totals.looked_at, report.totals.orphans), (1, 1));
}

#[tokio::test]
async fn where_content_of_rows_that_were_not_read_may_lie_is_not_searched() {
    let storages = || [("disk", files(["a"], Some(1))), ("git", files(["x.git"], None))];
    let mut bench = Bench::new(storages());
    bench.unread = vec![Model::Uploads];
    let (report, told) = bench.search().await;
    let report = report.unwrap();
    let reason = "not all rows of uploads were read, so that content of these would be listed";
    assert_eq!(report.storages[0].outcome, StorageOutcome::Failed(reason.to_owned()));
    assert!(told.contains(&"git x.git None".to_owned()) && !told.contains(&"disk a Some(1)".to_owned()));
    // Nor is a storage that overlaps that one.
    let storages = storages().map(|(name, listing)| (name, Listing { prefix: Some(""), ..listing }));
    let mut bench = Bench::new(storages);
    bench.unread = vec![Model::Uploads];
    assert_eq!(bench.search().await.0.unwrap().totals, OrphanTotals::default());
}

#[tokio::test]
async fn a_storage_that_is_not_there_is_not_used_unless_a_record_lies_in_it() {
    let gone =
        || Listing { items: vec![Err(ListError::Broken("no such folder".to_owned()))], ..Listing::default() };
    for (records, outcome) in [
        (vec![], StorageOutcome::Unused("no such folder".to_owned())),
        (vec!["a"], StorageOutcome::Failed("no such folder".to_owned())),
    ] {
        let mut bench = Bench::new([("disk", gone())]);
        bench.records.insert("disk", records);
        assert_eq!(bench.search().await.0.unwrap().storages[0].outcome, outcome);
    }
}

#[tokio::test]
async fn disorder_is_told_and_nothing_is_concluded_from_it() {
    for (what, found, records, at) in [
        ("the storage's listing", &["a", "c", "b"][..], &["a", "b", "c"][..], "b"),
        ("the storage's listing", &["a/b", "a-b"], &["a-b", "a/b"], "a-b"),
        ("the catalogue's list of its records", &["a", "b", "c"], &["a", "c", "b"], "c"),
        ("the catalogue's list of its records", &["a", "b", "z"], &["a", "x", "b", "z"], "x"),
    ] {
        let mut bench = Bench::new([("disk", files(found.iter().copied(), Some(1)))]);
        bench.records.insert("disk", records.to_vec());
        let (report, told) = bench.search().await;
        let reason = format!("{what} is not in the order of the paths, from here on: {at}");
        let report = report.unwrap();
        assert_eq!(report.storages[0].outcome, StorageOutcome::Disordered(reason));
        assert_eq!((report.totals.orphans, told.len()), (0, 6), "{told:?}");
    }
}

#[tokio::test]
async fn what_is_listed_twice_is_looked_at_once() {
    let (report, _) = Bench::new([("disk", files(["a", "a", "b"], Some(1)))]).search().await;
    let totals = report.unwrap().totals;
    assert_eq!((totals.looked_at, totals.orphans), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_source_or_a_catalogue_that_does_not_answer_ends_the_search() {
    let source = Arc::new(MemorySource::new());
    source.rows().away = true;
    let mut bench = Bench::new([("disk", files(["a"], None))]);
    bench.source = source.clone();
    assert!(matches!(bench.search().await.0, Err(OrphanError::Source(_))));
    assert_eq!(source.rows().failed, 5);
    let mut bench = Bench::new([("disk", files(["a", "b"], None))]);
    bench.records.insert("disk", vec!["a", "!"]);
    assert!(matches!(bench.search().await.0, Err(OrphanError::Store(_))));
}

#[tokio::test]
async fn a_source_that_leaves_a_question_unanswered_claims_nothing_and_frees_nothing() {
    let mut source = MockSource::new();
    source.expect_storages().returning(|| ["disk".to_owned()].into());
    source.expect_claims().returning(|_| Ok(vec![Claim::Nobody]));
    let mut bench = Bench::new([("disk", files(["a", "b"], None))]);
    bench.source = Arc::new(source);
    let (report, told) = bench.search().await;
    assert!(matches!(report, Err(OrphanError::Source(_))));
    assert_eq!(told, ["search disk"]);
}
