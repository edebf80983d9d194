//! Random steps, each also taken in a model in memory that knows which worker holds what, and derives nothing.

use std::collections::BTreeMap;

use stocktake_domain::ports::{
    Lease, LeaseId, ModelSyncState, Outcome, PageStart, Reaped, ScannedRange, SyncBatch,
};
use stocktake_domain::{
    Digest, Failure, NewJob, Selection, SourceRecord, Started, State, Status, Timestamp, Verification,
};

use crate::support::{
    Database, GOOD, HEARTBEAT, LEASE, MODEL, TERMS, any, at, claim, count, entry, entry_in, import, in_state,
    key, page, sync, worker,
};

const KEYS: u64 = 40;
const STEPS: u32 = 400;

/// Numbers that look random and are the same in each run (the generator is called `SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn number(&mut self) -> i64 {
        i64::try_from(self.below(KEYS)).unwrap()
    }
}

/// A record as the model has it: its status while nobody holds it.
#[derive(Clone)]
struct Known {
    entry: SourceRecord,
    status: Status,
    due: bool,
    from_source: bool,
}

struct Held {
    storage: String,
    first: i64,
    last: i64,
    deadline: Timestamp,
    alive_until: Timestamp,
    members: BTreeMap<i64, Verification<Started>>,
}

#[derive(Default)]
struct Model {
    records: BTreeMap<i64, Known>,
    leases: BTreeMap<LeaseId, Held>,
}

impl Model {
    fn status(&self, number: i64) -> Status {
        let held = self.leases.values().find_map(|lease| lease.members.get(&number));
        held.map_or_else(|| self.records[&number].status.clone(), |running| Status::Started(running.clone()))
    }

    /// Puts a status in place, out of every lease.
    fn set(&mut self, number: i64, status: Status, due: bool) {
        for lease in self.leases.values_mut() {
            lease.members.remove(&number);
        }
        let record = self.records.get_mut(&number).unwrap();
        (record.status, record.due) = (status, due);
    }

    fn remove(&mut self, number: i64) {
        for lease in self.leases.values_mut() {
            lease.members.remove(&number);
        }
        self.records.remove(&number);
    }

    fn recalculate(&mut self, number: i64) {
        let next = Status::Pending(self.status(number).recalculate());
        self.set(number, next, true);
    }

    fn import(&mut self, new: SourceRecord) {
        let number = new.key.as_integer().unwrap();
        let Some(known) = self.records.get(&number).cloned() else {
            let off = Verification::new().disable();
            let off = Verification::restore(stocktake_domain::History::default(), off.stage().to_owned());
            let fresh =
                if new.disabled { Status::Disabled(off) } else { Status::Pending(Verification::new()) };
            let known = Known { due: !new.disabled, entry: new, status: fresh, from_source: false };
            self.records.insert(number, known);
            return;
        };
        let was_off = known.status.state() == State::Disabled;
        if new.disabled && !was_off {
            let off = match self.status(number) {
                Status::Pending(verification) => verification.disable(),
                Status::Started(verification) => verification.disable(),
                Status::Succeeded(verification) => verification.disable(),
                Status::Failed(verification) => verification.disable(),
                Status::Disabled(verification) => verification,
            };
            self.set(number, Status::Disabled(off), false);
        } else if !new.disabled && new.location != known.entry.location {
            self.recalculate(number);
        } else if let (false, Status::Disabled(off)) = (new.disabled, known.status) {
            self.set(number, Status::Pending(off.enable()), true);
        }
        self.records.get_mut(&number).unwrap().entry = new;
    }

    /// Checks that a lease takes only what is due and free, and notes it.
    fn take(&mut self, lease: &Lease, now: Timestamp) {
        let mut members = BTreeMap::new();
        for claimed in &lease.records {
            let number = claimed.key.as_integer().unwrap();
            let record = &self.records[&number];
            assert!(record.due && record.entry.location.storage == lease.storage);
            assert_ne!(self.status(number).state(), State::Started);
            let expected = match record.status.clone() {
                Status::Pending(verification) => verification.claim(),
                Status::Failed(verification) => verification.claim(now).unwrap(),
                other => panic!("{other:?} was claimed"),
            };
            assert_eq!(claimed.verification, expected);
            members.insert(number, expected);
        }
        let (first, last) = (*members.keys().next().unwrap(), *members.keys().next_back().unwrap());
        let storage = lease.storage.clone();
        let (deadline, alive_until) = (now.after(LEASE), now.after(HEARTBEAT));
        self.leases.insert(lease.id, Held { storage, first, last, deadline, alive_until, members });
    }

    /// Whether a record that is due and free lies where a claim may take it.
    fn anything_to_claim(&self) -> bool {
        self.records.iter().any(|(number, record)| {
            let covered = self.leases.values().any(|lease| {
                lease.storage == record.entry.location.storage && (lease.first..=lease.last).contains(number)
            });
            record.due && !covered
        })
    }

    fn reap(&mut self, now: Timestamp) -> Reaped {
        let mut reaped = Reaped::default();
        let over: Vec<LeaseId> = self.leases.keys().copied().collect();
        for id in over {
            let lease = &self.leases[&id];
            if lease.deadline <= now {
                for (number, running) in self.leases.remove(&id).unwrap().members {
                    self.set(number, Status::Failed(running.time_out(LEASE, now)), true);
                    reaped.timed_out += 1;
                }
            } else if lease.alive_until <= now {
                self.leases.remove(&id);
                reaped.released += 1;
            }
        }
        reaped
    }
}

/// A store and its model, side by side.
struct Pair<'a> {
    db: &'a Database,
    model: Model,
    random: Numbers,
    now: Timestamp,
}

impl Pair<'_> {
    async fn step(&mut self) {
        match self.random.below(14) {
            0 | 1 => self.import().await,
            2..=4 => self.claim().await,
            5 | 6 => self.complete().await,
            7 => self.recalculate().await,
            8 => self.pass_time().await,
            9 => self.accept().await,
            10 => self.claim_one().await,
            11 | 12 => self.sync().await,
            _ => self.mark_all().await,
        }
    }

    async fn import(&mut self) {
        let mut entries = BTreeMap::new();
        for _ in 0..=self.random.below(6) {
            let number = self.random.number();
            let mut new = if self.random.below(4) == 0 { entry_in("other", number) } else { entry(number) };
            new.disabled = self.random.below(6) == 0;
            entries.insert(number, new);
        }
        import(&self.db.store, entries.values().cloned().collect(), self.now.millis()).await;
        for entry in entries.into_values() {
            self.model.import(entry);
        }
    }

    /// What a source says of a range of keys, which is all that there is; or of nothing in particular.
    async fn sync(&mut self) {
        let bounds = [self.random.number(), self.random.number()];
        let (after, to) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
        let mut entries = BTreeMap::new();
        for number in (after + 1)..=to {
            match self.random.below(8) {
                0 => continue,
                1 => entries.insert(number, entry_in("other", number)),
                _ => entries.insert(number, entry(number)),
            };
        }
        let most_deleted = 3 * self.random.below(2);
        let scanned_range = ScannedRange { after: Some(key(after)), to: Some(key(to)), most_deleted };
        let piece =
            SyncBatch { records: entries.values().cloned().collect(), scanned_range: Some(scanned_range) };
        let applied = sync(&self.db.store, piece, &ModelSyncState::new(MODEL), self.now.millis()).await;
        let gone = self.numbers(|known| known.from_source);
        let gone: Vec<i64> = gone
            .into_iter()
            .filter(|number| (after + 1..=to).contains(number) && !entries.contains_key(number))
            .collect();
        let many = u64::try_from(gone.len()).unwrap();
        let (deleted, kept) = if many > most_deleted { (0, many) } else { (many, 0) };
        assert_eq!((applied.deleted, applied.kept), (deleted, kept));
        for number in gone.into_iter().filter(|_| deleted > 0) {
            self.model.remove(number);
        }
        for (number, entry) in entries {
            self.model.import(entry);
            self.model.records.get_mut(&number).unwrap().from_source = true;
        }
    }

    async fn claim(&mut self) {
        let limit = u32::try_from(1 + self.random.below(8)).unwrap();
        let lease = claim(&self.db.store, limit, self.now.millis()).await;
        assert_eq!(lease.is_some(), self.model.anything_to_claim());
        if let Some(lease) = lease {
            self.model.take(&lease, self.now);
        }
    }

    async fn claim_one(&mut self) {
        let number = self.random.number();
        let name = worker("one");
        let queue = &self.db.store.queue;
        let lease = queue.claim_one(&name, MODEL, &key(number), TERMS, self.now).await.unwrap();
        assert_eq!(lease.is_some(), self.model.records.contains_key(&number));
        if let Some(lease) = lease {
            self.model.recalculate(number);
            self.model.take(&lease, self.now);
        }
    }

    /// Ends some of a lease's records, or all, or sends results for none of them; perhaps the lease too.
    async fn complete(&mut self) {
        let choice = usize::try_from(self.random.below(8)).unwrap();
        let Some(id) = self.model.leases.keys().nth(choice).copied() else { return };
        let mut outcomes = Vec::new();
        for (number, running) in self.model.leases[&id].members.clone() {
            let outcome = match self.random.below(3) {
                0 => continue,
                1 => Outcome::Succeeded(running.succeed(GOOD, self.now)),
                _ => Outcome::Failed(running.fail(Failure::missing_repository(), self.now, 1)),
            };
            outcomes.push((key(number), outcome));
        }
        let last = self.random.below(2) == 0;
        let written = self.db.store.queue.complete(id, &outcomes, last).await.unwrap();
        assert_eq!(written, u64::try_from(outcomes.len()).unwrap());
        for (key, outcome) in outcomes {
            let status = match outcome {
                Outcome::Succeeded(done) => Status::Succeeded(done),
                Outcome::Failed(done) => Status::Failed(done),
            };
            self.model.set(key.as_integer().unwrap(), status, false);
        }
        if last {
            self.model.leases.remove(&id);
        }
    }

    async fn recalculate(&mut self) {
        let number = self.random.number();
        let found = self.db.store.queue.recalculate(MODEL, &key(number), self.now).await.unwrap();
        assert_eq!(found, self.model.records.contains_key(&number));
        if found {
            self.model.recalculate(number);
        }
    }

    /// Some time passes, and all that goes by time is done.
    async fn pass_time(&mut self) {
        let seconds = [1, 20, 61, 1000, 8 * 3600][usize::try_from(self.random.below(5)).unwrap()];
        self.now = self.now.after(std::time::Duration::from_secs(seconds));
        let now = self.now;
        assert_eq!(self.db.store.queue.reap(LEASE, now).await.unwrap(), self.model.reap(now));
        let ripe: Vec<i64> = self
            .numbers(|known| !known.due && known.status.retry_at().is_some_and(|retry_at| retry_at <= now));
        let retried = self.db.store.queue.retry_failed(1000, now).await.unwrap();
        assert_eq!(retried, u64::try_from(ripe.len()).unwrap());
        for number in ripe {
            self.model.records.get_mut(&number).unwrap().due = true;
        }
        let before = now.before(std::time::Duration::from_secs(900));
        let old: Vec<i64> = self.numbers(|known| {
            matches!(&known.status, Status::Succeeded(done) if done.history().baseline.unwrap().at < before)
        });
        let (_, expired) =
            self.db.store.queue.expire_succeeded(MODEL, None, before, 1000, now).await.unwrap();
        assert_eq!(expired, u64::try_from(old.len()).unwrap());
        for number in old {
            if let Status::Succeeded(done) = self.model.records[&number].status.clone() {
                self.model.set(number, Status::Pending(done.expire()), true);
            }
        }
    }

    fn numbers(&self, wanted: impl Fn(&Known) -> bool) -> Vec<i64> {
        self.model.records.iter().filter(|(_, known)| wanted(known)).map(|(number, _)| *number).collect()
    }

    async fn accept(&mut self) {
        let number = self.random.number();
        let other = Digest::Md5([5; 16]);
        let accepted =
            self.db.store.catalogue.accept(MODEL, &key(number), other, Some(3), self.now).await.unwrap();
        assert_eq!(accepted.is_some(), self.model.records.contains_key(&number));
        if accepted.is_some() {
            let done = match self.model.status(number) {
                Status::Pending(verification) => verification.accept(other, self.now),
                Status::Started(verification) => verification.accept(other, self.now),
                Status::Succeeded(verification) => verification.accept(other, self.now),
                Status::Failed(verification) => verification.accept(other, self.now),
                Status::Disabled(verification) => verification.accept(other, self.now),
            };
            self.model.set(number, Status::Succeeded(done), false);
            self.model.records.get_mut(&number).unwrap().entry.file_size = Some(3);
        }
    }

    /// A bulk job over all records in one state.
    async fn mark_all(&mut self) {
        let state = State::ALL[usize::try_from(self.random.below(5)).unwrap()];
        let all: Vec<i64> = self.model.records.keys().copied().collect();
        let meant: Vec<i64> =
            all.into_iter().filter(|number| self.model.status(*number).state() == state).collect();
        let job = NewJob { model: MODEL, selection: in_state(state), requested_by: "me".to_owned() };
        self.db.store.jobs.enqueue(&job, self.now).await.unwrap();
        let mut marked = 0;
        while let Some(job) = self.db.store.jobs.advance(3, self.now).await.unwrap() {
            marked = job.marked;
        }
        assert_eq!(marked, u64::try_from(meant.len()).unwrap());
        for number in meant {
            self.model.recalculate(number);
        }
    }

    async fn compare(&self) {
        let found = page(&self.db.store, Selection::default(), PageStart::First, 100).await;
        let statuses: BTreeMap<i64, Status> = found
            .records
            .iter()
            .map(|record| (record.key.as_integer().unwrap(), record.status.clone()))
            .collect();
        let expected: BTreeMap<i64, Status> =
            self.model.records.keys().map(|number| (*number, self.model.status(*number))).collect();
        assert_eq!(statuses, expected);
        for state in State::ALL {
            let there = expected.values().filter(|status| status.state() == state).count();
            assert_eq!(count(&self.db.store, in_state(state)).await, u64::try_from(there).unwrap());
        }
        let due = self.numbers(|known| known.due).len();
        let outstanding = self.db.store.queue.outstanding(&any(1), 1000).await.unwrap();
        assert_eq!(outstanding, u64::try_from(due).unwrap());
    }
}

pub(crate) async fn agrees_with_a_model_in_memory(db: &Database) {
    let mut pair = Pair { db, model: Model::default(), random: Numbers(2026), now: at(1_000_000) };
    for _ in 0..STEPS {
        pair.step().await;
        pair.compare().await;
    }
}
