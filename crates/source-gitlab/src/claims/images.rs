//! Container repositories of which the catalogue does not know yet.

use std::collections::HashSet;

use stocktake_domain::ports::SourceError;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Place, Tables};
use crate::database::Value;
use crate::field::{Column, Kind};
use crate::known::ROUTES;
use crate::plan::needed;
use crate::schema::Part;
use crate::settings::Role;

const COLUMNS: &[Column] = &[needed("project_id", Kind::Integer), needed("name", Kind::Text)];

const REPOSITORIES: Part = Part { table: "container_repositories", columns: COLUMNS };

/// The repositories of projects that have one of these full paths in lower case.
const STATEMENT: &str = "
    SELECT r.path, c.name FROM routes r JOIN container_repositories c ON c.project_id = r.source_id
    WHERE r.source_type = 'Project' AND lower(r.path) = ANY ($1)";

/// All that is read.
pub(super) fn parts() -> impl Iterator<Item = Part> {
    [REPOSITORIES, ROUTES].into_iter()
}

/// The indexes of the places that rows claim.
pub(super) async fn claimed(tables: Tables<'_>, places: &[Place<'_>]) -> Result<HashSet<usize>, SourceError> {
    let places: Vec<&Place<'_>> = places.iter().filter(|place| place.role == Role::Registry).collect();
    if places.is_empty() || !tables.has(&REPOSITORIES)? || !tables.has(&ROUTES)? {
        return Ok(HashSet::new());
    }
    let mut wanted: Vec<&str> = places.iter().flat_map(|place| projects(place.path)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let values: [Value<'_>; 1] = [(&wanted, Type::TEXT_ARRAY)];
    let read = |row: &Row| Ok(repository(row.try_get(0)?, row.try_get(1)?));
    let there: HashSet<String> = tables.snapshot.rows(STATEMENT, &values, read).await?.into_iter().collect();
    Ok(places.iter().filter(|place| there.contains(place.path)).map(|place| place.index).collect())
}

/// The projects that a repository at this path may be of: how deep their groups are nested is not to be seen.
fn projects(path: &str) -> impl Iterator<Item = &str> {
    let above = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
    above.chain([path])
}

/// Where the repository of this name lies, of a project with this full path.
fn repository(project: &str, name: Option<&str>) -> String {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{project}/{name}").to_lowercase(),
        None => project.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_may_be_of_any_project_above_it() {
        let of = |path| projects(path).collect::<Vec<_>>();
        assert_eq!(of("a/b/c"), ["a", "a/b", "a/b/c"]);
        assert_eq!(of("a"), ["a"]);
    }
}
