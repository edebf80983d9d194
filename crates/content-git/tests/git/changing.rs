//! Repositories to which git writes while they are read.

use std::collections::HashSet;
use std::thread;

use stocktake_domain::ContentError;
use stocktake_testbed::{GitFormat, GitRepository, git_reads_reftables};

use crate::support::{Fixture, PLAIN, see, sha256};

/// How often the repository is changed: each kind of maintenance several times.
const ROUNDS: u64 = 16;

/// Inspects over and over while another thread changes the repository.
fn inspect_while(fixture: &Fixture, mut change: impl FnMut(u64) + Send) {
    let refs_only = fixture.refs_only();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let look = |store| match runtime.block_on(see(store, "a.git")) {
        Ok(seen) => seen.stored.digests.sha256,
        // It is never reported as damaged; at worst as changing.
        Err(ContentError::Unreadable(reason)) if reason == "changed while being read" => None,
        other => panic!("{other:?}"),
    };
    let mut checksums = HashSet::from([look(&fixture.store)]);
    thread::scope(|scope| {
        let changes = scope.spawn(move || (0..ROUNDS).for_each(&mut change));
        while !changes.is_finished() {
            checksums.extend([look(&fixture.store), look(&fixture.store), look(&refs_only)]);
        }
    });
    // Now that nothing changes any more, it is intact.
    checksums.insert(Some(sha256(&runtime.block_on(see(&fixture.store, "a.git")))));
    assert!(checksums.len() > 1, "the changes were seen");
}

fn push(from: &GitRepository, to: &GitRepository, round: u64) {
    from.import("main", 3, 1_000 + round).unwrap();
    let to = to.path().to_str().unwrap();
    let branch = format!("main:refs/heads/pushed-{}", round % 7);
    // In every third round, a pack of even one object is kept as a pack.
    let limit = if round.is_multiple_of(3) { "1" } else { "1000" };
    let receive = format!("git -c receive.unpackLimit={limit} -c receive.autogc=false receive-pack");
    let mut command = from.command();
    command.args(["push", "--quiet", "--force", "--receive-pack", &receive, to, "main", &branch]);
    assert!(command.status().unwrap().success());
}

fn change_in_many_ways(format: GitFormat) -> (Fixture, impl FnMut(u64) + Send) {
    let fixture = Fixture::new();
    let repository = fixture.create("a.git", format);
    repository.import("first", 150, 1).unwrap();
    let source = GitRepository::create(&fixture.outer.path().join("source.git"), PLAIN).unwrap();
    let work = move |round: u64| {
        push(&source, &repository, round);
        let maintenance: &[&str] = match round % 4 {
            0 => &["repack", "-q", "-a", "-d", "--write-bitmap-index"],
            1 => &["pack-refs", "--all"],
            2 => &["gc", "--quiet", "--prune=now"],
            _ => &["repack", "-q", "-d", "--geometric=2", "--write-midx"],
        };
        repository.git(maintenance).unwrap();
    };
    (fixture, work)
}

#[test]
fn pushes_and_repacking_break_nothing() {
    let (fixture, work) = change_in_many_ways(PLAIN);
    inspect_while(&fixture, work);
}

#[test]
fn pushes_and_repacking_break_nothing_with_reftables() {
    assert!(git_reads_reftables(), "This test needs a git of version 2.45 or newer on PATH.");
    let (fixture, work) = change_in_many_ways(GitFormat { sha256: false, reftable: true });
    inspect_while(&fixture, work);
}
