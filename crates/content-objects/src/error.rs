//! What went wrong with a request, and what that means for the object.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use object_store::client::HttpError;
use stocktake_net::error::{find, root_cause};
use stocktake_net::tls;

use crate::signed_http::{Refused, Unsent};

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
    /// The region that was configured, for S3.
    pub(crate) region: Option<String>,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectError {
    /// The object is not there.
    Missing,
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
    },
    /// The service was not reached, or the connection broke; both may be temporary.
    Broken(String),
    /// The response does not match the object. This may be temporary, and does not concern other objects.
    Mismatch(String),
    /// A permanent error.
    Final(String),
}

impl Place {
    /// The key with its bucket; only the bucket if the key is empty.
    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.scheme, self.bucket)
    }

    /// What this error means for the object with this key, or for the listing if the key is empty.
    pub(crate) fn error_of(&self, error: &(dyn Error + 'static), key: &str) -> ObjectError {
        if let Some(refused) = find::<Refused>(error) {
            return self.refusal(refused, key);
        }
        if let Some(tls) = tls::failure(error) {
            let Self { endpoint, .. } = self;
            return ObjectError::Final(format!("no trusted connection to {endpoint}: {tls}"));
        }
        if let Some(Unsent::Keys(_)) = find(error) {
            return ObjectError::Broken(format!(
                "no keys for {} {}: {}",
                self.kind,
                self.bucket,
                cause(error)
            ));
        }
        if find::<HttpError>(error).is_none()
            && let Some(error) = error.downcast_ref::<object_store::Error>()
        {
            return self.refused_by_library(error, key);
        }
        ObjectError::Broken(format!("connection to {}: {}", self.endpoint, cause(error)))
    }

    /// An error of a request that the library made by itself: for credentials, or for a listing.
    fn refused_by_library(&self, error: &object_store::Error, key: &str) -> ObjectError {
        use object_store::Error as Library;
        match error {
            Library::NotFound { .. } => self.no_bucket(),
            Library::PermissionDenied { .. } | Library::Unauthenticated { .. } => self.forbidden("", key),
            Library::InvalidPath { .. } => {
                ObjectError::Final(format!("{}: {}", self.at(""), innermost(error)))
            }
            _ => ObjectError::Broken(format!("{}: {}", self.at(""), cause(error))),
        }
    }

    fn refusal(&self, refused: &Refused, key: &str) -> ObjectError {
        let Self { kind, bucket, endpoint, .. } = self;
        match refused.code.as_str() {
            "NoSuchBucket" | "ContainerNotFound" => return self.no_bucket(),
            "InvalidAccessKeyId" => {
                return ObjectError::Final(format!(
                    "{endpoint} does not know the access key of {kind} {bucket} (InvalidAccessKeyId)"
                ));
            }
            code @ ("SignatureDoesNotMatch" | "AuthenticationFailed") => {
                return ObjectError::Final(format!(
                    "{endpoint} says that the secret key of {kind} {bucket} is wrong ({code})"
                ));
            }
            code @ ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                return ObjectError::Final(format!(
                    "the session token of {kind} {bucket} is not valid any more at {endpoint} ({code})"
                ));
            }
            "RequestTimeTooSkewed" => {
                return ObjectError::Final(format!(
                    "the clocks of this machine and of {endpoint} differ too much"
                ));
            }
            "InvalidObjectState" | "BlobArchived" => {
                return ObjectError::Final(format!(
                    "archived, and must be restored before it can be read: {}",
                    self.at(key)
                ));
            }
            "SlowDown" | "RequestTimeout" | "InternalError" | "ServerBusy" => return self.busy(refused),
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => return self.wrong_region(refused),
            _ => {}
        }
        match refused.status {
            StatusCode::NOT_FOUND if key.is_empty() => self.no_bucket(),
            StatusCode::NOT_FOUND => ObjectError::Missing,
            StatusCode::PRECONDITION_FAILED => ObjectError::Changed,
            StatusCode::RANGE_NOT_SATISFIABLE => ObjectError::NothingThere,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => self.forbidden(&refused.code, key),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => self.busy(refused),
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => self.busy(refused),
            status if status.is_redirection() => self.wrong_region(refused),
            _ => ObjectError::Final(format!("{endpoint} answered {}: {}", described(refused), self.at(key))),
        }
    }

    fn no_bucket(&self) -> ObjectError {
        ObjectError::Final(format!("there is no {} {} at {}", self.kind, self.bucket, self.endpoint))
    }

    fn forbidden(&self, code: &str, key: &str) -> ObjectError {
        let code = if code.is_empty() { "no permission" } else { code };
        ObjectError::Final(format!("{} forbids access ({code}): {}", self.endpoint, self.at(key)))
    }

    fn wrong_region(&self, refused: &Refused) -> ObjectError {
        let Self { kind, bucket, endpoint, region, .. } = self;
        let region = region.as_deref().unwrap_or("the one configured");
        ObjectError::Final(match &refused.region {
            Some(is) if is != region => format!("{kind} {bucket} is in region {is}, not in {region}"),
            _ => format!("{kind} {bucket} is not at {endpoint}, or not in region {region}"),
        })
    }

    fn busy(&self, refused: &Refused) -> ObjectError {
        let reason = format!("{} answers {}", self.endpoint, described(refused));
        ObjectError::Busy { reason, retry_after: refused.retry_after }
    }
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
            region: Some("eu-1".to_owned()),
        }
    }

    fn error(status: u16, code: &str) -> ObjectError {
        let refused = Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.to_owned(),
            retry_after: None,
            region: Some("us-2".to_owned()),
        };
        place().error_of(&io::Error::other(refused), "k")
    }

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(error(404, "NoSuchKey"), ObjectError::Missing);
        assert_eq!(error(404, ""), ObjectError::Missing);
        assert_eq!(error(412, "PreconditionFailed"), ObjectError::Changed);
        assert_eq!(error(416, "InvalidRange"), ObjectError::NothingThere);
        for (status, code, text) in [
            (404, "NoSuchBucket", "there is no bucket b at host:1"),
            (403, "AccessDenied", "host:1 forbids access (AccessDenied): s3://b/k"),
            (403, "", "host:1 forbids access (no permission): s3://b/k"),
            (
                403,
                "InvalidAccessKeyId",
                "host:1 does not know the access key of bucket b (InvalidAccessKeyId)",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "host:1 says that the secret key of bucket b is wrong (SignatureDoesNotMatch)",
            ),
            (
                400,
                "ExpiredToken",
                "the session token of bucket b is not valid any more at host:1 (ExpiredToken)",
            ),
            (403, "RequestTimeTooSkewed", "the clocks of this machine and of host:1 differ too much"),
            (403, "InvalidObjectState", "archived, and must be restored before it can be read: s3://b/k"),
            (301, "PermanentRedirect", "bucket b is in region us-2, not in eu-1"),
            (400, "InvalidArgument", "host:1 answered 400 InvalidArgument: s3://b/k"),
        ] {
            assert_eq!(error(status, code), ObjectError::Final(text.to_owned()));
        }
        for (status, code) in [(503, "SlowDown"), (429, ""), (500, "InternalError"), (502, ""), (504, "")] {
            assert!(matches!(error(status, code), ObjectError::Busy { .. }), "{status}");
        }
    }

    #[test]
    fn a_broken_connection_is_named_by_its_cause() {
        let error = io::Error::from(io::ErrorKind::ConnectionReset);
        let ObjectError::Broken(text) = place().error_of(&error, "k") else { panic!() };
        assert_eq!(text, "connection to host:1: connection reset");
    }

    #[test]
    fn no_word_of_an_answer_is_told() {
        let told = |text: &str| {
            let error = object_store::Error::Generic { store: "S3", source: text.into() };
            let ObjectError::Broken(told) = place().error_of(&error, "k") else { panic!() };
            let error = HttpError::new(object_store::client::HttpErrorKind::Decode, error);
            let connection = place().error_of(&error, "k");
            let expected = told.replacen("s3://b/", "connection to host:1", 1);
            assert_eq!(connection, ObjectError::Broken(expected));
            told
        };
        let status = "Server returned non-2xx status code: 500 Internal Server Error: made-up-secret";
        assert_eq!(told(status), "s3://b/: status 500");
        assert_eq!(told("invalid type: made-up-secret"), "s3://b/: the answer is not understood");
        let file = "Failed to read token file '/t': No such file or directory (os error 2)";
        assert_eq!(told(file), format!("s3://b/: {file}"));
    }
}
