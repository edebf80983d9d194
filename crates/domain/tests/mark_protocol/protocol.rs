//! What may happen when, and what is promised of it.

use stateright::{Model, Property};
use stocktake_domain::Status;

use super::rules::{Limits, Results, Rules};
use super::world::{RECORDS, WORKERS, World};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Claim(usize),
    Begin { worker: usize, results: Results, is_good: bool },
    Commit(usize),
    GiveBack(usize),
    Crash(usize),
    Release(u8),
    TimeOut(u8),
    MarkAll,
    Recalculate(usize),
    ClaimOne { worker: usize, record: usize },
    BeginToAccept(usize),
    Accept,
}

pub(super) struct Protocol {
    /// How many records a claim takes.
    pub(super) at_most: usize,
    pub(super) limits: Limits,
    pub(super) rules: Rules,
}

/// The promises, by what is said of them.
pub(super) const PROMISES: [&str; 8] = [
    "what is seen as succeeded was read after it was last asked for",
    "what was answered is not due",
    "what was not answered is due",
    "no record is held twice",
    "what a lease holds is the attempt that its claim began",
    "what only a mark makes due is looked for",
    "the kept counts are those of what is seen",
    "where nothing is left to claim, nothing of a mark is left",
];

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let (spent, limits) = (world.spent, self.limits);
        let ends = if spent.failures < limits.failures { [true, false].as_slice() } else { &[true] };
        for worker in 0..WORKERS {
            if world.writing[worker].is_some() {
                actions.extend([Action::Commit(worker), Action::Crash(worker)]);
            } else if world.workers[worker].is_some() {
                if !world.is_waiting(worker) {
                    for is_good in ends.iter().copied() {
                        let begin = |results| Action::Begin { worker, results, is_good };
                        actions.extend(Results::WAYS.map(begin));
                    }
                }
                actions.extend([Action::GiveBack(worker), Action::Crash(worker)]);
            } else if spent.claims < limits.claims && world.accepting.is_none() {
                actions.push(Action::Claim(worker));
            }
        }
        let writing = || world.writing.iter().flatten();
        for lease in world.leases.iter().filter(|lease| writing().all(|of| of.lease.id != lease.id)) {
            actions.push(Action::Release(lease.id));
            let mut held = (0..RECORDS).filter(|record| world.is_member(lease, *record));
            if spent.time_outs < limits.time_outs && held.all(|record| !world.is_locked(record)) {
                actions.push(Action::TimeOut(lease.id));
            }
        }
        if spent.marks < limits.marks && world.is_markable(self.rules) {
            actions.push(Action::MarkAll);
        }
        for record in (0..RECORDS).filter(|record| !world.is_locked(*record)) {
            if spent.recalculations < limits.recalculations {
                actions.push(Action::Recalculate(record));
                let free = (0..WORKERS).filter(|worker| world.workers[*worker].is_none());
                actions.extend(free.map(|worker| Action::ClaimOne { worker, record }));
            }
            if spent.acceptances < limits.acceptances && world.accepting.is_none() {
                actions.push(Action::BeginToAccept(record));
            }
        }
        if world.accepting.is_some() {
            actions.push(Action::Accept);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.is_idle = false;
        match action {
            Action::Claim(worker) => next.claim(worker, self.at_most, self.rules),
            Action::Begin { worker, results, is_good } => next.begin(worker, results, is_good, self.rules)?,
            Action::Commit(worker) => next.commit(worker, self.rules)?,
            Action::GiveBack(worker) => next.give_back(worker),
            Action::Crash(worker) => next.crash(worker),
            Action::Release(lease) => next.leases.retain(|it| it.id != lease),
            Action::TimeOut(lease) => next.time_out(lease)?,
            Action::MarkAll => next.mark_all(self.rules),
            Action::Recalculate(record) => next.recalculate(record, self.rules),
            Action::ClaimOne { worker, record } => next.claim_one(worker, record, self.rules)?,
            Action::BeginToAccept(record) => next.begin_to_accept(record, self.rules),
            Action::Accept => next.accept()?,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES[0], |_, world: &World| {
                (0..RECORDS).all(|record| match world.seen(record).status {
                    Status::Succeeded(_) => world.truths[record].answered >= world.truths[record].asked,
                    _ => true,
                })
            }),
            Property::always(PROMISES[1], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let truth = &world.truths[record];
                    truth.answered < truth.asked || world.seen(record).due_at.is_none()
                })
            }),
            Property::always(PROMISES[2], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let truth = &world.truths[record];
                    truth.answered >= truth.asked || world.seen(record).due_at.is_some()
                })
            }),
            Property::always(PROMISES[3], |_, world: &World| {
                (0..RECORDS).all(|record| world.holders(record) <= 1)
            }),
            Property::always(PROMISES[4], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let own = (record, world.seen(record).status.history().attempt + 1);
                    let mut holders = world.leases.iter().filter(|lease| world.is_member(lease, record));
                    holders.all(|lease| lease.attempts.contains(&own))
                })
            }),
            Property::always(PROMISES[5], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let is_open = world.mark.as_ref().is_some_and(|mark| mark.is_open[record]);
                    world.seen(record).due_at.is_none() || world.rows[record].due_at.is_some() || is_open
                })
            }),
            Property::always(PROMISES[6], |_, world: &World| world.seen_counts() == world.kept_counts()),
            Property::always(PROMISES[7], |_, world: &World| !(world.is_idle && world.mark.is_some())),
            Property::sometimes("all that was marked is verified", |_, world: &World| {
                world.spent.marks > 0
                    && world.mark.is_none()
                    && world.rows.iter().all(|row| matches!(row.status, Status::Succeeded(_)))
            }),
            Property::sometimes("a mark falls into two", |_, world: &World| {
                world.mark.as_ref().is_some_and(|mark| mark.is_open == [true, false, true])
            }),
            Property::sometimes("a mark comes while a worker has results to write", |_, world: &World| {
                let mark = world.mark.as_ref();
                world.leases.iter().any(|lease| mark.is_some_and(|mark| lease.is_older_than(mark)))
            }),
            Property::sometimes("a worker holds what was marked again", |_, world: &World| {
                let mut held = world.workers.iter().flatten().flat_map(|(_, held)| held);
                world.spent.marks > 1 && held.any(|of| of.asked + 1 == world.questions)
            }),
        ]
    }
}
