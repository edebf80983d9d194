//! The services, each with a protocol of its own.

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3,
    Google,
    Azure,
}

impl Dialect {
    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Google => "Google Cloud Storage",
            Self::Azure => "Azure Blob Storage",
        }
    }

    /// What headers begin with that only this service adds to its responses.
    pub(crate) fn own_header(self) -> &'static str {
        match self {
            Self::S3 => "x-amz-",
            Self::Google => "x-goog-",
            Self::Azure => "x-ms-",
        }
    }
}
