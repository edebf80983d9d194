//! The catalogue, its marks and leases, and what the workers have in memory; and what each may do.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use stocktake_domain::{Digest, Failure, Started, State, Status, Timestamp, Verification};

use super::rules::{Limits, Results, Rule, Rules};

pub(super) const WORKERS: usize = 2;
pub(super) const RECORDS: usize = 3;
const LEASE: Duration = Duration::from_secs(1);
/// What every clock says. Whatever has to be later than something else is so by the rules.
const NOW: u8 = 1;

/// A row of the catalogue, as it is stored or as it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) status: Status,
    pub(super) due_at: Option<u8>,
    /// The number of the last mark that it answers.
    answers: u8,
}

impl Row {
    fn is_succeeded(&self) -> bool {
        matches!(self.status, Status::Succeeded(_))
    }
}

/// All succeeded records that do not answer this number are to be verified anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    number: u8,
    /// When it came, and so since when what is marked is due.
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

    pub(super) fn is_older_than(&self, mark: &Mark) -> bool {
        self.claimed_at < mark.came_at
    }
}

/// A record in a worker's memory, with the question that its result answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) record: usize,
    pub(super) asked: u8,
    verification: Verification<Started>,
}

/// What was asked of a record, and what was answered, by the numbers of the questions. No database keeps it: the promises are
/// held against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    pub(super) asked: u8,
    pub(super) answered: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) rows: Vec<Row>,
    /// How many records there are in each state and, if they succeeded, that answer each number, as triggers keep it: they know no
    /// more than the row.
    kept: BTreeMap<(State, u8), i8>,
    pub(super) mark: Option<Mark>,
    pub(super) leases: Vec<LeaseRow>,
    pub(super) workers: Vec<Option<(u8, Vec<Held>)>>,
    next_lease: u8,
    pub(super) truths: Vec<Truth>,
    pub(super) questions: u8,
    pub(super) spent: Limits,
    /// Whether the last claim found nothing, and nobody held anything.
    pub(super) is_idle: bool,
    /// What each worker is writing.
    pub(super) writing: Vec<Option<Writing>>,
    /// What an administrator is accepting.
    pub(super) accepting: Option<Accepting>,
}

/// Results on their way: decided by what the transaction saw when it began, and seen by others when it ends. Until then nobody else
/// writes these records or ends the lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Writing {
    pub(super) lease: LeaseRow,
    results: Vec<Held>,
    is_good: bool,
    /// The number that the results answer.
    answers: u8,
    /// The number of the mark out of whose ranges the end of the lease takes its own.
    cuts: Option<u8>,
    ends_lease: bool,
}

impl Writing {
    pub(super) fn locks(&self, record: usize) -> bool {
        self.results.iter().any(|of| of.record == record)
    }
}

/// An acceptance on its way in the same manner. Until it ends nobody claims, and nobody else writes the record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Accepting {
    pub(super) record: usize,
    asked: u8,
    answers: u8,
}

impl World {
    /// Two records that are good, and one that is new.
    pub(super) fn new() -> Self {
        let succeeded = Verification::new().claim().succeed(Digest::Md5([0; 16]), Timestamp::from_millis(0));
        let known = Row { status: Status::Succeeded(succeeded), due_at: None, answers: 0 };
        let new = Row { status: Status::Pending(Verification::new()), due_at: Some(0), answers: 0 };
        let of_known = Truth { asked: 0, answered: 0 };
        Self {
            rows: vec![known.clone(), known, new],
            kept: BTreeMap::from([((State::Succeeded, 0), 2), ((State::Pending, 0), 1)]),
            mark: None,
            leases: Vec::new(),
            workers: vec![None; WORKERS],
            next_lease: 0,
            truths: vec![of_known.clone(), of_known, Truth { asked: 1, answered: 0 }],
            questions: 1,
            spent: Limits::NONE,
            is_idle: false,
            writing: vec![None; WORKERS],
            accepting: None,
        }
    }

    /// Whether somebody else's transaction keeps the record to itself.
    pub(super) fn is_locked(&self, record: usize) -> bool {
        self.writing.iter().flatten().any(|of| of.locks(record))
            || self.accepting.as_ref().is_some_and(|of| of.record == record)
    }

    /// Whether a worker's results wait for somebody who writes what it still holds.
    pub(super) fn is_waiting(&self, worker: usize) -> bool {
        self.workers[worker].as_ref().is_some_and(|(id, held)| {
            let lease = self.leases.iter().find(|it| it.id == *id);
            let is_member = |record: usize| lease.is_some_and(|lease| self.is_member(lease, record));
            held.iter().any(|of| is_member(of.record) && self.is_locked(of.record))
        })
    }

    /// Whether all can be marked now, or that waits.
    pub(super) fn is_markable(&self, rules: Rules) -> bool {
        let waits_for_results =
            rules.keep(Rule::MarksWaitForResults) && self.writing.iter().any(Option::is_some);
        let waits_for_acceptance = rules.keep(Rule::MarksWaitForAcceptances) && self.accepting.is_some();
        let is_written = |record: usize| {
            let row = &self.rows[record];
            matches!(row.status, Status::Failed(_)) || self.is_held_by_row(record)
        };
        !waits_for_results
            && !waits_for_acceptance
            && (0..RECORDS).all(|record| !(is_written(record) && self.is_locked(record)))
    }

    fn is_marked(&self, record: usize) -> bool {
        let row = &self.rows[record];
        row.is_succeeded() && self.mark.as_ref().is_some_and(|mark| row.answers < mark.number)
    }

    /// The record as everybody is to see it, but that nothing here is `started`.
    pub(super) fn seen(&self, record: usize) -> Row {
        let row = self.rows[record].clone();
        match &self.mark {
            Some(mark) if self.is_marked(record) => {
                Row { status: Status::Pending(row.status.expire()), due_at: Some(mark.came_at), ..row }
            }
            _ => row,
        }
    }

    /// Writes a row, which the triggers count.
    fn write(&mut self, record: usize, row: Row) {
        let group = |row: &Row| (row.status.state(), if row.is_succeeded() { row.answers } else { 0 });
        *self.kept.entry(group(&self.rows[record])).or_default() -= 1;
        *self.kept.entry(group(&row)).or_default() += 1;
        self.kept.retain(|_, count| *count != 0);
        self.rows[record] = row;
    }

    /// How many records are seen in each state, by what is kept.
    pub(super) fn kept_counts(&self) -> BTreeMap<State, i8> {
        let number = self.mark.as_ref().map_or(0, |mark| mark.number);
        let mut counts = BTreeMap::new();
        for ((state, answers), count) in &self.kept {
            let is_marked = *state == State::Succeeded && *answers < number;
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

    pub(super) fn is_member(&self, lease: &LeaseRow, record: usize) -> bool {
        lease.range().contains(&record)
            && self.seen(record).due_at.is_some_and(|due| (lease.due_from..=lease.claimed_at).contains(&due))
    }

    fn is_leased(&self, record: usize) -> bool {
        self.leases.iter().any(|lease| lease.range().contains(&record))
    }

    fn is_held_by_row(&self, record: usize) -> bool {
        self.rows[record].due_at.is_some() && self.holders(record) > 0
    }

    pub(super) fn holders(&self, record: usize) -> usize {
        self.leases.iter().filter(|lease| self.is_member(lease, record)).count()
    }

    /// Leases up to so many records between two leased ranges, which are due by their rows or marked.
    pub(super) fn claim(&mut self, worker: usize, at_most: usize, rules: Rules) {
        self.spent.claims += 1;
        let mut taken = Vec::new();
        for span in self.runs(|world, record| !world.is_leased(record)) {
            taken = self.due_records(span, at_most, rules);
            if !taken.is_empty() {
                break;
            }
        }
        self.is_idle = taken.is_empty() && self.leases.is_empty();
        self.lease(worker, taken, 0, rules);
    }

    /// The ranges of keys of which something is true.
    fn runs(&self, is_within: impl Fn(&Self, usize) -> bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for record in (0..RECORDS).filter(|record| is_within(self, *record)) {
            match runs.last_mut() {
                Some(run) if run.end == record => run.end += 1,
                _ => runs.push(record..record + 1),
            }
        }
        runs
    }

    /// The first records in a span that are due by their rows or marked. Takes what it passed over out of the ranges of the mark.
    fn due_records(&mut self, span: Range<usize>, at_most: usize, rules: Rules) -> Vec<usize> {
        let is_due = |record: &usize| self.rows[*record].due_at.is_some();
        let mut due: Vec<usize> = span.clone().filter(is_due).take(at_most).collect();
        let end = due.get(at_most - 1).map_or(span.end, |last| last + 1);
        let ranges = self.runs(|world, record| {
            (span.start..end).contains(&record)
                && world.mark.as_ref().is_some_and(|mark| mark.is_open[record])
        });
        let mut passed = Vec::new();
        for range in ranges {
            let found: Vec<usize> =
                range.clone().filter(|record| self.is_marked(*record)).take(at_most).collect();
            passed.push(range.start..found.first().copied().unwrap_or(range.end));
            let is_full = found.len() == at_most;
            if let (Some(last), false) = (found.last(), is_full) {
                passed.push(last + 1..range.end);
            }
            due.extend(found);
            if is_full {
                break;
            }
        }
        if rules.keep(Rule::PassedRangesAreCutOut) {
            for range in passed {
                self.cut(range);
            }
        }
        due.sort_unstable();
        due.truncate(at_most);
        due
    }

    /// Recalculates one record and leases it, whoever else holds it.
    pub(super) fn claim_one(&mut self, worker: usize, record: usize, rules: Rules) -> Option<()> {
        self.recalculate(record, rules);
        let due_from = self.seen(record).due_at?;
        self.lease(worker, vec![record], due_from, rules)
    }

    fn lease(&mut self, worker: usize, run: Vec<usize>, due_from: u8, rules: Rules) -> Option<()> {
        let (first, last) = (*run.first()?, *run.last()?);
        let latest = run.iter().filter_map(|record| self.seen(*record).due_at).max()?;
        let came_at = self.mark.as_ref().filter(|_| rules.keep(Rule::ClaimsComeAfterTheMark));
        let claimed_at = NOW.max(latest).max(came_at.map_or(0, |mark| mark.came_at));
        let held = run.into_iter().filter_map(|record| {
            let verification = started(self.seen(record).status)?;
            Some(Held { record, asked: self.truths[record].asked, verification })
        });
        let held: Vec<Held> = held.collect();
        let attempts = held.iter().map(|it| (it.record, it.verification.attempt())).collect();
        let id = self.next_lease;
        self.next_lease += 1;
        self.leases.push(LeaseRow { id, first, last, due_from, claimed_at, attempts });
        self.workers[worker] = Some((id, held));
        Some(())
    }

    /// The worker begins to write results, all of them good or all bad. Nothing comes of those that are void.
    pub(super) fn begin(
        &mut self,
        worker: usize,
        results: Results,
        is_good: bool,
        rules: Rules,
    ) -> Option<()> {
        let (lease, held) = self.workers[worker].as_mut()?;
        let (lease, mut results) = (*lease, results.taken(held));
        let ends_lease = held.is_empty();
        self.spent.failures += u8::from(!is_good);
        let lease = self.leases.iter().find(|it| it.id == lease).cloned();
        results.retain(|of| {
            // Without the rule, it is enough that the record is due.
            let is_due = self.seen(of.record).due_at.is_some() && !rules.keep(Rule::ResultsAreOfWhatIsHeld);
            lease.as_ref().is_some_and(|lease| is_due || self.is_member(lease, of.record))
        });
        let Some(lease) = lease.filter(|_| ends_lease || !results.is_empty()) else {
            if ends_lease {
                self.workers[worker] = None;
            }
            return Some(());
        };
        let answered = self.mark.as_ref().filter(|mark| mark.came_at <= lease.claimed_at);
        let answers = answered.map_or(0, |mark| mark.number);
        let writing = Writing { lease, results, is_good, answers, cuts: None, ends_lease };
        let cuts = self.left_by(writing.clone(), rules).filter(|_| ends_lease);
        self.writing[worker] = Some(Writing { cuts, ..writing });
        Some(())
    }

    /// The number of the mark, if these results leave nothing marked in the range of their lease.
    fn left_by(&self, writing: Writing, rules: Rules) -> Option<u8> {
        let mark = self.mark.as_ref()?;
        let mut then = self.clone();
        let mut range = writing.lease.range();
        then.write_results(writing, rules);
        let is_done =
            !rules.keep(Rule::OnlyDoneRangesAreCutOut) || !range.any(|record| then.is_marked(record));
        is_done.then_some(mark.number)
    }

    fn write_results(&mut self, Writing { results, is_good, answers, .. }: Writing, rules: Rules) {
        for Held { record, asked, verification } in results {
            let truth = &mut self.truths[record];
            truth.answered = truth.answered.max(asked);
            let kept = self.rows[record].answers;
            let answers = if rules.keep(Rule::RecordsTellWhatTheyAnswer) { answers.max(kept) } else { kept };
            let status = if is_good {
                Status::Succeeded(verification.succeed(Digest::Md5([0; 16]), now()))
            } else {
                Status::Failed(verification.fail(Failure::timed_out(LEASE), now(), 0))
            };
            self.write(record, Row { status, due_at: None, answers });
        }
    }

    pub(super) fn commit(&mut self, worker: usize, rules: Rules) -> Option<()> {
        let writing = self.writing[worker].take()?;
        let (cuts, range, ends_lease) = (writing.cuts, writing.lease.range(), writing.ends_lease);
        self.write_results(writing, rules);
        if ends_lease {
            if cuts.is_some() && self.mark.as_ref().map(|mark| mark.number) == cuts {
                self.cut(*range.start()..*range.end() + 1);
            }
            self.give_back(worker);
        }
        Some(())
    }

    /// Takes a range of keys out of those of the mark, which is gone with the last of them.
    fn cut(&mut self, range: Range<usize>) {
        if let Some(mark) = &mut self.mark {
            mark.is_open[range].fill(false);
        }
        self.mark.take_if(|mark| mark.is_open == [false; RECORDS]);
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

    /// What the lease holds is due by its row from then on.
    pub(super) fn time_out(&mut self, lease: u8) -> Option<()> {
        let lease = self.leases.iter().find(|it| it.id == lease)?.clone();
        let members: Vec<usize> = (0..RECORDS).filter(|record| self.is_member(&lease, *record)).collect();
        for record in members {
            let status = Status::Failed(started(self.seen(record).status)?.time_out(LEASE, now()));
            let due_at = Some(NOW.max(lease.claimed_at + 1));
            self.write(record, Row { status, due_at, answers: self.rows[record].answers });
        }
        self.leases.retain(|it| it.id != lease.id);
        self.spent.time_outs += 1;
        Some(())
    }

    /// Now, but later than these claims as far as a rule says so.
    fn later_than<'a>(claims: impl Iterator<Item = &'a LeaseRow>, is_rule_kept: bool) -> u8 {
        claims.map(|it| it.claimed_at + 1).filter(|_| is_rule_kept).fold(NOW, u8::max)
    }

    /// When a record becomes due by itself.
    fn due_now(&self, record: usize, rules: Rules) -> u8 {
        let covering = self.leases.iter().filter(|it| it.range().contains(&record));
        Self::later_than(covering, rules.keep(Rule::RowsAreDueAfterTheClaim))
    }

    /// What failed, and what leases hold by its row, becomes due by its row. The mark takes the place of an older one.
    pub(super) fn mark_all(&mut self, rules: Rules) {
        let came_at = Self::later_than(self.leases.iter(), rules.keep(Rule::MarksComeAfterAllClaims));
        for record in 0..RECORDS {
            let row = self.rows[record].clone();
            if matches!(row.status, Status::Failed(_)) {
                let status = Status::Pending(row.status.expire());
                let due_at = Some(self.due_now(record, rules));
                self.write(record, Row { status, due_at, ..row });
            } else if self.is_held_by_row(record) && rules.keep(Rule::HeldRowsAreDueAgain) {
                self.write(record, Row { due_at: Some(came_at), ..row });
            }
        }
        self.questions += 1;
        self.truths.iter_mut().for_each(|truth| truth.asked = self.questions);
        self.mark = Some(Mark { number: self.questions, came_at, is_open: [true; RECORDS] });
        self.spent.marks += 1;
    }

    pub(super) fn recalculate(&mut self, record: usize, rules: Rules) {
        let due_at = Some(self.due_now(record, rules));
        let status = Status::Pending(self.seen(record).status.recalculate());
        self.write(record, Row { status, due_at, answers: self.rows[record].answers });
        self.questions += 1;
        self.truths[record].asked = self.questions;
        self.spent.recalculations += 1;
    }

    /// As an administrator, or a report of the store, begins to end a verification without a lease.
    pub(super) fn begin_to_accept(&mut self, record: usize, rules: Rules) {
        let mark = self.mark.as_ref().filter(|_| rules.keep(Rule::EndedRecordsTellIt));
        let answers = mark.map_or(0, |mark| mark.number);
        self.accepting = Some(Accepting { record, asked: self.truths[record].asked, answers });
        self.spent.acceptances += 1;
    }

    pub(super) fn accept(&mut self) -> Option<()> {
        let Accepting { record, asked, answers } = self.accepting.take()?;
        let status = Status::Succeeded(self.seen(record).status.accept(Digest::Md5([1; 16]), now()));
        let answers = answers.max(self.rows[record].answers);
        self.write(record, Row { status, due_at: None, answers });
        self.truths[record].answered = asked;
        Some(())
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(i64::from(NOW))
}

/// What a claim makes of a due record.
fn started(status: Status) -> Option<Verification<Started>> {
    match status {
        Status::Pending(it) => Some(it.claim()),
        Status::Failed(it) => it.claim(now()).ok(),
        Status::Started(_) | Status::Succeeded(_) | Status::Disabled(_) => None,
    }
}
