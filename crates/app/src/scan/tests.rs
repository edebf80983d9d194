//! Scans over lists made up here.

use futures_util::stream;
use stocktake_domain::Timestamp;

use super::*;

#[derive(Default)]
struct Notes {
    gone: Vec<String>,
    skipped: Vec<String>,
}

impl Watcher for Notes {
    fn advanced(&mut self, _: &Report) {}

    fn skipped(&mut self, path: &str, _: &str) {
        self.skipped.push(path.to_owned());
    }

    fn gone(&mut self, path: &str) {
        self.gone.push(path.to_owned());
    }
}

type Listed = Result<Found, ListError>;

fn file(path: &str) -> Found {
    Found { path: path.to_owned(), size: Some(3), modified_at: Some(Timestamp::from_millis(7)) }
}

fn skip(path: &str) -> ListError {
    ListError::Skipped { path: path.to_owned(), reason: "no".to_owned() }
}

struct Seen {
    result: Result<Report, ScanError>,
    notes: Notes,
    entries: Vec<SourceRecord>,
}

async fn scan(listed: Vec<Listed>, known: &[&str], largest: Option<RecordKey>) -> Seen {
    let known: Vec<_> = known.iter().map(|path| Ok(((*path).to_owned(), RecordKey::integer(1)))).collect();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
    let mut notes = Notes::default();
    let result = Scan::new("main", largest.as_ref(), &sender, &mut notes)
        .run(Box::pin(stream::iter(listed)), Box::pin(stream::iter(known)))
        .await;
    drop(sender);
    let mut entries = Vec::new();
    while let Some(batch) = receiver.recv().await {
        entries.extend(batch.unwrap());
    }
    Seen { result, notes, entries }
}

#[tokio::test]
async fn new_files_are_numbered_in_order_and_gone_ones_are_named() {
    let listed = vec![Ok(file("a")), Ok(file("b-c")), Ok(file("b/c")), Ok(file("d"))];
    let seen = scan(listed, &["Z", "b/c", "b/c", "c", "e"], Some(RecordKey::integer(41))).await;
    assert_eq!(seen.result.unwrap(), Report { found: 4, new: 3, gone: 3, skipped: 0 });
    let numbered: Vec<_> =
        seen.entries.iter().map(|entry| (entry.key.to_string(), entry.location.path.as_str())).collect();
    assert_eq!(numbered, [("42".to_owned(), "a"), ("43".to_owned(), "b-c"), ("44".to_owned(), "d")]);
    assert_eq!(seen.entries[0].created_at, Some(Timestamp::from_millis(7)));
    assert_eq!(seen.entries[0].file_size, Some(3));
    assert_eq!(seen.notes.gone, ["Z", "c", "e"]);
}

#[tokio::test]
async fn what_lies_below_a_skipped_folder_is_not_gone() {
    // A listing may name the folder where its name sorts, or where its content would.
    for listed in [
        vec![Ok(file("a")), Err(skip("b")), Ok(file("b-c")), Err(skip("d")), Ok(file("z"))],
        vec![Ok(file("a")), Ok(file("b-c")), Err(skip("b")), Err(skip("d")), Ok(file("z"))],
    ] {
        let seen = scan(listed, &["b/1", "b/2/3", "b0", "d", "d/x", "da"], None).await;
        assert_eq!(seen.result.unwrap(), Report { found: 3, new: 3, gone: 2, skipped: 2 });
        assert_eq!(seen.notes.gone, ["b0", "da"]);
        assert_eq!(seen.notes.skipped.len(), 2);
    }
}

#[tokio::test]
async fn a_broken_listing_is_an_error() {
    let listed = vec![Ok(file("a")), Err(ListError::Broken("disk gone".to_owned())), Ok(file("b"))];
    let seen = scan(listed, &["a", "b"], None).await;
    assert!(matches!(seen.result, Err(ScanError::List(ListError::Broken(_)))));
    assert!(seen.notes.gone.is_empty());
}

#[tokio::test]
async fn too_many_skipped_paths_leave_open_what_is_gone() {
    let mut listed: Vec<_> = (0..=MOST_SKIPPED).map(|number| Err(skip(&format!("m{number:09}")))).collect();
    listed.push(Ok(file("z")));
    let seen = scan(listed, &["a", "n"], None).await;
    assert_eq!(seen.result.unwrap().gone, 0);
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
