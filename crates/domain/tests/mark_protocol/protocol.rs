//! What may happen when, and what is promised of it.

use stateright::{Model, Property};
use stocktake_domain::Status;

use super::world::{Limits, RECORDS, Results, Rules, WORKERS, World};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Claim(usize),
    Begin(usize, Results),
    Commit(usize),
    GiveBack(usize),
    Crash(usize),
    Release(u8),
    TimeOut(u8),
    MarkAll,
    Cancel,
    Recalculate(usize),
    ClaimOne { worker: usize, record: usize },
    Accept(usize),
}

pub(super) struct Protocol {
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
        for worker in 0..WORKERS {
            if world.writing[worker].is_some() {
                actions.extend([Action::Commit(worker), Action::Crash(worker)]);
            } else if world.workers[worker].is_some() {
                actions.extend(Results::WAYS.map(|results| Action::Begin(worker, results)));
                actions.extend([Action::GiveBack(worker), Action::Crash(worker)]);
            } else if spent.claims < limits.claims {
                actions.push(Action::Claim(worker));
            }
        }
        let writing = || world.writing.iter().flatten();
        for lease in world.leases.iter().filter(|lease| writing().all(|of| of.lease.id != lease.id)) {
            actions.push(Action::Release(lease.id));
            if spent.time_outs < limits.time_outs {
                actions.push(Action::TimeOut(lease.id));
            }
        }
        if spent.marks < limits.marks {
            actions.push(Action::MarkAll);
        }
        if spent.cancellations < limits.cancellations && world.mark.is_some() {
            actions.push(Action::Cancel);
        }
        for record in (0..RECORDS).filter(|record| writing().all(|of| !of.locks(*record))) {
            if spent.recalculations < limits.recalculations {
                actions.push(Action::Recalculate(record));
                let free = (0..WORKERS).filter(|worker| world.workers[*worker].is_none());
                actions.extend(free.map(|worker| Action::ClaimOne { worker, record }));
            }
            if spent.acceptances < limits.acceptances {
                actions.push(Action::Accept(record));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.is_idle = false;
        match action {
            Action::Claim(worker) => {
                next.clock += 1;
                next.claim(worker, self.rules);
            }
            Action::Begin(worker, results) => next.begin(worker, results, self.rules)?,
            Action::Commit(worker) => next.commit(worker, self.rules)?,
            Action::GiveBack(worker) => next.give_back(worker),
            Action::Crash(worker) => next.crash(worker),
            Action::Release(lease) => next.leases.retain(|it| it.id != lease),
            Action::TimeOut(lease) => next.time_out(lease, self.rules)?,
            Action::MarkAll => next.mark_all(self.rules),
            Action::Cancel => next.cancel(),
            Action::Recalculate(record) => next.recalculate(record, self.rules),
            Action::ClaimOne { worker, record } => {
                next.clock += 1;
                next.claim_one(worker, record, self.rules)?;
            }
            Action::Accept(record) => next.accept(record, self.rules),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES[0], |_, world: &World| {
                (0..RECORDS).all(|record| match world.seen(record).status {
                    Status::Succeeded(_) => world.truths[record].answered >= world.truths[record].asked(),
                    _ => true,
                })
            }),
            Property::always(PROMISES[1], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let truth = &world.truths[record];
                    truth.answered < truth.asked() || world.seen(record).due_at.is_none()
                })
            }),
            Property::always(PROMISES[2], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let truth = &world.truths[record];
                    truth.answered >= truth.asked() || world.seen(record).due_at.is_some()
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
            Property::always(PROMISES[7], |_, world: &World| {
                let is_left = world.mark.as_ref().is_some_and(|mark| mark.is_open != [false; RECORDS]);
                !(world.is_idle && is_left)
            }),
            Property::sometimes("all that was marked is verified", |_, world: &World| {
                world.mark.as_ref().is_some_and(|mark| mark.is_open == [false; RECORDS])
                    && world.rows.iter().all(|row| matches!(row.status, Status::Succeeded(_)))
            }),
            Property::sometimes("a mark falls into two", |_, world: &World| {
                world.mark.as_ref().is_some_and(|mark| mark.is_open == [true, false, true])
            }),
            Property::sometimes("a mark comes while results are written", |_, world: &World| {
                world.writing.iter().flatten().any(|of| of.is_older_than(world.mark.as_ref()))
            }),
            Property::sometimes("a worker holds what was marked again", |_, world: &World| {
                let mut held = world.workers.iter().flatten().flat_map(|(_, held)| held);
                world.spent.marks > 1 && held.any(|of| of.asked + 1 == world.questions)
            }),
        ]
    }
}
