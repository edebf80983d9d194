//! The database's time, which decides what is due and which lease is over.
//!
//! A server has a clock of its own, which all its clients share. SQLite has none: its clock is that of the one host whose
//! processes have the file open. Such a clock may be set while leases depend on it, so a process measures from when it
//! began, and follows a clock that was set as soon as nobody holds a lease.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::sql_types::Bool;
use stocktake_domain::{Clock, Timestamp};

use crate::error::DbError;
use crate::session::Session;
use crate::settings::StoreClock;
use crate::sql::Sql;

/// By how much the clocks of the host and of the database may differ before that is worth a warning.
const MOST_SKEW: Duration = Duration::from_secs(5);

const SKEW: &str = "stocktake_clock_skew_seconds";

/// The time of one database, and what is known of it between two calls.
pub(crate) struct DatabaseClock {
    source: StoreClock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The database's time when it was last read.
    read: Option<Reading>,
    /// The latest time that was given to anybody.
    given: Option<Timestamp>,
    /// Whether the clocks were found to differ by more than [`MOST_SKEW`].
    is_skewed: bool,
}

#[derive(Clone, Copy)]
struct Reading {
    time: Timestamp,
    at: Instant,
}

impl Reading {
    /// What the time is by now, without another look.
    fn now(self) -> Timestamp {
        self.time.after(self.at.elapsed())
    }
}

impl DatabaseClock {
    /// A clock that was not read yet.
    pub(crate) fn new(source: StoreClock) -> Arc<Self> {
        metrics::describe_gauge!(
            SKEW,
            "By how many seconds this host's clock is ahead of the database's, or behind it if negative."
        );
        Arc::new(Self { source, known: Mutex::default() })
    }

    /// The database's time now.
    pub(crate) async fn read<S: Session>(&self, session: &mut S) -> Result<Timestamp, DbError> {
        let host = match &self.source {
            StoreClock::Database { host } => host,
            StoreClock::Fixed(clock) => return Ok(clock.now()),
        };
        let asked = Instant::now();
        let time = match session.server_time().await? {
            Some(time) => time,
            None => self.embedded(session, host.now()).await?,
        };
        // The server's answer is from the middle of the wait for it.
        let between = time.after(asked.elapsed() / 2);
        let mut known = self.known();
        known.compare(host.now(), between);
        known.read = Some(Reading { time, at: Instant::now() });
        Ok(time)
    }

    /// The time of a database on this host, whose clock shows `shown`.
    async fn embedded<S: Session>(&self, session: &mut S, shown: Timestamp) -> Result<Timestamp, DbError> {
        let Some(last) = self.known().read else { return Ok(shown) };
        let measured = last.now();
        if apart(shown, measured) <= MOST_SKEW {
            return Ok(shown.max(last.time));
        }
        let held = Sql::<Bool>::new("SELECT EXISTS (SELECT 1 FROM leases)");
        Ok(if session.one::<bool, _>(held).await? { measured } else { shown })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for DatabaseClock {
    /// The database's time, as measured from when it was last read: never later than it is, and the later the later it is
    /// asked for.
    fn now(&self) -> Timestamp {
        let host = match &self.source {
            StoreClock::Database { host } => host,
            StoreClock::Fixed(clock) => return clock.now(),
        };
        let mut known = self.known();
        let now = known.read.map_or_else(|| host.now(), Reading::now);
        // A little earlier than before is an answer that took longer; much earlier is a clock that was set back.
        let now = match known.given {
            Some(given) if given.since(now) <= MOST_SKEW => given.max(now),
            _ => now,
        };
        known.given = Some(now);
        now
    }
}

impl Known {
    /// Measures by how much the host's clock differs, and warns when that becomes much.
    fn compare(&mut self, host: Timestamp, database: Timestamp) {
        let skew = apart(host, database);
        let (direction, signed) =
            if host < database { ("behind", -skew.as_secs_f64()) } else { ("ahead of", skew.as_secs_f64()) };
        metrics::gauge!(SKEW).set(signed);
        let was_skewed = std::mem::replace(&mut self.is_skewed, skew > MOST_SKEW);
        if self.is_skewed && !was_skewed {
            tracing::warn!(
                clock.skew_seconds = signed,
                "this host's clock is {} s {direction} the database's; the database's time counts",
                skew.as_secs(),
            );
        } else if was_skewed && !self.is_skewed {
            tracing::info!(clock.skew_seconds = signed, "this host's clock agrees with the database's again");
        }
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
