//! Each adapter against an object store that other people wrote, with faults of every kind: none may be missed, and
//! nothing else may be told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use sha2::Sha256;
use stocktake_content_objects::{Mode, ObjectSettings, S3Keys, S3Settings, Service};
use stocktake_domain::ports::{Inspection, ListError};
use stocktake_domain::{Algorithm, ContentError, Digest, FailureKind, Observation, Reference, judge};
use stocktake_testbed::{ObjectServer, ServerKind};

use crate::support::{
    answer, azure_of, google_of, impatient, inspect, inspect_watched, list, pair, piece, s3, service,
    settings, storage, unreadable,
};

/// More than five full pages.
const BULK: usize = 5_100;

/// Of so many objects, one is faulty.
const ONE_IN: usize = 60;

/// Keys that others have trouble with.
const ODD: [&str; 16] = [
    "a//b",
    "/lead",
    "//two",
    "a\u{1}b",
    "a\tb",
    "a\nb",
    "a b+c",
    "%",
    "%2F",
    "ä/日本",
    "a/",
    "?a=b&c#d",
    "<&>\"'",
    "a\\b",
    "~",
    "a:b@c,d;e=f!g$h*i(j)",
];

/// What was done to an object after its digest was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    Missing,
    Altered,
    Truncated,
    Emptied,
}

impl Planted {
    const FAULTS: [Self; 4] = [Self::Missing, Self::Altered, Self::Truncated, Self::Emptied];

    /// What is stored of content with this fault.
    fn stored(self, content: &[u8]) -> Option<Vec<u8>> {
        let mut stored = content.to_vec();
        match self {
            Self::Nothing => {}
            Self::Missing => return None,
            Self::Altered => stored[0] ^= 1,
            Self::Truncated => stored.truncate(content.len() - 1),
            Self::Emptied => stored.clear(),
        }
        Some(stored)
    }

    fn kind(self) -> Option<FailureKind> {
        match self {
            Self::Nothing => None,
            Self::Missing => Some(FailureKind::Missing),
            Self::Altered | Self::Truncated | Self::Emptied => Some(FailureKind::Altered),
        }
    }
}

/// An object as it was recorded, and its fault.
struct Recorded {
    key: String,
    content: Vec<u8>,
    planted: Planted,
}

fn catalogue() -> Vec<Recorded> {
    let bulk = (0..BULK).map(|number| {
        let planted = if number % ONE_IN == 7 {
            Planted::FAULTS[number / ONE_IN % Planted::FAULTS.len()]
        } else {
            Planted::Nothing
        };
        Recorded {
            key: format!("bulk/{number:05}"),
            content: format!("content of number {number}").into_bytes(),
            planted,
        }
    });
    // Each odd key once good, and once with each fault.
    let all = [Planted::Nothing].into_iter().chain(Planted::FAULTS);
    let odd = all.flat_map(|planted| {
        ODD.map(|key| Recorded {
            key: format!("{planted:?}{key}"),
            content: format!("content of {key}").into_bytes(),
            planted,
        })
    });
    let nothing = Recorded { key: "empty".to_owned(), content: Vec::new(), planted: Planted::Nothing };
    bulk.chain(odd).chain([nothing]).collect()
}

pub(crate) fn settings_of(kind: ServerKind, server: &ObjectServer) -> ObjectSettings {
    let endpoint = format!("http://{}{}", server.address(), server.base());
    let service = match kind {
        ServerKind::S3 => Service::S3(S3Settings { keys: S3Keys::Pair(pair()), ..s3(&endpoint) }),
        ServerKind::Azure => {
            azure_of(ObjectServer::ACCOUNT, ObjectServer::BUCKET, ObjectServer::ACCOUNT_KEY, endpoint)
        }
        ServerKind::Google | ServerKind::GoogleOnDisk => google_of(ObjectServer::BUCKET, endpoint),
    };
    ObjectSettings { service, ..settings("") }
}

/// Puts the objects as their faults have it. Returns those that the server took; of the others, it must be known that
/// this server cannot store their keys.
fn fill(server: &ObjectServer, objects: Vec<Recorded>, refuses: &str) -> Vec<Recorded> {
    let put = |object: &Recorded| {
        let stored = object.planted.stored(&object.content);
        let first = server.put(&object.key, stored.as_deref().unwrap_or(&object.content), &[]);
        if first.is_ok() && stored.is_none() {
            server.delete(&object.key).unwrap();
        }
        first.is_ok()
    };
    let taken: Vec<bool> = std::thread::scope(|scope| {
        let parts = objects.chunks(objects.len().div_ceil(8));
        let parts: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(put).collect::<Vec<_>>())).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    let not_taken: Vec<_> =
        objects.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(o, _)| &o.key).collect();
    assert!(not_taken.iter().all(|key| !refuses.is_empty() && key.contains(refuses)), "{not_taken:?}");
    objects.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(object, _)| object).collect()
}

/// The digest and the size that were recorded.
fn reference(object: &Recorded, mode: Mode) -> Reference {
    let expected = match mode {
        Mode::Content => Digest::Sha256(Sha256::digest(&object.content).into()),
        // All three stores keep it of an object that was put in one piece.
        Mode::Metadata => Digest::Md5(Md5::digest(&object.content).into()),
    };
    let size = u64::try_from(object.content.len()).ok();
    Reference { expected: Some(expected), size, ..Reference::default() }
}

/// How an observation is judged.
fn judged(
    reference: &Reference,
    seen: Result<Observation, ContentError>,
) -> Result<Option<FailureKind>, String> {
    match seen {
        Ok(seen) => Ok(judge(reference, &seen, Algorithm::Sha256).err().map(|failure| failure.kind())),
        Err(error) => match error.into_failure() {
            Ok(failure) => Ok(Some(failure.kind())),
            Err(not_judged) => Err(not_judged.to_string()),
        },
    }
}

/// Inspects all objects; says what was missed and what was told falsely.
async fn check(objects: &[&Recorded], mode: Mode, settings: &ObjectSettings) -> (usize, usize) {
    let storage = storage(ObjectSettings { mode, ..settings.clone() });
    let recorded =
        |object: &&Recorded| Inspection { reference: reference(object, mode), ..piece(&object.key) };
    let pieces = objects.iter().map(recorded).collect();
    let all = inspect_watched(&storage, pieces, Arc::default()).await;
    let (mut missed, mut false_alarms) = (0, 0);
    for (object, seen) in objects.iter().zip(all) {
        let told = judged(&reference(object, mode), seen);
        if told == Ok(object.planted.kind()) {
            continue;
        }
        println!("{:?} {:?} was told as {told:?}", object.planted, object.key);
        if object.planted == Planted::Nothing {
            false_alarms += 1;
        } else {
            missed += 1;
        }
    }
    (missed, false_alarms)
}

/// A store of this kind that is full of faults. `refuses` is what keys contain that this server cannot store, and
/// `unlisted` what it cannot list.
async fn finds_all(kind: ServerKind, refuses: &str, unlisted: &[char]) {
    let server = ObjectServer::start(kind).unwrap();
    let objects = fill(&server, catalogue(), refuses);
    let settings = settings_of(kind, &server);
    let faults = objects.iter().filter(|object| object.planted != Planted::Nothing).count();
    assert!(faults >= BULK / ONE_IN + 4 * (ODD.len() - 1), "{faults}");
    for mode in [Mode::Content, Mode::Metadata] {
        // To read all that is good would take these servers minutes.
        let is_asked = |number: usize, object: &Recorded| {
            mode == Mode::Metadata || object.planted != Planted::Nothing || number.is_multiple_of(10)
        };
        let asked = objects.iter().enumerate().filter(|(number, object)| is_asked(*number, object));
        let asked: Vec<&Recorded> = asked.map(|(_, object)| object).collect();
        let (missed, false_alarms) = check(&asked, mode, &settings).await;
        let count = asked.len();
        println!(
            "{kind:?}, {mode:?}: {count} objects, {faults} faults, {missed} missed, {false_alarms} false alarms"
        );
        assert_eq!((missed, false_alarms), (0, 0));
    }
    if unlisted.is_empty() {
        return lists_all(&settings, &objects).await;
    }
    // It fails at such keys, which is told soon.
    let begin = Instant::now();
    let found = list(&impatient(settings.clone())).await;
    let Some(Err(ListError::Broken(reason))) = found.last() else { panic!("{:?}", found.last()) };
    assert!(reason.contains("answers 500") && begin.elapsed() < Duration::from_secs(10), "{reason}");
    let (bad, good): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.key.contains(unlisted));
    assert!(!bad.is_empty());
    for object in bad.iter().filter(|object| object.planted != Planted::Missing) {
        server.delete(&object.key).unwrap();
    }
    lists_all(&settings, &good).await;
}

async fn lists_all(settings: &ObjectSettings, objects: &[Recorded]) {
    let found = list(&storage(settings.clone())).await;
    let found: BTreeSet<_> = found.into_iter().map(|found| found.unwrap().path).collect();
    // What is empty and ends in a slash stands for a folder, and is not listed.
    let is_listed = |object: &&Recorded| {
        let stored = object.planted.stored(&object.content);
        stored.is_some_and(|stored| !stored.is_empty() || !object.key.ends_with('/'))
    };
    let expected: BTreeSet<_> = objects.iter().filter(is_listed).map(|object| object.key.clone()).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_hides_no_fault() {
    // Its routes end at a line break.
    finds_all(ServerKind::S3, "\n", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_hides_no_fault() {
    // It writes the one into XML, which cannot hold it, and the other as a slash.
    finds_all(ServerKind::Azure, "", &['\u{1}', '\\']).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fake_gcs_server_hides_no_fault() {
    finds_all(ServerKind::Google, "", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_objects_are_read_as_they_are_stored() {
    // Of `content`, without a name or a time.
    let content = hex::decode("1f8b08000000000002034bcecf2b49cd2b0100a930c5fe07000000").unwrap();
    for kind in [ServerKind::S3, ServerKind::Azure, ServerKind::Google] {
        let server = ObjectServer::start(kind).unwrap();
        let header =
            if kind == ServerKind::Azure { "x-ms-blob-content-encoding" } else { "Content-Encoding" };
        server.put("a", &content, &[(header, "gzip")]).unwrap();
        let object = Recorded { key: "a".to_owned(), content: content.clone(), planted: Planted::Nothing };
        for mode in [Mode::Content, Mode::Metadata] {
            assert_eq!(
                check(&[&object], mode, &settings_of(kind, &server)).await,
                (0, 0),
                "{kind:?} {mode:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_objects_are_told_as_such() {
    for kind in [ServerKind::S3, ServerKind::Azure] {
        let server = ObjectServer::start(kind).unwrap();
        server.put("b", b"another", &[]).unwrap();
        if kind == ServerKind::S3 {
            server.put("a", b"content", &[("x-amz-storage-class", "GLACIER")]).unwrap();
        } else {
            server.put("a", b"content", &[]).unwrap();
            let tier = [("x-ms-access-tier", "Archive")];
            assert_eq!(server.send("PUT", "a", "comp=tier", &tier, &[]).unwrap().status, 200);
        }
        let settings = settings_of(kind, &server);
        let text = unreadable(&storage(settings.clone()), "a").await;
        assert!(text.starts_with("archived, and must be restored before it can be read: "), "{text}");
        let metadata = storage(ObjectSettings { mode: Mode::Metadata, ..settings });
        assert_eq!(inspect(&metadata, "a").await.unwrap().stored.size, Some(7));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_with_a_key_of_the_customer_are_told_as_such() {
    let refusal = "<Error><Code>InvalidRequest</Code></Error>";
    let server = service(move |asked| answer(400, &[], if asked.method == "HEAD" { "" } else { refusal }));
    for mode in [Mode::Content, Mode::Metadata] {
        let text = unreadable(&storage(ObjectSettings { mode, ..settings(&server.url()) }), "a").await;
        assert!(text.contains("a key of the customer's own (SSE-C)"), "{text}");
        assert!(text.ends_with(": s3://content/a"), "{text}");
    }
}
