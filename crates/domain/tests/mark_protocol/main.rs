//! The protocol of ADR 21: marks on ranges of keys, explored exhaustively.
//!
//! Two workers share three records of one storage. An administrator may mark all of them, at any moment and more than once, ask for
//! one record again, or accept one. A worker may claim, record some results or all, good or bad ones, give back what it has left, or
//! crash; a lease may run out, or be released. Results and acceptances are written in transactions that decide by what they see at
//! their beginning, while others go on. A mark writes no record that succeeded, and neither does a claim: whether such a record is
//! pending follows from the mark. All clocks stand still, so that nothing is later than something else but by a rule. The records
//! go through the real state machine.

#![expect(clippy::indexing_slicing, reason = "the model's indices come from its own lists")]

mod protocol;
mod rules;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, Model as _};

use self::protocol::{PROMISES, Protocol};
use self::rules::{Limits, Rule, Rules};

/// Two claims and one mark.
const LITTLE: Limits = Limits { claims: 2, marks: 1, ..Limits::NONE };

/// How many records a claim takes, and what happens, beside a mark: not all of it at once, of which there are too many orders.
const SCENARIOS: [(usize, Limits); 7] = [
    (3, Limits { claims: 3, marks: 2, ..LITTLE }),
    (1, Limits { claims: 4, marks: 2, ..LITTLE }),
    (2, Limits { failures: 1, marks: 2, ..LITTLE }),
    (3, Limits { recalculations: 1, marks: 2, ..LITTLE }),
    (3, Limits { acceptances: 1, time_outs: 1, ..LITTLE }),
    (3, Limits { time_outs: 1, recalculations: 1, ..LITTLE }),
    (3, Limits { claims: 0, recalculations: 2, acceptances: 1, ..LITTLE }),
];

fn explored((at_most, limits): (usize, Limits), rules: Rules) -> impl Checker<Protocol> {
    Protocol { at_most, limits, rules }.checker().threads(2).spawn_bfs().join()
}

#[test]
fn no_interleaving_breaks_a_promise() {
    let mut reached = BTreeSet::new();
    let mut states = 0;
    for scenario in SCENARIOS {
        let checker = explored(scenario, Rules::ALL);
        states += checker.unique_state_count();
        for (name, path) in checker.discoveries() {
            assert!(!PROMISES.contains(&name), "{scenario:?}: {name}: {path}");
            reached.insert(name);
        }
    }
    assert_eq!(reached.len(), 4, "of what is to happen there was only {reached:?}");
    assert!(states > 100_000, "only {states} states");
}

/// Each rule is needed: without it the same exploration finds an interleaving that breaks a promise.
#[test]
fn without_any_one_rule_a_promise_breaks() {
    for rule in Rule::ALL {
        let breaks = |scenario: &(usize, Limits)| {
            let checker = explored(*scenario, Rules { without: Some(rule) });
            checker.discoveries().keys().any(|name| PROMISES.contains(name))
        };
        assert!(SCENARIOS.iter().any(breaks), "not needed: {rule:?}");
    }
}
