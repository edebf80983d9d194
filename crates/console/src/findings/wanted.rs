//! Which findings are wanted, as the address says it.

use stocktake_domain::ports::FailureGroup;
use stocktake_domain::{Model, RecordFilter, RecordKey};
use stocktake_web::FindingsSelection;

use crate::error::ConsoleError;
use crate::query::{Address, Fields};
use crate::words::kind_of;

/// Which findings, and from where on.
pub(super) struct Query {
    pub(super) model: Option<Model>,
    pub(super) filter: RecordFilter,
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
        let storage = fields.get("storage");
        if storage.is_some_and(|storage| storage.contains('\0')) {
            return Err(ConsoleError::BadRequest("storage contains a NUL character".to_owned()));
        }
        let filter = RecordFilter {
            kinds: fields.get("kind").map(kind_of).transpose()?.into_iter().collect(),
            storages: storage.map(str::to_owned).into_iter().collect(),
            ..RecordFilter::default()
        };
        Ok(Self { model: model("model")?, filter, after: model("after_model")?.zip(key) })
    }

    /// The findings of it.
    pub(super) fn selection(&self) -> FindingsSelection {
        FindingsSelection::Findings(self.filter.clone())
    }

    /// Whether it means the group's records.
    pub(super) fn means(&self, group: &FailureGroup) -> bool {
        let RecordFilter { kinds, storages, .. } = &self.filter;
        self.model.is_none_or(|model| model == group.model)
            && (kinds.is_empty() || kinds.contains(&group.kind))
            && (storages.is_empty() || storages.contains(&group.storage))
    }

    /// The same of another page.
    pub(super) fn on(&self, page: Address) -> Address {
        let page = page.with("storage", self.filter.storages.first());
        page.with("kind", self.filter.kinds.first().map(|kind| kind.name())).with("model", self.model)
    }

    /// The address of the first page.
    pub(super) fn address(&self) -> Address {
        self.on(Address::console().below("findings"))
    }
}
