//! The protocol that ADR 21 proposes: marks on ranges of keys, explored exhaustively.
//!
//! Two workers share three records of one storage. An administrator may mark all of them with one row, at any moment and more
//! than once; a worker may claim, finish a record, give back what it has left, or crash; a lease may run out. No mark writes a
//! record: whether one is pending follows from the marks that cover it, and the records go through the real state machine.

#![expect(clippy::indexing_slicing, reason = "the model's indices come from its own lists")]

use stateright::{Checker, Model, Property};
use stocktake_domain::{Digest, Started, Status, Timestamp, Verification};

const WORKERS: usize = 2;
const RECORDS: usize = 3;
const CLAIM_LIMIT: usize = 2;

/// A row of the catalogue, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    status: Status,
    due_at: Option<u8>,
    /// The number of the last mark that the result answers.
    mark: u8,
}

/// All records from `first` to `last` are to be verified anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Mark {
    number: u8,
    first: usize,
    last: usize,
    /// When it came, and so since when its records are due.
    came_at: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LeaseRow {
    id: u8,
    first: usize,
    last: usize,
    claimed_at: u8,
}

/// A record in a worker's memory. `asked`: the marks that there were when it was claimed, which its result answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Held {
    record: usize,
    asked: u8,
    verification: Verification<Started>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    rows: Vec<Row>,
    marks: Vec<Mark>,
    leases: Vec<LeaseRow>,
    workers: Vec<Option<(u8, Vec<Held>)>>,
    clock: u8,
    next_lease: u8,
    /// How many marks came.
    asked: u8,
    /// Of each record, the marks that were there when the content was read whose result it shows.
    answered: Vec<u8>,
    stale_result_recorded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Action {
    Claim(usize),
    Finish(usize),
    GiveBack(usize),
    Crash(usize),
    Release(u8),
    MarkAll,
}

/// A rule that the promises rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    MarksComeAfterAllClaims,
    ResultsAnswerOnlyOlderMarks,
    RecordsTellWhatTheyAnswer,
    RangesAreCutOutOnceAllIsAnswered,
}

/// The rules that are kept: all but the one that a test takes away.
#[derive(Debug, Clone, Copy)]
struct Rules {
    without: Option<Rule>,
}

impl Rules {
    const ALL: Self = Self { without: None };

    fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

impl World {
    /// The marks that cover a record and that its result does not answer.
    fn open_marks(&self, record: usize) -> impl Iterator<Item = &Mark> {
        let answered = self.rows[record].mark;
        self.marks
            .iter()
            .filter(move |mark| (mark.first..=mark.last).contains(&record) && mark.number > answered)
    }

    /// The record as everybody is to see it, but that nothing here is `started`.
    fn seen(&self, record: usize) -> Row {
        let mut row = self.rows[record].clone();
        if let Some(last) = self.open_marks(record).last() {
            row.status = Status::Pending(row.status.recalculate());
            row.due_at = Some(last.came_at);
        }
        row
    }

    fn is_member(&self, lease: &LeaseRow, record: usize) -> bool {
        (lease.first..=lease.last).contains(&record)
            && self.seen(record).due_at.is_some_and(|due| due <= lease.claimed_at)
    }

    fn claim(&mut self, worker: usize) -> Option<()> {
        let leased = |record: usize| self.leases.iter().any(|it| (it.first..=it.last).contains(&record));
        let is_due = |record: usize| !leased(record) && self.seen(record).due_at.is_some();
        let run: Vec<usize> = (0..RECORDS)
            .skip_while(|record| !is_due(*record))
            .take_while(|record| !leased(*record))
            .filter(|record| is_due(*record))
            .take(CLAIM_LIMIT)
            .collect();
        let (first, last) = (*run.first()?, *run.last()?);
        let held = run.into_iter().filter_map(|record| match self.seen(record).status {
            Status::Pending(it) => Some(Held { record, asked: self.asked, verification: it.claim() }),
            _ => None,
        });
        let held = held.collect();
        let latest = (first..=last).filter_map(|record| self.seen(record).due_at).max()?;
        let id = self.next_lease;
        self.next_lease += 1;
        self.leases.push(LeaseRow { id, first, last, claimed_at: self.clock.max(latest) });
        self.workers[worker] = Some((id, held));
        Some(())
    }

    fn finish(&mut self, worker: usize, rules: Rules) -> Option<()> {
        let (lease, held) = self.workers[worker].as_mut()?;
        let (lease, done) = (*lease, held.pop()?);
        let is_last = held.is_empty();
        if let Some(lease) = self.leases.iter().find(|it| it.id == lease).cloned() {
            // Without the rule, it is enough that the record is due.
            let is_own = if rules.keep(Rule::ResultsAnswerOnlyOlderMarks) {
                self.is_member(&lease, done.record)
            } else {
                self.seen(done.record).due_at.is_some()
            };
            if is_own {
                self.record(done, &lease, rules);
            }
        }
        if is_last {
            self.end(worker, rules);
        }
        Some(())
    }

    fn record(&mut self, done: Held, lease: &LeaseRow, rules: Rules) {
        let all = !rules.keep(Rule::ResultsAnswerOnlyOlderMarks);
        let older = self.marks.iter().filter(|mark| all || mark.came_at <= lease.claimed_at);
        let older = older.map(|mark| mark.number).max().unwrap_or(0);
        let row = &mut self.rows[done.record];
        if rules.keep(Rule::RecordsTellWhatTheyAnswer) {
            row.mark = row.mark.max(older);
        }
        self.stale_result_recorded |= done.asked < self.asked && row.mark == self.asked;
        self.answered[done.record] = done.asked;
        row.due_at = None;
        let now = Timestamp::from_millis(i64::from(self.clock));
        row.status = Status::Succeeded(done.verification.succeed(Digest::Md5([0; 16]), now));
    }

    /// The last result of a lease ends it, and takes its range out of the marks that it answers.
    fn end(&mut self, worker: usize, rules: Rules) {
        let Some((lease, _)) = self.workers[worker].take() else { return };
        let Some(lease) = self.leases.iter().find(|it| it.id == lease).cloned() else { return };
        self.leases.retain(|it| it.id != lease.id);
        let is_answered =
            |mark: &Mark| (lease.first..=lease.last).all(|it| self.rows[it].mark >= mark.number);
        let mut left = Vec::new();
        for mark in &self.marks {
            let cut = if rules.keep(Rule::RangesAreCutOutOnceAllIsAnswered) {
                is_answered(mark)
            } else {
                mark.came_at <= lease.claimed_at
            };
            if !cut || mark.last < lease.first || lease.last < mark.first {
                left.push(mark.clone());
                continue;
            }
            if mark.first < lease.first {
                left.push(Mark { last: lease.first - 1, ..mark.clone() });
            }
            if lease.last < mark.last {
                left.push(Mark { first: lease.last + 1, ..mark.clone() });
            }
        }
        self.marks = left;
    }

    fn mark_all(&mut self, rules: Rules) {
        // The clock of this host may lag behind the claimer's.
        let behind = self.leases.iter().map(|it| it.claimed_at + 1);
        let behind = behind.filter(|_| rules.keep(Rule::MarksComeAfterAllClaims)).max().unwrap_or(0);
        self.asked += 1;
        let came_at = behind.max(self.clock.saturating_sub(1));
        self.marks.push(Mark { number: self.asked, first: 0, last: RECORDS - 1, came_at });
    }
}

struct Protocol {
    claims: u8,
    marks: u8,
    rules: Rules,
}

/// The promises, by what is said of them.
const PROMISES: [&str; 3] = [
    "no result answers a mark that came after its claim",
    "what is seen as succeeded was read after the last mark",
    "what was read after the last mark is not due",
];

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let row = Row { status: Status::Pending(Verification::new()), due_at: Some(0), mark: 0 };
        vec![World {
            rows: vec![row; RECORDS],
            marks: Vec::new(),
            leases: Vec::new(),
            workers: vec![None; WORKERS],
            clock: 1,
            next_lease: 0,
            asked: 0,
            answered: vec![0; RECORDS],
            stale_result_recorded: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for worker in 0..WORKERS {
            if world.workers[worker].is_some() {
                actions.extend([Action::Crash(worker), Action::Finish(worker), Action::GiveBack(worker)]);
            } else if world.next_lease < self.claims {
                actions.push(Action::Claim(worker));
            }
        }
        actions.extend(world.leases.iter().map(|lease| Action::Release(lease.id)));
        if world.asked < self.marks {
            actions.push(Action::MarkAll);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Claim(worker) => {
                next.clock += 1;
                next.claim(worker)?;
            }
            Action::Finish(worker) => next.finish(worker, self.rules)?,
            Action::GiveBack(worker) => next.end(worker, self.rules),
            Action::Crash(worker) => next.workers[worker] = None,
            Action::Release(lease) => next.leases.retain(|it| it.id != lease),
            Action::MarkAll => next.mark_all(self.rules),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES[0], |_, world: &World| !world.stale_result_recorded),
            Property::always(PROMISES[1], |_, world: &World| {
                (0..RECORDS).all(|record| match world.seen(record).status {
                    Status::Succeeded(_) => world.answered[record] == world.asked,
                    _ => true,
                })
            }),
            Property::always(PROMISES[2], |_, world: &World| {
                (0..RECORDS).all(|record| {
                    let read = matches!(world.rows[record].status, Status::Succeeded(_));
                    !(read && world.answered[record] == world.asked) || world.seen(record).due_at.is_none()
                })
            }),
            Property::sometimes("a mark is answered and gone", |_, world: &World| {
                world.asked > 0 && world.marks.is_empty() && world.leases.is_empty()
            }),
            Property::sometimes("a mark falls apart", |_, world: &World| {
                world.marks.iter().any(|mark| mark.last - mark.first + 1 < RECORDS)
            }),
        ]
    }
}

#[test]
fn no_interleaving_breaks_a_promise() {
    let protocol = Protocol { claims: 4, marks: 2, rules: Rules::ALL };
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 5_000, "only {} states", checker.unique_state_count());
}

/// Each rule is needed: without it the same exploration finds an interleaving that breaks a promise.
#[test]
fn without_any_one_rule_a_promise_breaks() {
    let without = [
        Rule::MarksComeAfterAllClaims,
        Rule::ResultsAnswerOnlyOlderMarks,
        Rule::RecordsTellWhatTheyAnswer,
        Rule::RangesAreCutOutOnceAllIsAnswered,
    ];
    for rule in without {
        let protocol = Protocol { claims: 4, marks: 2, rules: Rules { without: Some(rule) } };
        let checker = protocol.checker().threads(2).spawn_bfs().join();
        let broken = checker.discoveries().keys().any(|name| PROMISES.contains(name));
        assert!(broken, "not needed: {rule:?}: {:?}", checker.discoveries().keys());
    }
}
