//! The port `Queue`, over any driver.

mod claim;
mod leases;
mod maintenance;
pub(crate) mod recalculate;
mod results;

use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    ClaimFilter, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, StoreError, WakeSignal,
    WorkerId,
};
use stocktake_domain::{Failure, Model, RecordKey, Timestamp};

use self::claim::{ClaimScope, Claimant};
use crate::adapter::{Adapter, call};
use crate::key;
use crate::rows::{ResultRow, model_code, model_of};
use crate::session::{Driver, Work};

#[async_trait]
impl<D: Driver> Queue for Adapter<D> {
    async fn claim(
        &self,
        worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let (claimant, scope) = (Claimant::new(worker, terms, now)?, ClaimScope::new(filter));
        let find = call!("db.queue.find_due");
        let within = scope.clone();
        let queues =
            self.run(find, Work::Read, move |session| Box::pin(claim::queues(session, within))).await?;
        for queue in queues {
            let model = model_of(queue.model)?;
            let call = call!("db.queue.claim", model = %model, storage = queue.storage);
            let (claimant, scope) = (claimant.clone(), scope.clone());
            let claimed = self
                .run(call, Work::Write, move |session| Box::pin(claim::take(session, queue, scope, claimant)))
                .await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
        }
        Ok(None)
    }

    async fn claim_one(
        &self,
        worker: &WorkerId,
        model: Model,
        key: &RecordKey,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let call = call!("db.queue.claim_one", model = %model);
        let claimant = Claimant::new(worker, terms, now)?;
        let (model, key) = (model_code(model), key::encode(key));
        self.run(call, Work::Write, move |session| Box::pin(claim::take_one(session, model, key, claimant)))
            .await
    }

    async fn recalculate(&self, model: Model, key: &RecordKey, now: Timestamp) -> Result<bool, StoreError> {
        let call = call!("db.queue.recalculate", model = %model);
        let (model, key, now) = (model_code(model), key::encode(key), now.millis());
        self.run_waking(call, Work::Write, move |session| {
            Box::pin(async move {
                let found = recalculate::one(session, model, key, now).await?;
                Ok((found, found))
            })
        })
        .await
    }

    async fn renew(
        &self,
        renewals: &[Renewal],
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Vec<LeaseId>, StoreError> {
        let renewals = renewals.to_vec();
        let alive_until = now.after(terms.heartbeat_timeout).millis();
        let deadline = now.after(terms.duration).millis();
        self.run(call!("db.queue.renew"), Work::Write, move |session| {
            Box::pin(leases::renew(session, renewals, alive_until, deadline))
        })
        .await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError> {
        let results = outcomes.iter().map(|(key, outcome)| ResultRow::new(key, outcome)).collect();
        self.run_waking(call!("db.queue.complete", lease = lease.0), Work::Write, move |session| {
            Box::pin(results::write(session, lease.0, results, last))
        })
        .await
    }

    async fn reap(&self, lease: Duration, now: Timestamp) -> Result<Reaped, StoreError> {
        let (failure, now) = (Failure::timed_out(lease), now.millis());
        self.run_waking(call!("db.queue.reap"), Work::Write, move |session| {
            Box::pin(leases::reap(session, failure, now))
        })
        .await
    }

    async fn retry_failed(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let now = now.millis();
        self.run_waking(call!("db.queue.retry_failed"), Work::Write, move |session| {
            Box::pin(maintenance::retry_failed(session, limit, now))
        })
        .await
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        checked_before: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let call = call!("db.queue.expire_succeeded", model = %model);
        let sweep = maintenance::Sweep {
            model: model_code(model),
            after: after.as_ref().map(key::encode),
            checked_before: checked_before.millis(),
            limit,
            now: now.millis(),
        };
        self.run_waking(call, Work::Write, move |session| {
            Box::pin(maintenance::expire_succeeded(session, sweep))
        })
        .await
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        let scope = ClaimScope::new(filter);
        self.run(call!("db.queue.outstanding"), Work::Read, move |session| {
            Box::pin(maintenance::outstanding(session, scope, at_most))
        })
        .await
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        self.driver.wake_signal()
    }
}
