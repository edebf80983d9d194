//! How many leases are held for each storage, and which storages are paused.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// The most records held at once, whatever the number of storages; at a few hundred bytes each this bounds
/// the memory.
const MOST_RECORDS: usize = 32_768;

/// The fewest records worth a lease.
const LEAST_PER_LEASE: usize = 16;

/// The longest pause of a storage whose reading keeps failing, as a power of two of seconds.
const LONGEST_PAUSE: u32 = 6;

/// How many leases are held for which storage, and which storages are paused because reading them failed.
///
/// Each storage has slots of its own, so that one that hangs takes none of the others'.
#[derive(Debug)]
pub(crate) struct Slots {
    per_storage: usize,
    total: usize,
    per_lease: u32,
    held: BTreeMap<String, usize>,
    paused: BTreeMap<String, Pause>,
    /// For what the process lacks, which concerns all storages.
    all_paused: Option<Pause>,
}

/// A pause, each time in a row for twice as long.
#[derive(Debug)]
struct Pause {
    since: Instant,
    until: Instant,
    failures: u32,
}

impl Pause {
    fn new(now: Instant) -> Self {
        Self { since: now, until: now, failures: 0 }
    }

    /// Another failure. Those that come together count once.
    fn failed(&mut self, now: Instant) {
        if self.until <= now {
            self.until = now + Duration::from_secs(1 << self.failures.min(LONGEST_PAUSE));
            self.failures = self.failures.saturating_add(1);
        }
    }

    fn lasts_for(&self, span: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= span
    }
}

impl Slots {
    /// Slots for leases of `storages` configured storages, and of one more for all names that no
    /// configuration has.
    pub(crate) fn new(storages: usize, per_storage: usize, per_lease: u32) -> Self {
        let total = storages.saturating_add(1).saturating_mul(per_storage);
        let fitting = u32::try_from((MOST_RECORDS / total.max(1)).max(LEAST_PER_LEASE)).unwrap_or(u32::MAX);
        Self {
            per_storage,
            total,
            per_lease: per_lease.min(fitting),
            held: BTreeMap::new(),
            paused: BTreeMap::new(),
            all_paused: None,
        }
    }

    /// The most records to claim at once.
    pub(crate) fn per_lease(&self) -> u32 {
        self.per_lease
    }

    /// Whether no lease at all fits, or all storages are paused.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let is_paused = self.all_paused.as_ref().is_some_and(|pause| pause.until > now);
        is_paused || self.held.values().sum::<usize>() >= self.total
    }

    /// The storages to claim nothing from: those without a free slot and those that are paused.
    pub(crate) fn closed(&self, now: Instant) -> impl Iterator<Item = &String> {
        let busy = self.held.iter().filter(|(_, held)| **held >= self.per_storage).map(|(name, _)| name);
        let paused = self.paused.iter().filter(move |(_, pause)| pause.until > now).map(|(name, _)| name);
        busy.chain(paused)
    }

    /// A lease was claimed.
    pub(crate) fn take(&mut self, storage: &str) {
        *self.held.entry(storage.to_owned()).or_default() += 1;
    }

    /// A lease ended.
    pub(crate) fn release(&mut self, storage: &str) {
        if let Some(held) = self.held.get_mut(storage) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(storage);
            }
        }
    }

    /// Reading a storage succeeded.
    pub(crate) fn reading_succeeded(&mut self, storage: &str) {
        self.paused.remove(storage);
        self.all_paused = None;
    }

    /// Reading a storage failed: it is paused.
    pub(crate) fn reading_failed(&mut self, storage: &str, now: Instant) {
        self.paused.entry(storage.to_owned()).or_insert_with(|| Pause::new(now)).failed(now);
    }

    /// Nothing can be read: all storages are paused.
    pub(crate) fn process_failed(&mut self, now: Instant) {
        self.all_paused.get_or_insert_with(|| Pause::new(now)).failed(now);
    }

    /// The storages whose reading has failed for so long.
    pub(crate) fn failing_for(&self, span: Duration, now: Instant) -> impl Iterator<Item = &String> {
        self.paused.iter().filter(move |(_, pause)| pause.lasts_for(span, now)).map(|(name, _)| name)
    }

    /// Whether nothing could be read for so long.
    pub(crate) fn process_fails_for(&self, span: Duration, now: Instant) -> bool {
        self.all_paused.as_ref().is_some_and(|pause| pause.lasts_for(span, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(slots: &Slots, now: Instant) -> Vec<&str> {
        slots.closed(now).map(String::as_str).collect()
    }

    #[tokio::test]
    async fn each_storage_has_slots_of_its_own() {
        let now = Instant::now();
        let mut slots = Slots::new(1, 2, 1_000);
        slots.take("a");
        assert!(closed(&slots, now).is_empty());
        slots.take("a");
        assert_eq!(closed(&slots, now), ["a"]);
        assert!(!slots.is_full(now));
        slots.take("x");
        slots.take("y");
        assert!(slots.is_full(now));
        slots.release("a");
        assert!(closed(&slots, now).is_empty());
        assert!(!slots.is_full(now));
    }

    #[tokio::test]
    async fn a_failing_storage_is_paused_for_longer_each_time() {
        let start = Instant::now();
        let mut slots = Slots::new(1, 2, 1_000);
        slots.reading_failed("a", start);
        slots.reading_failed("a", start);
        assert_eq!(closed(&slots, start), ["a"]);
        let again = start + Duration::from_secs(1);
        assert!(closed(&slots, again).is_empty());
        slots.reading_failed("a", again);
        assert_eq!(closed(&slots, again + Duration::from_millis(1_999)), ["a"]);
        assert!(closed(&slots, again + Duration::from_secs(2)).is_empty());
        slots.reading_succeeded("a");
        slots.reading_failed("a", again);
        assert!(closed(&slots, again + Duration::from_secs(1)).is_empty());
    }

    #[tokio::test]
    async fn what_fails_for_long_is_known_and_forgotten_by_a_success() {
        let (start, span) = (Instant::now(), Duration::from_secs(5));
        let mut slots = Slots::new(1, 2, 1_000);
        slots.reading_failed("a", start);
        slots.process_failed(start);
        assert!(slots.is_full(start) && !slots.is_full(start + Duration::from_secs(1)));
        assert_eq!(slots.failing_for(span, start + Duration::from_secs(4)).count(), 0);
        let later = start + span;
        slots.reading_failed("a", later);
        assert!(slots.failing_for(span, later).eq(["a"]) && slots.process_fails_for(span, later));
        slots.reading_succeeded("a");
        assert!(slots.failing_for(span, later).next().is_none() && !slots.process_fails_for(span, later));
    }

    #[test]
    fn many_storages_share_the_memory() {
        assert_eq!(Slots::new(1, 4, 1_000).per_lease(), 1_000);
        assert_eq!(Slots::new(31, 4, 1_000).per_lease(), 256);
        assert_eq!(Slots::new(100_000, 4, 1_000).per_lease(), 16);
    }
}
