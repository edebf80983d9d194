//! Encryption as GitLab stores it, and its keys.

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use anyhow::Context as _;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// AES-256-GCM: nonce, ciphertext, tag. The nonce begins with `number`, so that the bytes are the same in every run.
pub(crate) fn encrypt(key: [u8; 32], number: u64, plain: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let encrypted = Aes256Gcm::new(&key.into()).encrypt(&nonce.into(), plain);
    Ok([&nonce[..], &encrypted.ok().context("cannot encrypt")?].concat())
}

/// The key of a CI secure file: the text itself is hashed, not what its digits stand for.
pub(crate) fn secure_file_key(key_data: &str) -> [u8; 32] {
    Sha256::digest(key_data).into()
}

/// The key that follows from an instance's secret and a message.
pub(crate) fn derived_key(db_key_base: &str, message: &str) -> anyhow::Result<[u8; 32]> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(db_key_base.as_bytes())?;
    mac.update(message.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_gitlab() {
        let base = "db_key_base_example";
        for (message, key) in [
            ("1", "0f1652df62640fc7d80d38363557bf0a18a3790ec0efb26ef42c7fbf743fdbbd"),
            ("pipeline_artifact:1", "11a4e0cfbe0cc77d4b658637b0e8195aaf257f830deadfe39aac058fa65e19a2"),
        ] {
            assert_eq!(hex::encode(derived_key(base, message).unwrap()), key);
        }
        let key = "31a4d733c8bc88da3d5d77e5645b7d20c3c4e30825438820c4df72d7eda8e469";
        assert_eq!(hex::encode(secure_file_key(&"ab".repeat(64))), key);
    }

    #[test]
    fn ciphertext_is_longer_and_follows_from_the_number() {
        let encrypt = |number| encrypt([1; 32], number, b"hello").unwrap();
        assert_eq!(encrypt(1).len(), 5 + 12 + 16);
        assert_eq!(encrypt(1), encrypt(1));
        assert_ne!(encrypt(1), encrypt(2));
    }
}
