//! Walking through the records of all data types that have something wrong, page by page.

use stocktake_domain::ports::{Catalogue, FailureGroup, StoreError, first_matching};
use stocktake_domain::{FailureKind, Model, Record, RecordFilter, RecordKey, Selection, State};

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingsSelection {
    /// The last attempt failed, and the filter means them.
    Findings(RecordFilter),
    /// In this state, and the filter means them.
    InState(State, RecordFilter),
    /// The content does not agree with the checksum of the source's own verification, and the filter means them.
    Mismatched(RecordFilter),
}

impl FindingsSelection {
    /// The first matching records of this model (`None`: of all, in their order) behind the record with this model and key,
    /// at most `limit`.
    pub async fn records(
        &self,
        catalogue: &dyn Catalogue,
        model: Option<Model>,
        after: Option<(Model, RecordKey)>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let (first, mut after) = after.unzip();
        let models = Model::ALL.into_iter().filter(|known| model.is_none_or(|only| only == *known));
        let groups = match self {
            Self::Findings(filter) if filter.is_counted() && !filter.is_empty() => {
                let groups = catalogue.failure_groups().await?.into_iter();
                Some(groups.filter(|group| means(filter, group)).collect::<Vec<_>>())
            }
            Self::Findings(_) | Self::InState(..) | Self::Mismatched(_) => None,
        };
        let mut records = Vec::new();
        for model in models.skip_while(|model| first.is_some_and(|first| first != *model)) {
            let found = u32::try_from(records.len()).unwrap_or(u32::MAX);
            let Some(missing) = limit.checked_sub(found).filter(|missing| *missing > 0) else { break };
            let after = after.take();
            records.extend(match &groups {
                Some(groups) => grouped(catalogue, groups, model, after, missing).await?,
                None => self.page(catalogue, model, after, missing).await?,
            });
        }
        Ok(records)
    }

    /// The model's first matching records after this key.
    async fn page(
        &self,
        catalogue: &dyn Catalogue,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        match self {
            Self::InState(state, filter) => {
                let selection = Selection { filter: filter.clone(), ..Selection::in_state(*state) };
                first_matching(catalogue, model, &selection, after, limit).await
            }
            Self::Mismatched(filter) => mismatched(catalogue, model, filter, after, limit).await,
            Self::Findings(filter) if filter.is_empty() => catalogue.findings(model, after, limit).await,
            Self::Findings(filter) => {
                let mut filter = filter.clone();
                if filter.kinds.is_empty() {
                    filter.kinds = FailureKind::ALL.to_vec();
                }
                first_matching(catalogue, model, &Selection::filtered(filter), after, limit).await
            }
        }
    }
}

/// Whether a filter by kinds and storages means the group's records.
fn means(RecordFilter { kinds, storages, .. }: &RecordFilter, group: &FailureGroup) -> bool {
    (kinds.is_empty() || kinds.contains(&group.kind))
        && (storages.is_empty() || storages.contains(&group.storage))
}

/// The model's first records of these groups after this key. Each group is found by an index, where one kind among all that
/// failed is not.
async fn grouped(
    catalogue: &dyn Catalogue,
    groups: &[FailureGroup],
    model: Model,
    after: Option<RecordKey>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for FailureGroup { storage, kind, .. } in groups.iter().filter(|group| group.model == model) {
        let (kinds, storages) = (vec![*kind], vec![storage.clone()]);
        let selection = Selection::filtered(RecordFilter { kinds, storages, ..RecordFilter::default() });
        records.extend(first_matching(catalogue, model, &selection, after.clone(), limit).await?);
    }
    records.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(records)
}

/// So many records are read at once to find those that a filter means.
const FILTERED_AT_ONCE: u32 = 1_000;

/// The model's first mismatched records after this key that the filter means.
async fn mismatched(
    catalogue: &dyn Catalogue,
    model: Model,
    filter: &RecordFilter,
    mut after: Option<RecordKey>,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let step = if filter.is_empty() { limit } else { limit.max(FILTERED_AT_ONCE) };
    let mut found = Vec::new();
    loop {
        let records = catalogue.mismatched(model, after, step).await?;
        let is_last = u64::try_from(records.len()).unwrap_or(u64::MAX) < u64::from(step);
        after = records.last().map(|record| record.key.clone());
        found.extend(records.into_iter().filter(|record| record.is_meant_by(filter)));
        if is_last || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}
