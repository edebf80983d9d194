//! What went wrong with a request, and what that means for the object.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use object_store::client::HttpError;
use stocktake_net::error::{find, root_cause};
use stocktake_net::tls;

use crate::dialect::Dialect;
use crate::refused::Refused;
use crate::wire::WireError;

/// The most characters of a cause in a text.
const MAX_CAUSE: usize = 120;

/// The beginning of the library's message about the status of a response that it cannot use.
const STATUS: &str = "Server returned non-2xx status code: ";

/// The beginning of its message about a file with a token that cannot be read.
const UNREAD_FILE: &str = "Failed to read ";

/// Where the objects are, as failure texts name it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `s3`, `gs` or `az`.
    pub(crate) scheme: &'static str,
    /// `bucket` or `container`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) bucket: String,
    /// Host and port of the service.
    pub(crate) endpoint: String,
    /// Which service it is said to be.
    pub(crate) dialect: Dialect,
    /// The region that was configured, for S3.
    pub(crate) region: Option<String>,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectError {
    /// The object is not there, by the service's own word.
    Missing,
    /// A response as of an object that is not there, without the service's own word for it: any web server answers so.
    Unproven,
    /// The object is not the one that was read so far.
    Changed,
    /// There is nothing in this range of the object.
    NothingThere,
    /// The service is busy, and the request can be retried later.
    Busy {
        /// The service's message.
        reason: String,
        /// When to retry, if the service said so.
        retry_after: Option<Duration>,
        /// Whether it says that there are too many requests, which concerns no object.
        overloaded: bool,
    },
    /// The service was not reached, or the connection broke; both may be temporary.
    Broken(String),
    /// The response does not match the object. This may be temporary, and does not concern other objects.
    Mismatch(String),
    /// A permanent error of this object.
    Final(String),
    /// A permanent error of this object or of the storage as a whole: the response does not say which.
    Unclear(String),
    /// The storage as a whole cannot be read.
    Storage(String),
}

impl ObjectError {
    /// What is wrong, as far as it can concern more than one object.
    pub(crate) fn reason(self) -> String {
        match self {
            Self::Busy { reason, .. }
            | Self::Broken(reason)
            | Self::Mismatch(reason)
            | Self::Final(reason)
            | Self::Unclear(reason)
            | Self::Storage(reason) => reason,
            Self::Missing | Self::Unproven | Self::Changed | Self::NothingThere => {
                "the answer is that to another question".to_owned()
            }
        }
    }
}

impl Place {
    /// The key with its bucket; only the bucket if the key is empty.
    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.scheme, self.bucket)
    }

    /// What this error means for the object with this key, or for the listing if the key is empty.
    pub(crate) fn error_of(&self, error: &WireError, key: &str) -> ObjectError {
        match error {
            WireError::Refused(refused) => self.refusal(refused, key),
            WireError::Keys(error) => {
                ObjectError::Broken(format!("no keys for {} {}: {}", self.kind, self.bucket, cause(error)))
            }
            WireError::Connection(error) => self.connection_error(error),
            WireError::Url(error) => ObjectError::Final(format!("{}: {error}", self.at(key))),
        }
    }

    /// What it means that there is no response, or that its body broke off.
    pub(crate) fn connection_error(&self, error: &HttpError) -> ObjectError {
        let endpoint = &self.endpoint;
        if let Some(tls) = tls::failure(error) {
            return ObjectError::Storage(format!("no trusted connection to {endpoint}: {tls}"));
        }
        ObjectError::Broken(format!("connection to {endpoint}: {}", cause(error)))
    }

    fn refusal(&self, refused: &Refused, key: &str) -> ObjectError {
        if let Some(error) = self.locked(refused, key).or_else(|| self.by_code(refused, key)) {
            return error;
        }
        let known = !refused.code.is_empty();
        match refused.status {
            // Google's own word for a listing of no bucket is no more than that.
            StatusCode::NOT_FOUND if key.is_empty() && known => self.no_bucket(),
            status if key.is_empty() && !known && status.is_client_error() && !is_temporary(status) => {
                ObjectError::Storage(self.no_service(status.as_u16()))
            }
            StatusCode::NOT_FOUND => ObjectError::Unproven,
            StatusCode::PRECONDITION_FAILED => ObjectError::Changed,
            StatusCode::RANGE_NOT_SATISFIABLE => ObjectError::NothingThere,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => self.forbidden(&refused.code, key),
            status if is_temporary(status) => self.busy(refused),
            status if status.is_redirection() => self.wrong_region(refused),
            _ if known => ObjectError::Final(self.answered(refused, key)),
            _ => ObjectError::Unclear(self.answered(refused, key)),
        }
    }

    /// What the service's own code means, where it says more than the status.
    fn by_code(&self, refused: &Refused, key: &str) -> Option<ObjectError> {
        let Self { kind, bucket, endpoint, .. } = self;
        Some(match refused.code.as_str() {
            "NoSuchKey" | "BlobNotFound" if !key.is_empty() && refused.status == StatusCode::NOT_FOUND => {
                ObjectError::Missing
            }
            "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" | "ContainerDisabled" => {
                self.no_bucket()
            }
            "InvalidAccessKeyId" => ObjectError::Storage(format!(
                "{endpoint} does not know the access key of {kind} {bucket} (InvalidAccessKeyId)"
            )),
            code @ ("SignatureDoesNotMatch" | "AuthenticationFailed") => ObjectError::Storage(format!(
                "{endpoint} says that the secret key of {kind} {bucket} is wrong ({code})"
            )),
            code @ ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => ObjectError::Storage(
                format!("the session token of {kind} {bucket} is not valid any more at {endpoint} ({code})"),
            ),
            "RequestTimeTooSkewed" => {
                ObjectError::Storage(format!("the clocks of this machine and of {endpoint} differ too much"))
            }
            "PublicAccessNotPermitted" => self.forbidden(&refused.code, key),
            "SlowDown" | "RequestTimeout" | "InternalError" | "ServerBusy" => self.busy(refused),
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => self.wrong_region(refused),
            _ => return None,
        })
    }

    /// Why an object that is there cannot be read as it is, if the code says it.
    fn locked(&self, refused: &Refused, key: &str) -> Option<ObjectError> {
        let how = match refused.code.as_str() {
            "InvalidObjectState" | "BlobArchived" => "archived, and must be restored before it can be read",
            "BlobBeingRehydrated" => "archived, and being restored: it can be read when that is done",
            "ResourceIsEncryptedWithCustomerEncryptionKey" | "BlobUsesCustomerSpecifiedEncryption" => {
                "encrypted with a key of the customer's own, which Stocktake does not have"
            }
            // S3 has no word of its own for it.
            "InvalidRequest" if !key.is_empty() && refused.status == StatusCode::BAD_REQUEST => {
                "refused as an object is that is encrypted with a key of the customer's own (SSE-C), which Stocktake does \
                 not have (InvalidRequest)"
            }
            _ => return None,
        };
        Some(ObjectError::Final(format!("{how}: {}", self.at(key))))
    }

    fn answered(&self, refused: &Refused, key: &str) -> String {
        format!("{} answered {}: {}", self.endpoint, described(refused), self.at(key))
    }

    fn no_bucket(&self) -> ObjectError {
        ObjectError::Storage(format!("there is no {} {} at {}", self.kind, self.bucket, self.endpoint))
    }

    /// What a response without the service's own code says, which any web server gives.
    pub(crate) fn no_service(&self, status: u16) -> String {
        let Self { endpoint, dialect, .. } = self;
        format!(
            "{endpoint} answers {status} and no code of {}: another server, or another address of it",
            dialect.name()
        )
    }

    fn forbidden(&self, code: &str, key: &str) -> ObjectError {
        let code = if code.is_empty() { "no permission" } else { code };
        ObjectError::Unclear(format!("{} forbids access ({code}): {}", self.endpoint, self.at(key)))
    }

    fn wrong_region(&self, refused: &Refused) -> ObjectError {
        let Self { kind, bucket, endpoint, region, .. } = self;
        let configured = region.as_deref().unwrap_or("the one configured");
        ObjectError::Storage(match &refused.region {
            Some(is) if is != configured => format!("{kind} {bucket} is in region {is}, not in {configured}"),
            _ if region.is_none() => format!("{kind} {bucket} is not at {endpoint}"),
            _ => format!("{kind} {bucket} is not at {endpoint}, or not in region {configured}"),
        })
    }

    fn busy(&self, refused: &Refused) -> ObjectError {
        let overloaded = match refused.status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::SERVICE_UNAVAILABLE => {
                matches!(refused.code.as_str(), "" | "SlowDown" | "ServerBusy" | "ServiceUnavailable")
            }
            _ => false,
        };
        let reason = format!("{} answers {}", self.endpoint, described(refused));
        ObjectError::Busy { reason, retry_after: refused.retry_after, overloaded }
    }
}

/// Whether a response with this status may be another one later.
fn is_temporary(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

fn described(refused: &Refused) -> String {
    format!("{} {}", refused.status.as_u16(), refused.code).trim_end().to_owned()
}

/// The cause, without any part of a service's response: that of a token service may contain a secret.
///
/// Messages of the network and the system are included, and the name of a local file that cannot be read. The library's
/// error with the status of a response has no public type, only this text, in which the response follows the status.
fn cause(error: &(dyn Error + 'static)) -> String {
    let text = innermost(error);
    if let Some(status) = text.strip_prefix(STATUS).and_then(|text| text.split_whitespace().next()) {
        return format!("status {status}");
    }
    let system = root_cause(error).is::<io::Error>();
    let ours = system || find::<reqwest::Error>(error).is_some() || text.starts_with(UNREAD_FILE);
    if ours { text } else { "the answer is not understood".to_owned() }
}

/// The beginning of the root cause: the errors around it only say what was attempted.
fn innermost(error: &(dyn Error + 'static)) -> String {
    root_cause(error).to_string().chars().take_while(|c| !c.is_control()).take(MAX_CAUSE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            scheme: "s3",
            kind: "bucket",
            bucket: "b".to_owned(),
            endpoint: "host:1".to_owned(),
            dialect: Dialect::S3,
            region: Some("eu-1".to_owned()),
        }
    }

    fn refused(status: u16, code: &str) -> WireError {
        WireError::Refused(Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.to_owned(),
            retry_after: None,
            region: Some("us-2".to_owned()),
        })
    }

    fn error(status: u16, code: &str) -> ObjectError {
        place().error_of(&refused(status, code), "k")
    }

    #[test]
    fn what_concerns_the_object_is_told_apart_from_what_concerns_the_storage() {
        assert_eq!(error(404, "NoSuchKey"), ObjectError::Missing);
        assert_eq!(error(404, "BlobNotFound"), ObjectError::Missing);
        assert_eq!(
            error(200, "NoSuchKey"),
            ObjectError::Final("host:1 answered 200 NoSuchKey: s3://b/k".to_owned())
        );
        assert_eq!([error(404, ""), error(404, "Other")], [ObjectError::Unproven, ObjectError::Unproven]);
        assert_eq!(error(412, "PreconditionFailed"), ObjectError::Changed);
        assert_eq!(error(416, "InvalidRange"), ObjectError::NothingThere);
        for (status, code, text) in [
            (403, "InvalidObjectState", "archived, and must be restored before it can be read: s3://b/k"),
            (400, "InvalidArgument", "host:1 answered 400 InvalidArgument: s3://b/k"),
        ] {
            assert_eq!(error(status, code), ObjectError::Final(text.to_owned()));
        }
        for (status, code, text) in [
            (403, "AccessDenied", "host:1 forbids access (AccessDenied): s3://b/k"),
            (401, "", "host:1 forbids access (no permission): s3://b/k"),
            (400, "", "host:1 answered 400: s3://b/k"),
        ] {
            assert_eq!(error(status, code), ObjectError::Unclear(text.to_owned()));
        }
        let access_key = "host:1 does not know the access key of bucket b (InvalidAccessKeyId)";
        let secret_key = "host:1 says that the secret key of bucket b is wrong (SignatureDoesNotMatch)";
        let expired = "the session token of bucket b is not valid any more at host:1 (ExpiredToken)";
        for (status, code, text) in [
            (404, "NoSuchBucket", "there is no bucket b at host:1"),
            (403, "InvalidAccessKeyId", access_key),
            (403, "SignatureDoesNotMatch", secret_key),
            (400, "ExpiredToken", expired),
            (403, "RequestTimeTooSkewed", "the clocks of this machine and of host:1 differ too much"),
            (301, "PermanentRedirect", "bucket b is in region us-2, not in eu-1"),
        ] {
            assert_eq!(error(status, code), ObjectError::Storage(text.to_owned()));
        }
        for (status, code) in [(503, "SlowDown"), (429, ""), (503, "")] {
            assert!(matches!(error(status, code), ObjectError::Busy { overloaded: true, .. }), "{status}");
        }
        for (status, code) in [(500, "InternalError"), (502, ""), (504, ""), (503, "SlowDownRead")] {
            assert!(matches!(error(status, code), ObjectError::Busy { overloaded: false, .. }), "{status}");
        }
    }

    #[test]
    fn a_listing_that_is_refused_concerns_the_storage() {
        let listing = |status, code| place().error_of(&refused(status, code), "");
        let no_bucket = ObjectError::Storage("there is no bucket b at host:1".to_owned());
        assert_eq!([listing(404, "NoSuchBucket"), listing(404, "notFound")], [no_bucket.clone(), no_bucket]);
        let ObjectError::Storage(text) = listing(404, "") else { panic!() };
        assert_eq!(text, "host:1 answers 404 and no code of S3: another server, or another address of it");
        assert!(matches!(listing(400, ""), ObjectError::Storage(_)));
    }

    #[test]
    fn a_broken_connection_is_named_by_its_cause() {
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = HttpError::new(object_store::client::HttpErrorKind::Interrupted, error);
        let ObjectError::Broken(text) = place().error_of(&error.into(), "k") else { panic!() };
        assert_eq!(text, "connection to host:1: connection reset");
    }

    #[test]
    fn no_word_of_an_answer_is_told() {
        let told = |text: &str| {
            let error = object_store::Error::Generic { store: "S3", source: text.into() };
            let ObjectError::Broken(told) = place().error_of(&WireError::Keys(error), "k") else { panic!() };
            told
        };
        let status = "Server returned non-2xx status code: 500 Internal Server Error: made-up-secret";
        assert_eq!(told(status), "no keys for bucket b: status 500");
        assert_eq!(
            told("invalid type: made-up-secret"),
            "no keys for bucket b: the answer is not understood"
        );
        let file = "Failed to read token file '/t': No such file or directory (os error 2)";
        assert_eq!(told(file), format!("no keys for bucket b: {file}"));
    }
}
