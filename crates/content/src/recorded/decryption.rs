//! AES-256-GCM as GitLab's Lockbox stores it: 12 bytes of nonce, the ciphertext, 16 bytes of tag.
//!
//! The usual implementations need the whole message in memory, because they release no plaintext before the tag
//! is verified. Here only digests are released, and only after the tag is verified. So the message is decrypted
//! chunk by chunk, with counter mode and GHASH from the same family of libraries.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _};
use ctr::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use stocktake_domain::{Algorithms, Measure};
use subtle::ConstantTimeEq as _;

use crate::digester::Digester;
use crate::hash_plan::Key;
use crate::num::widen;

const NONCE_BYTES: usize = 12;
const BLOCK_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// The error for content whose tag does not match.
const WRONG_TAG: &str =
    "cannot be decrypted: the key is wrong or the content was altered (authentication tag)";

/// Decrypts the stored bytes and calculates the digests of the plaintext.
pub(crate) struct Decryption {
    cipher: Aes256,
    key: [u8; 32],
    /// What is not decrypted yet: first the beginning of the nonce; later what may be the tag, and less than a
    /// block before it.
    pending: Vec<u8>,
    message: Option<Message>,
    plain: Digester,
}

/// The message behind the nonce.
struct Message {
    keystream: Ctr32BE<Aes256>,
    ghash: GHash,
    /// The tag is encrypted with this.
    mask: [u8; TAG_BYTES],
    bytes: u64,
}

impl Decryption {
    pub(crate) fn new(key: &Key, algorithms: Algorithms) -> Self {
        Self {
            cipher: Aes256::new(&key.0.into()),
            key: key.0,
            pending: Vec::new(),
            message: None,
            plain: Digester::new(algorithms),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.begin();
        let whole_blocks = self.pending.len().saturating_sub(TAG_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
        self.decrypt(whole_blocks);
    }

    pub(crate) fn finish(mut self) -> Result<Measure, String> {
        let Some(length) = self.pending.len().checked_sub(TAG_BYTES).filter(|_| self.message.is_some())
        else {
            return Err("too short for encrypted content".to_owned());
        };
        self.decrypt(length);
        let Some(message) = self.message else { return Err(WRONG_TAG.to_owned()) };
        if bool::from(message.tag().ct_eq(&self.pending)) {
            Ok(self.plain.finish())
        } else {
            Err(WRONG_TAG.to_owned())
        }
    }

    /// Starts the message once the nonce is complete.
    fn begin(&mut self) {
        if self.message.is_none() && self.pending.len() >= NONCE_BYTES {
            let mut counter = [0; BLOCK_BYTES];
            let (nonce, number) = counter.split_at_mut(NONCE_BYTES);
            nonce.copy_from_slice(self.pending.drain(..NONCE_BYTES).as_slice());
            number.copy_from_slice(&1_u32.to_be_bytes());
            let mut keystream = Ctr32BE::<Aes256>::new(&self.key.into(), &counter.into());
            let mut mask = [0; TAG_BYTES];
            keystream.apply_keystream(&mut mask);
            let mut hash_key = ghash::Key::default();
            self.cipher.encrypt_block(&mut hash_key);
            self.message = Some(Message { keystream, ghash: GHash::new(&hash_key), mask, bytes: 0 });
        }
    }

    /// Decrypts this many of the pending bytes; a partial block only at the end.
    fn decrypt(&mut self, length: usize) {
        let (Some(message), Some(bytes)) = (&mut self.message, self.pending.get_mut(..length)) else {
            return;
        };
        message.ghash.update_padded(bytes);
        message.keystream.apply_keystream(bytes);
        message.bytes += widen(length);
        self.plain.update(bytes);
        self.pending.drain(..length);
    }
}

impl Message {
    /// The tag of a message with this ciphertext.
    fn tag(mut self) -> [u8; TAG_BYTES] {
        // The lengths in bits of the additional data (none) and of the ciphertext.
        let mut lengths = [0; BLOCK_BYTES];
        lengths.split_at_mut(8).1.copy_from_slice(&self.bytes.wrapping_mul(8).to_be_bytes());
        self.ghash.update_padded(&lengths);
        let hash: [u8; TAG_BYTES] = self.ghash.finalize().into();
        let mut tag = self.mask;
        tag.iter_mut().zip(hash).for_each(|(byte, hash)| *byte ^= hash);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::aead::Aead as _;
    use proptest::prelude::*;

    const ALGORITHMS: Algorithms = Algorithms { sha256: true, md5: false, sha1: false, gitaly: false };

    fn decrypt<'a>(key: [u8; 32], chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Measure, String> {
        let mut decryption = Decryption::new(&Key(key), ALGORITHMS);
        for chunk in chunks {
            decryption.update(chunk);
        }
        decryption.finish()
    }

    #[test]
    fn a_secure_file_of_gitlab_is_decrypted() {
        let stored =
            hex::decode("000102030405060708090a0b7fd5ba51ff9cdfb76ba9e22e63b4f07e6fcb220a79").unwrap();
        let key: [u8; 32] = hex::decode("31a4d733c8bc88da3d5d77e5645b7d20c3c4e30825438820c4df72d7eda8e469")
            .unwrap()
            .try_into()
            .unwrap();
        let plain = decrypt(key, [stored.as_slice()]).unwrap();
        assert_eq!(plain.size, Some(5));
        assert_eq!(
            plain.digests.sha256.map(hex::encode).unwrap(),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        for index in 0..stored.len() {
            let mut altered = stored.clone();
            altered[index] ^= 1;
            assert_eq!(decrypt(key, [altered.as_slice()]), Err(WRONG_TAG.to_owned()), "byte {index}");
        }
        assert!(decrypt([0; 32], [stored.as_slice()]).is_err());
        for short in [0, 11, 12, 27] {
            assert!(decrypt(key, [&stored[..short]]).unwrap_err().contains("too short"), "{short}");
        }
    }

    proptest! {
        #[test]
        fn any_message_in_any_chunks(
            key: [u8; 32], nonce: [u8; 12], plain in proptest::collection::vec(any::<u8>(), 0..300), size in 1..70_usize,
        ) {
            let cipher = <aes_gcm::Aes256Gcm as aes_gcm::KeyInit>::new(&key.into());
            let sealed = cipher.encrypt(&nonce.into(), plain.as_slice()).unwrap();
            let stored = [nonce.as_slice(), &sealed].concat();
            let mut digester = Digester::new(ALGORITHMS);
            digester.update(&plain);
            prop_assert_eq!(decrypt(key, stored.chunks(size)), Ok(digester.finish()));
        }
    }
}
