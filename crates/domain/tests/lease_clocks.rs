//! Leases and clocks, explored exhaustively: a clock for each process and one of the database.
//!
//! Two workers each hold a lease, give signs of life, make progress, or die; each may end leases that are over, as every
//! process does. The clock of one of them is ahead. The database's own clock may visit the future and come back. The
//! protocol of claims and results is explored in `lease_protocol.rs`; this is about when a lease ends.

#![expect(
    clippy::indexing_slicing,
    clippy::struct_excessive_bools,
    reason = "the model's indices come from its own lists, and what has happened in it is so many facts"
)]

use std::time::Duration;

use stateright::{Checker, Model, Property};
use stocktake_domain::Timestamp;

const WORKERS: usize = 2;
const MINUTE: i64 = 60_000;
const HEARTBEAT: Duration = Duration::from_secs(2 * 60);
const LEASE: Duration = Duration::from_secs(4 * 60);
/// By how many minutes the clock of each worker is ahead of the database's.
const AHEAD: [i64; WORKERS] = [0, 5];
/// By how many minutes the database's clock is ahead while it visits the future.
const FAR: i64 = 1_000;
/// The minutes that are explored.
const MINUTES: i64 = 6;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lease {
    alive_until: Timestamp,
    deadline: Timestamp,
    /// The minutes that had really gone by when it was last renewed, and when it last got on.
    renewed: i64,
    progressed: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// The minutes that have really gone by.
    time: i64,
    is_in_future: bool,
    was_in_future: bool,
    is_alive: [bool; WORKERS],
    leases: [Option<Lease>; WORKERS],
    living_lost_a_lease: bool,
    dead_kept_a_lease: bool,
    dead_timed_out: bool,
    living_timed_out: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    Renew { worker: usize, progressed: bool },
    Die(usize),
    Reap(usize),
    Tick,
    VisitFuture,
    ComeBack,
}

/// The rules that the promises rest on; the tests take away one at a time.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// All that is written and compared is the database's time.
    one_clock: bool,
    /// What is to end later than the terms allow is over.
    the_future_is_now: bool,
    /// Only of a worker that lives do records time out.
    the_dead_are_released: bool,
}

const ALL_RULES: Rules = Rules { one_clock: true, the_future_is_now: true, the_dead_are_released: true };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Released,
    TimedOut,
}

impl World {
    /// What the time is to a process.
    fn now(&self, process: usize, rules: Rules) -> Timestamp {
        let far = if self.is_in_future { FAR } else { 0 };
        let ahead = if rules.one_clock { far } else { AHEAD[process] };
        Timestamp::from_millis((self.time + ahead) * MINUTE)
    }

    fn renew(&mut self, worker: usize, progressed: bool, rules: Rules) -> Option<()> {
        let (now, time) = (self.now(worker, rules), self.time);
        let lease = self.leases[worker].as_mut()?;
        (lease.alive_until, lease.renewed) = (now.after(HEARTBEAT), time);
        if progressed {
            (lease.deadline, lease.progressed) = (now.after(LEASE), time);
        }
        Some(())
    }

    fn reap(&mut self, by: usize, rules: Rules) {
        let (now, heartbeat, lasts) = (self.now(by, rules), minutes(HEARTBEAT), minutes(LEASE));
        let clock_is_right = !self.was_in_future;
        for worker in 0..WORKERS {
            let Some(lease) = self.leases[worker].clone() else { continue };
            let is_silent = self.time - lease.renewed >= heartbeat;
            let gets_on = self.time - lease.progressed < lasts;
            match end(&lease, now, rules) {
                None => {
                    self.dead_kept_a_lease |= !self.is_in_future && is_silent && !self.is_alive[worker];
                    continue;
                }
                Some(End::Released) => self.living_lost_a_lease |= clock_is_right && !is_silent,
                Some(End::TimedOut) => {
                    self.living_lost_a_lease |= clock_is_right && gets_on;
                    self.dead_timed_out |= is_silent;
                    self.living_timed_out |= !is_silent;
                }
            }
            self.leases[worker] = None;
        }
    }
}

fn minutes(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX) / MINUTE
}

/// How the lease ends by itself, if it does.
fn end(lease: &Lease, now: Timestamp, rules: Rules) -> Option<End> {
    let is_beyond = |end: Timestamp, span| rules.the_future_is_now && end > now.latest_end(span);
    let is_dead = lease.alive_until <= now && (rules.the_dead_are_released || lease.deadline > now);
    if is_dead || is_beyond(lease.alive_until, HEARTBEAT) || is_beyond(lease.deadline, LEASE) {
        return Some(End::Released);
    }
    (lease.deadline <= now).then_some(End::TimedOut)
}

struct Clocks(Rules);

/// The promises, by what is said of them.
const PROMISES: [&str; 3] = [
    "a worker that gives its signs of life and gets on keeps its lease",
    "the lease of a dead worker ends",
    "no record fails because its worker died",
];

impl Model for Clocks {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            time: 0,
            is_in_future: false,
            was_in_future: false,
            is_alive: [true; WORKERS],
            leases: [None, None],
            living_lost_a_lease: false,
            dead_kept_a_lease: false,
            dead_timed_out: false,
            living_timed_out: false,
        };
        world.leases = [0, 1].map(|worker| {
            let now = world.now(worker, self.0);
            let (alive_until, deadline) = (now.after(HEARTBEAT), now.after(LEASE));
            Some(Lease { alive_until, deadline, renewed: 0, progressed: 0 })
        });
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for worker in 0..WORKERS {
            if world.is_alive[worker] {
                actions.extend([true, false].map(|progressed| Action::Renew { worker, progressed }));
                actions.extend([Action::Reap(worker), Action::Die(worker)]);
            }
        }
        if world.time < MINUTES {
            actions.push(Action::Tick);
        }
        actions.push(if world.is_in_future { Action::ComeBack } else { Action::VisitFuture });
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Renew { worker, progressed } => next.renew(worker, progressed, self.0)?,
            Action::Die(worker) => next.is_alive[worker] = false,
            Action::Reap(worker) => next.reap(worker, self.0),
            Action::Tick => next.time += 1,
            Action::VisitFuture => (next.is_in_future, next.was_in_future) = (true, true),
            Action::ComeBack => next.is_in_future = false,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES[0], |_, world: &World| !world.living_lost_a_lease),
            Property::always(PROMISES[1], |_, world: &World| !world.dead_kept_a_lease),
            Property::always(PROMISES[2], |_, world: &World| !world.dead_timed_out),
            Property::sometimes("a lease without progress times out", |_, world: &World| {
                world.living_timed_out
            }),
        ]
    }
}

#[test]
fn no_clock_breaks_a_promise() {
    let checker = Clocks(ALL_RULES).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 5_000, "only {} states", checker.unique_state_count());
}

/// Each rule is needed: without it the same exploration finds a run that breaks its promise.
#[test]
fn without_any_one_rule_a_promise_breaks() {
    for (rules, promise) in [
        (Rules { one_clock: false, ..ALL_RULES }, PROMISES[0]),
        (Rules { the_future_is_now: false, ..ALL_RULES }, PROMISES[1]),
        (Rules { the_dead_are_released: false, ..ALL_RULES }, PROMISES[2]),
    ] {
        let checker = Clocks(rules).checker().threads(2).spawn_bfs().join();
        let broken = checker.discoveries();
        assert!(broken.contains_key(promise), "{rules:?} breaks only {:?}", broken.keys());
    }
}
