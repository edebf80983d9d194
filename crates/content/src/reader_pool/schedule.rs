//! Which storage the next free thread reads from.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::Arc;

use super::ReadTask;

/// Names a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShareId(u64);

/// The tasks of all shares, and how many threads each has.
///
/// A share that has no thread may always have one. One that has some gets another only as long as it has fewer of those
/// that are shared than are left for others. So storages that hang hold half of the threads, a quarter, an eighth…, and
/// those that answer always find one.
#[derive(Default)]
pub(super) struct Schedule {
    shares: BTreeMap<ShareId, Share>,
    added: u64,
    /// The share that was served last.
    last: Option<ShareId>,
}

struct Share {
    limit: NonZeroUsize,
    running: usize,
    tasks: VecDeque<Arc<dyn ReadTask>>,
}

impl Share {
    /// The threads that it has besides the one that is always its own.
    fn shared_threads(&self) -> usize {
        self.running.saturating_sub(1)
    }

    /// The next task with something left to do, which goes to the end of the queue. Those that have nothing left to do
    /// are forgotten.
    fn next_task(&mut self) -> Option<Arc<dyn ReadTask>> {
        self.forget_done();
        self.tasks.rotate_left(usize::from(self.tasks.len() > 1));
        self.tasks.back().cloned()
    }

    fn forget_done(&mut self) {
        self.tasks.retain(|task| task.has_more());
    }
}

impl Schedule {
    /// Adds a share that has at most this many threads.
    pub(super) fn add(&mut self, limit: NonZeroUsize) -> ShareId {
        self.added += 1;
        let id = ShareId(self.added);
        self.shares.insert(id, Share { limit, running: 0, tasks: VecDeque::new() });
        id
    }

    /// Forgets a share and its tasks.
    pub(super) fn remove(&mut self, id: ShareId) {
        self.shares.remove(&id);
    }

    /// Adds a task.
    pub(super) fn push(&mut self, id: ShareId, task: Arc<dyn ReadTask>) {
        if let Some(share) = self.shares.get_mut(&id) {
            // A storage that hangs has no thread that would come by.
            share.forget_done();
            share.tasks.push_back(task);
        }
    }

    /// The next task, if there is one that may have one of `capacity` threads. The shares take turns.
    pub(super) fn next(&mut self, capacity: usize) -> Option<(ShareId, Arc<dyn ReadTask>)> {
        let spare = self.spare(capacity);
        let is_alone = self.shares.len() == 1;
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let up_to = self.last.map_or(Bound::Excluded(ShareId(0)), Bound::Included);
        for bounds in [(behind, Bound::Unbounded), (Bound::Unbounded, up_to)] {
            for (id, share) in self.shares.range_mut(bounds) {
                if share.may_have_another(spare, is_alone)
                    && let Some(task) = share.next_task()
                {
                    share.running += 1;
                    self.last = Some(*id);
                    return Some((*id, task));
                }
            }
        }
        None
    }

    /// Whether [`Schedule::next`] gives a task.
    pub(super) fn has_next(&self, capacity: usize) -> bool {
        let spare = self.spare(capacity);
        let is_alone = self.shares.len() == 1;
        self.shares.values().any(|share| {
            share.may_have_another(spare, is_alone) && share.tasks.iter().any(|task| task.has_more())
        })
    }

    /// The thread of a share is free again.
    pub(super) fn done(&mut self, id: ShareId) {
        if let Some(share) = self.shares.get_mut(&id) {
            share.running -= 1;
        }
    }

    /// The threads that are nobody's own and free.
    fn spare(&self, capacity: usize) -> usize {
        let taken: usize = self.shares.values().map(Share::shared_threads).sum();
        capacity.saturating_sub(self.shares.len() + taken)
    }
}

impl Share {
    fn may_have_another(&self, spare: usize, is_alone: bool) -> bool {
        self.running == 0 || (self.running < self.limit.get() && (is_alone || self.shared_threads() < spare))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A task that has something left to do until it is told otherwise.
    struct Endless(AtomicBool);

    impl ReadTask for Endless {
        fn has_more(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }

        fn read(&self) {}
    }

    fn endless() -> Arc<Endless> {
        Arc::new(Endless(AtomicBool::new(true)))
    }

    fn schedule(shares: usize, limit: usize) -> (Schedule, Vec<ShareId>) {
        let mut schedule = Schedule::default();
        let ids = (0..shares).map(|_| schedule.add(NonZeroUsize::new(limit).unwrap())).collect();
        (schedule, ids)
    }

    /// Gives out threads to tasks that keep them; how many each share gets.
    fn give_out(schedule: &mut Schedule, ids: &[ShareId], capacity: usize, free: usize) -> Vec<usize> {
        let mut got = vec![0; ids.len()];
        for _ in 0..free {
            let Some((id, _)) = schedule.next(capacity) else { break };
            got[ids.iter().position(|other| *other == id).unwrap()] += 1;
        }
        assert!(!schedule.has_next(capacity) || got.iter().sum::<usize>() == free);
        got
    }

    #[test]
    fn a_storage_that_hangs_leaves_threads_for_the_others() {
        let capacity = 260;
        let (mut schedule, ids) = schedule(20, 32);
        let mut free = capacity;
        let mut held = Vec::new();
        // One after the other has work, and keeps every thread that it gets.
        for number in 0..ids.len() {
            schedule.push(ids[number], endless());
            let got = give_out(&mut schedule, &ids, capacity, free).iter().sum::<usize>();
            free -= got;
            held.push(got);
        }
        assert_eq!(held[..6], [32, 32, 32, 32, 32, 32], "{held:?}");
        assert!(held.iter().all(|got| *got >= 1), "{held:?}");
        assert!(held.is_sorted_by(|one, other| one >= other), "{held:?}");
    }

    #[test]
    fn shares_take_turns_and_have_equal_parts() {
        let (mut schedule, ids) = schedule(4, 32);
        for id in &ids {
            schedule.push(*id, endless());
        }
        assert_eq!(give_out(&mut schedule, &ids, 24, 24), [5, 5, 5, 5]);
    }

    #[test]
    fn few_threads_still_serve_every_storage_in_turn() {
        let (mut schedule, ids) = schedule(3, 32);
        for id in &ids {
            schedule.push(*id, endless());
        }
        let served: Vec<ShareId> = (0..6)
            .map(|_| {
                let (id, _) = schedule.next(1).unwrap();
                schedule.done(id);
                id
            })
            .collect();
        assert_eq!(served, [&ids[..], &ids[..]].concat());
    }

    #[test]
    fn a_single_storage_has_all_threads_up_to_its_limit() {
        let (mut schedule, ids) = schedule(1, 32);
        schedule.push(ids[0], endless());
        assert_eq!(give_out(&mut schedule, &ids, 8, 8), [8]);
        assert_eq!(give_out(&mut schedule, &ids, 100, 100), [24]);
    }

    #[test]
    fn tasks_of_a_share_take_turns_and_are_forgotten_when_nothing_is_left() {
        let (mut schedule, ids) = schedule(1, 32);
        let tasks = [endless(), endless()];
        for task in &tasks {
            schedule.push(ids[0], task.clone());
        }
        let next = |schedule: &mut Schedule| {
            let (id, next) = schedule.next(1)?;
            schedule.done(id);
            let address = Arc::as_ptr(&next).cast::<Endless>();
            tasks.iter().position(|task| std::ptr::eq(Arc::as_ptr(task), address))
        };
        assert_eq!([(); 3].map(|()| next(&mut schedule)), [Some(0), Some(1), Some(0)]);
        tasks[1].0.store(false, Ordering::Relaxed);
        assert_eq!([(); 2].map(|()| next(&mut schedule)), [Some(0), Some(0)]);
        assert_eq!(Arc::strong_count(&tasks[1]), 1);
        schedule.remove(ids[0]);
        assert!(next(&mut schedule).is_none() && Arc::strong_count(&tasks[0]) == 1);
    }
}
