//! The port `Queue`, over any driver.

mod claim;
mod leases;
mod maintenance;
pub(crate) mod recalculate;
mod results;
pub(crate) mod results_by_day;

use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    ClaimFilter, Holder, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, Results, StoreError,
    WakeSignal, WorkerId,
};
use stocktake_domain::{Failure, Model, RecordKey, Selection};

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
    ) -> Result<Option<Lease>, StoreError> {
        let (claimant, scope) = (Claimant::new(worker, terms, &self.encryption)?, ClaimScope::new(filter));
        let find = call!("db.queue.find_due");
        let within = scope.clone();
        let queues =
            self.run(find, Work::Read, move |session| Box::pin(claim::queues(session, within))).await?;
        for queue in queues {
            let model = model_of(queue.model)?;
            let call = call!("db.queue.claim", model = %model, storage = queue.storage);
            let (claimant, scope) = (claimant.clone(), scope.clone());
            let take =
                self.timed(move |session, now| Box::pin(claim::take(session, queue, scope, claimant, now)));
            let claimed = self.run(call, Work::Write, take).await?;
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
    ) -> Result<Option<Lease>, StoreError> {
        let call = call!("db.queue.claim_one", model = %model);
        let claimant = Claimant::new(worker, terms, &self.encryption)?;
        let (model, key) = (model_code(model), key::encode(key));
        let take =
            self.timed(move |session, now| Box::pin(claim::take_one(session, model, key, claimant, now)));
        self.run(call, Work::Write, take).await
    }

    async fn recalculate(&self, model: Model, key: &RecordKey) -> Result<bool, StoreError> {
        let call = call!("db.queue.recalculate", model = %model);
        let (model, key) = (model_code(model), key::encode(key));
        let recalculate = self.timed(move |session, now| {
            Box::pin(async move {
                let found = recalculate::one(session, model, key, now.millis()).await?;
                Ok((found, found))
            })
        });
        self.run_waking(call, Work::Write, recalculate).await
    }

    async fn recalculate_next(
        &self,
        model: Model,
        selection: &Selection,
        share: Option<u32>,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let call = call!("db.queue.recalculate_next", model = %model);
        let wanted = (model_code(model), selection.clone(), share);
        let after = after.as_ref().map(key::encode);
        let recalculate = self.timed(move |session, now| {
            Box::pin(async move {
                let (next, marked) =
                    recalculate::next(session, wanted, after, limit.max(1), now.millis()).await?;
                let next = next.as_deref().map(key::decode).transpose()?;
                Ok(((next, marked), marked > 0))
            })
        });
        self.run_waking(call, Work::Write, recalculate).await
    }

    async fn renew(&self, renewals: &[Renewal], terms: LeaseTerms) -> Result<Vec<LeaseId>, StoreError> {
        let renewals = renewals.to_vec();
        let renew = self.timed(move |session, now| Box::pin(leases::renew(session, renewals, terms, now)));
        self.run(call!("db.queue.renew"), Work::Write, renew).await
    }

    async fn complete(
        &self,
        lease: LeaseId,
        outcomes: &[(RecordKey, Outcome)],
        last: bool,
    ) -> Result<u64, StoreError> {
        let counted = Results::of(outcomes);
        let results = outcomes.iter().map(|(key, outcome)| ResultRow::new(key, outcome)).collect();
        self.run_waking(call!("db.queue.complete", lease = lease.0), Work::Write, move |session| {
            Box::pin(results::write(session, lease.0, results, counted, last))
        })
        .await
    }

    async fn reap(&self, lease: Duration) -> Result<Reaped, StoreError> {
        let failure = Failure::timed_out(lease);
        let reap = self.timed(move |session, now| Box::pin(leases::reap(session, failure, now)));
        self.run_waking(call!("db.queue.reap"), Work::Write, reap).await
    }

    async fn retry_failed(&self, models: &[Model], limit: u32) -> Result<u64, StoreError> {
        let models: Vec<i16> = models.iter().map(|model| model_code(*model)).collect();
        let retry = self.timed(move |session, now| {
            Box::pin(maintenance::retry_failed(session, models.clone(), limit, now))
        });
        self.run_waking(call!("db.queue.retry_failed"), Work::Write, retry).await
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        older_than: Duration,
        limit: u32,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let call = call!("db.queue.expire_succeeded", model = %model);
        let sweep = maintenance::Sweep {
            model: model_code(model),
            after: after.as_ref().map(key::encode),
            older_than,
            limit,
        };
        let expire =
            self.timed(move |session, now| Box::pin(maintenance::expire_succeeded(session, sweep, now)));
        self.run_waking(call, Work::Write, expire).await
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        let scope = ClaimScope::new(filter);
        self.run(call!("db.queue.outstanding"), Work::Read, move |session| {
            Box::pin(maintenance::outstanding(session, scope, at_most))
        })
        .await
    }

    async fn holder_besides(
        &self,
        worker: &WorkerId,
        models: &[Model],
    ) -> Result<Option<Holder>, StoreError> {
        let (worker, models) = (worker.0.clone(), models.iter().copied().map(model_code).collect());
        let look =
            self.timed(move |session, now| Box::pin(leases::holder_besides(session, worker, models, now)));
        self.run(call!("db.queue.holder_besides"), Work::Read, look).await
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        self.driver.wake_signal()
    }
}
