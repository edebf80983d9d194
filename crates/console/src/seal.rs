//! The token of another system within a session: encrypted so that the database alone does not give it away.
//!
//! The key is made of the random value that only the browser has, and encrypts once, so that no two texts ever have the
//! same key.

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use sha2::{Digest as _, Sha256};

/// Each key encrypts one text.
const NONCE: [u8; 12] = [0; 12];

/// Encrypts a token for the session with this value.
pub(crate) fn seal(token: &str, value: &[u8; 32]) -> Option<Vec<u8>> {
    cipher(value).encrypt(&NONCE.into(), token.as_bytes()).ok()
}

/// The token; `None` if it was not encrypted for the session with this value.
pub(crate) fn open(sealed: &[u8], value: &[u8; 32]) -> Option<String> {
    String::from_utf8(cipher(value).decrypt(&NONCE.into(), sealed).ok()?).ok()
}

fn cipher(value: &[u8; 32]) -> Aes256Gcm {
    let key: [u8; 32] =
        Sha256::new_with_prefix(b"stocktake-session-token:").chain_update(value).finalize().into();
    Aes256Gcm::new(&key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_value_opens_it() {
        let sealed = seal("glpat-x", &[1; 32]).unwrap();
        assert_eq!(open(&sealed, &[1; 32]).as_deref(), Some("glpat-x"));
        assert_eq!(open(&sealed, &[2; 32]), None);
        assert_eq!(open(&sealed[1..], &[1; 32]), None);
        assert!(!sealed.windows(5).any(|bytes| bytes == b"glpat"));
    }
}
