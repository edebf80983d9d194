//! How fast everything that all tags reach is read and hashed, against `curl` reading the same manifests and
//! blobs from the same registry in parallel, as `skopeo` does: once each into `/dev/null`, and once into
//! `openssl dgst`, which hashes them as we do.
//!
//! Small by default, so that it can run anywhere; `cargo bench -p stocktake-content-registry --bench read --
//! --images 200 --size 8000000` gives figures to quote. Quote ratios, and on a quiet machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use stocktake_content::{HashPool, ReaderPool, Secrets};
use stocktake_content_registry::{
    Integrity, RegistryDirectorySettings, RegistryLayoutSettings, RegistrySettings, RegistryStore,
};
use stocktake_domain::ports::{ContentStore, Inspection, InspectionSink};
use stocktake_domain::{Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{PushedImage, Registry, RegistrySetup, bench_argument};

/// Images of one repository; they share a layer.
const TAGS: usize = 5;

#[derive(Default)]
struct Tally {
    bytes: AtomicU64,
}

impl InspectionSink for Tally {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        self.bytes.fetch_add(seen.unwrap().bytes_read, Ordering::Relaxed);
    }
}

/// What there is to read.
struct Filled {
    registry: Registry,
    paths: Vec<String>,
    /// The address of each manifest and blob, once.
    targets: Vec<String>,
}

fn main() {
    let cores = thread::available_parallelism().unwrap();
    let requests = NonZeroUsize::new(bench_argument("--requests", 8)).unwrap();
    let rounds = bench_argument("--rounds", 3);
    let (images, size) = (bench_argument("--images", 40), bench_argument("--size", 4_000_000));
    let filled = fill(images, size);
    println!(
        "{images} images with a layer of {size} B each, {} repositories; {cores} hashing threads, {requests} \
         requests at once, median of {rounds} rounds",
        filled.paths.len()
    );
    let folder = tempfile::tempdir().unwrap();
    let (mut times, mut bytes) = ([(); 4].map(|()| Vec::new()), 0);
    for _ in 0..rounds {
        let (http, directory) = stores(&filled.registry, cores, requests);
        times[0].push(time(|| bytes = inspect(&*http, &filled.paths)));
        times[1].push(time(|| bytes = inspect(&*directory, &filled.paths)));
        times[2].push(time(|| curl(folder.path(), &filled, requests)));
        times[3].push(time(|| curl_and_openssl(folder.path(), &filled, requests)));
    }
    let [http, directory, curl, hashed] = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap()
    });
    for (who, seconds) in [
        ("stocktake over HTTP", http),
        ("stocktake in the directory", directory),
        ("curl", curl),
        ("curl | openssl dgst", hashed),
    ] {
        println!("{who}: {seconds:.2} s, {:.0} MB/s", bytes as f64 / seconds / 1e6);
    }
    println!("ratio over HTTP: {:.2} of curl, {:.2} of curl | openssl dgst", curl / http, hashed / http);
    println!("ratio in the directory: {:.2} of curl | openssl dgst", hashed / directory);
    println!("most memory of this process, which also filled the registry: {}", peak_memory());
}

/// The most memory that this process ever had, in the kernel's words.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().to_owned()
}

fn time(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn fill(images: usize, size: usize) -> Filled {
    let registry = Registry::start(&RegistrySetup::default()).unwrap();
    let (mut paths, mut targets) = (Vec::new(), Vec::new());
    let mut layer = vec![0; size];
    for number in 0..images {
        let path = format!("group/project/image-{}", number / TAGS);
        for (byte, value) in layer.iter_mut().zip(number.to_le_bytes()) {
            *byte = value;
        }
        let base = format!("the base of {path}").repeat(10_000);
        let tag = number.to_string();
        let pushed: PushedImage = registry.push_image(&path, &tag, true, &[base.as_bytes(), &layer]).unwrap();
        targets.push(format!("/v2/{path}/manifests/{}", pushed.manifest));
        for blob in pushed.layers.iter().chain([&pushed.config]) {
            targets.push(format!("/v2/{path}/blobs/{blob}"));
        }
        paths.push(path);
    }
    paths.dedup();
    targets.sort_unstable();
    targets.dedup();
    Filled { registry, paths, targets }
}

fn stores(
    registry: &Registry,
    cores: NonZeroUsize,
    requests: NonZeroUsize,
) -> (Box<dyn ContentStore>, Box<dyn ContentStore>) {
    let pool = HashPool::start(cores, Secrets::default()).unwrap();
    let http = RegistrySettings {
        url: registry.url(),
        credentials: None,
        ca_certificates: None,
        integrity: Integrity::Content,
        requests,
        bytes_per_second: None,
    };
    let directory = RegistryDirectorySettings {
        root: registry.folder().to_owned(),
        readers: requests,
        layout: RegistryLayoutSettings {
            bytes_per_second: None,
            integrity: Integrity::Content,
            database_url: None,
        },
    };
    let http = RegistryStore::new(http, Arc::clone(&pool)).unwrap();
    let readers = ReaderPool::start(requests, pool).unwrap();
    (Box::new(http), Box::new(RegistryStore::of_directory(directory, &readers).unwrap()))
}

/// The bytes that were read.
fn inspect(store: &dyn ContentStore, paths: &[String]) -> u64 {
    let algorithms = Algorithms { sha256: true, ..Algorithms::default() };
    let pieces = paths.iter().map(|path| Inspection::new(Model::ContainerRepositories, path, algorithms));
    let tally = Arc::new(Tally::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(store.inspect(pieces.collect(), Arc::default(), tally.clone()));
    tally.bytes.load(Ordering::Relaxed)
}

/// One process, as many transfers at once as we have, thrown away.
fn curl(folder: &Path, filled: &Filled, requests: NonZeroUsize) {
    let mut config = String::new();
    for target in &filled.targets {
        writeln!(config, "url = \"{}{target}\"\noutput = \"/dev/null\"", filled.registry.url()).unwrap();
    }
    let file = folder.join("urls");
    fs::write(&file, config).unwrap();
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let status = Command::new("curl")
        .args(["--silent", "--fail", "--parallel", "--parallel-max"])
        .arg(requests.to_string())
        .args(["--header", accept, "--config"])
        .arg(file)
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

/// As many processes at once as we have requests, each transfer hashed.
fn curl_and_openssl(folder: &Path, filled: &Filled, requests: NonZeroUsize) {
    let urls = filled.targets.iter().map(|target| format!("{}{target}", filled.registry.url()));
    let list = urls.collect::<Vec<_>>().join("\n");
    let file = folder.join("list");
    fs::write(&file, list).unwrap();
    let one = r#"curl --silent --fail --header "Accept: application/vnd.oci.image.manifest.v1+json" "$0" | openssl dgst -r -sha256"#;
    let status = Command::new("xargs")
        .args(["-n1", &format!("-P{requests}"), "sh", "-c", one])
        .stdin(fs::File::open(file).unwrap())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}
