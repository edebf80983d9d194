//! Tests of the hashing threads.

use std::num::NonZeroUsize;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Waker};

use sha2::Digest as _;
use stocktake_domain::{Algorithms, Observation};

use super::*;
use crate::threads::lock;

const BOTH: Algorithms = Algorithms { sha256: true, md5: true, sha1: false, gitaly: false };

fn pool(threads: usize) -> Arc<HashPool> {
    HashPool::start(NonZeroUsize::new(threads).unwrap(), Secrets::default()).unwrap()
}

#[test]
fn parts_are_observed_in_order() {
    let (sender, seen) = mpsc::channel();
    let sha = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };
    let parts = vec![
        Part { range: 0..3, plan: HashPlan::stored(sha) },
        Part { range: 3..3, plan: HashPlan::stored(BOTH) },
        Part { range: 4..6, plan: HashPlan::stored(BOTH) },
    ];
    pool(2).hash_parts(b"abcdef".to_vec(), parts, move |seen| sender.send(seen).unwrap());
    let expected = [
        Hasher::observe(b"abc", &HashPlan::stored(sha)),
        Hasher::observe(b"", &HashPlan::stored(BOTH)),
        Hasher::observe(b"ef", &HashPlan::stored(BOTH)),
    ];
    assert_eq!(seen.recv().unwrap(), expected);
}

#[test]
fn a_part_outside_the_data_is_never_observed() {
    let (sender, seen) = mpsc::channel::<Vec<Observation>>();
    let parts = vec![Part { range: 1..4, plan: HashPlan::stored(BOTH) }];
    pool(1).hash_parts(b"abc".to_vec(), parts, move |seen| sender.send(seen).unwrap());
    assert_eq!(seen.recv(), Err(mpsc::RecvError));
}

#[test]
fn concurrent_streams_keep_their_order() {
    let pool = pool(3);
    let (sender, seen) = mpsc::channel();
    let streams: Vec<_> = (0..20_u8).map(|_| pool.stream(&HashPlan::stored(BOTH))).collect();
    for round in 0..50_u8 {
        for (number, stream) in (0_u8..).zip(&streams) {
            stream.push(vec![round, number]);
        }
    }
    for (number, stream) in (0_u8..).zip(streams) {
        let sender = sender.clone();
        stream.finish(move |seen| sender.send((number, seen)).unwrap());
    }
    drop(sender);
    let mut all: Vec<_> = seen.iter().collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    let expected = (0..20_u8).map(|number| {
        let content: Vec<_> = (0..50).flat_map(|round| [round, number]).collect();
        (number, Hasher::observe(&content, &HashPlan::stored(BOTH)))
    });
    assert!(all.into_iter().eq(expected));
}

/// A content that panics when its second piece is asked for.
struct Panicking(Hasher, bool);

impl Pieces for Panicking {
    fn hasher(&self) -> &Hasher {
        &self.0
    }

    fn next<'a>(&'a mut self, room: &'a mut [u8]) -> Option<(&'a mut Hasher, &'a [u8])> {
        assert!(!std::mem::replace(&mut self.1, true), "a second piece, to be caught");
        Some((&mut self.0, room))
    }

    fn end(self: Box<Self>) {}
}

#[test]
fn contents_of_any_size_are_hashed_side_by_side_whatever_happens_to_one() {
    let pool = pool(2);
    let (sender, seen) = mpsc::channel();
    let content = |number: u8| -> Vec<u8> {
        (0..usize::from(number) * 4_321).map(|at| u8::try_from(at % 251).unwrap() ^ number).collect()
    };
    for number in 0..50_u8 {
        let stream = pool.stream(&HashPlan::stored(BOTH));
        content(number).chunks(100_000).for_each(|chunk| stream.push(chunk.to_vec()));
        let sender = sender.clone();
        stream.finish(move |seen| sender.send((number, seen)).unwrap());
        pool.hash_pieces(Panicking(Hasher::new(&HashPlan::stored(BOTH)), false));
    }
    drop(sender);
    let mut all: Vec<_> = seen.iter().collect();
    all.sort_unstable_by_key(|(number, _)| *number);
    assert_eq!(all.len(), 50);
    for (number, seen) in all {
        let content = content(number);
        assert_eq!(seen.stored.digests.sha256, Some(sha2::Sha256::digest(&content).into()), "{number}");
        assert_eq!(seen, Hasher::observe(&content, &HashPlan::stored(BOTH)), "{number}");
    }
}

#[test]
fn an_empty_stream_is_the_empty_content() {
    let (sender, seen) = mpsc::channel();
    pool(1).stream(&HashPlan::stored(BOTH)).finish(move |seen| sender.send(seen).unwrap());
    assert_eq!(seen.recv().unwrap(), Hasher::observe(b"", &HashPlan::stored(BOTH)));
}

/// A chunk that sends a message when it is dropped, and blocks its hashing thread until it is opened.
struct Gate {
    open: Mutex<mpsc::Receiver<()>>,
    dropped: mpsc::Sender<()>,
}

impl AsRef<[u8]> for Gate {
    fn as_ref(&self) -> &[u8] {
        let _closed = lock(&self.open).recv();
        b"x"
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _nobody = self.dropped.send(());
    }
}

#[test]
fn a_stream_is_ready_only_while_few_chunks_wait() {
    let pool = pool(1);
    let (dropped, drops) = mpsc::channel();
    let (keys, gates): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (key, open) = mpsc::channel();
            (key, Gate { open: Mutex::new(open), dropped: dropped.clone() })
        })
        .unzip();
    let stream = pool.stream(&HashPlan::stored(BOTH));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for gate in gates {
            stream.push(gate);
        }
        // Polled once: at least three chunks wait, and the only hashing thread is blocked.
        let mut ready = std::pin::pin!(stream.ready());
        let mut context = Context::from_waker(Waker::noop());
        assert!(ready.as_mut().poll(&mut context).is_pending());
        drop(keys);
        ready.await;
    });
    assert_eq!(drops.iter().take(2).count(), 2);
}

#[test]
fn a_dropped_stream_reports_nothing_and_frees_its_chunks() {
    let pool = pool(1);
    let (dropped, drops) = mpsc::channel();
    let (key, open) = mpsc::channel();
    drop(key);
    let stream = pool.stream(&HashPlan::stored(BOTH));
    stream.push(Gate { open: Mutex::new(open), dropped });
    drop(stream);
    assert_eq!(drops.recv(), Ok(()));
}

#[test]
fn a_panic_costs_no_thread() {
    let pool = pool(1);
    let (sender, seen) = mpsc::channel();
    for number in 0..5 {
        let sender = sender.clone();
        pool.hash_parts(Vec::new(), Vec::new(), move |_| {
            assert!(number % 2 == 1, "an even number, to be caught");
            sender.send(number).unwrap();
        });
    }
    drop(sender);
    assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn queued_work_is_done_after_the_pool_is_dropped() {
    let pool = pool(1);
    let (sender, seen) = mpsc::channel();
    for number in 0..100 {
        let sender = sender.clone();
        pool.hash_parts(Vec::new(), Vec::new(), move |_| sender.send(number).unwrap());
    }
    drop((pool, sender));
    assert!(seen.iter().eq(0..100));
}
