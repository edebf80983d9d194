//! The catalogue, its marks and leases, and what the workers have in memory; and what each may do.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use stocktake_domain::{Digest, Pending, Started, State, Status, Timestamp, Verification};

pub(super) const WORKERS: usize = 2;
pub(super) const RECORDS: usize = 3;
const LEASE: Duration = Duration::from_secs(1);
const CLAIM_LIMIT: usize = 3;

/// A row of the catalogue, as it is stored or as it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) status: Status,
    pub(super) due_at: Option<u8>,
    /// The number of the last mark that it answers.
    answers: u8,
}

/// All records that do not answer this number are to be verified anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    number: u8,
    /// When it came, and so since when its records are due.
    came_at: u8,
    /// Where such records are looked for: what was cut out of its range is not looked at again.
    pub(super) is_open: [bool; RECORDS],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LeaseRow {
    pub(super) id: u8,
    first: usize,
    last: usize,
    /// It holds what became due from here on, up to the claim.
    due_from: u8,
    claimed_at: u8,
    /// Which attempts the claim began. Not kept by a real lease: it follows from membership, as a promise says.
    pub(super) attempts: Vec<(usize, u64)>,
}

impl LeaseRow {
    fn range(&self) -> RangeInclusive<usize> {
        self.first..=self.last
    }
}

/// A record in a worker's memory, with the question that its result answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    record: usize,
    pub(super) asked: u8,
    verification: Verification<Started>,
}

/// What was asked of a record, and what was answered, by the numbers of the questions. No database keeps it: the promises are
/// held against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    /// Asked of the record itself, or written into its row.
    pub(super) by_row: u8,
    /// Asked by a mark that was not taken back.
    pub(super) by_mark: u8,
    pub(super) answered: u8,
}

impl Truth {
    pub(super) fn asked(&self) -> u8 {
        self.by_row.max(self.by_mark)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) rows: Vec<Row>,
    /// How many records there are in each state that answer each number, as triggers keep it: they know no more than the row.
    kept: BTreeMap<(State, u8), i8>,
    pub(super) mark: Option<Mark>,
    pub(super) leases: Vec<LeaseRow>,
    pub(super) workers: Vec<Option<(u8, Vec<Held>)>>,
    pub(super) clock: u8,
    next_lease: u8,
    pub(super) truths: Vec<Truth>,
    pub(super) questions: u8,
    pub(super) spent: Limits,
    /// Whether the last claim found nothing, and nobody held anything.
    pub(super) is_idle: bool,
    /// What each worker is writing.
    pub(super) writing: Vec<Option<Writing>>,
}

/// Results on their way: decided by what the transaction saw when it began, and seen by others when it ends. Until then nobody else
/// writes these records or ends the lease, but marks come and go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    pub(super) lease: LeaseRow,
    results: Vec<Held>,
    /// The number that the results answer.
    answers: u8,
    ends_lease: bool,
}

impl Writing {
    pub(super) fn is_older_than(&self, mark: Option<&Mark>) -> bool {
        mark.is_some_and(|mark| mark.number > self.answers)
    }

    pub(super) fn locks(&self, record: usize) -> bool {
        self.results.iter().any(|of| of.record == record)
    }
}

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Limits {
    pub(super) claims: u8,
    pub(super) marks: u8,
    pub(super) cancellations: u8,
    pub(super) recalculations: u8,
    pub(super) acceptances: u8,
    pub(super) time_outs: u8,
}

impl Limits {
    pub(super) const NONE: Self =
        Self { claims: 0, marks: 0, cancellations: 0, recalculations: 0, acceptances: 0, time_outs: 0 };
}

/// Which of its results a worker records at once. With the last of them the lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Results {
    First,
    /// The first and the last one, and none between.
    Ends,
    All,
}

impl Results {
    pub(super) const WAYS: [Self; 3] = [Self::First, Self::Ends, Self::All];

    /// Takes them out of what a worker holds.
    fn taken(self, held: &mut Vec<Held>) -> Vec<Held> {
        let mut results = std::mem::take(held);
        match self {
            Self::First => *held = results.split_off(1),
            Self::Ends => {
                let inner = 1..results.len().saturating_sub(1).max(1);
                *held = results.drain(inner).collect();
            }
            Self::All => {}
        }
        results
    }
}

/// A rule that the promises rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A mark comes later than any lease was claimed.
    MarksComeAfterAllClaims,
    /// A record that becomes due by itself does so later than any lease on its key was claimed.
    RowsAreDueAfterTheClaim,
    /// A lease holds what was due when it was claimed, by its row or by a mark; a result of anything else is void.
    ResultsAreOfWhatIsHeld,
    /// A result answers the marks alone that came before its claim.
    ResultsAnswerOlderMarks,
    /// A record tells which mark its result answers.
    RecordsTellWhatTheyAnswer,
    /// So does one whose verification ends otherwise.
    EndedRecordsTellIt,
    /// The range of a lease is cut out of a mark at its end, if all in it answers the mark or is due by its row.
    AnsweredRangesAreCutOut,
    /// A claim cuts out what it passes over because nothing is left to do there.
    PassedRangesAreCutOut,
}

impl Rule {
    pub(super) const ALL: [Self; 8] = [
        Self::MarksComeAfterAllClaims,
        Self::RowsAreDueAfterTheClaim,
        Self::ResultsAreOfWhatIsHeld,
        Self::ResultsAnswerOlderMarks,
        Self::RecordsTellWhatTheyAnswer,
        Self::EndedRecordsTellIt,
        Self::AnsweredRangesAreCutOut,
        Self::PassedRangesAreCutOut,
    ];
}

/// The rules that are kept: all but the one that a test takes away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) without: Option<Rule>,
}

impl Rules {
    pub(super) const ALL: Self = Self { without: None };

    pub(super) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

/// What a mark makes of a status. It counts as no attempt: one under way is void because its record became due later, and so
/// a mark can be taken back without a trace.
fn marked(status: &Status) -> Status {
    let last_failure = status.last_failure().cloned();
    Status::Pending(Verification::restore(*status.history(), Pending { last_failure }))
}

impl World {
    /// Two records that are good, and one that is new.
    pub(super) fn new() -> Self {
        let succeeded = Verification::new().claim().succeed(Digest::Md5([0; 16]), Timestamp::from_millis(0));
        let known = Row { status: Status::Succeeded(succeeded), due_at: None, answers: 0 };
        let new = Row { status: Status::Pending(Verification::new()), due_at: Some(0), answers: 0 };
        let of_known = Truth { by_row: 0, by_mark: 0, answered: 0 };
        Self {
            rows: vec![known.clone(), known, new],
            kept: BTreeMap::from([((State::Succeeded, 0), 2), ((State::Pending, 0), 1)]),
            mark: None,
            leases: Vec::new(),
            workers: vec![None; WORKERS],
            clock: 1,
            next_lease: 0,
            truths: vec![of_known.clone(), of_known.clone(), Truth { by_row: 1, ..of_known }],
            questions: 1,
            spent: Limits::NONE,
            is_idle: false,
            writing: vec![None; WORKERS],
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.clock) * 10_000_000)
    }

    /// The record as everybody is to see it, but that nothing here is `started`.
    pub(super) fn seen(&self, record: usize) -> Row {
        let row = self.rows[record].clone();
        match &self.mark {
            Some(mark) if row.answers < mark.number => {
                let due_at = row.due_at.max(Some(mark.came_at));
                Row { status: marked(&row.status), due_at, ..row }
            }
            _ => row,
        }
    }

    /// Writes a row, which the triggers count.
    fn write(&mut self, record: usize, row: Row) {
        let old = &self.rows[record];
        *self.kept.entry((old.status.state(), old.answers)).or_default() -= 1;
        *self.kept.entry((row.status.state(), row.answers)).or_default() += 1;
        self.kept.retain(|_, count| *count != 0);
        self.rows[record] = row;
    }

    /// How many records are seen in each state, by what is kept.
    pub(super) fn kept_counts(&self) -> BTreeMap<State, i8> {
        let mut counts = BTreeMap::new();
        for ((state, answers), count) in &self.kept {
            let is_marked = self.mark.as_ref().is_some_and(|mark| *answers < mark.number);
            *counts.entry(if is_marked { State::Pending } else { *state }).or_default() += count;
        }
        counts
    }

    /// The same, counted.
    pub(super) fn seen_counts(&self) -> BTreeMap<State, i8> {
        let mut counts = BTreeMap::new();
        for record in 0..RECORDS {
            *counts.entry(self.seen(record).status.state()).or_default() += 1;
        }
        counts
    }

    /// What a verification answers that ends now, without a lease.
    fn ended(&self, record: usize, rules: Rules) -> u8 {
        match &self.mark {
            Some(mark) if rules.keep(Rule::EndedRecordsTellIt) => mark.number,
            _ => self.rows[record].answers,
        }
    }

    pub(super) fn is_member(&self, lease: &LeaseRow, record: usize) -> bool {
        lease.range().contains(&record)
            && self.seen(record).due_at.is_some_and(|due| (lease.due_from..=lease.claimed_at).contains(&due))
    }

    fn is_leased(&self, record: usize) -> bool {
        self.leases.iter().any(|lease| lease.range().contains(&record))
    }

    pub(super) fn holders(&self, record: usize) -> usize {
        self.leases.iter().filter(|lease| self.is_member(lease, record)).count()
    }

    pub(super) fn claim(&mut self, worker: usize, rules: Rules) {
        let is_due = |record: usize| !self.is_leased(record) && self.seen(record).due_at.is_some();
        let run: Vec<usize> = (0..RECORDS)
            .skip_while(|record| !is_due(*record))
            .take_while(|record| !self.is_leased(*record))
            .filter(|record| is_due(*record))
            .take(CLAIM_LIMIT)
            .collect();
        self.spent.claims += 1;
        self.is_idle = run.is_empty() && self.leases.is_empty();
        if rules.keep(Rule::PassedRangesAreCutOut) {
            let looked_at = run.first().copied().unwrap_or(RECORDS);
            let passed: Vec<usize> = (0..looked_at).filter(|record| !self.is_leased(*record)).collect();
            for record in passed {
                self.cut(record..=record, true);
            }
        }
        self.lease(worker, run, 0);
    }

    /// Recalculates one record and leases it, whoever else holds it.
    pub(super) fn claim_one(&mut self, worker: usize, record: usize, rules: Rules) -> Option<()> {
        self.recalculate(record, rules);
        let due_from = self.seen(record).due_at?;
        self.lease(worker, vec![record], due_from)
    }

    fn lease(&mut self, worker: usize, run: Vec<usize>, due_from: u8) -> Option<()> {
        let (first, last) = (*run.first()?, *run.last()?);
        let latest = run.iter().filter_map(|record| self.seen(*record).due_at).max()?;
        let now = self.now();
        let held = run.into_iter().filter_map(|record| {
            let verification = match self.seen(record).status {
                Status::Pending(it) => it.claim(),
                Status::Failed(it) => it.claim(now).ok()?,
                Status::Started(_) | Status::Succeeded(_) | Status::Disabled(_) => return None,
            };
            Some(Held { record, asked: self.truths[record].asked(), verification })
        });
        let held: Vec<Held> = held.collect();
        let attempts = held.iter().map(|it| (it.record, it.verification.attempt())).collect();
        let id = self.next_lease;
        self.next_lease += 1;
        let claimed_at = self.clock.max(latest);
        self.leases.push(LeaseRow { id, first, last, due_from, claimed_at, attempts });
        self.workers[worker] = Some((id, held));
        Some(())
    }

    /// The worker begins to write results. Nothing comes of those that are void.
    pub(super) fn begin(&mut self, worker: usize, results: Results, rules: Rules) -> Option<()> {
        let (lease, held) = self.workers[worker].as_mut()?;
        let (lease, mut results) = (*lease, results.taken(held));
        let ends_lease = held.is_empty();
        let lease = self.leases.iter().find(|it| it.id == lease).cloned();
        results.retain(|of| {
            // Without the rule, it is enough that the record is due.
            let is_due = self.seen(of.record).due_at.is_some() && !rules.keep(Rule::ResultsAreOfWhatIsHeld);
            lease.as_ref().is_some_and(|lease| is_due || self.is_member(lease, of.record))
        });
        let Some(lease) = lease.filter(|_| !results.is_empty()) else {
            if ends_lease {
                self.give_back(worker);
            }
            return Some(());
        };
        let mark = self.mark.as_ref().filter(|mark| mark.came_at <= lease.claimed_at);
        let answers = mark.map_or(0, |mark| mark.number);
        self.writing[worker] = Some(Writing { lease, results, answers, ends_lease });
        Some(())
    }

    pub(super) fn commit(&mut self, worker: usize, rules: Rules) -> Option<()> {
        let Writing { lease, results, answers, ends_lease } = self.writing[worker].take()?;
        let newest = self.mark.as_ref().map_or(0, |mark| mark.number);
        let answers = if rules.keep(Rule::ResultsAnswerOlderMarks) { answers } else { newest };
        for done in results {
            let truth = &mut self.truths[done.record];
            truth.answered = truth.answered.max(done.asked);
            let kept = self.rows[done.record].answers;
            let answers = if rules.keep(Rule::RecordsTellWhatTheyAnswer) { answers.max(kept) } else { kept };
            let succeeded = done.verification.succeed(Digest::Md5([0; 16]), self.now());
            self.write(done.record, Row { status: Status::Succeeded(succeeded), due_at: None, answers });
        }
        if ends_lease {
            self.cut(lease.range(), rules.keep(Rule::AnsweredRangesAreCutOut));
            self.give_back(worker);
        }
        Some(())
    }

    /// Takes a range out of the mark, only if nothing is left to do there or also otherwise.
    fn cut(&mut self, range: RangeInclusive<usize>, only_if_done: bool) {
        let Some(mark) = &mut self.mark else { return };
        let is_done = |row: &Row| row.answers >= mark.number || row.due_at.is_some();
        if !only_if_done || self.rows[range.clone()].iter().all(is_done) {
            mark.is_open[range].fill(false);
        }
    }

    /// The worker is killed, in the middle of a transaction or not.
    pub(super) fn crash(&mut self, worker: usize) {
        self.workers[worker] = None;
        self.writing[worker] = None;
    }

    pub(super) fn give_back(&mut self, worker: usize) {
        if let Some((lease, _)) = self.workers[worker].take() {
            self.leases.retain(|it| it.id != lease);
        }
    }

    /// The records are due by their rows from then on, and need no mark.
    pub(super) fn time_out(&mut self, lease: u8, rules: Rules) -> Option<()> {
        let lease = self.leases.iter().find(|it| it.id == lease)?.clone();
        let now = self.now();
        let members: Vec<usize> = (0..RECORDS).filter(|record| self.is_member(&lease, *record)).collect();
        for record in members {
            let started = match self.seen(record).status {
                Status::Pending(it) => it.claim(),
                Status::Failed(it) => it.claim(now).ok()?,
                Status::Started(_) | Status::Succeeded(_) | Status::Disabled(_) => return None,
            };
            let due_at = Some(self.clock.max(lease.claimed_at + 1));
            let (status, answers) = (Status::Failed(started.time_out(LEASE, now)), self.ended(record, rules));
            self.write(record, Row { status, due_at, answers });
            let truth = &mut self.truths[record];
            truth.by_row = truth.asked();
        }
        self.leases.retain(|it| it.id != lease.id);
        self.spent.time_outs += 1;
        Some(())
    }

    /// A time of a clock that lags behind those of the claims, but later than these claims as far as a rule says so.
    fn later_than<'a>(&self, claims: impl Iterator<Item = &'a LeaseRow>, is_rule_kept: bool) -> u8 {
        let behind = claims.map(|it| it.claimed_at + 1).filter(|_| is_rule_kept).max().unwrap_or(0);
        behind.max(self.clock.saturating_sub(1))
    }

    /// The mark takes the place of an older one, of which it covers all that is left.
    pub(super) fn mark_all(&mut self, rules: Rules) {
        let came_at = self.later_than(self.leases.iter(), rules.keep(Rule::MarksComeAfterAllClaims));
        self.questions += 1;
        self.truths.iter_mut().for_each(|truth| truth.by_mark = self.questions);
        self.mark = Some(Mark { number: self.questions, came_at, is_open: [true; RECORDS] });
        self.spent.marks += 1;
    }

    /// What was not verified is as it was; a result under way is void, as of a record that is not due.
    pub(super) fn cancel(&mut self) {
        self.mark = None;
        self.truths.iter_mut().for_each(|truth| truth.by_mark = 0);
        self.spent.cancellations += 1;
    }

    pub(super) fn recalculate(&mut self, record: usize, rules: Rules) {
        let covering = self.leases.iter().filter(|it| it.range().contains(&record));
        let due_at = self.later_than(covering, rules.keep(Rule::RowsAreDueAfterTheClaim));
        let status = Status::Pending(self.seen(record).status.recalculate());
        self.write(record, Row { status, due_at: Some(due_at), answers: self.rows[record].answers });
        self.questions += 1;
        self.truths[record].by_row = self.questions;
        self.spent.recalculations += 1;
    }

    /// As an administrator, or a report of the store, ends a verification without a lease.
    pub(super) fn accept(&mut self, record: usize, rules: Rules) {
        let now = self.now();
        let status = Status::Succeeded(self.seen(record).status.accept(Digest::Md5([1; 16]), now));
        let answers = self.ended(record, rules);
        self.write(record, Row { status, due_at: None, answers });
        let truth = &mut self.truths[record];
        truth.answered = truth.asked();
        self.spent.acceptances += 1;
    }
}
