//! What networks and busy servers do is no failure of the record.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use stocktake_content_objects::{ObjectStorage, Patience};
use stocktake_domain::ports::Watch;
use stocktake_testbed::{Asked, Fault, FaultProxy};

use crate::support::{
    BUCKET, Lab, answer, assert_good, impatient, inspect, inspect_watched, made_up, not_judged, piece, pool,
    settings, storage, unreadable,
};

const SIZE: usize = 1_500_000;

/// Reads an object through a proxy that does this to the first answers: it must be read right, each byte once,
/// and each further request must ask only for what is missing, of the same object. Returns the requests.
async fn survives(faults: Vec<Fault>) -> Vec<Asked> {
    let lab = Lab::new();
    let content = made_up(1, SIZE);
    lab.put("a", &content);
    let proxy = lab.proxy(move |asked| faults.get(asked.number).cloned().unwrap_or(Fault::None));
    let watch = Arc::new(Watch::default());
    let storage = storage(settings(&proxy.url()));
    let seen = inspect_watched(&storage, vec![piece("a")], Arc::clone(&watch)).await.remove(0);
    assert_good(&seen, &content);
    assert_eq!(watch.bytes(), u64::try_from(SIZE).unwrap());
    let asked = proxy.asked();
    let begin = |asked: &Asked| -> usize {
        let range = asked.header("range").unwrap().strip_prefix("bytes=").unwrap();
        range.split('-').next().unwrap().parse().unwrap()
    };
    assert!(asked.windows(2).all(|pair| begin(&pair[0]) <= begin(&pair[1])));
    assert!(asked.iter().all(|asked| begin(asked) == 0 || asked.header("if-match").is_some()));
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_connection_is_gone_on_with() {
    let asked = survives(vec![
        Fault::Reset { after: 400_000 },
        Fault::Reset { after: 0 },
        Fault::Reset { after: 700_000 },
    ])
    .await;
    assert_eq!(asked.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_body_is_noticed_and_gone_on_with() {
    let asked = survives(vec![
        Fault::Truncate { after: 100_000, hidden: false },
        Fault::Truncate { after: 200_000, hidden: true },
        Fault::Truncate { after: 0, hidden: true },
    ])
    .await;
    let ranges: Vec<_> = asked.iter().filter_map(|asked| asked.header("range")).collect();
    assert_eq!(ranges, ["bytes=0-", "bytes=100000-", "bytes=300000-", "bytes=300000-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_length_does_not_matter() {
    survives(vec![Fault::Length(1_000), Fault::Length(9_000_000)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_are_waited_for() {
    let drip = Fault::Drip { bytes: 100_000, pause: Duration::from_millis(20) };
    assert_eq!(survives(vec![drip]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_is_no_verdict_and_does_not_hold_its_reader() {
    let lab = Lab::new();
    lab.put("a", &made_up(1, SIZE));
    let proxy = lab.proxy(|_| Fault::Drip { bytes: 1, pause: Duration::from_millis(20) });
    let begin = Instant::now();
    let text = not_judged(&impatient(settings(&proxy.url())), "a").await;
    assert!(text.contains(" bytes came within ") && begin.elapsed() < Duration::from_secs(20), "{text}");
    // One that does so once is asked on another connection.
    let proxy = lab.proxy(|asked| match asked.number {
        0 => Fault::Drip { bytes: 1, pause: Duration::from_millis(20) },
        _ => Fault::None,
    });
    assert_good(&inspect(&impatient(settings(&proxy.url())), "a").await, &made_up(1, SIZE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again() {
    let answer = |status, headers: &[(&str, &str)]| answer(status, headers, "");
    let faults =
        vec![Fault::slow_down(), answer(429, &[]), answer(500, &[]), answer(502, &[]), answer(504, &[])];
    assert_eq!(survives(faults).await.len(), 6);
    let begin = std::time::Instant::now();
    assert_eq!(survives(vec![answer(503, &[("Retry-After", "1")])]).await.len(), 2);
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_objects_get_through_a_server_that_is_often_busy() {
    let lab = Lab::new();
    let pieces: Vec<_> = (0..300)
        .map(|number| {
            lab.put(&number.to_string(), number.to_string().as_bytes());
            piece(&number.to_string())
        })
        .collect();
    let proxy = lab.proxy(|asked| match asked.number % 10 {
        0 | 1 => Fault::slow_down(),
        2 => Fault::Reset { after: 0 },
        _ => Fault::None,
    });
    let seen = inspect_watched(&storage(settings(&proxy.url())), pieces, Arc::default()).await;
    for (number, seen) in seen.iter().enumerate() {
        assert_good(seen, number.to_string().as_bytes());
    }
}

/// How long broken connections are borne by `patient`.
const BROKEN: Duration = Duration::from_millis(300);

/// A storage that bears a busy service much longer than broken connections.
fn patient(proxy: &FaultProxy) -> ObjectStorage {
    let patience = Patience { busy: Duration::from_secs(600), broken: BROKEN, ..Patience::default() };
    ObjectStorage::with_patience(settings(&proxy.url()), pool(), patience).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_break_after_the_service_was_busy_for_long() {
    let lab = Lab::new();
    lab.put("a", b"content");
    let (begin, broke) = (OnceLock::new(), AtomicBool::new(false));
    let proxy = lab.proxy(move |_| {
        if begin.get_or_init(Instant::now).elapsed() < BROKEN * 2 {
            Fault::slow_down()
        } else if broke.swap(true, Ordering::SeqCst) {
            Fault::None
        } else {
            Fault::Reset { after: 0 }
        }
    });
    assert_good(&inspect(&patient(&proxy), "a").await, b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_too_busy_for_one_record_is_borne_for_the_next() {
    let lab = Lab::new();
    lab.put("b", b"content");
    let refused = AtomicBool::new(false);
    let proxy = lab.proxy(move |asked| {
        let again = asked.target.ends_with("/b") && refused.swap(true, Ordering::SeqCst);
        if again { Fault::None } else { Fault::slow_down() }
    });
    let storage = impatient(settings(&proxy.url()));
    assert!(not_judged(&storage, "a").await.contains(" answers 503 SlowDown"));
    assert_good(&inspect(&storage, "b").await, b"content");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_one_object_that_lasts_is_told_with_its_reason() {
    let lab = Lab::new();
    for path in ["a", "b"] {
        lab.put(path, &made_up(1, 1_000));
    }
    let of_a = |fault: Fault| {
        lab.proxy(move |asked| if asked.target.ends_with("/a") { fault.clone() } else { Fault::None })
    };
    let error = "<Error><Code>InternalError</Code></Error>".to_owned();
    let failing = of_a(Fault::Answer { status: 500, headers: Vec::new(), body: error });
    let text = unreadable(&impatient(settings(&failing.url())), "a").await;
    assert!(text.starts_with(&format!("{} answers 500 InternalError, for ", failing.address())), "{text}");
    assert!(text.ends_with(" now: s3://content/a"), "{text}");
    let dead = of_a(Fault::Reset { after: 0 });
    let text = unreadable(&impatient(settings(&dead.url())), "a").await;
    assert!(text.starts_with(&format!("connection to {}: ", dead.address())), "{text}");
    let short = of_a(Fault::Truncate { after: 0, hidden: true });
    let text = unreadable(&impatient(settings(&short.url())), "a").await;
    assert!(
        text.starts_with(&format!("{} ended its answer early at byte 0, for ", short.address())),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_all_objects_is_no_finding() {
    let lab = Lab::new();
    for path in ["a", "b"] {
        lab.put(path, &made_up(1, 1_000));
    }
    // The listing works: only a look at other objects tells.
    let of_objects = |fault: Fault| {
        lab.proxy(move |asked| if asked.target.contains('?') { Fault::None } else { fault.clone() })
    };
    let error = "<Error><Code>InternalError</Code></Error>".to_owned();
    let denied = "<Error><Code>AccessDenied</Code></Error>".to_owned();
    for fault in [
        Fault::slow_down(),
        Fault::Answer { status: 500, headers: Vec::new(), body: error },
        Fault::Answer { status: 403, headers: Vec::new(), body: denied },
        Fault::Reset { after: 0 },
        Fault::Truncate { after: 0, hidden: true },
        Fault::Hang { after: 0 },
    ] {
        let proxy = of_objects(fault.clone());
        let text = not_judged(&impatient(settings(&proxy.url())), "a").await;
        assert!(text.contains(&proxy.address().to_string()), "{fault:?}: {text}");
    }
    // The first bytes of each object come through, and no others.
    for hidden in [false, true] {
        let proxy = lab.proxy(move |asked| {
            let range = asked.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("range"));
            match range {
                _ if asked.target.contains('?') => Fault::None,
                Some((_, range)) if !range.starts_with("bytes=0-") => Fault::Truncate { after: 0, hidden },
                _ => Fault::Truncate { after: 10, hidden },
            }
        });
        let text = not_judged(&impatient(settings(&proxy.url())), "a").await;
        assert!(text.contains(&proxy.address().to_string()), "{hidden}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_is_read_again_and_told_if_it_goes_on() {
    let lab = Lab::new();
    lab.put("a", &made_up(0, SIZE));
    let (changing, new) = (Arc::clone(&lab), made_up(7, SIZE));
    let content = new.clone();
    let once = lab.proxy(move |asked| match asked.number {
        0 => Fault::Reset { after: 500_000 },
        1 => {
            changing.put("a", &content);
            Fault::None
        }
        _ => Fault::None,
    });
    assert_good(&inspect(&storage(settings(&once.url())), "a").await, &new);

    let changing = Arc::clone(&lab);
    let often = lab.proxy(move |asked| {
        if asked.number.is_multiple_of(2) {
            return Fault::Reset { after: 500_000 };
        }
        changing.put("a", &made_up(u64::try_from(asked.number).unwrap(), SIZE));
        Fault::None
    });
    let text = unreadable(&storage(settings(&often.url())), "a").await;
    assert_eq!(text, "changed while being read: s3://content/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_goes_while_it_is_read_is_missing() {
    let lab = Lab::new();
    lab.put("a", &made_up(0, SIZE));
    let file = lab.server.path(BUCKET, "a");
    let proxy = lab.proxy(move |asked| {
        if asked.number == 0 {
            return Fault::Reset { after: 500_000 };
        }
        std::fs::remove_file(&file).unwrap();
        Fault::None
    });
    let seen = inspect(&storage(settings(&proxy.url())), "a").await;
    let at = "s3://content/a".to_owned();
    assert_eq!(seen, Err(stocktake_domain::ContentError::MissingFile { at }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_notice_of_ranges_serves_too() {
    let lab = Lab::new();
    let whole = |body: &'static str| lab.proxy(move |_| answer(200, &[], body));
    let proxy = whole("all of it");
    assert_good(&inspect(&storage(settings(&proxy.url())), "a").await, b"all of it");
    let proxy = whole("");
    assert_good(&inspect(&storage(settings(&proxy.url())), "a").await, b"");
}
