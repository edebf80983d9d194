//! How many leases are held for which storage, and which storages are left alone for now.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// The most records held at once, whatever the number of storages; at a few hundred bytes each this bounds
/// the memory.
const MOST_RECORDS: usize = 32_768;

/// The fewest records worth a lease.
const LEAST_PER_LEASE: usize = 16;

/// The longest rest of a storage whose reading breaks down again and again, as a power of two of seconds.
const LONGEST_REST: u32 = 6;

/// How many leases are held for which storage, and which storages rest because their reading broke down.
///
/// Each storage has room of its own, so that one that hangs takes none of the others'.
#[derive(Debug)]
pub(crate) struct Room {
    per_storage: usize,
    in_all: usize,
    per_lease: u32,
    held: BTreeMap<String, usize>,
    resting: BTreeMap<String, Rest>,
}

#[derive(Debug)]
struct Rest {
    until: Instant,
    breakdowns: u32,
}

impl Room {
    /// Room for leases of `storages` configured storages, and of one more for all names that no
    /// configuration has.
    pub(crate) fn new(storages: usize, per_storage: usize, per_lease: u32) -> Self {
        let in_all = storages.saturating_add(1).saturating_mul(per_storage);
        let fitting = u32::try_from((MOST_RECORDS / in_all.max(1)).max(LEAST_PER_LEASE)).unwrap_or(u32::MAX);
        Self {
            per_storage,
            in_all,
            per_lease: per_lease.min(fitting),
            held: BTreeMap::new(),
            resting: BTreeMap::new(),
        }
    }

    /// The most records to claim at once.
    pub(crate) fn per_lease(&self) -> u32 {
        self.per_lease
    }

    /// Whether no lease at all fits.
    pub(crate) fn is_full(&self) -> bool {
        self.held.values().sum::<usize>() >= self.in_all
    }

    /// The storages to claim nothing from: those without room and those that rest.
    pub(crate) fn closed(&self, now: Instant) -> impl Iterator<Item = &String> {
        let busy = self.held.iter().filter(|(_, held)| **held >= self.per_storage).map(|(name, _)| name);
        let resting = self.resting.iter().filter(move |(_, rest)| rest.until > now).map(|(name, _)| name);
        busy.chain(resting)
    }

    /// A lease was claimed.
    pub(crate) fn take(&mut self, storage: &str) {
        *self.held.entry(storage.to_owned()).or_default() += 1;
    }

    /// A lease ended.
    pub(crate) fn give_back(&mut self, storage: &str) {
        if let Some(held) = self.held.get_mut(storage) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(storage);
            }
        }
    }

    /// Reading a storage went well.
    pub(crate) fn went_well(&mut self, storage: &str) {
        self.resting.remove(storage);
    }

    /// Reading a storage broke down: it rests, each time in a row for twice as long.
    pub(crate) fn broke_down(&mut self, storage: &str, now: Instant) {
        let rest = self.resting.entry(storage.to_owned()).or_insert(Rest { until: now, breakdowns: 0 });
        // Leases that break down together count once.
        if rest.until <= now {
            rest.until = now + Duration::from_secs(1 << rest.breakdowns.min(LONGEST_REST));
            rest.breakdowns = rest.breakdowns.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(room: &Room, now: Instant) -> Vec<&str> {
        room.closed(now).map(String::as_str).collect()
    }

    #[tokio::test]
    async fn each_storage_has_room_of_its_own() {
        let now = Instant::now();
        let mut room = Room::new(1, 2, 1_000);
        room.take("a");
        assert!(closed(&room, now).is_empty());
        room.take("a");
        assert_eq!(closed(&room, now), ["a"]);
        assert!(!room.is_full());
        room.take("x");
        room.take("y");
        assert!(room.is_full());
        room.give_back("a");
        assert!(closed(&room, now).is_empty());
        assert!(!room.is_full());
    }

    #[tokio::test]
    async fn a_broken_storage_rests_for_longer_each_time() {
        let start = Instant::now();
        let mut room = Room::new(1, 2, 1_000);
        room.broke_down("a", start);
        room.broke_down("a", start);
        assert_eq!(closed(&room, start), ["a"]);
        let again = start + Duration::from_secs(1);
        assert!(closed(&room, again).is_empty());
        room.broke_down("a", again);
        assert_eq!(closed(&room, again + Duration::from_millis(1_999)), ["a"]);
        assert!(closed(&room, again + Duration::from_secs(2)).is_empty());
        room.went_well("a");
        room.broke_down("a", again);
        assert!(closed(&room, again + Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn many_storages_share_the_memory() {
        assert_eq!(Room::new(1, 4, 1_000).per_lease(), 1_000);
        assert_eq!(Room::new(31, 4, 1_000).per_lease(), 256);
        assert_eq!(Room::new(100_000, 4, 1_000).per_lease(), 16);
    }
}
