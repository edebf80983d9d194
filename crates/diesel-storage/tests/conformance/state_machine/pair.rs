//! A database and the database in memory, on which the same is done.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::stream;
use proptest::test_runner::TestCaseError;
use stocktake_domain::contract::{DatabaseFixture, MemoryStore, Ports};
use stocktake_domain::ports::{
    ClaimFilter, CountDifference, CountLimit, Lease, LeaseId, LeaseTerms, ModelSyncState, Outcome,
    PageRequest, PageStart, Renewal, ScanLimit, ScannedRange, SortOrder, StoreError, SyncBatch, WorkerId,
    numbered,
};
use stocktake_domain::{
    Clock as _, Failure, Job, JobId, Model, NewAcceptance, NewJob, RecordFilter, RecordKey, Selection,
    SourceRecord, Timestamp,
};

use super::operations::{GOOD, MODELS, Operation, Range};
use crate::support::Database;

const LEASE: Duration = Duration::from_secs(3600);
/// Who accepts content.
const BY: &str = "root@host";
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: Duration::from_secs(60) };

type Checked = Result<(), TestCaseError>;

/// What both do must be the same.
fn same<T: PartialEq + Debug>(what: &str, database: &T, memory: &T) -> Checked {
    if database == memory {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}:\nthe database: {database:?}\nin memory:    {memory:?}")))
}

fn failed(error: impl Debug) -> TestCaseError {
    TestCaseError::fail(format!("a call failed: {error:?}"))
}

/// Calls the same of both, and compares what they return.
macro_rules! both {
    ($pair:expr, $what:literal, |$ports:ident| $call:expr) => {{
        let database = async {
            let $ports = &$pair.database;
            $call.await
        }
        .await
        .map_err(failed)?;
        let memory = async {
            let $ports = &$pair.memory;
            $call.await
        }
        .await
        .map_err(failed)?;
        same($what, &database, &memory)?
    }};
}

/// Which of the two numbers of a lease is meant.
type Number = fn(&Claimed) -> LeaseId;

/// A lease as both have it.
struct Claimed {
    database: LeaseId,
    memory: Lease,
}

pub(super) struct Pair {
    database: Ports,
    memory: Ports,
    leases: Vec<Claimed>,
    /// The jobs' numbers in the database and in memory.
    jobs: Vec<(JobId, JobId)>,
    _fixture: Database,
}

impl Pair {
    pub(super) fn new(fixture: Database) -> Self {
        let database = fixture.ports().as_of(Timestamp::from_millis(1_000_000)).clone();
        let memory = MemoryStore::new(database.clock.clone()).ports(&database.clock);
        Self { database, memory, leases: Vec::new(), jobs: Vec::new(), _fixture: fixture }
    }

    fn now(&self) -> Timestamp {
        self.database.clock.now()
    }

    pub(super) async fn run(mut self, operations: &[Operation]) -> Checked {
        for operation in operations {
            self.step(operation.clone()).await?;
            self.compare().await?;
        }
        Ok(())
    }

    async fn step(&mut self, operation: Operation) -> Checked {
        match operation {
            Operation::PassTime(seconds) => {
                self.database.clock.set(Timestamp::from_millis(self.now().millis() + seconds * 1000));
                Ok(())
            }
            Operation::Import(model, entries) => self.import(model, entries).await,
            Operation::AcquireLeaderLease { .. }
            | Operation::ReleaseLeaderLease { .. }
            | Operation::Sync { .. } => self.sync(operation).await,
            Operation::Claim { filter, due_within } => self.claim(filter, due_within).await,
            Operation::ClaimOne(model, key) => self.claim_one(model, &key).await,
            Operation::Complete { lease, results, last } => self.complete(lease, &results, last).await,
            Operation::Renew(leases) => self.renew(&leases).await,
            Operation::Enqueue(..) | Operation::Advance(_) | Operation::Cancel(_) => {
                self.job(operation).await
            }
            other => self.call(other).await,
        }
    }

    async fn import(&self, model: Model, entries: Vec<SourceRecord>) -> Checked {
        let stream = || Box::pin(stream::iter([Ok(numbered(1, entries.clone()))]));
        both!(self, "import", |ports| ports.catalogue.import(model, stream()));
        Ok(())
    }

    async fn sync(&self, operation: Operation) -> Checked {
        let now = self.now();
        let name = |instance: u8| WorkerId(format!("instance-{instance}"));
        match operation {
            Operation::AcquireLeaderLease { instance, seconds } => {
                let (instance, duration) = (name(instance), Duration::from_secs(seconds));
                both!(self, "acquire", |ports| ports.sync_state.acquire_leader_lease(&instance, duration));
            }
            Operation::ReleaseLeaderLease { instance } => {
                let instance = name(instance);
                both!(self, "release", |ports| ports.sync_state.release_leader_lease(&instance));
            }
            Operation::Sync { instance, model, entries, range } => {
                let instance = name(instance);
                let read_to = entries.last().map(|entry| entry.key.clone());
                let state = ModelSyncState { read_to, read_at: Some(now), ..ModelSyncState::new(model) };
                let scanned = |Range { after, to, most_deleted }| ScannedRange { after, to, most_deleted };
                let batch = SyncBatch { records: entries, scanned_range: range.map(scanned) };
                both!(self, "apply", |ports| ports.sync_state.apply(&instance, batch.clone(), &state));
            }
            _ => {}
        }
        both!(self, "states", |ports| ports.sync_state.states());
        Ok(())
    }

    async fn claim(&mut self, filter: ClaimFilter, due_within: Option<u64>) -> Checked {
        let due_from = due_within.map(|seconds| self.now().before(Duration::from_secs(seconds)));
        let filter = ClaimFilter { due_from, ..filter };
        both!(self, "outstanding", |ports| ports.queue.outstanding(&filter, 5));
        let worker = WorkerId("worker".to_owned());
        let database = self.database.queue.claim(&worker, &filter, TERMS).await;
        let memory = self.memory.queue.claim(&worker, &filter, TERMS).await;
        self.note(database, memory)
    }

    async fn claim_one(&mut self, model: Model, key: &RecordKey) -> Checked {
        let worker = WorkerId("one".to_owned());
        let database = self.database.queue.claim_one(&worker, model, key, TERMS).await;
        let memory = self.memory.queue.claim_one(&worker, model, key, TERMS).await;
        self.note(database, memory)
    }

    /// Compares two leases but for their numbers, which only have to be new ones.
    fn note(
        &mut self,
        database: Result<Option<Lease>, StoreError>,
        memory: Result<Option<Lease>, StoreError>,
    ) -> Checked {
        let (database, memory) = (database.map_err(failed)?, memory.map_err(failed)?);
        let unnamed = |lease: &Option<Lease>| lease.clone().map(|lease| Lease { id: LeaseId(0), ..lease });
        same("claim", &unnamed(&database), &unnamed(&memory))?;
        if let Some((database, memory)) = database.zip(memory) {
            if self.leases.iter().any(|known| known.database == database.id) {
                return Err(TestCaseError::fail(format!("the number {:?} is not a new one", database.id)));
            }
            self.leases.push(Claimed { database: database.id, memory });
        }
        Ok(())
    }

    async fn complete(&self, lease: usize, results: &[u8], last: bool) -> Checked {
        // The newest leases first, as most of the older ones have ended.
        let Some(claimed) = self.leases.iter().rev().nth(lease) else { return Ok(()) };
        let mut outcomes = Vec::new();
        for (record, result) in claimed.memory.records.iter().zip(results) {
            let running = record.verification.clone();
            let outcome = match result {
                0 => continue,
                1 => Outcome::Succeeded(running.succeed(GOOD, self.now())),
                _ => Outcome::Failed(running.fail(Failure::missing_file(&record.path), self.now(), 1)),
            };
            outcomes.push((record.key.clone(), outcome));
        }
        let database =
            self.database.queue.complete(claimed.database, &outcomes, last).await.map_err(failed)?;
        let memory = self.memory.queue.complete(claimed.memory.id, &outcomes, last).await.map_err(failed)?;
        same("complete", &database, &memory)
    }

    async fn renew(&self, leases: &[(usize, bool)]) -> Checked {
        let chosen: Vec<(&Claimed, bool)> = leases
            .iter()
            .filter_map(|(lease, progressed)| Some((self.leases.iter().rev().nth(*lease)?, *progressed)))
            .collect();
        let renewals = |id: Number| -> Vec<Renewal> {
            chosen
                .iter()
                .map(|(lease, progressed)| Renewal { lease: id(lease), progressed: *progressed })
                .collect()
        };
        let place = |id: Number, gone: Vec<LeaseId>| -> Vec<Option<usize>> {
            let place = |gone: &LeaseId| self.leases.iter().position(|lease| id(lease) == *gone);
            let mut places: Vec<_> = gone.iter().map(place).collect();
            places.sort_unstable();
            places
        };
        let (of_database, of_memory): (Number, Number) = (|lease| lease.database, |lease| lease.memory.id);
        let database = self.database.queue.renew(&renewals(of_database), TERMS).await.map_err(failed)?;
        let memory = self.memory.queue.renew(&renewals(of_memory), TERMS).await.map_err(failed)?;
        same("renew", &place(of_database, database), &place(of_memory, memory))
    }

    async fn job(&mut self, operation: Operation) -> Checked {
        let (database, memory) = match operation {
            Operation::Enqueue(model, selection) => {
                let job = NewJob { model, selection, requested_by: "somebody".to_owned() };
                let database = self.database.jobs.enqueue(&job).await.map_err(failed)?;
                let memory = self.memory.jobs.enqueue(&job).await.map_err(failed)?;
                self.jobs.push((database.id, memory.id));
                (Some(database), Some(memory))
            }
            Operation::Advance(limit) => (
                self.database.jobs.advance(limit).await.map_err(failed)?,
                self.memory.jobs.advance(limit).await.map_err(failed)?,
            ),
            Operation::Cancel(job) => {
                let Some((database, memory)) = self.jobs.iter().rev().nth(job) else { return Ok(()) };
                (
                    self.database.jobs.cancel(*database).await.map_err(failed)?,
                    self.memory.jobs.cancel(*memory).await.map_err(failed)?,
                )
            }
            _ => (None, None),
        };
        let named = |job: Option<Job>, id: fn(&(JobId, JobId)) -> JobId| {
            job.map(|job| (self.jobs.iter().position(|ids| id(ids) == job.id), Job { id: JobId(0), ..job }))
        };
        same("job", &named(database, |ids| ids.0), &named(memory, |ids| ids.1))
    }

    async fn call(&self, operation: Operation) -> Checked {
        match operation {
            Operation::Reap => {
                both!(self, "reap", |ports| ports.queue.reap(LEASE));
            }
            Operation::RetryFailed => {
                both!(self, "retry", |ports| ports.queue.retry_failed(&Model::ALL, 1000));
            }
            Operation::Expire { model, after, seconds, limit } => {
                let age = Duration::from_secs(seconds);
                both!(self, "expire", |ports| {
                    ports.queue.expire_succeeded(model, after.clone(), age, limit)
                });
            }
            Operation::Recalculate(model, key) => {
                both!(self, "recalculate", |ports| ports.queue.recalculate(model, &key));
            }
            Operation::Accept { model, key, size } => {
                let acceptance =
                    NewAcceptance { checksum: Some(GOOD), size, by: BY.to_owned(), reason: None };
                both!(self, "accept", |ports| ports.catalogue.accept(model, &key, &acceptance));
                both!(self, "acceptances", |ports| ports.catalogue.acceptances(model, &key));
            }
            Operation::TakeBack(model, key) => {
                both!(self, "take back", |ports| ports.catalogue.take_back(model, &key, BY, None));
                both!(self, "acceptances", |ports| ports.catalogue.acceptances(model, &key));
            }
            Operation::Page { model, selection, order, start, limit } => {
                let scanned = ScanLimit::new(NonZeroU32::MIN.saturating_add(2));
                let few = CountLimit { matches: 7, scanned };
                both!(self, "count", |ports| ports.catalogue.count(model, &selection, few));
                let mut request =
                    PageRequest { model, selection, order, start, limit, scan_at_most: ScanLimit::PAGE };
                both!(self, "page", |ports| ports.catalogue.page(&request));
                let owner = Some("group".to_owned());
                request.selection = Selection::filtered(RecordFilter { owner, ..RecordFilter::default() });
                request.scan_at_most = scanned;
                both!(self, "scan", |ports| ports.catalogue.page(&request));
                both!(self, "scanned", |ports| ports.catalogue.count(model, &request.selection, few));
            }
            _ => {}
        }
        Ok(())
    }

    /// The counts that the database keeps, against those that are counted in memory, and against those counted in it.
    async fn compare_counts(&self) -> Checked {
        let kept = self.database.catalogue.summary().await.map_err(failed)?;
        let counted = self.memory.catalogue.summary().await.map_err(failed)?;
        same("summary", &CountDifference::between(counted, kept), &vec![])?;
        same("counts", &self.database.catalogue.count_differences().await.map_err(failed)?, &vec![])
    }

    /// All that can be seen of both.
    async fn compare(&self) -> Checked {
        for model in MODELS {
            let request = PageRequest {
                model,
                selection: Selection::default(),
                order: SortOrder::Ascending,
                start: PageStart::First,
                limit: 1000,
                scan_at_most: ScanLimit::PAGE,
            };
            both!(self, "records", |ports| ports.catalogue.page(&request));
            both!(self, "mismatched", |ports| ports.catalogue.mismatched(model, None, 1000));
        }
        self.compare_counts().await?;
        let everything =
            ClaimFilter { models: vec![], storages: None, except_storages: vec![], due_from: None, limit: 1 };
        both!(self, "outstanding", |ports| ports.queue.outstanding(&everything, 1000));
        Ok(())
    }
}
