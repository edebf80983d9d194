//! Scans over lists made up here.

use futures_util::stream;
use stocktake_domain::ports::{Counted, CountedTo, Extent, MockCatalogue, MockContentStore, Page};
use stocktake_domain::{Acceptance, NewAcceptance, Replaced, Timestamp};

use super::*;

#[derive(Default)]
struct Notes {
    gone: Vec<String>,
    replaced: Vec<String>,
    skipped: Vec<String>,
    not_listed: Vec<RecordKey>,
}

impl Watcher for Notes {
    fn found(&mut self, _path: &str) {}

    fn advanced(&mut self, _: &Report) {}

    fn skipped(&mut self, what: &ListError) {
        self.skipped.push(what.to_string());
    }

    fn gone(&mut self, path: &str, _key: RecordKey) {
        self.gone.push(path.to_owned());
    }

    fn replaced(&mut self, path: &str, what: NoContent, _key: RecordKey) {
        self.replaced.push(format!("{path}: {what}"));
    }

    fn not_listed(&mut self, key: RecordKey) {
        self.not_listed.push(key);
    }
}

type Listed = Result<Found, ListError>;

fn file(path: &str) -> Found {
    Found { path: path.to_owned(), size: Some(3), modified_at: Some(Timestamp::from_millis(7)) }
}

fn skip(path: &str) -> ListError {
    ListError::Skipped { path: path.to_owned(), reason: "no".to_owned() }
}

fn unlisted(folder: &str) -> ListError {
    ListError::Unlisted { folder: folder.to_owned(), reason: "no".to_owned() }
}

/// The rule of a record that stands for a folder.
fn rule() -> DigestRule {
    DigestRule::Unlisted("no".to_owned())
}

struct Seen {
    result: Result<Report, ScanError>,
    notes: Notes,
    entries: Vec<SourceRecord>,
}

impl Seen {
    /// The paths of the entries, and what besides is said of them.
    fn entries(&self) -> Vec<(&str, &DigestRule, bool)> {
        self.entries.iter().map(|entry| (entry.location.path.as_str(), &entry.rule, entry.disabled)).collect()
    }
}

/// The host's time in all scans.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(43_200_000)
    }
}

/// A scan of a storage in which files have these sizes by then. The known records named "off" are switched off, and those
/// named "retired" besides by an acceptance.
async fn scan(listed: Vec<Listed>, known: &[&str], largest: Option<RecordKey>) -> Seen {
    scan_of_growing(listed, known, largest, 3).await
}

async fn scan_of_growing(
    listed: Vec<Listed>,
    known: &[&str],
    largest: Option<RecordKey>,
    size_by_then: u64,
) -> Seen {
    let mut catalogue = MockCatalogue::new();
    let is_off = |path: &&str| path.contains("off") || path.contains("retired");
    let off: Vec<i64> = (0..).zip(known).filter(|(_, path)| is_off(path)).map(|(number, _)| number).collect();
    let retired: Vec<i64> =
        (0..).zip(known).filter(|(_, path)| path.contains("retired")).map(|(number, _)| number).collect();
    let some_off = u64::from(!off.is_empty());
    catalogue.expect_count().returning(move |_, _, _| Ok(Counted { matches: some_off, to: CountedTo::End }));
    let are_off = off.clone();
    catalogue.expect_page().returning(move |request| {
        let record = |number: &i64| {
            let location = Location { storage: "main".to_owned(), path: String::new() };
            Record::new(request.model, SourceRecord::new(RecordKey::integer(*number), location))
        };
        Ok(Page { records: are_off.iter().map(record).collect(), ..Page::default() })
    });
    catalogue.expect_acceptances().returning(move |_, key| {
        let is_retired = retired.contains(&key.as_integer().unwrap());
        let accepted = NewAcceptance { checksum: None, size: None, by: String::new(), reason: None };
        let at = Timestamp::from_millis(0);
        let acceptance = Acceptance { at, accepted, replaced: Replaced::default(), taken_back: None };
        Ok(if is_retired { vec![acceptance] } else { Vec::new() })
    });
    let mut content = MockContentStore::new();
    content
        .expect_measure()
        .returning(move |_| Some(Extent { size: size_by_then, modified_at: Some(Noon.now()) }));
    // Of the known records, those of folders that are named "unlisted" are of earlier scans.
    let folders: Vec<usize> = (0..known.len()).filter(|index| known[*index].contains("unlisted")).collect();
    catalogue.expect_get().returning(move |model, key| {
        let index = usize::try_from(key.as_integer().unwrap()).unwrap();
        let location = Location { storage: "main".to_owned(), path: String::new() };
        let rule = if folders.contains(&index) { rule() } else { DigestRule::Stored };
        let said = SourceRecord { rule, ..SourceRecord::new(key.clone(), location) };
        let record = Record::new(model, said);
        let is_off = off.contains(&key.as_integer().unwrap());
        let status = if is_off { record.status.clone().disable() } else { record.status.clone() };
        Ok(Some(Record { status, ..record }))
    });
    let known: Vec<_> =
        (0..).zip(known).map(|(key, path)| Ok(((*path).to_owned(), RecordKey::integer(key)))).collect();
    let known = Box::pin(stream::iter(known));
    let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
    let mut notes = Notes::default();
    let of = ScanOf {
        model: Model::Uploads,
        storage: "main",
        layout: Layout::Auto,
        catalogue: &catalogue,
        content: &content,
        clock: &Noon,
    };
    let basis = ScanBasis { storage: "main".to_owned(), largest_in_storage: None, largest };
    let result = Scan::new(of, &basis, known, &sender, &mut notes).run(Box::pin(stream::iter(listed))).await;
    drop(sender);
    let mut entries = Vec::new();
    while let Some(batch) = receiver.recv().await {
        entries.extend(batch.unwrap().into_iter().map(|(_, entry)| entry));
    }
    Seen { result, notes, entries }
}

#[tokio::test]
async fn new_files_are_numbered_in_order_and_gone_ones_are_named() {
    let listed = vec![Ok(file("a")), Ok(file("b-c")), Ok(file("b/c")), Ok(file("d"))];
    let seen = scan(listed, &["Z", "b/c", "b/c", "c", "e"], Some(RecordKey::integer(41))).await;
    assert_eq!(seen.result.unwrap(), Report { found: 4, new: 3, gone: 3, ..Report::default() });
    let numbered: Vec<_> =
        seen.entries.iter().map(|entry| (entry.key.to_string(), entry.location.path.as_str())).collect();
    assert_eq!(numbered, [("42".to_owned(), "a"), ("43".to_owned(), "b-c"), ("44".to_owned(), "d")]);
    assert_eq!(seen.entries[0].created_at, Some(Timestamp::from_millis(7)));
    assert_eq!(seen.entries[0].file_size, Some(3));
    assert_eq!(seen.notes.gone, ["Z", "c", "e"]);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_a_record_and_nothing_in_it_is_gone() {
    let listed = vec![
        Ok(file("a")),
        Ok(file("b-c")),
        Err(unlisted("b/")),
        Ok(file("b/2")),
        Err(unlisted("b/4/")),
        Err(skip("d")),
        Ok(file("z")),
    ];
    let seen = scan(listed, &["a-", "b-", "b/1", "b/2", "b/4/x", "b/5", "b0", "d", "d/x", "da"], None).await;
    assert_eq!(
        seen.result.as_ref().unwrap(),
        &Report { found: 4, new: 5, gone: 5, skipped: 3, ..Report::default() }
    );
    assert!(!seen.result.as_ref().unwrap().is_good());
    assert_eq!(seen.notes.gone, ["a-", "b-", "b0", "d/x", "da"]);
    assert_eq!(seen.notes.skipped, ["b/: no", "b/4/: no", "d: no"]);
    let (stored, rule) = (DigestRule::Stored, rule());
    let entries = [("a", &stored), ("b-c", &stored), ("b/", &rule), ("b/4/", &rule), ("z", &stored)];
    assert_eq!(seen.entries(), entries.map(|(path, rule)| (path, rule, false)));
}

#[tokio::test]
async fn the_record_of_a_folder_is_kept_while_it_cannot_be_listed_and_then_switched_off() {
    let known = ["a/unlisted/", "b/", "c/unlisted/", "c/unlisted/d/unlisted/"];
    let listed = vec![Ok(file("a/unlisted/x")), Err(unlisted("c/unlisted/"))];
    let seen = scan(listed, &known, Some(RecordKey::integer(9))).await;
    // "b/" is a key of an object storage, of which nothing is left.
    assert_eq!(seen.notes.gone, ["b/"]);
    let keys: Vec<_> = seen.entries.iter().map(|entry| entry.key.as_integer()).collect();
    assert_eq!(keys, [Some(0), Some(10), Some(2)]);
    let (stored, rule) = (DigestRule::Stored, rule());
    let entries =
        [("a/unlisted/", &rule, true), ("a/unlisted/x", &stored, false), ("c/unlisted/", &rule, false)];
    assert_eq!(seen.entries(), entries);
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_is_not_gone_and_has_one_record() {
    let known = [
        "a.git",
        "a.git-x",
        "b",
        "b.git",
        "b.git!/c",
        "b.git/x",
        "c.git",
        "c.git",
        "d-off.git",
        "e.git",
        "e.git/unlisted/",
        "f.git",
    ];
    let listed = vec![
        Ok(file("a.git+")),
        Err(unlisted("b.git/")),
        Ok(file("b.git0")),
        Err(unlisted("c.git/")),
        Err(unlisted("d-off.git/")),
        Ok(file("e.git")),
        Err(unlisted("f.git/x/")),
    ];
    let seen = scan(listed, &known, Some(RecordKey::integer(90))).await;
    let report = Report { found: 3, new: 4, gone: 5, skipped: 4, ..Report::default() };
    assert_eq!(seen.result.as_ref().unwrap(), &report);
    assert_eq!(seen.notes.gone, ["a.git", "a.git-x", "b.git!/c", "b", "f.git"]);
    assert_eq!(seen.notes.not_listed, [3, 7, 6].map(RecordKey::integer));
    let (stored, rule) = (DigestRule::Stored, rule());
    let entries = [
        ("a.git+", &stored, false),
        ("b.git0", &stored, false),
        ("d-off.git/", &rule, false),
        ("e.git/unlisted/", &rule, true),
        ("f.git/x/", &rule, false),
    ];
    assert_eq!(seen.entries(), entries);
}

#[tokio::test]
async fn the_record_of_a_folder_ends_where_another_stands_for_it() {
    let known = ["a unlisted", "a unlisted/"];
    let seen = scan(vec![Err(unlisted("a unlisted/"))], &known, None).await;
    assert_eq!(seen.result.as_ref().unwrap(), &Report { skipped: 1, ..Report::default() });
    assert_eq!(seen.entries(), [("a unlisted/", &rule(), true)]);
}

#[tokio::test]
async fn a_listing_out_of_order_tells_nothing_of_what_is_gone() {
    let seen = scan(vec![Ok(file("b")), Ok(file("a"))], &["a"], None).await;
    assert!(matches!(seen.result, Err(ScanError::Disordered(path)) if path == "a"));
}

#[tokio::test]
async fn a_broken_listing_is_an_error() {
    let listed = vec![Ok(file("a")), Err(ListError::Broken("disk gone".to_owned())), Ok(file("b"))];
    let seen = scan(listed, &["a", "b"], None).await;
    assert!(matches!(seen.result, Err(ScanError::List(ListError::Broken(_)))));
    assert!(seen.notes.gone.is_empty());
}

#[tokio::test]
async fn keys_go_on_after_a_composite_one_and_end_somewhere() {
    let composite = RecordKey::from_parts(vec![7, 100]);
    assert_eq!(scan(vec![Ok(file("a"))], &[], composite).await.entries[0].key, RecordKey::integer(8));
    let negative = Some(RecordKey::integer(-5));
    assert_eq!(scan(vec![Ok(file("a"))], &[], negative).await.entries[0].key, RecordKey::integer(1));
    let last = Some(RecordKey::integer(i64::MAX));
    assert!(matches!(scan(vec![Ok(file("a"))], &[], last).await.result, Err(ScanError::NoKeyLeft)));
}

#[tokio::test]
async fn what_is_no_content_is_counted_and_its_record_is_not_gone() {
    let passed = |path: &str, what| Err(ListError::PassedOver { path: path.to_owned(), what });
    let listed = vec![
        passed("a", NoContent::Link),
        Ok(file("b")),
        passed("b-off", NoContent::Pipe),
        passed("c", NoContent::Pipe),
        passed("d", NoContent::Socket),
    ];
    let seen = scan(listed, &["a", "b-off", "c", "e"], None).await;
    // A record is read through a link, and a pipe in the place of a file is none.
    let report = Report { found: 1, new: 1, gone: 1, replaced: 1, passed_over: 4, ..Report::default() };
    assert_eq!(seen.result.unwrap(), report);
    assert!(!report.is_good());
    assert_eq!(seen.notes.gone, ["e"]);
    assert_eq!(seen.notes.replaced, ["c: pipe"]);
}

#[tokio::test]
async fn a_file_that_still_grows_is_recorded_without_a_size() {
    let young = |path: &str| Found { modified_at: Some(Noon.now()), ..file(path) };
    let sizes = async |size_by_then| {
        let listed = vec![Ok(young("a")), Ok(file("b"))];
        let seen = scan_of_growing(listed, &[], None, size_by_then).await;
        let mut sizes: Vec<_> =
            seen.entries.into_iter().map(|entry| (entry.location.path, entry.file_size)).collect();
        sizes.sort();
        sizes
    };
    let named = |a, b| [("a".to_owned(), a), ("b".to_owned(), b)];
    assert_eq!(sizes(3).await, named(Some(3), Some(3)));
    assert_eq!(sizes(4).await, named(None, Some(3)));
}

#[tokio::test]
async fn a_retired_record_is_not_gone_and_comes_back_with_its_file() {
    let known = ["a-retired", "b-off", "c-off", "d-retired", "e"];
    let seen = scan(vec![Ok(file("c-off")), Ok(file("d-retired"))], &known, None).await;
    assert_eq!(seen.result.unwrap(), Report { found: 2, gone: 1, back: 1, ..Report::default() });
    assert_eq!(seen.notes.gone, ["e"]);
    let [entry] = seen.entries.as_slice() else { panic!("{:?}", seen.entries) };
    assert_eq!((entry.key.as_integer(), entry.disabled), (Some(3), false));
}
