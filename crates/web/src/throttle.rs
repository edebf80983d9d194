//! The throttle on guessing tokens: wrong tokens of an address that has sent too many are refused for a while.
//!
//! governor does not fit: its cells come back one by one, so that an address could send almost twice the limit in a
//! minute, and the number of addresses that it keeps has no bound. Here a window of a minute is counted exactly, at most
//! [`CAPACITY`] addresses are known, and those that are refused are kept longest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stocktake_domain::Timestamp;

/// How long wrong tokens are counted, from the first of them.
const WINDOW: Duration = Duration::from_secs(60);

/// The most addresses that are counted at once.
const CAPACITY: usize = 10_000;

/// The lower bits of an IPv6 address, which its holder chooses freely.
const IPV6_HOST_BITS: u32 = 64;

/// Counts wrong tokens by address.
pub(crate) struct Throttle {
    limit: u32,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    begun: Timestamp,
    wrong: u32,
}

impl Window {
    /// How long it still lasts; a window that begins in the future (the clock was set back) is over.
    fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let left = WINDOW.checked_sub(now.since(self.begun))?;
        (self.begun <= now && !left.is_zero()).then_some(left)
    }
}

impl Throttle {
    /// A throttle that allows an address this many wrong tokens in a minute; 0: any number.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, windows: Mutex::default() }
    }

    /// How long wrong tokens of the address are still refused, if they are.
    pub(crate) fn refused_for(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&network(address)).filter(|window| window.wrong >= self.limit)?;
        window.remaining(now)
    }

    /// Counts a wrong token.
    pub(crate) fn count_wrong(&self, address: IpAddr, now: Timestamp) {
        if self.limit == 0 {
            return;
        }
        let address = network(address);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= CAPACITY && !windows.contains_key(&address) {
            make_room(&mut windows, self.limit, now);
        }
        let window = windows.entry(address).or_insert(Window { begun: now, wrong: 0 });
        if window.remaining(now).is_none() {
            *window = Window { begun: now, wrong: 0 };
        }
        window.wrong = window.wrong.saturating_add(1);
    }
}

/// Forgets windows that are over; if that is not enough those of addresses not yet refused; else all.
fn make_room(windows: &mut HashMap<IpAddr, Window>, limit: u32, now: Timestamp) {
    windows.retain(|_, window| window.remaining(now).is_some());
    if windows.len() >= CAPACITY {
        windows.retain(|_, window| window.wrong >= limit);
    }
    if windows.len() >= CAPACITY {
        windows.clear();
    }
}

/// The address that is counted: of IPv6 the network, because its holder has all addresses in it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> IPV6_HOST_BITS << IPV6_HOST_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn refuses_after_the_limit_until_the_minute_is_over() {
        let throttle = Throttle::new(2);
        let (guesser, other) = (address("10.0.0.1"), address("10.0.0.2"));
        throttle.count_wrong(guesser, at(100));
        assert_eq!(throttle.refused_for(guesser, at(100)), None);
        throttle.count_wrong(guesser, at(110));
        assert_eq!(throttle.refused_for(guesser, at(110)), Some(Duration::from_secs(50)));
        assert_eq!(throttle.refused_for(other, at(110)), None);
        assert_eq!(throttle.refused_for(guesser, at(160)), None);
        throttle.count_wrong(guesser, at(160));
        assert_eq!(throttle.refused_for(guesser, at(160)), None);
    }

    #[test]
    fn no_limit_and_a_clock_set_back_refuse_nobody() {
        let guesser = address("10.0.0.1");
        let unlimited = Throttle::new(0);
        unlimited.count_wrong(guesser, at(0));
        assert_eq!(unlimited.refused_for(guesser, at(0)), None);
        let throttle = Throttle::new(1);
        throttle.count_wrong(guesser, at(100));
        assert_eq!(throttle.refused_for(guesser, at(50)), None);
    }

    #[test]
    fn addresses_of_one_holder_are_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff")));
        assert_ne!(network(address("2001:db8:0:1::1")), network(address("2001:db8:0:2::1")));
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_and_refused_addresses_are_kept_longest() {
        let throttle = Throttle::new(2);
        let guesser = address("192.0.2.1");
        throttle.count_wrong(guesser, at(0));
        throttle.count_wrong(guesser, at(0));
        for number in 0..u32::try_from(CAPACITY).unwrap() * 2 {
            throttle.count_wrong(IpAddr::from(number.to_be_bytes()), at(1));
            assert!(throttle.windows.lock().unwrap().len() <= CAPACITY);
        }
        assert!(throttle.refused_for(guesser, at(1)).is_some());
    }
}
