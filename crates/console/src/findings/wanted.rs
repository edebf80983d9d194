//! Which findings are wanted, as the address says it.

use stocktake_domain::{Model, RecordKey};

use crate::error::ConsoleError;
use crate::query::{Address, Fields};

/// Which findings, and from where on.
pub(super) struct Query {
    pub(super) model: Option<Model>,
    pub(super) after: Option<(Model, RecordKey)>,
}

impl Query {
    /// From the address; an error says what is wrong.
    pub(super) fn read(fields: &Fields) -> Result<Self, ConsoleError> {
        let model = |name: &str| {
            let wrong = |error: stocktake_domain::UnknownModel| ConsoleError::BadRequest(error.to_string());
            fields.get(name).map(str::parse::<Model>).transpose().map_err(wrong)
        };
        let key = fields.get("after").map(str::parse::<RecordKey>).transpose();
        let key = key.map_err(|error| ConsoleError::BadRequest(error.to_string()))?;
        Ok(Self { model: model("model")?, after: model("after_model")?.zip(key) })
    }

    /// The address of the first page.
    pub(super) fn address(&self) -> Address {
        Address::console().below("findings").with("model", self.model)
    }
}
