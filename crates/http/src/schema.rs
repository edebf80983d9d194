//! What the API's description and the bodies share: the types of parameters and fields, and the refusals and
//! parameters that several paths have.

mod names;

use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::error::{ErrorBody, MessageBody};
use names::{IdentifierText, PaginationName, SortName};

pub(crate) use names::{
    EvidenceLevelName, FailureKindName, FormatName, Identifier, ModelName, Positive, StateName,
};

/// The answer to an internal error.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum InternalRefusal {
    /// An internal error; its cause is in the log under the request's id.
    #[response(status = 500)]
    Internal(MessageBody),
}

/// The refusals of a path that needs any valid token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum TokenRefusals {
    /// No token, or one that is unknown, expired or revoked.
    #[response(status = 401)]
    Unauthorized(MessageBody),
    /// Too many wrong tokens from this address.
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds to wait.")))]
    TooMany(MessageBody),
    /// An internal error; its cause is in the log under the request's id.
    #[response(status = 500)]
    Internal(MessageBody),
    /// The database, or the GitLab that is asked about the token, is unreachable.
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds to wait.")))]
    Unavailable(MessageBody),
}

/// The refusals of a path that needs an administrator's token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum AdministratorRefusals {
    /// No token, or one that is unknown, expired or revoked.
    #[response(status = 401)]
    Unauthorized(MessageBody),
    /// The token's owner is no administrator, or its scope does not cover the request.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// Too many wrong tokens from this address.
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds to wait.")))]
    TooMany(MessageBody),
    /// An internal error; its cause is in the log under the request's id.
    #[response(status = 500)]
    Internal(MessageBody),
    /// The database, or the GitLab that is asked about the token, is unreachable.
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds to wait.")))]
    Unavailable(MessageBody),
}

/// The model in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ModelPath {
    /// The model's name.
    #[param(inline)]
    model_name: ModelName,
}

/// The record in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RecordPath {
    /// The model's name.
    #[param(inline)]
    model_name: ModelName,
    /// The primary key: an integer, or a composite as URL-safe base64, with or without padding.
    #[param(inline, example = "1")]
    record_identifier: IdentifierText,
}

/// The job in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct JobPath {
    /// The job's number.
    id: i64,
}

/// Which of a model's records; both must hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct FilterParameters {
    /// Only records in this state.
    #[param(inline)]
    checksum_state: Option<StateName>,
    /// Only these records: all integers, or all base64. A comma-separated `identifiers=1,2` and a repeated
    /// `identifiers=` mean the same.
    #[param(rename = "identifiers[]", style = Form, explode, inline)]
    identifiers: Option<Vec<IdentifierText>>,
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PageParameters {
    /// Offset pagination: the page; 1 by default.
    #[param(inline)]
    page: Option<Positive>,
    /// The most records on the page; 20 by default, and values over 100 mean 100.
    #[param(inline)]
    per_page: Option<Positive>,
    /// The order by primary key.
    #[param(inline)]
    sort: Option<SortName>,
    /// The kind of pagination.
    #[param(inline)]
    pagination: Option<PaginationName>,
    /// Keyset pagination: a cursor from `X-Next-Cursor`, `X-Prev-Cursor` or `Link`.
    cursor: Option<String>,
}

/// Which of a model's records; both must hold.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TargetBody {
    /// Only records in this state.
    #[schema(inline)]
    checksum_state: Option<StateName>,
    /// Only these records: all integers, or all base64.
    identifiers: Option<Vec<Identifier>>,
}
