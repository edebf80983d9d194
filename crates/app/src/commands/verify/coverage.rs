//! What a verification is of: a run that looks at nothing must not look like one that found nothing wrong.

use std::collections::BTreeSet;

use anyhow::bail;
use futures_util::StreamExt as _;
use stocktake_diesel_storage::Store;
use stocktake_domain::ports::{Catalogue, ClaimFilter, Queue, StoreError, first_matching};
use stocktake_domain::{Model, RecordFilter, Selection, State, Timestamp};

use crate::args::VerifyArguments;
use crate::settings::Settings;
use crate::wiring;

/// What is said when there is no record to be read.
pub(super) const NOTHING: &str = "nothing to verify";

/// The records that a verification is of.
pub(super) struct Scope {
    pub(super) models: Vec<Model>,
    /// Only these storages; `None`: all.
    pub(super) storages: Option<Vec<String>>,
    /// What is to be recalculated; `None`: what is due.
    pub(super) selection: Option<Selection>,
    /// Only so many of a million of these, by chance.
    pub(super) sample: Option<u32>,
}

impl Scope {
    /// What the command line asks for, now.
    pub(super) fn new(settings: &Settings, arguments: &VerifyArguments, now: Timestamp) -> Self {
        let keys = arguments.identifiers.clone().filter(|keys| !keys.is_empty());
        let is_wanted = |model: &Model| arguments.models.is_empty() || arguments.models.contains(model);
        let selection = Selection { state: arguments.state, keys, filter: arguments.filters.filter(now) };
        Self {
            models: Model::ALL.into_iter().filter(is_wanted).collect(),
            storages: settings.worker.storages.clone(),
            selection: (arguments.all || arguments.is_narrow()).then_some(selection),
            sample: arguments.sample,
        }
    }

    /// Fails, with what there is none of, if no record is in the scope, or if all in it are switched off.
    pub(super) async fn require_records(&self, settings: &Settings, store: &Store) -> anyhow::Result<()> {
        let catalogue = &*store.catalogue;
        let selection = self.selection.clone().unwrap_or_default();
        wiring::check_storages(settings, store, &selection.filter).await?;
        if !self.has_any(catalogue, &Selection::default()).await? {
            let place = wiring::place(settings)?;
            if self.models.len() == Model::ALL.len() {
                bail!("{NOTHING}: the catalogue at {place} has no records");
            }
            bail!("{NOTHING}: the catalogue at {place} has no records of {}", self.model_names());
        }
        for model in self.models.iter().filter(|_| self.models.len() < Model::ALL.len()) {
            if first_matching(catalogue, *model, &Selection::default(), None, 1).await?.is_empty() {
                bail!("{NOTHING}: the catalogue at {} has no records of {model}", wiring::place(settings)?);
            }
        }
        for key in selection.keys.iter().flatten() {
            for model in &self.models {
                if catalogue.get(*model, key).await?.is_none() {
                    bail!("{NOTHING}: {model} has no record {key}");
                }
            }
        }
        if let Some(state) = selection.state
            && !self
                .has_any(catalogue, &Selection { filter: RecordFilter::default(), ..selection.clone() })
                .await?
        {
            bail!("{NOTHING}: no record of {} is {state}", self.model_names());
        }
        if let Some(storages) = &self.storages
            && !self.has_any_in(catalogue, storages).await?
        {
            let names: Vec<String> = storages.iter().map(|name| format!("{name:?}")).collect();
            bail!("{NOTHING}: no record of {} is in storage {}", self.model_names(), names.join(", "));
        }
        if !selection.filter.is_empty() && !self.has_any(catalogue, &selection).await? {
            let of_any_age = RecordFilter { before: None, ..selection.filter.clone() };
            let of_any_age = Selection { filter: of_any_age, ..selection.clone() };
            if selection.filter.before.is_some() && self.has_any(catalogue, &of_any_age).await? {
                // All that is meant was read lately, which is as it should be.
                return Ok(());
            }
            bail!("{NOTHING}: no record of {} matches the filters", self.model_names());
        }
        for state in State::ALL.into_iter().filter(|state| *state != State::Disabled) {
            let in_state = Selection { state: Some(state), ..selection.clone() };
            if selection.state.is_none_or(|asked| asked == state)
                && self.has_any(catalogue, &in_state).await?
            {
                return Ok(());
            }
        }
        bail!("{NOTHING}: all records of {} are disabled", self.model_names());
    }

    /// The storages that records of the scope may lie in, each once.
    pub(super) async fn storages_with_records(
        &self,
        catalogue: &dyn Catalogue,
    ) -> Result<BTreeSet<String>, StoreError> {
        let filtered = self.selection.iter().map(|selection| selection.filter.storages.as_slice());
        let narrowed = || filtered.clone().chain(self.storages.as_deref());
        let storages = catalogue.storages().await?.into_iter();
        let meant = storages.filter(|(model, name)| {
            self.models.contains(model) && narrowed().all(|names| names.is_empty() || names.contains(name))
        });
        Ok(meant.map(|(_, name)| name).collect())
    }

    /// How many records of the scope are due, and became so at `due_from` or later, or are leased to anybody, counting
    /// no further than `at_most`.
    pub(super) async fn outstanding(
        &self,
        queue: &dyn Queue,
        due_from: Option<Timestamp>,
        at_most: u64,
    ) -> Result<u64, StoreError> {
        let filter = ClaimFilter {
            models: self.models.clone(),
            storages: self.storages.clone(),
            except_storages: Vec::new(),
            due_from,
            limit: 1,
        };
        queue.outstanding(&filter, at_most).await
    }

    async fn has_any(&self, catalogue: &dyn Catalogue, selection: &Selection) -> Result<bool, StoreError> {
        for model in &self.models {
            if !first_matching(catalogue, *model, selection, None, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn has_any_in(&self, catalogue: &dyn Catalogue, storages: &[String]) -> Result<bool, StoreError> {
        for storage in storages {
            for model in &self.models {
                if catalogue.paths(Some(*model), storage).await?.next().await.transpose()?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn model_names(&self) -> String {
        if self.models.len() == Model::ALL.len() {
            return "any model".to_owned();
        }
        self.models.iter().map(|model| model.name()).collect::<Vec<_>>().join(", ")
    }
}
