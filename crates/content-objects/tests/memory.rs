//! Memory does not grow with the size of an object. In a process of its own, as it is measured.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::SecretString;
use stocktake_content::{HashPool, Secrets};
use stocktake_content_objects::{
    Addressing, KeyPair, Mode, Network, ObjectSettings, ObjectStorage, S3Keys, S3Settings, Service,
};
use stocktake_domain::ports::{ContentStore as _, Inspection, InspectionSink};
use stocktake_domain::{Algorithm, Algorithms, ContentError, Model, Observation};
use stocktake_testbed::S3Server;

const MIB: u64 = 1024 * 1024;

#[derive(Default)]
struct Sum(AtomicU64);

impl InspectionSink for Sum {
    fn report(&self, _index: usize, seen: Result<Observation, ContentError>) {
        self.0.fetch_add(seen.unwrap().bytes_read, Ordering::Relaxed);
    }
}

/// The most memory that this process ever had, in kilobytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_need_no_more_memory_than_small_ones() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path()).unwrap();
    server.create_bucket("content").unwrap();
    for (key, size) in [("small", MIB), ("one", 160 * MIB), ("two", 160 * MIB)] {
        server.put("content", key, b"").unwrap();
        fs::File::create(server.path("content", key)).unwrap().set_len(size).unwrap();
    }
    let s3 = S3Settings {
        bucket: "content".to_owned(),
        region: S3Server::REGION.to_owned(),
        endpoint: Some(server.endpoint()),
        addressing: Addressing::PathStyle,
        keys: S3Keys::Pair(KeyPair {
            access_key: S3Server::ACCESS_KEY.to_owned(),
            secret_key: SecretString::from(S3Server::SECRET_KEY),
            session_token: None,
        }),
        network: Network { certificates: None, plain_http: true },
    };
    let settings = ObjectSettings {
        service: Service::S3(s3),
        prefix: String::new(),
        mode: Mode::Content,
        requests: NonZeroUsize::new(2).unwrap(),
        bytes_per_second: None,
    };
    let pool = HashPool::start(NonZeroUsize::new(2).unwrap(), Secrets::default()).unwrap();
    let storage = ObjectStorage::new(settings, pool).unwrap();
    let algorithms = Algorithms::default().with(Algorithm::Sha256);
    let read = async |keys: &[&str]| {
        let pieces = keys.iter().map(|key| Inspection::new(Model::Uploads, *key, algorithms)).collect();
        let sum = Arc::new(Sum::default());
        storage.inspect(pieces, Arc::default(), sum.clone()).await;
        sum.0.load(Ordering::Relaxed)
    };
    assert_eq!(read(&["small", "small"]).await, 2 * MIB);
    let before = peak();
    assert_eq!(read(&["one", "two"]).await, 320 * MIB);
    let grown = peak().saturating_sub(before);
    assert!(grown < 32 * 1024, "memory grew by {grown} kB");
}
