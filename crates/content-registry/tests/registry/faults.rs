//! Faults of the network between us and the registry.

use std::num::NonZeroU64;
use std::sync::Mutex;
use std::time::Duration;

use stocktake_content_registry::RegistrySettings;
use stocktake_testbed::{Fault, FaultProxy, PushedImage, Registry};

use crate::support::*;

const LAYER: usize = 3_000_000;

fn filled() -> (Registry, PushedImage) {
    let registry = registry();
    let image = registry.push_image("image", "1.0", true, &[&content(LAYER, 1)]).unwrap();
    (registry, image)
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Answer { status, headers, body: String::new() }
}

/// A proxy that does these to the answers about the layer, one after the other.
fn proxy(registry: &Registry, image: &PushedImage, faults: Vec<Fault>) -> FaultProxy {
    let (layer, faults) = (image.layers[0].clone(), Mutex::new(faults.into_iter()));
    let plan = move |asked: &stocktake_testbed::Asked| {
        let fault = || faults.lock().unwrap().next();
        asked.target.ends_with(&layer).then(fault).flatten().unwrap_or(Fault::None)
    };
    FaultProxy::start(&registry.address().to_string(), plan).unwrap()
}

/// The ranges in which the layer was asked for.
fn ranges(proxy: &FaultProxy, image: &PushedImage) -> Vec<Option<String>> {
    let asked = proxy.asked().into_iter().filter(|asked| asked.target.ends_with(&image.layers[0]));
    asked.map(|asked| asked.header("Range").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_broken_reading_goes_on_where_it_broke() {
    let (registry, image) = filled();
    let faults = vec![
        Fault::Truncate { after: 1_000_000, hidden: false },
        Fault::Reset { after: 500_000 },
        Fault::Truncate { after: 0, hidden: false },
    ];
    let proxy = proxy(&registry, &image, faults);
    let seen = inspect(&http(&proxy.url()), "image").await;
    assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]));
    let small =
        [&image.manifest, &image.config].map(|digest| registry.data(digest).metadata().unwrap().len());
    assert_eq!(seen.unwrap().bytes_read, LAYER as u64 + small.iter().sum::<u64>(), "no byte twice");
    let ranges = ranges(&proxy, &image);
    assert_eq!(ranges.len(), 4);
    assert_eq!((&ranges[0], ranges[1].as_deref()), (&None, Some("bytes=1000000-")));
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_is_read_again_from_the_beginning() {
    let (registry, image) = filled();
    // A plain server behind the redirect, which answers with all bytes whatever range is asked for.
    let shelf = plain_server(content(LAYER, 1), 1_200_000);
    let location = format!("http://{shelf}/layer?signature=secret");
    let redirect = answer(307, &[("Location", &location)]);
    let proxy = proxy(&registry, &image, vec![redirect.clone(), redirect.clone(), redirect]);
    let seen = inspect(&http(&proxy.url()), "image").await;
    assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]));
    assert_eq!(ranges(&proxy, &image).len(), 2);
}

/// A server that sends these bytes to whoever comes, to the first one only so many of them; it refuses
/// whoever shows it credentials.
fn plain_server(bytes: Vec<u8>, first: usize) -> std::net::SocketAddr {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for number in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let is_known = head.iter().any(|line| line.to_ascii_lowercase().starts_with("authorization"));
            let status = if is_known { "400 Bad Request" } else { "200 OK" };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            stream.write_all(head.as_bytes()).unwrap();
            let end = if number == 0 { first } else { bytes.len() };
            stream.write_all(&bytes[..end]).unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_registry_that_is_asked_too_much_is_given_time() {
    let (registry, image) = filled();
    let faults = vec![answer(429, &[("Retry-After", "0")]), answer(503, &[]), answer(502, &[])];
    let proxy = proxy(&registry, &image, faults);
    let seen = inspect(&http(&proxy.url()), "image").await;
    assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]));
    assert_eq!(ranges(&proxy, &image).len(), 4);
}

#[tokio::test]
async fn trouble_that_lasts_is_told() {
    let (registry, image) = filled();
    let proxy = proxy(&registry, &image, vec![answer(500, &[]); 99]);
    let text = reason(inspect(&http(&proxy.url()), "image").await);
    let layer = &image.layers[0];
    assert_eq!(text, format!("layer {layer} of tag 1.0: the registry answers 500 Internal Server Error"));
    assert_eq!(ranges(&proxy, &image).len(), 5);
}

#[tokio::test]
async fn bytes_that_were_lost_without_a_trace_are_asked_for() {
    let (registry, image) = filled();
    for lost in [
        Fault::Truncate { after: 1_000, hidden: true },
        Fault::Truncate { after: 0, hidden: true },
        Fault::Length(1_000),
        Fault::Length(LAYER as u64 + 1),
    ] {
        let proxy = proxy(&registry, &image, vec![lost.clone()]);
        let seen = inspect(&http(&proxy.url()), "image").await;
        assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]), "{lost:?}");
        let begin = match lost {
            Fault::Length(1_000) | Fault::Truncate { after: 1_000, .. } => Some("bytes=1000-".to_owned()),
            Fault::Truncate { .. } => None,
            _ => Some(format!("bytes={LAYER}-")),
        };
        assert_eq!(ranges(&proxy, &image), [None, begin], "{lost:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_lost_again_and_again_are_missed() {
    let (registry, image) = filled();
    let layer = &image.layers[0];
    // There is always more to come, so nothing is said of the layer itself.
    let lost = proxy(&registry, &image, vec![Fault::Truncate { after: 1_000, hidden: true }; 99]);
    let text = reason(inspect(&http(&lost.url()), "image").await);
    let end = format!("the registry's answers end too early, at last behind 5000 of {LAYER} bytes");
    assert_eq!(text, format!("layer {layer} of tag 1.0: {end}"));
    assert_eq!(ranges(&lost, &image).len(), 5);
    // Nothing more comes, whether the answers are empty or refuse.
    for nothing in [Fault::Truncate { after: 0, hidden: true }, answer(416, &[])] {
        let mut faults = vec![nothing; 99];
        faults[0] = Fault::Truncate { after: 1_000, hidden: true };
        let short = proxy(&registry, &image, faults);
        let text = reason(inspect(&http(&short.url()), "image").await);
        assert_eq!(text, format!("layer {layer} of tag 1.0: has 1000 bytes instead of {LAYER}"));
        assert_eq!(ranges(&short, &image).len(), 3, "it is asked again");
    }
}

#[tokio::test]
async fn a_manifest_that_was_damaged_on_its_way_is_asked_for_again() {
    let (registry, image) = filled();
    for times in [1, 99] {
        let (manifest, lost) = (image.manifest.clone(), Mutex::new(0..times));
        let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
            let is_it = asked.method == "GET" && asked.target.ends_with(&manifest);
            let lost = is_it.then(|| lost.lock().unwrap().next()).flatten();
            lost.map_or(Fault::None, |_| Fault::Truncate { after: 100, hidden: true })
        });
        let proxy = proxy.unwrap();
        let seen = inspect(&http(&proxy.url()), "image").await;
        if times == 1 {
            assert_eq!(shown(&seen), checksum(&[("1.0", &image.manifest)]));
        } else {
            let start = format!("manifest {} of tag 1.0: content has ", image.manifest);
            assert!(reason(seen).starts_with(&start));
        }
        let asked = proxy.asked().into_iter().filter(|asked| asked.method == "GET");
        assert_eq!(asked.filter(|asked| asked.target.ends_with(&image.manifest)).count(), 2);
    }
}

#[tokio::test]
async fn a_slow_registry_and_a_limit_only_take_time() {
    let (registry, image) = filled();
    let drip = Fault::Drip { bytes: 200_000, pause: Duration::from_millis(5) };
    let proxy = proxy(&registry, &image, vec![drip]);
    let limit = NonZeroU64::new(20_000_000);
    let store = open(RegistrySettings { bytes_per_second: limit, ..settings(&proxy.url()) });
    assert_eq!(shown(&inspect(&store, "image").await), checksum(&[("1.0", &image.manifest)]));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = not_judged(inspect(&http(&format!("http://{address}")), "image").await);
    assert_eq!(text, format!("http://{address}: cannot be reached: Connection refused (os error 111)"));
}

#[tokio::test]
async fn a_layer_that_lies_elsewhere_is_held_as_the_registry_says() {
    let (registry, image) = filled();
    registry.push_image("other", "1.0", true, &[&content(LAYER, 1)]).unwrap();
    let layer = image.layers[0].clone();
    // Object storage lets a signed address be used for a GET alone: a HEAD must not go there.
    let proxy = FaultProxy::start(&registry.address().to_string(), move |asked| {
        if asked.method == "HEAD" && asked.target.ends_with(&layer) {
            return answer(307, &[("Location", "http://127.0.0.1:1/layer")]);
        }
        Fault::None
    });
    let proxy = proxy.unwrap();
    let seen = inspect_all(&http(&proxy.url()), &["image", "other"]).await;
    assert!(seen.iter().all(Result::is_ok), "{seen:?}");
    assert!(
        proxy.asked().iter().any(|asked| asked.method == "HEAD" && asked.target.ends_with(&image.layers[0]))
    );
}
