//! The protocol of claim, lease, crash and late result, explored exhaustively.
//!
//! Two workers share three records of one storage. At any moment a worker may claim, finish a record well or
//! badly, crash, or be given up for dead while it still runs; a lease may run out; an administrator may ask
//! for a recalculation. The records go through the real state machine; only the database is modelled, with
//! the rules of the `Queue` port: a record is started while a lease covers its key that was claimed no
//! earlier than the record became due, and a result needs its lease and its attempt.

#![expect(clippy::indexing_slicing, reason = "the model's indices come from its own lists")]

use std::time::Duration;

use stateright::{Checker, Model, Property};
use stocktake_domain::{Digest, Failure, Started, Status, Timestamp, Verification};

const WORKERS: usize = 2;
const RECORDS: usize = 3;
const LEASE: Duration = Duration::from_secs(1);
const CLAIM_LIMIT: usize = 2;

/// A row of the catalogue. `Status::Started` never occurs: it is derived.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    status: Status,
    due_at: Option<u8>,
    /// How often a recalculation was asked for: the question that a result must answer.
    asked: u8,
    /// The question that the recorded result answers.
    answered: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LeaseRow {
    id: u8,
    first: usize,
    last: usize,
    claimed_at: u8,
    /// Which attempts the claim began. Not kept by a real lease: it follows from membership, as the last
    /// promise says.
    attempts: Vec<(usize, u64)>,
}

/// A record in a worker's memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    record: usize,
    asked: u8,
    verification: Verification<Started>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    rows: Vec<Row>,
    leases: Vec<LeaseRow>,
    workers: Vec<Option<(u8, Vec<Held>)>>,
    clock: u8,
    next_lease: u8,
    recalculations: u8,
    stale_result_recorded: bool,
    result_recorded_without_lease: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    Claim(usize),
    Finish { worker: usize, good: bool },
    Crash(usize),
    Release(u8),
    TimeOut(u8),
    Recalculate(usize),
    RetryTimeComes(usize),
}

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.clock) * 10_000_000)
    }

    fn is_member(&self, lease: &LeaseRow, record: usize) -> bool {
        (lease.first..=lease.last).contains(&record)
            && self.rows[record].due_at.is_some_and(|due| due <= lease.claimed_at)
    }

    fn holders(&self, record: usize) -> usize {
        self.leases.iter().filter(|lease| self.is_member(lease, record)).count()
    }

    /// The first run of due records outside the ranges of all leases.
    fn free_run(&self) -> Vec<usize> {
        let leased = |record: usize| self.leases.iter().any(|it| (it.first..=it.last).contains(&record));
        (0..RECORDS)
            .skip_while(|record| leased(*record) || self.rows[*record].due_at.is_none())
            .take_while(|record| !leased(*record))
            .filter(|record| self.rows[*record].due_at.is_some())
            .take(CLAIM_LIMIT)
            .collect()
    }

    fn claim(&mut self, worker: usize) -> Option<()> {
        let run = self.free_run();
        let (first, last) = (*run.first()?, *run.last()?);
        let now = self.now();
        let held = run.into_iter().filter_map(|record| {
            let row = &self.rows[record];
            let verification = match row.status.clone() {
                Status::Pending(it) => it.claim(),
                Status::Failed(it) => it.claim(now).ok()?,
                Status::Started(_) | Status::Succeeded(_) | Status::Disabled(_) => return None,
            };
            Some(Held { record, asked: row.asked, verification })
        });
        let held: Vec<Held> = held.collect();
        let attempts = held.iter().map(|it| (it.record, it.verification.attempt())).collect();
        let id = self.next_lease;
        self.next_lease += 1;
        self.leases.push(LeaseRow { id, first, last, claimed_at: self.clock, attempts });
        self.workers[worker] = Some((id, held));
        Some(())
    }

    fn finish(&mut self, worker: usize, good: bool, rules: Rules) -> Option<()> {
        let now = self.now();
        let (lease, held) = self.workers[worker].as_mut()?;
        let (lease, done) = (*lease, held.pop()?);
        let over = held.is_empty();
        let row = &mut self.rows[done.record];
        let lease_is = self.leases.iter().any(|it| it.id == lease);
        let attempt_is = !rules.result_needs_its_attempt
            || row.status.history().attempt + 1 == done.verification.attempt();
        if (lease_is || !rules.result_needs_its_lease) && attempt_is {
            self.result_recorded_without_lease |= !lease_is;
            self.stale_result_recorded |= row.asked != done.asked;
            row.answered = Some(done.asked);
            row.due_at = None;
            row.status = if good {
                Status::Succeeded(done.verification.succeed(Digest::Md5([0; 16]), now))
            } else {
                Status::Failed(done.verification.fail(Failure::unreadable("no"), now, 0))
            };
        }
        if over {
            self.workers[worker] = None;
            self.leases.retain(|it| it.id != lease);
        }
        Some(())
    }

    fn time_out(&mut self, lease: u8) -> Option<()> {
        let lease = self.leases.iter().find(|it| it.id == lease)?.clone();
        let now = self.now();
        for record in 0..RECORDS {
            if self.is_member(&lease, record) {
                let row = &mut self.rows[record];
                let started = match row.status.clone() {
                    Status::Pending(it) => it.claim(),
                    Status::Failed(it) => it.claim(now).ok()?,
                    Status::Started(_) | Status::Succeeded(_) | Status::Disabled(_) => return None,
                };
                row.status = Status::Failed(started.time_out(LEASE, now));
                row.due_at = Some(self.clock);
            }
        }
        self.leases.retain(|it| it.id != lease.id);
        Some(())
    }

    /// When a record that is enqueued now becomes due: behind the claim of every lease that covers it. The
    /// clock of this host may lag behind the claimer's.
    fn due_now(&self, record: usize, rules: Rules) -> u8 {
        let covering = self.leases.iter().filter(|it| (it.first..=it.last).contains(&record));
        let behind = covering.map(|it| it.claimed_at + 1).filter(|_| rules.enqueued_is_due_after_the_claim);
        behind.max().unwrap_or(0).max(self.clock.saturating_sub(1))
    }

    fn recalculate(&mut self, record: usize, rules: Rules) {
        let due = self.due_now(record, rules);
        let row = &mut self.rows[record];
        row.status = Status::Pending(row.status.clone().recalculate());
        row.due_at = Some(due);
        row.asked += 1;
        self.recalculations += 1;
    }
}

/// The three rules that the promises rest on; the tests take away one at a time.
#[derive(Clone, Copy)]
struct Rules {
    result_needs_its_lease: bool,
    result_needs_its_attempt: bool,
    enqueued_is_due_after_the_claim: bool,
}

const ALL_RULES: Rules = Rules {
    result_needs_its_lease: true,
    result_needs_its_attempt: true,
    enqueued_is_due_after_the_claim: true,
};

struct Protocol {
    claims: u8,
    recalculations: u8,
    rules: Rules,
}

/// The promises, by what is said of them.
const PROMISES: [&str; 5] = [
    "no result answers an older question",
    "a record has at most one holder",
    "every record is finished or due",
    "only a holder records a result",
    "a record is started under the attempt its lease began",
];

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let row =
            Row { status: Status::Pending(Verification::new()), due_at: Some(0), asked: 0, answered: None };
        vec![World {
            rows: vec![row; RECORDS],
            leases: Vec::new(),
            workers: vec![None; WORKERS],
            clock: 1,
            next_lease: 0,
            recalculations: 0,
            stale_result_recorded: false,
            result_recorded_without_lease: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for worker in 0..WORKERS {
            if world.workers[worker].is_some() {
                actions.push(Action::Crash(worker));
                actions.extend([true, false].map(|good| Action::Finish { worker, good }));
            } else if world.next_lease < self.claims {
                actions.push(Action::Claim(worker));
            }
        }
        for lease in &world.leases {
            actions.extend([Action::Release(lease.id), Action::TimeOut(lease.id)]);
        }
        for record in 0..RECORDS {
            if world.recalculations < self.recalculations {
                actions.push(Action::Recalculate(record));
            }
            if matches!(world.rows[record].status, Status::Failed(_)) && world.rows[record].due_at.is_none() {
                actions.push(Action::RetryTimeComes(record));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Claim(worker) => {
                next.clock += 1;
                next.claim(worker)?;
            }
            Action::Finish { worker, good } => next.finish(worker, good, self.rules)?,
            Action::Crash(worker) => next.workers[worker] = None,
            Action::Release(lease) => next.leases.retain(|it| it.id != lease),
            Action::TimeOut(lease) => next.time_out(lease)?,
            Action::Recalculate(record) => next.recalculate(record, self.rules),
            Action::RetryTimeComes(record) => {
                next.rows[record].due_at = Some(next.due_now(record, self.rules));
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES[0], |_, world: &World| !world.stale_result_recorded),
            Property::always(PROMISES[1], |_, world: &World| {
                (0..RECORDS).all(|record| world.holders(record) <= 1)
            }),
            Property::always(PROMISES[2], |_, world: &World| {
                world.rows.iter().all(|row| match row.status {
                    Status::Pending(_) => row.due_at.is_some(),
                    Status::Succeeded(_) => row.due_at.is_none() && row.answered == Some(row.asked),
                    Status::Failed(_) | Status::Disabled(_) => true,
                    Status::Started(_) => false,
                })
            }),
            Property::always(PROMISES[3], |_, world: &World| !world.result_recorded_without_lease),
            Property::always(PROMISES[4], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let own = (record, world.rows[record].status.history().attempt + 1);
                    world
                        .leases
                        .iter()
                        .all(|lease| !world.is_member(lease, record) || lease.attempts.contains(&own))
                })
            }),
            Property::sometimes("all records succeed in spite of a crash", |_, world: &World| {
                world.next_lease > 2
                    && world.rows.iter().all(|row| matches!(row.status, Status::Succeeded(_)))
            }),
            Property::sometimes("a late result meets a newer attempt", |_, world: &World| {
                world.workers.iter().flatten().any(|(lease, held)| {
                    !world.leases.iter().any(|it| it.id == *lease)
                        && held.iter().any(|it| {
                            world.rows[it.record].status.history().attempt >= it.verification.attempt()
                        })
                })
            }),
        ]
    }
}

#[test]
fn no_interleaving_breaks_a_promise() {
    let protocol = Protocol { claims: 3, recalculations: 1, rules: ALL_RULES };
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 5_000, "only {} states", checker.unique_state_count());
}

/// Each rule is needed: without it the same exploration finds an interleaving that breaks a promise.
#[test]
fn without_any_one_rule_a_promise_breaks() {
    let without = [
        Rules { result_needs_its_lease: false, ..ALL_RULES },
        Rules { result_needs_its_attempt: false, ..ALL_RULES },
        Rules { enqueued_is_due_after_the_claim: false, ..ALL_RULES },
    ];
    for (number, rules) in without.into_iter().enumerate() {
        let protocol = Protocol { claims: 3, recalculations: 1, rules };
        let checker = protocol.checker().threads(2).spawn_bfs().join();
        let broken = checker.discoveries().keys().any(|name| PROMISES.contains(name));
        assert!(broken, "rule {number} is not needed: {:?}", checker.discoveries().keys());
    }
}
