//! How fast objects are read and hashed from an S3 server on this machine, against `curl --parallel` of the same
//! objects in the same run, which only reads them; and the memory it takes.
//!
//! Small by default, so that it can run anywhere; `cargo bench -p stocktake-content-objects --bench read -- --small 20000
//! --large 100` gives the figures to quote. Quote ratios, and on a quiet machine.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use secrecy::SecretString;
use stocktake_content::{HashPool, Secrets};
use stocktake_content_objects::{
    Addressing, KeyPair, Mode, Network, ObjectSettings, ObjectStorage, S3Keys, S3Settings, Service,
};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::{S3Server, bench_argument};

const BUCKET: &str = "content";

/// What the signature is made over beside the headers: no body. Older versions of curl do not say so themselves.
const NO_BODY: &str =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[derive(Default)]
struct Tally {
    bytes: AtomicU64,
}

impl InspectionSink for Tally {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        self.bytes.fetch_add(seen.unwrap().bytes_read, Ordering::Relaxed);
    }
}

fn main() {
    if let Some(folder) = std::env::args().skip_while(|argument| argument != "--serve").nth(1) {
        return serve(Path::new(&folder));
    }
    let cores = thread::available_parallelism().unwrap();
    let requests = NonZeroUsize::new(bench_argument("--requests", 16)).unwrap();
    let rounds = bench_argument("--rounds", 3);
    let folder = tempfile::tempdir().unwrap();
    println!("{cores} hashing threads, {requests} objects at once, median of {rounds} rounds");
    let server = Server::start(folder.path());
    for (name, objects, size) in [
        ("small", bench_argument("--small", 2_000), 16 * 1024),
        ("large", bench_argument("--large", 20), 32 * 1024 * 1024),
    ] {
        let keys = put(folder.path(), name, objects, size);
        let total = (objects * size) as f64;
        let (mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            theirs.push(seconds(|| curl(folder.path(), &server.endpoint, &keys, requests)));
            fs::write("/proc/self/clear_refs", "5").unwrap();
            ours.push(seconds(|| inspect(&server.endpoint, &keys, total as u64, cores, requests)));
            memory = memory.max(peak_memory());
        }
        let (ours, theirs) = (median(ours), median(theirs));
        for (who, elapsed) in [("stocktake", ours), ("curl", theirs)] {
            let (rate, objects_per_second) = (total / elapsed / 1e9, objects as f64 / elapsed);
            println!("{objects} x {size} B, {who}: {rate:.2} GB/s, {objects_per_second:.0} objects/s");
        }
        println!("{objects} x {size} B, ratio: {:.2} by the clock, peak memory {memory} kB", theirs / ours);
    }
}

/// Serves until standard input is closed: the other half of [`Server`].
fn serve(folder: &Path) {
    let server = S3Server::start(folder).unwrap();
    server.create_bucket(BUCKET).unwrap();
    println!("{}", server.endpoint());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The S3 server in a process of its own, so that it does not count as our memory.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--serve").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim_end().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Lays objects into the server's folder.
fn put(folder: &Path, name: &str, objects: usize, size: usize) -> Vec<String> {
    let mut content = vec![7; size];
    (0..objects)
        .map(|number| {
            for (byte, value) in content.iter_mut().zip(number.to_le_bytes()) {
                *byte = value;
            }
            let key = format!("{name}-{number}");
            // The names of the server's files are those of keys without other characters.
            fs::write(folder.join(BUCKET).join(&key), &content).unwrap();
            key
        })
        .collect()
}

fn curl(folder: &Path, endpoint: &str, keys: &[String], requests: NonZeroUsize) {
    let (user, secret, region) = (S3Server::ACCESS_KEY, S3Server::SECRET_KEY, S3Server::REGION);
    let mut config =
        format!("user = \"{user}:{secret}\"\naws-sigv4 = \"aws:amz:{region}:s3\"\nheader = \"{NO_BODY}\"\n");
    for key in keys {
        writeln!(config, "url = \"{endpoint}/{BUCKET}/{key}\"\noutput = \"/dev/null\"").unwrap();
    }
    let path = folder.join("curl");
    fs::write(&path, config).unwrap();
    let mut command = Command::new("curl");
    command.args(["--fail", "--parallel", "--parallel-max"]).arg(requests.to_string());
    // It shows how it gets on, silent or not.
    command.stderr(Stdio::null());
    assert!(command.arg("--config").arg(path).status().unwrap().success());
}

fn inspect(endpoint: &str, keys: &[String], total: u64, cores: NonZeroUsize, requests: NonZeroUsize) {
    let keys_of_server = KeyPair {
        access_key: S3Server::ACCESS_KEY.to_owned(),
        secret_key: SecretString::from(S3Server::SECRET_KEY),
        session_token: None,
    };
    let service = Service::S3(S3Settings {
        bucket: BUCKET.to_owned(),
        region: S3Server::REGION.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        addressing: Addressing::PathStyle,
        keys: S3Keys::Pair(keys_of_server),
        network: Network { certificates: None, plain_http: true },
    });
    let settings = ObjectSettings {
        service,
        prefix: String::new(),
        mode: Mode::Content,
        requests,
        bytes_per_second: None,
    };
    let storage = ObjectStorage::new(settings, HashPool::start(cores, Secrets::default()).unwrap()).unwrap();
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let pieces = keys.iter().map(|key| Inspection::new(Model::Uploads, key, algorithms)).collect();
    let tally = Arc::new(Tally::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sink: Arc<dyn InspectionSink> = tally.clone();
    runtime.block_on(storage.inspect(pieces, Arc::default(), sink));
    assert_eq!(tally.bytes.load(Ordering::Relaxed), total);
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

/// The most memory that this process had since it was last forgotten, in kilobytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
