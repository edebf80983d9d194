//! What to calculate over one content, and the keys that this needs.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use stocktake_domain::ports::Inspection;
use stocktake_domain::{Algorithms, ContentError, DigestRule};

/// The GitLab instance's secrets, from which the keys of encrypted content are derived.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// `db_key_base` of the instance's `gitlab-secrets.json`.
    pub db_key_base: Option<SecretString>,
}

/// A key of AES-256. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What to calculate over one content: digests of the stored bytes, and digests of other bytes where the record's
/// `DigestRule` says that the recorded digest is of those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPlan {
    pub(crate) algorithms: Algorithms,
    pub(crate) recorded: Recorded,
}

/// How the bytes whose digest was recorded are made from the stored ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// They are the same.
    Stored,
    /// They are the plaintext, encrypted with this key.
    Decrypted(Arc<Key>),
    /// They are a portable PDB whose id is replaced by zeros.
    PortablePdb,
}

impl HashPlan {
    /// Digests of the stored bytes alone.
    pub const fn stored(algorithms: Algorithms) -> Self {
        Self { algorithms, recorded: Recorded::Stored }
    }
}

impl Secrets {
    /// What to calculate for this inspection. Fails as unreadable if its key is not available, and as invalid if
    /// the record has no location.
    pub(crate) fn plan(&self, inspection: &Inspection) -> Result<HashPlan, ContentError> {
        let recorded = match &inspection.rule {
            DigestRule::Stored | DigestRule::Length(_) => Recorded::Stored,
            DigestRule::PortablePdb => Recorded::PortablePdb,
            DigestRule::Unresolved(reason) => return Err(ContentError::Invalid(reason.clone())),
            DigestRule::Unlisted(reason) => return Err(ContentError::Unreadable(reason.clone())),
            // The hexadecimal text itself is hashed, not the bytes that it encodes.
            DigestRule::SecureFile(data) => decrypted(Sha256::digest(data.0.as_bytes()).into()),
            DigestRule::TerraformState(project) => decrypted(self.derive(&project.to_string())?),
            DigestRule::PipelineArtifact(project) => {
                decrypted(self.derive(&format!("pipeline_artifact:{project}"))?)
            }
        };
        Ok(HashPlan { algorithms: inspection.algorithms, recorded })
    }

    fn derive(&self, message: &str) -> Result<[u8; 32], ContentError> {
        let unreadable = |reason: &str| ContentError::Unreadable(reason.to_owned());
        let base = self.db_key_base.as_ref();
        let base =
            base.ok_or_else(|| unreadable("encrypted, and secrets.db_key_base is not in the configuration"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(base.expose_secret().as_bytes())
            .map_err(|_| unreadable("secrets.db_key_base makes no key"))?;
        mac.update(message.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }
}

fn decrypted(key: [u8; 32]) -> Recorded {
    Recorded::Decrypted(Arc::new(Key(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_domain::{KeyData, Model};

    fn key(secrets: &Secrets, rule: DigestRule) -> Result<String, ContentError> {
        let stored = Inspection::new(Model::TerraformStateVersions, "", Algorithms::default());
        let inspection = Inspection { rule, ..stored };
        secrets.plan(&inspection).map(|plan| match plan.recorded {
            Recorded::Decrypted(key) => hex::encode(key.0),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn keys_are_those_of_gitlab() {
        let secrets = Secrets { db_key_base: Some("db_key_base_example".into()) };
        assert_eq!(
            key(&secrets, DigestRule::TerraformState(1)).unwrap(),
            "0f1652df62640fc7d80d38363557bf0a18a3790ec0efb26ef42c7fbf743fdbbd"
        );
        assert_eq!(
            key(&secrets, DigestRule::PipelineArtifact(1)).unwrap(),
            "11a4e0cfbe0cc77d4b658637b0e8195aaf257f830deadfe39aac058fa65e19a2"
        );
        assert_eq!(
            key(&Secrets::default(), DigestRule::SecureFile(KeyData("ab".repeat(64)))).unwrap(),
            "31a4d733c8bc88da3d5d77e5645b7d20c3c4e30825438820c4df72d7eda8e469"
        );
    }

    #[test]
    fn an_unresolved_location_is_invalid_and_says_why() {
        let error =
            key(&Secrets::default(), DigestRule::Unresolved("project 7 is gone".to_owned())).unwrap_err();
        assert_eq!(error, ContentError::Invalid("project 7 is gone".to_owned()));
    }

    #[test]
    fn without_the_secret_the_content_is_unreadable() {
        let error = key(&Secrets::default(), DigestRule::TerraformState(1)).unwrap_err();
        assert!(matches!(error, ContentError::Unreadable(reason) if reason.contains("db_key_base")));
    }
}
