//! The metadata of an object, without reading the object.

use stocktake_domain::ports::Watch;
use stocktake_domain::{ContentError, DigestRule, Digests, Evidence, Measure, Observation};

use crate::access::Access;
use crate::error::ObjectError;
use crate::kept;
use crate::retry::RetryState;
use crate::version::Version;
use crate::wire::{Answer, Target};

impl Access {
    /// Requests the metadata of an object, whose recorded digest and size are of what the rule says.
    pub(crate) async fn head(
        &self,
        rule: &DigestRule,
        key: &str,
        watch: &Watch,
    ) -> Result<Observation, ContentError> {
        let mut retry = RetryState::new();
        loop {
            let said = self.get(Target::Metadata { key }, key, None, &mut retry, watch).await?;
            let error = match said.and_then(|said| self.observation(&said, rule)) {
                Ok(observation) => return Ok(observation),
                Err(error) => self.explained(error, key, &mut retry, watch).await?,
            };
            self.retry_or_fail(error, &mut retry, key, watch).await?;
        }
    }

    /// The full reason: the response to `HEAD` has no body, so it does not say whether the bucket or the key is missing,
    /// or why access is denied. To find out, the first byte is requested.
    async fn explained(
        &self,
        error: ObjectError,
        key: &str,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<ObjectError, ContentError> {
        let is_explained = matches!(
            error,
            ObjectError::Busy { .. }
                | ObjectError::Broken(_)
                | ObjectError::Mismatch(_)
                | ObjectError::Missing
        );
        if is_explained {
            return Ok(error);
        }
        let answer = self.get(Target::FirstByte { key }, key, None, retry, watch).await?;
        let is_temporary = |reason: &ObjectError| {
            matches!(reason, ObjectError::Busy { .. } | ObjectError::Broken(_) | ObjectError::NothingThere)
        };
        Ok(answer.err().filter(|reason| !is_temporary(reason)).unwrap_or(error))
    }

    fn observation(&self, said: &Answer, rule: &DigestRule) -> Result<Observation, ObjectError> {
        let Some(size) = Version::of_metadata(&said.headers).size else {
            let host = &self.remote.place.endpoint;
            return Err(ObjectError::Mismatch(format!("{host} does not say how many bytes the object has")));
        };
        Ok(observation(size, kept::digests(self.remote.place.dialect, &said.headers), rule))
    }
}

/// What is seen of an object of which the store says this.
pub(crate) fn observation(size: u64, digests: Digests, rule: &DigestRule) -> Observation {
    Observation::of_metadata(Evidence::Metadata, Measure { size: Some(size), digests }, rule)
}
