//! The checksum worker and the scheduler.
//!
//! The [`Engine`] claims leases from the queue, has their content inspected, judges what was seen and
//! records the results in batches, each under its lease and attempt. The [`Scheduler`] keeps the queue
//! itself going: bulk jobs, leases that ran out, failed records to retry, old successes to check again.
//!
//! Nothing here knows a database or a kind of storage: both come in through the domain's ports.

mod accept;
mod announcing;
mod batch;
mod confirming;
mod context;
mod dispatch;
mod engine;
mod health;
mod hours;
mod outage;
mod probing;
mod reading;
mod recalculation;
mod recording;
mod scheduler;
mod settings;
mod shares;
mod slots;
mod speed;
mod stats;
mod telemetry;
mod witnesses;
mod work;

pub use accept::{AcceptError, Candidate, Doubt};
pub use context::EngineParts;
pub use engine::Engine;
pub use hours::{Hours, InvalidHours};
pub use scheduler::{Scheduler, SchedulerSettings};
pub use settings::{EngineSettings, Policy, Storage, Storages};
pub use speed::Tried;
pub use stats::{ClosedStorage, Drained, Obstacle, Progress, Stats};
