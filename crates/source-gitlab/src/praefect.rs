//! The database of Praefect, which knows where the replicas of a Gitaly Cluster are.

use stocktake_domain::ports::SourceError;
use tokio_postgres::types::Type;

use crate::database::{Database, Value};
use crate::error::refused;

/// The tables and columns that are read of it: for the claims of replicas, and by git storages of the kind `gitaly-cluster`.
/// GitLab's own databases have no tables of these names.
pub(crate) const TABLES: [(&str, &[&str]); 3] = [
    ("repositories", &["relative_path", "replica_path", "repository_id", "virtual_storage"]),
    ("repository_assignments", &["repository_id", "storage"]),
    ("storage_repositories", &["generation", "repository_id", "storage"]),
];

/// Which of these columns there are, and whether each may be read.
const RIGHTS: &str = "
    SELECT wanted.name, a.attname::text, has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    FROM unnest($1) AS wanted (name)
    JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(wanted.name)) AND a.attnum > 0 AND NOT a.attisdropped";

/// The columns that would be read and may not be, by name. Fails if it is another database.
pub(crate) async fn missing_rights(database: &Database) -> Result<Vec<String>, SourceError> {
    let names = TABLES.map(|(table, _)| table);
    let values: [Value<'_>; 1] = [(&names.as_slice(), Type::TEXT_ARRAY)];
    let snapshot = database.snapshot().await?;
    let found = snapshot.rows(RIGHTS, &values, |row| {
        Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?, row.try_get::<_, bool>(2)?))
    });
    let found = found.await?;
    snapshot.end().await?;
    let mut missing = Vec::new();
    for (table, columns) in TABLES {
        for wanted in columns {
            let column = found.iter().find(|(name, column, _)| name == table && column == wanted);
            match column {
                Some((.., true)) => {}
                Some((.., false)) => missing.push(format!("{table}.{wanted} in Praefect's database")),
                None => {
                    return Err(refused(format!(
                        "there is no {table}.{wanted}, so that it is not Praefect's database"
                    )));
                }
            }
        }
    }
    Ok(missing)
}
