//! What lanes gain over `sha2` and `md-5`, at every level of this machine, in gigabytes for each second of processor time: of
//! messages of one size, and of sizes as files have them (log-normal, from 1 KiB to 64 MiB), whose chunks come in turn as from
//! many readers.
//!
//! `cargo bench -p stocktake-lanes --bench lanes -- --megabytes 4000` gives figures to quote. Quote ratios.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};
use sha2::Digest;
use stocktake_lanes::{Algorithm, LANES, Lanes, Level, Md5, MessageId, Sha256, Usage};

const CHUNK: usize = 64 * 1024;

/// Files that are read at once.
const READERS: usize = 32;

/// As much memory as a pool of buffers may have, so that messages come from where buffers lie.
const POOL: usize = 4 * 1024 * 1024;

fn main() {
    let bytes = argument("--megabytes", 200) * 1_000_000;
    let rounds = argument("--rounds", 3);
    let mut random = StdRng::seed_from_u64(15);
    let mut pool = vec![0; POOL];
    random.fill(&mut pool[..]);
    for (name, sizes) in [
        ("64 KiB", vec![CHUNK; bytes / CHUNK]),
        ("4 KiB", vec![4096; bytes / 4096]),
        ("log-normal", log_normal(&mut random, bytes * 4)),
    ] {
        println!("\nmessages of {name}: {}, {} MB", sizes.len(), sizes.iter().sum::<usize>() / 1_000_000);
        compare::<Sha256, sha2::Sha256>("SHA-256", &pool, &sizes, rounds);
        compare::<Md5, md5::Md5>("MD5", &pool, &sizes, rounds);
    }
    println!("\nfrom how many messages on lanes pay, and what is recommended");
    pays::<Sha256, sha2::Sha256>("SHA-256", &pool, bytes, rounds);
    pays::<Md5, md5::Md5>("MD5", &pool, bytes, rounds);
    openssl();
}

/// The number that follows this argument on the command line.
fn argument(name: &str, default: usize) -> usize {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
        .map_or(default, |number| number.parse().unwrap())
}

/// The processor time that this takes: unlike the time by the clock, it hardly depends on other load of the machine.
fn processor_seconds(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begin = now();
    work();
    now() - begin
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    *values.get(values.len() / 2).unwrap()
}

/// Sizes from 1 KiB to 64 MiB that together have about this many bytes.
fn log_normal(random: &mut StdRng, bytes: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut sum = 0;
    while sum < bytes {
        // The sum of twelve uniform numbers is nearly normal.
        let normal: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let size = 2_f64.powf(15.0 + 3.0 * normal);
        if (1024.0..=f64::from(64 << 20)).contains(&size) {
            sizes.push(size as usize);
            sum += size as usize;
        }
    }
    sizes
}

fn compare<A: Algorithm, D: Digest>(name: &str, pool: &[u8], sizes: &[usize], rounds: usize) {
    let bytes = sizes.iter().sum::<usize>() as f64 / 1e9;
    let mut alone = Vec::new();
    let mut levels: Vec<_> = Level::supported().map(|level| (level, Vec::new(), Usage::default())).collect();
    for _ in 0..rounds {
        let mut expected = 0;
        alone.push(processor_seconds(|| expected = one_after_another::<D>(pool, sizes)));
        for (level, costs, usage) in &mut levels {
            let mut sum = 0;
            costs.push(processor_seconds(|| (sum, *usage) = at_once::<A>(*level, pool, sizes)));
            assert_eq!(sum, expected, "the digests at the level {level} are others");
        }
    }
    let alone = bytes / median(&mut alone);
    println!("  {name}, RustCrypto: {alone:.2} GB/s");
    for (level, mut costs, usage) in levels {
        let speed = bytes / median(&mut costs);
        let filled = usage.filled().map_or_else(String::new, |filled| {
            let serial = usage.serial as f64 / (usage.serial + usage.in_lanes) as f64;
            format!(
                ", {:.1} % of the lanes filled, {:.1} % of the blocks without lanes",
                filled * 100.0,
                serial * 100.0
            )
        });
        println!("  {name}, {level}: {speed:.2} GB/s, ratio {:.2}{filled}", speed / alone);
    }
}

/// Hashes the messages and returns the sum of their digests' beginnings.
fn one_after_another<D: Digest>(pool: &[u8], sizes: &[usize]) -> u64 {
    let mut sum = 0_u64;
    for (message, size) in sizes.iter().enumerate() {
        let mut hash = D::new();
        for begin in (0..*size).step_by(CHUNK) {
            hash.update(chunk(pool, message, begin, *size));
        }
        sum = sum.wrapping_add(beginning(&hash.finalize()));
    }
    sum
}

/// The chunk of a message that begins here.
fn chunk(pool: &[u8], message: usize, begin: usize, size: usize) -> &[u8] {
    let at = (message * 7 * CHUNK + begin) % pool.len();
    pool.get(at..at + CHUNK.min(size - begin)).unwrap()
}

fn beginning(digest: &[u8]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().unwrap())
}

/// The same of messages whose readers hand over a chunk in turn.
fn at_once<A: Algorithm>(level: Level, pool: &[u8], sizes: &[usize]) -> (u64, Usage) {
    let mut lanes = Lanes::<A, &[u8], ()>::with_level(level).unwrap();
    let mut reading: VecDeque<(MessageId, usize, usize)> = VecDeque::new();
    let mut messages = 0..sizes.len();
    let mut sum = 0_u64;
    let mut done = |(), digest: A::Digest| sum = sum.wrapping_add(beginning(digest.as_ref()));
    loop {
        while reading.len() < READERS
            && let Some(message) = messages.next()
        {
            reading.push_back((lanes.open(()), message, 0));
        }
        let Some((id, message, begin)) = reading.pop_front() else { break };
        let size = *sizes.get(message).unwrap();
        lanes.push(&id, chunk(pool, message, begin, size));
        if begin + CHUNK < size {
            reading.push_back((id, message, begin + CHUNK));
        } else {
            lanes.finish(id);
        }
        lanes.advance(&mut done);
    }
    lanes.drain(&mut done);
    assert!(lanes.is_empty());
    (sum, lanes.usage())
}

/// What a step of all lanes costs, in messages one after another.
fn pays<A: Algorithm, D: Digest>(name: &str, pool: &[u8], bytes: usize, rounds: usize) {
    let sizes = vec![CHUNK * 16; (bytes / CHUNK / 16).next_multiple_of(LANES)];
    let mut alone: Vec<_> = (0..rounds)
        .map(|_| {
            processor_seconds(|| {
                black_box(one_after_another::<D>(pool, &sizes));
            })
        })
        .collect();
    let alone = median(&mut alone);
    for level in Level::supported().filter(|level| *level != Level::Serial) {
        let mut costs: Vec<_> = (0..rounds)
            .map(|_| {
                processor_seconds(|| {
                    black_box(at_once::<A>(level, pool, &sizes));
                })
            })
            .collect();
        let step = median(&mut costs) / alone * LANES as f64;
        println!("  {name}, {level}: a step costs as much as {step:.1} messages");
    }
    println!("  {name}: {} is recommended", Level::recommended::<A>());
}

/// The same sizes by OpenSSL, which measures processor time too. Does nothing without it.
fn openssl() {
    for algorithm in ["sha256", "md5"] {
        let mut command = Command::new("openssl");
        command.args(["speed", "-mr", "-seconds", "1", "-bytes", "65536", "-evp", algorithm]);
        let Ok(output) = command.output() else { return };
        let output = String::from_utf8(output.stdout).unwrap();
        let speed =
            output.lines().rfind(|line| line.starts_with("+F:")).and_then(|line| line.rsplit(':').next());
        println!(
            "openssl speed, {algorithm}, 64 KiB: {:.2} GB/s",
            speed.unwrap().parse::<f64>().unwrap() / 1e9
        );
    }
}
