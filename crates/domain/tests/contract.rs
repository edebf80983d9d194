//! The database in memory passes the suites of the database ports, and every case of a suite runs: a public function of a
//! suite that no macro lists would never be called.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use stocktake_domain::contract::MemoryFixture;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
fn run(case: impl Future<Output = ()>) {
    let mut case = Box::pin(case);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while case.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        std::thread::park();
    }
}

async fn memory() -> MemoryFixture {
    MemoryFixture::new()
}

stocktake_domain::database_contract!(crate::run, crate::memory);

/// The names of the public asynchronous functions in this folder's files.
fn cases(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let names = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub async fn "));
        found.extend(names.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
    }
}

#[test]
fn the_macros_list_every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract");
    let macros = fs::read_to_string(folder.join("macros.rs")).unwrap();
    let listed: Vec<&str> = macros.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut found = Vec::new();
    cases(&folder, &mut found);
    assert!(found.len() > 80, "{} cases", found.len());
    let unlisted: Vec<_> = found.iter().filter(|case| !listed.contains(&case.as_str())).collect();
    assert!(unlisted.is_empty(), "listed in no macro: {unlisted:?}");
}
