//! The bodies of errors, in the three forms of the API.

use serde::Serialize;
use utoipa::ToSchema;

/// An error in the form `{"message": …}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageBody {
    /// What is wrong.
    #[schema(example = "401 Unauthorized")]
    pub(crate) message: String,
}

/// An error in the form `{"error": …}`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorText {
    /// What is wrong.
    #[schema(example = "per_page is invalid")]
    pub(crate) error: String,
}

/// The error of a token that may only read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScopeBody {
    /// The error's name.
    #[schema(example = "insufficient_scope")]
    pub(crate) error: &'static str,
    /// What it means.
    pub(crate) error_description: &'static str,
    /// The scope that the request needs.
    #[schema(example = "api")]
    pub(crate) scope: &'static str,
}

/// The body of an error, in one of the API's three forms.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ErrorBody {
    /// `{"message": …}`.
    Message(MessageBody),
    /// `{"error": …, "error_description": …, "scope": …}`.
    Scope(ScopeBody),
    /// `{"error": …}`.
    Error(ErrorText),
}

impl ErrorBody {
    pub(super) fn message(text: impl Into<String>) -> Self {
        Self::Message(MessageBody { message: text.into() })
    }

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(ErrorText { error: text.into() })
    }
}

/// The body of [`super::ApiError::InsufficientScope`].
pub(super) const INSUFFICIENT_SCOPE: ErrorBody = ErrorBody::Scope(ScopeBody {
    error: "insufficient_scope",
    error_description: "The request requires higher privileges than provided by the access token.",
    scope: "api",
});
