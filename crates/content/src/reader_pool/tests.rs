//! The pool with real threads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::hash_plan::Secrets;

fn pool(capacity: usize) -> Arc<ReaderPool> {
    let hashes = HashPool::start(NonZeroUsize::MIN, Secrets::default()).unwrap();
    ReaderPool::start(NonZeroUsize::new(capacity).unwrap(), hashes).unwrap()
}

fn many() -> NonZeroUsize {
    NonZeroUsize::new(32).unwrap()
}

/// A task whose threads hang until they are let go.
#[derive(Default)]
struct Hanging {
    reading: AtomicUsize,
    is_let_go: Mutex<bool>,
    let_go: Condvar,
}

impl Hanging {
    fn let_go(&self) {
        *lock(&self.is_let_go) = true;
        self.let_go.notify_all();
    }

    fn wait_for_readers(&self, count: usize) {
        while self.reading.load(Ordering::Relaxed) < count {
            thread::yield_now();
        }
    }
}

impl ReadTask for Hanging {
    fn has_more(&self) -> bool {
        !*lock(&self.is_let_go)
    }

    fn read(&self) {
        self.reading.fetch_add(1, Ordering::Relaxed);
        let mut is_let_go = lock(&self.is_let_go);
        while !*is_let_go {
            is_let_go = self.let_go.wait(is_let_go).unwrap();
        }
    }
}

#[tokio::test]
async fn storages_that_hang_do_not_hold_up_another() {
    let pool = pool(12);
    let hanging: Vec<_> = (0..3).map(|_| (pool.share(many()), Arc::new(Hanging::default()))).collect();
    let healthy = pool.share(many());
    for (share, task) in &hanging {
        share.push(task.clone());
        task.wait_for_readers(1);
    }
    for number in 0..100 {
        assert_eq!(healthy.run(move || number).await, Some(number));
    }
    let held: usize = hanging.iter().map(|(_, task)| task.reading.load(Ordering::Relaxed)).sum();
    assert!(held < 12, "{held} threads hang");
    for (_, task) in &hanging {
        task.let_go();
    }
}

#[test]
fn a_task_is_read_by_as_many_threads_as_its_share_may_have_and_no_more() {
    let pool = pool(8);
    let (share, task) = (pool.share(NonZeroUsize::new(3).unwrap()), Arc::new(Hanging::default()));
    share.push(task.clone());
    task.wait_for_readers(3);
    // As many threads as there are now are looking for work or hang.
    assert!(!lock(&pool.inner.state).schedule.has_next(8));
    assert_eq!(task.reading.load(Ordering::Relaxed), 3);
    task.let_go();
}

#[tokio::test]
async fn a_panic_costs_neither_a_thread_nor_a_place() {
    let pool = pool(1);
    let share = pool.share(many());
    for _ in 0..3 {
        assert_eq!(share.run(|| -> u8 { panic!("on purpose") }).await, None);
    }
    assert_eq!(share.run(|| 7).await, Some(7));
}

#[tokio::test]
async fn threads_are_started_as_they_are_needed_and_used_again() {
    let pool = pool(8);
    let share = pool.share(many());
    let names: Mutex<BTreeSet<Option<String>>> = Mutex::default();
    for _ in 0..20 {
        let name = share.run(|| thread::current().name().map(str::to_owned)).await.unwrap();
        lock(&names).insert(name);
    }
    let threads = lock(&pool.inner.state).threads;
    assert!(lock(&names).len() <= threads && threads <= 8, "{threads}: {names:?}");
}

#[test]
fn a_refused_thread_leaves_the_pool_with_those_it_has() {
    let pool = pool(8);
    let (one, other) = (pool.share(many()), pool.share(many()));
    lock(&pool.inner.state).threads += 1;
    pool.inner.go_on_with_fewer(&io::ErrorKind::WouldBlock.into());
    let task = Arc::new(Hanging::default());
    one.push(task.clone());
    task.wait_for_readers(1);
    let (sender, receiver) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(lock(&pool.inner.state).threads, 1);
    // The other storage is served as soon as the one thread is free.
    thread::spawn(move || runtime.block_on(async { sender.send(other.run(|| 7).await) }));
    task.let_go();
    assert_eq!(receiver.recv(), Ok(Some(7)));
}
