//! The port `Queue`, over any driver.

mod claim;
mod leases;
pub(crate) mod mark;
mod results;
mod upkeep;

use std::time::Duration;

use async_trait::async_trait;
use stocktake_domain::ports::{
    ClaimFilter, Lease, LeaseId, LeaseTerms, Outcome, Queue, Reaped, Renewal, StoreError, WakeSignal,
    WorkerId,
};
use stocktake_domain::{Failure, Model, RecordKey, Timestamp};

use self::claim::Terms;
use crate::error::Fault;
use crate::key;
use crate::rows::{ResultRow, model_code, model_of, storable};
use crate::session::{Driver, Session, Work};
use crate::store::Adapter;

impl<D: Driver> Adapter<D> {
    /// Runs a task that says whether records became due, and tells everybody if so.
    pub(crate) async fn run_waking<R, F>(&self, task: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: for<'s> FnOnce(
                &'s mut D::Session,
            ) -> futures_util::future::BoxFuture<'s, Result<(R, bool), Fault>>
            + Send
            + 'static,
    {
        self.run_waking_as(Work::Write, task).await
    }

    /// The same as other work that writes.
    pub(crate) async fn run_waking_as<R, F>(&self, work: Work, task: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: for<'s> FnOnce(
                &'s mut D::Session,
            ) -> futures_util::future::BoxFuture<'s, Result<(R, bool), Fault>>
            + Send
            + 'static,
    {
        let (outcome, due) = self.driver.run(work, move |session| Box::pin(announced(session, task))).await?;
        if due {
            self.driver.wake();
        }
        Ok(outcome)
    }
}

async fn announced<S, R, F>(session: &mut S, task: F) -> Result<(R, bool), Fault>
where
    S: Session,
    F: for<'s> FnOnce(&'s mut S) -> futures_util::future::BoxFuture<'s, Result<(R, bool), Fault>> + Send,
{
    let (outcome, due) = task(session).await?;
    if due {
        session.announce_work().await?;
    }
    Ok((outcome, due))
}

#[async_trait]
impl<D: Driver> Queue for Adapter<D> {
    async fn claim(
        &self,
        worker: &WorkerId,
        filter: &ClaimFilter,
        terms: LeaseTerms,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let terms = Terms::new(worker, terms, now)?;
        let wanted = claim::Wanted::new(filter);
        let look = wanted.clone();
        let queues =
            self.driver.run(Work::Read, move |session| Box::pin(claim::queues(session, look))).await?;
        for queue in queues {
            let (terms, wanted) = (terms.clone(), wanted.clone());
            let claimed = self
                .driver
                .run(Work::Write, move |session| Box::pin(claim::take(session, queue, wanted, terms)))
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
        let terms = Terms::new(worker, terms, now)?;
        let (model, key) = (model_code(model), key::encode(key));
        self.driver
            .run(Work::Write, move |session| Box::pin(claim::take_one(session, model, key, terms)))
            .await
    }

    async fn recalculate(&self, model: Model, key: &RecordKey, now: Timestamp) -> Result<bool, StoreError> {
        let (model, key, now) = (model_code(model), key::encode(key), now.millis());
        self.run_waking(move |session| {
            Box::pin(async move {
                let found = mark::one(session, model, key, now).await?;
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
        self.driver
            .run(Work::Write, move |session| {
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
        self.run_waking(move |session| Box::pin(results::write(session, lease.0, results, last))).await
    }

    async fn reap(&self, lease: Duration, now: Timestamp) -> Result<Reaped, StoreError> {
        let (failure, now) = (Failure::timed_out(lease), now.millis());
        self.run_waking(move |session| Box::pin(leases::reap(session, failure, now))).await
    }

    async fn retry_failed(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let now = now.millis();
        self.run_waking(move |session| Box::pin(upkeep::retry_failed(session, limit, now))).await
    }

    async fn expire_succeeded(
        &self,
        model: Model,
        after: Option<RecordKey>,
        checked_before: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<(Option<RecordKey>, u64), StoreError> {
        let sweep = upkeep::Sweep {
            model: model_code(model),
            after: after.as_ref().map(key::encode),
            checked_before: checked_before.millis(),
            limit,
            now: now.millis(),
        };
        self.run_waking(move |session| Box::pin(upkeep::expire_succeeded(session, sweep))).await
    }

    async fn outstanding(&self, filter: &ClaimFilter, at_most: u64) -> Result<u64, StoreError> {
        let wanted = claim::Wanted::new(filter);
        self.driver
            .run(Work::Read, move |session| Box::pin(upkeep::outstanding(session, wanted, at_most)))
            .await
    }

    fn wake_signal(&self) -> Box<dyn WakeSignal> {
        self.driver.wake_signal()
    }
}
