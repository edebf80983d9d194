//! What the system lets this process have, and how it is shared out, so that the process never runs into a limit because
//! of its own settings.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, available_parallelism};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::{AtOnce, Settings};

/// Descriptors that are needed whatever the settings are: standard streams, the runtime, listeners, the log, and the
/// connections that an import, a listing and the wait for work have of their own.
const RESERVED: u64 = 64;

/// The most that is asked for. Beyond it more descriptors help nobody.
const MOST_DESCRIPTORS: u64 = 1 << 20;

/// Descriptors of one thing: a file of SQLite is three, a file that is read has its folder and its root open, and a
/// request may have a second connection that waits for the next one.
const PER_SQLITE_CONNECTION: u64 = 3;
const PER_READER: u64 = 6;
const PER_REQUEST: u64 = 2;

/// Reading threads of all storages together, besides the one that each has of its own: even if some hang, there are as
/// many left for others as one storage has at most.
const SHARED_READERS: usize = 224;

/// The most connections to the API.
const MOST_HTTP_CONNECTIONS: usize = 25_000;

/// Threads without which nothing works: one each for the runtime, its blocking calls, the signals, hashing, reading,
/// the API and its listener.
const LEAST_THREADS: usize = 7;

/// The least address space: below it the allocator fails, and the process is aborted without a word.
const LEAST_ADDRESS_SPACE: u64 = 256 << 20;

/// The kinds of threads of which there is one for each core: of the runtime, for hashing, of the API.
const KINDS_PER_CORE: usize = 3;

/// What the process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessLimits {
    /// Open files, connections and the like.
    descriptors: u64,
    /// Threads of the whole control group, where it has a limit.
    group_threads: Option<usize>,
}

/// The system lets the process have less than it needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error(
        "the system lets this process start {found} threads, of which it needs {LEAST_THREADS}: raise the limit of \
         processes (ulimit -u, the control group's pids.max) or of memory (ulimit -v)"
    )]
    Threads { found: usize },
    #[error(
        "the system lets this process have {found} KiB of memory (ulimit -v), of which it needs {}",
        LEAST_ADDRESS_SPACE >> 10
    )]
    Memory { found: u64 },
}

/// Fails if the process has too little memory to go on. Needs next to none itself.
pub(crate) fn check_memory() -> Result<(), LimitError> {
    match getrlimit(Resource::As).current {
        Some(bytes) if bytes < LEAST_ADDRESS_SPACE => Err(LimitError::Memory { found: bytes >> 10 }),
        _ => Ok(()),
    }
}

/// Raises the limit of open files, and lowers what the settings ask for to what the system lets this process have.
pub(crate) fn fit(settings: &mut Settings) -> Result<(), LimitError> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = threads_per_kind(cores.get())?;
    settings.capacity.threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    ProcessLimits::acquire().fit(settings);
    Ok(())
}

impl ProcessLimits {
    /// Raises the limit of open files as far as the process may, and looks what it has.
    fn acquire() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let maximum = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
        let current = limit.current.unwrap_or(MOST_DESCRIPTORS);
        let raised = Rlimit { current: Some(maximum), maximum: limit.maximum };
        let descriptors =
            if current < maximum && setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
        Self { descriptors, group_threads: group_threads(Path::new("/")) }
    }

    /// Lowers what the settings ask for to what there is.
    fn fit(self, settings: &mut Settings) {
        let mut wanted = Plan::of(settings);
        if let Some(threads) = self.group_threads {
            // Half of them, for there are others in the group.
            wanted.readers = wanted.readers.min((threads / 2).max(1));
        }
        let granted = wanted.within(self.descriptors.saturating_sub(RESERVED));
        granted.apply(wanted, settings);
        tracing::info!(
            limits.descriptors = self.descriptors,
            limits.readers = granted.readers,
            limits.requests = granted.requests,
            limits.database_connections = granted.database_connections,
            limits.http_connections = granted.http_connections,
            "{} descriptors are enough for {} reading threads, {} requests to storages, {} connections to the database \
             and {} to the API at once",
            self.descriptors,
            granted.readers,
            granted.requests,
            granted.database_connections,
            granted.http_connections,
        );
    }
}

/// How much of each thing there is to be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// Threads that read files.
    readers: usize,
    /// Requests to all storages that are reached over the network.
    requests: usize,
    database_connections: u32,
    http_connections: usize,
    per_database_connection: u64,
}

impl Plan {
    /// What the settings ask for.
    fn of(settings: &mut Settings) -> Self {
        let mut files: Vec<usize> = Vec::new();
        let mut requests = 0;
        for storage in settings.storages.values_mut() {
            match storage.content.at_once() {
                Some(AtOnce::Files(readers)) => files.push(readers.get()),
                Some(AtOnce::Requests(count)) => requests += count.get(),
                None => {}
            }
        }
        let most = files.iter().copied().max().unwrap_or(1);
        Self {
            readers: files.len() + SHARED_READERS.max(2 * most),
            requests,
            database_connections: settings.database.max_connections,
            http_connections: MOST_HTTP_CONNECTIONS,
            per_database_connection: if settings.database.is_sqlite() { PER_SQLITE_CONNECTION } else { 1 },
        }
    }

    /// The same, or less where this many descriptors are too few for all.
    fn within(self, descriptors: u64) -> Self {
        let [readers, requests, database, http] = share_out(
            descriptors,
            [
                widen(self.readers) * PER_READER,
                widen(self.requests) * PER_REQUEST,
                u64::from(self.database_connections) * self.per_database_connection,
                widen(self.http_connections),
            ],
        );
        let database = u32::try_from(database / self.per_database_connection).unwrap_or(u32::MAX);
        Self {
            readers: narrow(readers / PER_READER).max(1),
            requests: narrow(requests / PER_REQUEST).max(usize::from(self.requests > 0)),
            database_connections: database.max(1),
            http_connections: narrow(http).max(1),
            ..self
        }
    }

    /// Has the settings ask for no more than this, where `wanted` is what they ask for.
    fn apply(self, wanted: Self, settings: &mut Settings) {
        settings.database.max_connections = self.database_connections;
        settings.capacity.readers = NonZeroUsize::new(self.readers).unwrap_or(NonZeroUsize::MIN);
        settings.capacity.http_connections = self.http_connections;
        for storage in settings.storages.values_mut() {
            if let Some(AtOnce::Requests(count)) = storage.content.at_once() {
                let fewer = count.get() * self.requests / wanted.requests.max(1);
                *count = NonZeroUsize::new(fewer).unwrap_or(NonZeroUsize::MIN);
            }
        }
    }
}

/// Shares out what there is: whoever wants little has all of it, and the others have equal parts of the rest.
fn share_out<const N: usize>(available: u64, wanted: [u64; N]) -> [u64; N] {
    let mut rest = available;
    let mut granted = [0; N];
    let mut order: Vec<(u64, &mut u64)> = wanted.into_iter().zip(&mut granted).collect();
    order.sort_by_key(|(wanted, _)| *wanted);
    let mut left = widen(order.len());
    for (wanted, granted) in order {
        *granted = wanted.min(rest / left);
        rest -= *granted;
        left -= 1;
    }
    granted
}

/// How many threads the control group of this process may have, if that is limited; `root` is the root of the file
/// system.
fn group_threads(root: &Path) -> Option<usize> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    groups.lines().find_map(|line| {
        let (_, group) = line.split_once(':')?;
        let (hierarchy, path) = match group.split_once(':')? {
            ("", path) => ("", path),
            ("pids", path) => ("pids", path),
            _ => return None,
        };
        let group = root.join("sys/fs/cgroup").join(hierarchy).join(path.trim_start_matches('/'));
        // Without a limit it says "max".
        fs::read_to_string(group.join("pids.max")).ok()?.trim().parse().ok()
    })
}

/// Starts threads, as many as there will be, to see how many the system lets this process have: with fewer there are
/// fewer of each kind. Returns how many there may be of each kind of which one for each core is wanted.
fn threads_per_kind(cores: usize) -> Result<usize, LimitError> {
    let wanted = LEAST_THREADS + (cores - 1) * KINDS_PER_CORE;
    let found = startable(wanted);
    if found < LEAST_THREADS {
        return Err(LimitError::Threads { found });
    }
    Ok(1 + (found - LEAST_THREADS) / KINDS_PER_CORE)
}

/// How many of these threads can be had at once.
fn startable(wanted: usize) -> usize {
    let gate = Mutex::new(());
    let closed = gate.lock();
    thread::scope(|scope| {
        let waiting = (0..wanted).map_while(|_| {
            let wait = || drop(gate.lock());
            thread::Builder::new().spawn_scoped(scope, wait).ok()
        });
        let found = waiting.count();
        drop(closed);
        found
    })
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(descriptors: u64) -> Plan {
        let wanted = Plan {
            readers: 246,
            requests: 96,
            database_connections: 10,
            http_connections: MOST_HTTP_CONNECTIONS,
            per_database_connection: PER_SQLITE_CONNECTION,
        };
        wanted.within(descriptors)
    }

    #[test]
    fn everything_fits_into_the_descriptors_that_there_are() {
        for descriptors in [100, 450, 960, 4_000, 20_000, 1_000_000] {
            let plan = plan(descriptors);
            let needed = widen(plan.readers) * PER_READER
                + widen(plan.requests) * PER_REQUEST
                + u64::from(plan.database_connections) * plan.per_database_connection
                + widen(plan.http_connections);
            assert!(needed <= descriptors, "{descriptors}: {plan:?}");
        }
        assert_eq!(plan(1_000_000).http_connections, MOST_HTTP_CONNECTIONS);
        let usual = plan(1024 - RESERVED);
        assert_eq!((usual.requests, usual.database_connections), (96, 10));
        assert!(usual.readers >= 60 && usual.http_connections >= 360, "{usual:?}");
        let none = plan(0);
        assert_eq!(
            (none.readers, none.requests, none.database_connections, none.http_connections),
            (1, 1, 1, 1)
        );
    }

    #[test]
    fn who_wants_little_has_it_and_the_rest_is_shared_equally() {
        assert_eq!(share_out(100, [1_000, 10, 60]), [45, 10, 45]);
        assert_eq!(share_out(100, [1_000, 10, 20]), [70, 10, 20]);
        assert_eq!(share_out(100, [1, 2, 3]), [1, 2, 3]);
        assert_eq!(share_out(1, [5, 5]), [0, 1]);
    }

    #[test]
    fn the_limit_of_a_control_group_is_found_in_both_layouts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(group_threads(root.path()), None);
        write("proc/self/cgroup", "4:memory:/x\n3:pids:/a.slice\n0::/\n");
        assert_eq!(group_threads(root.path()), None);
        write("sys/fs/cgroup/pids/a.slice/pids.max", "max\n");
        assert_eq!(group_threads(root.path()), None);
        write("sys/fs/cgroup/pids/a.slice/pids.max", "300\n");
        assert_eq!(group_threads(root.path()), Some(300));
        write("proc/self/cgroup", "0::/b.slice/c.service\n");
        write("sys/fs/cgroup/b.slice/c.service/pids.max", "77\n");
        assert_eq!(group_threads(root.path()), Some(77));
    }

    #[test]
    fn threads_that_can_be_had_are_counted() {
        assert_eq!(startable(5), 5);
        assert_eq!(threads_per_kind(4).unwrap(), 4);
    }
}
