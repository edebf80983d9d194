//! The real clock and the real dice, and secrets from the operating system.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use stocktake_domain::{Clock, Rng, Timestamp};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one clock that the others stand for")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Chance from the operating system.
pub(crate) struct SystemRng;

impl Rng for SystemRng {
    fn below(&self, bound: u32) -> u32 {
        // Without chance, waits are merely as short as they can be.
        let chance = u64::from(OsRng.try_next_u32().unwrap_or(0));
        // The product is below sides * 2^32, so that its upper half fits.
        u32::try_from((chance * u64::from(bound)) >> 32).unwrap_or(0)
    }
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// 32 bytes from the operating system, in hex.
pub(crate) fn secret() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolls_stay_within_the_sides_and_reach_all() {
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 6 {
            seen.insert(SystemRng.below(6));
        }
        assert!(seen.iter().all(|side| *side < 6));
        assert_eq!(SystemRng.below(0), 0);
        assert_eq!(SystemRng.below(1), 0);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, two);
    }
}
