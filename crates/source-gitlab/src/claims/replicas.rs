//! Replicas of a Gitaly Cluster, which Praefect's database has.

use std::collections::HashSet;

use stocktake_domain::ports::SourceError;
use tokio_postgres::types::Type;

use super::Unclaimed;
use crate::database::{Snapshot, Value};
use crate::settings::{StorageRole, Storages};

/// The replicas at these paths, each with its storage. Which are behind is no matter: Praefect brings them up to date.
const STATEMENT: &str = "
    SELECT s.storage, coalesce(r.replica_path, r.relative_path)
    FROM repositories r JOIN storage_repositories s ON s.repository_id = r.repository_id
    WHERE coalesce(r.replica_path, r.relative_path) = ANY ($1)";

/// The indexes of the locations that replicas are at.
pub(super) async fn claimed(
    snapshot: &Snapshot<'_>,
    storages: &Storages,
    locations: &[Unclaimed<'_>],
) -> Result<Vec<usize>, SourceError> {
    let locations = locations.iter().filter(|location| location.role == StorageRole::Replicas);
    let locations: Vec<&Unclaimed<'_>> = locations.collect();
    let paths: Vec<&str> = locations.iter().map(|location| location.path).collect();
    let values: [Value<'_>; 1] = [(&paths, Type::TEXT_ARRAY)];
    let known = snapshot.rows(STATEMENT, &values, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?;
    let known: HashSet<(String, String)> = known.into_iter().collect();
    let is_known = |location: &Unclaimed<'_>| {
        let node = storages.replicas.get(location.storage)?;
        Some(known.contains(&(node.clone(), location.path.to_owned())))
    };
    let claimed = locations.into_iter().filter(|location| is_known(location) == Some(true));
    Ok(claimed.map(|location| location.index).collect())
}
