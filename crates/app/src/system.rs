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

/// Who runs this process, for example `root@host`; through sudo, also who became root.
pub(crate) fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_name(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    let sudo = std::env::var("SUDO_USER").ok().filter(|name| uid == 0 && !name.is_empty());
    let sudo = sudo.map(|name| format!(" (sudo by {name})")).unwrap_or_default();
    format!("{user}@{}{sudo}", host_name())
}

/// The name of the user with this number, in a file like `/etc/passwd`.
fn user_name(users: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
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
    fn a_user_is_known_by_the_number() {
        let users = "root:x:0:0::/root:/bin/sh\n\nbroken\nadmin:x:1000:0:,:/home/admin:\n";
        assert_eq!(user_name(users, 1000), Some("admin"));
        assert_eq!(user_name(users, 0), Some("root"));
        assert_eq!(user_name(users, 1), None);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 64);
        assert_ne!(one, two);
    }
}
