//! Sequences of random changes with marks among them. After each change, what lists and counts say is compared with what the
//! records say of themselves, and what became of them with what the domain says.

use std::time::Duration;

use crate::contract::agreement::{assert_agreement, assert_states_agree, verify_the_rest};
use crate::contract::support::{
    GOOD, HEARTBEAT, LEASE, TERMS, acceptance, at, claim_by, compared, failures, import_into, key, mark,
    successes, sync, worker,
};
use crate::contract::{DatabaseFixture, Ports};
use crate::ports::{
    ClaimFilter, Lease, ModelSyncState, Outcome, Renewal, ReportedRecord, ScannedRange, SyncBatch,
};
use crate::{
    Digest, Digests, Location, Model, NewAcceptance, Record, RecordKey, ReportRules, Reported, Selection,
    SourceRecord, State, Status,
};

/// Each sequence has a model of its own.
const SEQUENCES: usize = 8;
const STEPS: usize = 60;
/// So often everything is compared, and else the lists by state.
const STEPS_TO_COMPARE_ALL: usize = 10;
const RECORDS: u64 = 40;
const STORAGES: [&str; 3] = ["a", "b", "c"];

/// Numbers that look like chance and are the same each time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// One time in so many.
    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn number(&mut self) -> i64 {
        i64::try_from(self.below(RECORDS)).unwrap() + 1
    }

    fn time(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).unwrap()
    }

    fn storage(&mut self) -> String {
        STORAGES[usize::try_from(self.below(3)).unwrap()].to_owned()
    }
}

/// A model, the leases on it, and what was last seen of its records.
struct World<'a> {
    store: &'a Ports,
    model: Model,
    chance: Chance,
    now: i64,
    leases: Vec<Lease>,
    /// Leases that have ended.
    ended: Vec<Lease>,
    records: Vec<Record>,
}

impl<'a> World<'a> {
    fn store(&self) -> &'a Ports {
        self.store.as_of(at(self.now))
    }

    fn record(&self, key: &RecordKey) -> Option<&Record> {
        self.records.iter().find(|record| record.key == *key)
    }

    /// What is said of a record, most often where it lies as a rule.
    fn entry(&mut self, number: i64) -> SourceRecord {
        let home = STORAGES[usize::from(number > 15) + usize::from(number > 30 && number % 2 == 0)];
        let storage = if self.chance.one_in(12) { self.chance.storage() } else { home.to_owned() };
        let location = Location { storage, path: format!("{number}.bin") };
        let source_checksum = self.chance.one_in(8).then_some(Digest::Gitaly([4; 20]));
        SourceRecord {
            file_size: self.chance.one_in(3).then(|| self.chance.below(3)),
            expected: self.chance.one_in(15).then_some(GOOD),
            disabled: self.chance.one_in(8),
            source_checksum,
            ..SourceRecord::new(key(number), location)
        }
    }

    /// Entries of some records, each once, in the order of their keys.
    fn entries(&mut self, most: u64) -> Vec<SourceRecord> {
        let mut some: Vec<i64> = (0..=self.chance.below(most)).map(|_| self.chance.number()).collect();
        some.sort_unstable();
        some.dedup();
        some.into_iter().map(|number| self.entry(number)).collect()
    }

    /// Does something.
    async fn step(&mut self) {
        self.now += self.chance.time(2_000);
        match self.chance.below(36) {
            0..=2 => self.mark().await,
            3..=10 => self.claim().await,
            11..=19 => self.complete().await,
            20 | 21 => self.give_back().await,
            22 => self.late_results().await,
            23 => self.reap().await,
            24 | 25 => {
                let entries = self.entries(4);
                import_into(self.store(), self.model, entries, self.now).await;
            }
            26 | 27 => self.sync().await,
            28 | 29 => self.accept().await,
            30 => self.report().await,
            31 | 32 => self.one().await,
            33 => {
                self.store().queue.retry_failed(&[self.model], 5).await.unwrap();
            }
            34 => {
                let older_than = Duration::from_millis(self.chance.below(20_000));
                self.store().queue.expire_succeeded(self.model, None, older_than, 25).await.unwrap();
            }
            _ => {
                let state = State::ALL[usize::try_from(self.chance.below(5)).unwrap()];
                let (queue, selection) = (&self.store().queue, Selection::in_state(state));
                queue.recalculate_next(self.model, &selection, None, None, 6).await.unwrap();
            }
        }
        // A clock that goes back changes no rule.
        if self.chance.one_in(20) {
            self.now -= self.chance.time(3_000);
        }
    }

    /// All are pending as the domain says, but those that are switched off.
    async fn mark(&mut self) {
        let job = mark(self.store, self.model, self.now).await;
        let mut expected = self.records.clone();
        let mut marked = 0;
        for record in expected.iter_mut().filter(|record| record.state() != State::Disabled) {
            let status = match record.status.clone() {
                Status::Started(running) => running.release(),
                other => other,
            };
            record.status = Status::Pending(status.expire());
            marked += 1;
        }
        assert_eq!(job.marked, marked);
        assert_eq!(assert_states_agree(self.store, self.model).await, expected);
    }

    /// What is claimed was not held, and is the next attempt at what it was.
    async fn claim(&mut self) {
        let limit = u32::try_from(self.chance.below(9)).unwrap() + 1;
        let storages = self.chance.one_in(3).then(|| vec![self.chance.storage()]);
        let filter = ClaimFilter { models: vec![self.model], storages, ..ClaimFilter::any(limit) };
        let Some(lease) = claim_by(self.store, &filter, self.now).await else { return };
        for claimed in &lease.records {
            let before = self.record(&claimed.key).unwrap();
            assert_eq!(claimed.verification.clone().release(), before.status);
            assert_eq!(
                (&lease.storage, claimed.reference),
                (&before.location.storage, Ok(before.reference()))
            );
            let held = self.store.catalogue.get(self.model, &claimed.key).await.unwrap().unwrap();
            assert_eq!(held.status, Status::Started(claimed.verification.clone()));
        }
        self.leases.push(lease);
    }

    /// A lease, which is not in the list any more.
    fn take_lease(&mut self) -> Option<Lease> {
        let count = u64::try_from(self.leases.len()).unwrap();
        (count > 0).then(|| self.leases.swap_remove(usize::try_from(self.chance.below(count)).unwrap()))
    }

    /// The results that count: of records which are still held as they were claimed.
    fn valid(&self, lease: &Lease, outcomes: &[(RecordKey, Outcome)]) -> u64 {
        let is_valid = |(key, _): &&(RecordKey, Outcome)| {
            let claimed = lease.records.iter().find(|claimed| claimed.key == *key);
            let running = claimed.map(|claimed| Status::Started(claimed.verification.clone()));
            self.record(key).map(|record| &record.status) == running.as_ref()
        };
        u64::try_from(outcomes.iter().filter(is_valid).count()).unwrap()
    }

    async fn complete(&mut self) {
        let Some(lease) = self.take_lease() else { return };
        let outcomes = match self.chance.below(4) {
            0 => failures(&lease, self.now),
            1 => compared(&lease, Some(false), self.now),
            _ => successes(&lease, self.now),
        };
        let all = self.chance.one_in(2);
        let outcomes: Vec<_> = outcomes.into_iter().filter(|_| all || !self.chance.one_in(3)).collect();
        let last = self.chance.one_in(2);
        let written = self.store().queue.complete(lease.id, &outcomes, last).await.unwrap();
        assert_eq!(written, self.valid(&lease, &outcomes));
        if last { self.ended.push(lease) } else { self.leases.push(lease) }
    }

    /// What is given back is as it was, and nothing else changes.
    async fn give_back(&mut self) {
        let Some(lease) = self.take_lease() else { return };
        assert_eq!(self.store().queue.complete(lease.id, &[], true).await.unwrap(), 0);
        let mut expected = self.records.clone();
        for record in &mut expected {
            let claimed = lease.records.iter().find(|claimed| claimed.key == record.key);
            let running = claimed.map(|claimed| claimed.verification.clone());
            if let Some(running) = running.filter(|of| record.status == Status::Started(of.clone())) {
                record.status = running.release();
            }
        }
        assert_eq!(assert_states_agree(self.store, self.model).await, expected);
        self.ended.push(lease);
    }

    async fn late_results(&mut self) {
        for lease in &self.ended {
            let late = successes(lease, self.now);
            assert_eq!(self.store.queue.complete(lease.id, &late, true).await.unwrap(), 0);
        }
        assert_eq!(assert_states_agree(self.store, self.model).await, self.records);
    }

    /// Ends the leases of dead workers, and those that made no progress.
    async fn reap(&mut self) {
        let is_alive: Vec<bool> = self.leases.iter().map(|_| self.chance.one_in(2)).collect();
        let alive = self.leases.iter().zip(is_alive).filter(|(_, is_alive)| *is_alive);
        let alive: Vec<_> = alive.map(|(lease, _)| Renewal { lease: lease.id, progressed: false }).collect();
        let deadline = at(self.now).after(LEASE);
        self.store.as_of(deadline.before(HEARTBEAT / 2)).queue.renew(&alive, TERMS).await.unwrap();
        self.store.as_of(deadline).queue.reap(LEASE).await.unwrap();
        self.now = deadline.millis();
        // Those that were claimed by a clock which was ahead are there still.
        let all = self.leases.iter().map(|lease| Renewal { lease: lease.id, progressed: false });
        let gone = self.store().queue.renew(&all.collect::<Vec<_>>(), TERMS).await.unwrap();
        let (ended, left) = self.leases.drain(..).partition(|lease: &Lease| gone.contains(&lease.id));
        self.leases = left;
        self.ended.extend::<Vec<Lease>>(ended);
    }

    /// The source has what it says, and now and then no row for some records.
    async fn sync(&mut self) {
        let records = self.entries(6);
        let after = self.chance.number();
        let scanned_range = self.chance.one_in(2).then(|| ScannedRange {
            after: Some(key(after)),
            to: Some(key(after + self.chance.time(5))),
            most_deleted: RECORDS,
        });
        let batch = SyncBatch { records, scanned_range };
        sync(self.store, batch, &ModelSyncState::new(self.model), self.now).await;
    }

    async fn accept(&mut self) {
        let key = key(self.chance.number());
        let catalogue = &self.store().catalogue;
        match self.chance.below(3) {
            0 => {
                catalogue.take_back(self.model, &key, "admin@host", None).await.unwrap();
            }
            1 => {
                let checksum = self.chance.one_in(2).then_some(GOOD);
                let acceptance = NewAcceptance { checksum, ..acceptance(GOOD, None) };
                catalogue.accept(self.model, &key, &acceptance).await.unwrap();
            }
            _ => {
                catalogue.accept(self.model, &key, &acceptance(GOOD, Some(2))).await.unwrap();
            }
        }
    }

    async fn report(&mut self) {
        let storage = self.chance.storage();
        let made_at = at(self.now - self.chance.time(10_000));
        let there = self.records.iter().filter(|record| record.location.storage == storage);
        let said = there.take(4).map(|record| {
            let digests = Digests { sha256: Some([7; 32]), ..Digests::default() };
            let said = Reported { digests, at_rest: true, ..Reported::default() };
            ReportedRecord { key: record.key.clone(), path: record.location.path.clone(), said }
        });
        let (said, rules) = (said.collect(), ReportRules { made_at, metadata_suffices: false });
        self.store().catalogue.apply_report(self.model, &storage, rules, said).await.unwrap();
    }

    /// Recalculates one record, or claims it.
    async fn one(&mut self) {
        let key = key(self.chance.number());
        let queue = &self.store().queue;
        if self.chance.one_in(2) {
            queue.recalculate(self.model, &key).await.unwrap();
            return;
        }
        let lease = queue.claim_one(&worker("one"), self.model, &key, TERMS).await.unwrap();
        assert_eq!(lease.is_some(), self.record(&key).is_some());
        self.leases.extend(lease);
    }
}

pub async fn random_changes_and_marks_agree(db: &dyn DatabaseFixture) {
    let store = db.ports();
    for (seed, model) in (1..).zip(Model::ALL).take(SEQUENCES) {
        let (chance, now) = (Chance(seed), 1_000_000);
        let (leases, ended, records) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = World { store, model, chance, now, leases, ended, records };
        let entries = (1..=i64::try_from(RECORDS).unwrap()).map(|number| world.entry(number)).collect();
        import_into(store, model, entries, now).await;
        for step in 1..=STEPS {
            world.records = assert_states_agree(store, model).await;
            world.step().await;
            if step % STEPS_TO_COMPARE_ALL == 0 {
                assert_agreement(store, model).await;
            }
        }
        // Whatever was done, nothing stays pending for ever.
        for lease in world.leases {
            store.queue.complete(lease.id, &[], true).await.unwrap();
        }
        verify_the_rest(store, model, world.now).await;
        mark(store, model, world.now).await;
        let records = verify_the_rest(store, model, world.now).await;
        let is_done = |record: &Record| matches!(record.state(), State::Succeeded | State::Disabled);
        assert!(records.iter().all(is_done), "{model:?}");
        let succeeded = records.iter().filter(|record| record.state() == State::Succeeded);
        let is_read_again = |record: &Record| record.history().last_checksum_at() >= Some(at(world.now));
        assert_eq!(succeeded.filter(|record| !is_read_again(record)).count(), 0, "{model:?}");
    }
}
