//! Random messages in random chunks, in any order, have the digests that `sha2` and `md-5` calculate, at every level of
//! this machine.
//!
//! `LANES_MESSAGES=1000000 cargo test -p stocktake-lanes --test streams -- --nocapture` tries a million of them at each level.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::env;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::Digest as _;
use stocktake_lanes::{Algorithm, Lanes, Level, Md5, MessageId, Progress, Sha256};

/// How many random messages there are at each level of each algorithm if nothing else is said.
const MESSAGES: usize = 5_000;

/// The most messages that are open at once.
const OPEN: usize = 40;

fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// What is done with a scheduler next. The message is one of those that are open, counted around.
#[derive(Debug, Clone)]
enum Action {
    Open,
    Push(usize, Vec<u8>),
    Finish(usize),
    Abandon(usize),
    /// It leaves the scheduler, gets these bytes alone, and comes back.
    Suspend(usize, Vec<u8>),
    Advance,
    Drain,
}

fn action() -> impl Strategy<Value = Action> {
    // Around the places where padding takes another block, and where a chunk has several.
    let size = prop_oneof![0..4_usize, 50..70_usize, 110..140_usize, 0..2_000_usize];
    let bytes = size.prop_flat_map(|size| vec(any::<u8>(), size)).boxed();
    prop_oneof![
        6 => Just(Action::Open),
        12 => (any::<usize>(), bytes.clone()).prop_map(|(message, bytes)| Action::Push(message, bytes)),
        2 => (any::<usize>(), bytes).prop_map(|(message, bytes)| Action::Suspend(message, bytes)),
        4 => any::<usize>().prop_map(Action::Finish),
        1 => any::<usize>().prop_map(Action::Abandon),
        2 => Just(Action::Advance),
        1 => Just(Action::Drain),
    ]
}

/// Does this at a level, lanes being used from this many messages on, and compares every digest.
fn run<A: Algorithm>(level: Level, lanes_from: usize, actions: &[Action], expected: fn(&[u8]) -> A::Digest) {
    let mut lanes = Lanes::<A, Vec<u8>, usize>::with_level(level).unwrap().lanes_from(lanes_from);
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let mut open: Vec<(usize, MessageId)> = Vec::new();
    let (mut reported, mut abandoned) = (Vec::new(), 0);
    for action in actions {
        let count = open.len().max(1);
        match action {
            Action::Open => {
                open.push((contents.len(), lanes.open(contents.len())));
                contents.push(Vec::new());
            }
            Action::Push(message, bytes) => {
                if let Some((number, id)) = open.get(message % count) {
                    contents[*number].extend_from_slice(bytes);
                    lanes.push(id, bytes.clone());
                }
            }
            Action::Finish(message) if !open.is_empty() => lanes.finish(open.swap_remove(message % count).1),
            Action::Abandon(message) if !open.is_empty() => {
                let (number, id) = open.swap_remove(message % count);
                assert_eq!(lanes.abandon(id), Some(number));
                abandoned += 1;
            }
            Action::Suspend(message, bytes) if !open.is_empty() => {
                let (number, id) = open.swap_remove(message % count);
                let mut progress: Progress<A> = lanes.suspend(id);
                progress.update(bytes);
                contents[number].extend_from_slice(bytes);
                open.push((number, lanes.resume(&progress, number)));
            }
            Action::Finish(_) | Action::Abandon(_) | Action::Suspend(..) => {}
            Action::Advance => lanes.advance(|number, digest| reported.push((number, digest))),
            Action::Drain => lanes.drain(|number, digest| reported.push((number, digest))),
        }
    }
    for (_, id) in open {
        lanes.finish(id);
    }
    lanes.drain(|number, digest| reported.push((number, digest)));
    assert!(lanes.is_empty());
    assert_eq!(reported.len() + abandoned, contents.len(), "each once");
    reported.sort_unstable_by_key(|(number, _)| *number);
    reported.dedup_by_key(|(number, _)| *number);
    assert_eq!(reported.len() + abandoned, contents.len(), "each once");
    for (number, digest) in reported {
        assert_eq!(digest, expected(&contents[number]), "{level}, {} bytes", contents[number].len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_chunks_gives_the_same_digests(actions in vec(action(), 0..300), lanes_from in 1..=17_usize) {
        for level in Level::supported() {
            run::<Sha256>(level, lanes_from, &actions, sha256);
            run::<Md5>(level, lanes_from, &actions, md5);
        }
    }
}

/// Most are short, some have several chunks.
fn random_size(random: &mut StdRng) -> usize {
    let largest: usize = 1 << random.random_range(0..14_u32);
    random.random_range(0..=largest)
}

fn try_many<A: Algorithm>(level: Level, messages: usize, seed: u64, expected: fn(&[u8]) -> A::Digest) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pool = vec![0; 1 << 16];
    random.fill(&mut pool[..]);
    let mut lanes = Lanes::<A, &[u8], A::Digest>::with_level(level).unwrap().lanes_from(1);
    let mut open: Vec<(MessageId, &[u8])> = Vec::new();
    let (mut opened, mut reported) = (0, 0);
    while reported < messages {
        if opened < messages && open.len() < OPEN {
            let size = random_size(&mut random);
            let begin = random.random_range(0..=pool.len() - size);
            let content = &pool[begin..begin + size];
            open.push((lanes.open(expected(content)), content));
            opened += 1;
        } else {
            let index = random.random_range(0..open.len());
            let (id, rest) = &mut open[index];
            let (chunk, behind) = rest.split_at(random.random_range(0..=rest.len()));
            lanes.push(id, chunk);
            *rest = behind;
            if behind.is_empty() {
                lanes.finish(open.swap_remove(index).0);
            }
        }
        let mut done = |expected, digest| {
            assert_eq!(digest, expected, "{level}, seed {seed}");
            reported += 1;
        };
        if open.is_empty() { lanes.drain(&mut done) } else { lanes.advance(&mut done) }
    }
    assert!(lanes.is_empty() && reported == messages);
}

#[test]
fn many_random_messages_have_the_digests_of_sha2_and_md_5() {
    let messages = env::var("LANES_MESSAGES").map_or(MESSAGES, |number| number.parse().unwrap());
    let seed = rand::random();
    for level in Level::supported() {
        try_many::<Sha256>(level, messages, seed, sha256);
        try_many::<Md5>(level, messages, seed, md5);
        println!("{messages} messages by each algorithm: {level}");
    }
}
