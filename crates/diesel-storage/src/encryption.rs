//! Encryption of the key data of CI secure files, which the rules of their records hold.
//!
//! AES-256-GCM-SIV, with a nonce that follows from the record's key and with model and key as associated data: the same rule
//! of the same record is the same text each time, so that a line that says nothing new changes nothing, and text that is put
//! into another record does not decrypt. Another cipher would be broken by a nonce that comes twice; this one then shows
//! no more than that two versions of one record's rule are equal.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stocktake_domain::DigestRule;

use crate::error::DbError;

/// What the text of an encrypted rule begins with; then follow the id of the key, a colon, and the ciphertext in base64.
const ENCRYPTED: &str = "secure_file_encrypted:";

/// What the text of a rule begins with that holds key data, encrypted or not; also in SQL, see `0012_key_data`.
pub(crate) const WITH_KEY_DATA: &str = "secure_file";

/// A key of 32 bytes.
#[derive(Clone)]
pub struct EncryptionKey {
    cipher: Aes256GcmSiv,
    /// Tells it from other keys, and nothing else of it.
    id: String,
}

/// A text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 random bytes, as 64 hexadecimal digits or in base64")]
pub struct InvalidEncryptionKey;

impl FromStr for EncryptionKey {
    type Err = InvalidEncryptionKey;

    fn from_str(text: &str) -> Result<Self, InvalidEncryptionKey> {
        let bytes = hex::decode(text).or_else(|_| STANDARD.decode(text)).map_err(|_| InvalidEncryptionKey)?;
        let cipher = Aes256GcmSiv::new_from_slice(&bytes).map_err(|_| InvalidEncryptionKey)?;
        let tag = cipher.encrypt(&Nonce::default(), Payload { msg: &[], aad: b"id of the key" });
        let tag = tag.map_err(|_| InvalidEncryptionKey)?;
        let id = hex::encode(tag.get(..4).ok_or(InvalidEncryptionKey)?);
        Ok(Self { cipher, id })
    }
}

/// Shows nothing of the key.
impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", self.id)
    }
}

/// How key data is kept.
#[derive(Debug, Clone, Default)]
pub struct Encryption(Arc<Keys>);

#[derive(Debug, Default)]
struct Keys {
    current: Option<EncryptionKey>,
    former: Vec<EncryptionKey>,
}

/// The record that a rule is of.
#[derive(Clone, Copy)]
pub(crate) struct RuleOf<'a> {
    pub(crate) model: i16,
    pub(crate) key: &'a [u8],
}

impl RuleOf<'_> {
    fn nonce(self) -> Nonce {
        let bytes = self.associated_data();
        let mut nonce = Nonce::default();
        // The end of a key is what differs most.
        nonce.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
        nonce
    }

    fn associated_data(self) -> Vec<u8> {
        [&self.model.to_be_bytes(), self.key].concat()
    }
}

impl Encryption {
    /// Key data is encrypted with the `current` key, or not at all; what was encrypted with a `former` one can still be
    /// read.
    pub fn new(current: Option<EncryptionKey>, former: Vec<EncryptionKey>) -> Self {
        Self(Arc::new(Keys { current, former }))
    }

    /// Whether any key is known.
    pub(crate) fn has_keys(&self) -> bool {
        self.0.current.is_some() || !self.0.former.is_empty()
    }

    /// The rule as it is kept; `None` without one.
    pub(crate) fn kept(&self, rule: &DigestRule, of: RuleOf<'_>) -> Result<Option<String>, DbError> {
        let text = storable_rule(rule)?;
        if matches!(rule, DigestRule::SecureFile(_)) {
            return text.map(|text| self.encrypted(text, of)).transpose();
        }
        Ok(text)
    }

    /// The rule that is kept so. One that cannot be decrypted is none that its record can be read by, and says why.
    pub(crate) fn rule(&self, kept: &str, of: RuleOf<'_>) -> Result<DigestRule, DbError> {
        match self.decrypted(kept, of) {
            None => rule_of(kept),
            Some(Ok(text)) => rule_of(&text),
            Some(Err(reason)) => Ok(DigestRule::Unresolved(reason)),
        }
    }

    /// The text in the form in which it would be kept now, if that is another one.
    pub(crate) fn renewed(&self, kept: &str, of: RuleOf<'_>) -> Result<Option<String>, DbError> {
        if !kept.starts_with(WITH_KEY_DATA) {
            return Ok(None);
        }
        let text = match self.decrypted(kept, of) {
            None => kept.to_owned(),
            Some(Ok(text)) => text,
            Some(Err(_)) => return Ok(None),
        };
        Ok(Some(self.encrypted(text, of)?).filter(|text| text != kept))
    }

    fn encrypted(&self, text: String, of: RuleOf<'_>) -> Result<String, DbError> {
        let Some(key) = &self.0.current else { return Ok(text) };
        let payload = Payload { msg: text.as_bytes(), aad: &of.associated_data() };
        let sealed = key.cipher.encrypt(&of.nonce(), payload);
        let sealed = sealed.map_err(|_| DbError::data("the rule of a record is too long to be encrypted"))?;
        Ok(format!("{ENCRYPTED}{}:{}", key.id, STANDARD.encode(sealed)))
    }

    /// The text of an encrypted rule, or why it cannot be read; `None` if it is not encrypted.
    fn decrypted(&self, kept: &str, of: RuleOf<'_>) -> Option<Result<String, String>> {
        let (id, sealed) = kept.strip_prefix(ENCRYPTED)?.split_once(':')?;
        let mut keys = self.0.current.iter().chain(&self.0.former);
        let Some(key) = keys.find(|key| key.id == id) else {
            return Some(Err(format!(
                "its key data in the catalogue is encrypted with a key that is neither database.encryption_key nor one of \
                 database.encryption_keys_old (its id is {id})"
            )));
        };
        let sealed = STANDARD.decode(sealed).ok();
        let text = sealed.and_then(|sealed| {
            let payload = Payload { msg: &sealed, aad: &of.associated_data() };
            String::from_utf8(key.cipher.decrypt(&of.nonce(), payload).ok()?).ok()
        });
        Some(text.ok_or_else(|| {
            format!(
                "its key data in the catalogue cannot be decrypted, though its key (its id is {id}) is known"
            )
        }))
    }
}

/// The text of a rule, which may hold a key and so is never repeated; `None` without a rule.
fn storable_rule(rule: &DigestRule) -> Result<Option<String>, DbError> {
    let text = rule.text();
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(DbError::data("the rule holds a NUL character, which no database text may"));
    }
    Ok(text)
}

/// The rule of this text.
fn rule_of(text: &str) -> Result<DigestRule, DbError> {
    text.parse().map_err(|error| DbError::data(format!("the rule of a record: {error}")))
}

#[cfg(test)]
mod tests {
    use stocktake_domain::KeyData;

    use super::*;

    const OF: RuleOf<'_> = RuleOf { model: 3, key: &[128, 0, 0, 0, 0, 0, 0, 7] };

    fn key(byte: u8) -> EncryptionKey {
        hex::encode([byte; 32]).parse().unwrap()
    }

    fn rule() -> DigestRule {
        DigestRule::SecureFile(KeyData("Geheimnis".to_owned()))
    }

    fn with(current: u8, former: &[u8]) -> Encryption {
        Encryption::new(Some(key(current)), former.iter().map(|byte| key(*byte)).collect())
    }

    #[test]
    fn keys_are_hexadecimal_or_base64() {
        let base64 = STANDARD.encode([1; 32]);
        assert_eq!(base64.parse::<EncryptionKey>().unwrap().id, key(1).id);
        assert_ne!(key(1).id, key(2).id);
        for text in ["", "00", "secret", &hex::encode([1; 31]), &STANDARD.encode([1; 33])] {
            assert_eq!(text.parse::<EncryptionKey>().err(), Some(InvalidEncryptionKey), "{text}");
        }
        assert!(!format!("{:?}", key(1)).contains("0101"));
    }

    #[test]
    fn a_rule_is_encrypted_alike_each_time_and_otherwise_for_another_record() {
        let encryption = with(1, &[]);
        let kept = encryption.kept(&rule(), OF).unwrap().unwrap();
        assert!(!kept.contains("Geheimnis") && kept.starts_with(WITH_KEY_DATA), "{kept}");
        assert_eq!(encryption.kept(&rule(), OF).unwrap().unwrap(), kept);
        assert_eq!(encryption.rule(&kept, OF).unwrap(), rule());
        let other = RuleOf { key: &[128, 0, 0, 0, 0, 0, 0, 8], ..OF };
        assert_ne!(encryption.kept(&rule(), other).unwrap().unwrap(), kept);
        let DigestRule::Unresolved(reason) = encryption.rule(&kept, other).unwrap() else { panic!("{kept}") };
        assert!(reason.contains("cannot be decrypted"), "{reason}");
        // Other rules hold nothing secret.
        assert_eq!(encryption.kept(&DigestRule::Length(7), OF).unwrap().unwrap(), "length:7");
        assert_eq!(encryption.kept(&DigestRule::Stored, OF).unwrap(), None);
    }

    #[test]
    fn what_no_key_fits_says_which_setting_is_missing() {
        let kept = with(1, &[]).kept(&rule(), OF).unwrap().unwrap();
        for encryption in [Encryption::default(), with(2, &[3])] {
            let read = encryption.rule(&kept, OF).unwrap();
            let DigestRule::Unresolved(reason) = read else { panic!("{read:?}") };
            assert!(reason.contains("database.encryption_key ") && reason.contains(&key(1).id), "{reason}");
            assert_eq!(encryption.renewed(&kept, OF).unwrap(), None);
        }
    }

    #[test]
    fn rules_are_renewed_by_key() {
        let plain = Encryption::default().kept(&rule(), OF).unwrap().unwrap();
        let [one, two] = [1, 2].map(|byte| with(byte, &[]).kept(&rule(), OF).unwrap().unwrap());
        let renewed = |encryption: Encryption, kept: &str| encryption.renewed(kept, OF).unwrap();
        assert_eq!(renewed(with(1, &[]), &plain), Some(one.clone()));
        assert_eq!(renewed(with(1, &[]), &one), None);
        assert_eq!(renewed(with(2, &[1]), &one), Some(two));
        // Encryption is given up with the key as a former one.
        assert_eq!(renewed(Encryption::new(None, vec![key(1)]), &one), Some(plain.clone()));
        assert_eq!(renewed(Encryption::default(), &plain), None);
        assert_eq!(renewed(with(1, &[]), "length:7"), None);
    }
}
