//! The protocol that ADR 21 proposes: marks on ranges of keys, explored exhaustively.
//!
//! Two workers share three records of one storage. An administrator may mark all of them with one row, at any moment and more
//! than once, take that back, ask for one record again, or accept one. A worker may claim, record some results or all, give back
//! what it has left, or crash; a lease may run out, or be released. Results are written in transactions that decide by what they see
//! at their beginning, so that marks come and go meanwhile. A mark writes no record, and neither does a claim: whether a record is
//! pending follows from the mark that covers it. The records go through the real state machine.

#![expect(clippy::indexing_slicing, reason = "the model's indices come from its own lists")]

mod protocol;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, Model as _};

use self::protocol::{PROMISES, Protocol};
use self::world::{Limits, Rule, Rules};

/// Two claims and one mark.
const LITTLE: Limits = Limits { claims: 2, marks: 1, ..Limits::NONE };

/// What happens, beside a mark: not all of it at once, of which there are too many orders.
const SCENARIOS: [Limits; 5] = [
    Limits { claims: 3, marks: 2, ..LITTLE },
    Limits { marks: 2, cancellations: 1, ..LITTLE },
    Limits { recalculations: 1, cancellations: 1, ..LITTLE },
    Limits { acceptances: 1, time_outs: 1, ..LITTLE },
    Limits { time_outs: 1, recalculations: 1, ..LITTLE },
];

fn explored(limits: Limits, rules: Rules) -> impl Checker<Protocol> {
    Protocol { limits, rules }.checker().threads(2).spawn_bfs().join()
}

#[test]
fn no_interleaving_breaks_a_promise() {
    let mut reached = BTreeSet::new();
    let mut states = 0;
    for limits in SCENARIOS {
        let checker = explored(limits, Rules::ALL);
        states += checker.unique_state_count();
        for (name, path) in checker.discoveries() {
            assert!(!PROMISES.contains(&name), "{limits:?}: {name}: {path}");
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
        let breaks = |limits: &Limits| {
            let checker = explored(*limits, Rules { without: Some(rule) });
            checker.discoveries().keys().any(|name| PROMISES.contains(name))
        };
        assert!(SCENARIOS.iter().any(breaks), "not needed: {rule:?}");
    }
}
