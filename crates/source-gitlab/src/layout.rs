//! Which models can be read, and from which of the databases.

use std::collections::{BTreeSet, HashMap};

use stocktake_domain::Model;
use stocktake_domain::ports::{Readable, SourceError};
use stocktake_net::error::ErrorChain;
use tracing::warn;

use crate::claims;
use crate::column::Field as _;
use crate::database::{Database, Snapshot};
use crate::lookups::{LFS_LINKS, RECORDED_PATHS, SNIPPETS};
use crate::mapping::{DbKind, ModelMapping};
use crate::rows::MAPPINGS;
use crate::schema::{Schema, TableColumns, Tables};
use crate::upload_owners;

/// The schemas of the databases, and the table of each model.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) main: Schema,
    pub(crate) ci: Schema,
    pub(crate) sec: Schema,
    models: HashMap<Model, Result<ModelTable, Missing>>,
}

/// The table of a model, and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelTable {
    pub(crate) db: DbKind,
    pub(crate) table: &'static str,
}

/// Why a model has no table.
#[derive(Debug, Clone)]
enum Missing {
    /// This version of GitLab does not have such a model.
    Model(String),
    /// There is none that can be read.
    Access(String),
}

/// Tables that every version of GitLab has: if none of them is visible, nothing follows from the absence of others.
const CORE: [&str; 5] = ["projects", "uploads", "lfs_objects", "routes", "namespaces"];

/// A table that all supported versions have, and the first of them, which came with it.
const OLDEST: (&str, &str) = ("design_management_repositories", "15.11");

/// Everything that is ever read, for probing it and for granting the privileges.
pub(crate) fn all_parts() -> Vec<TableColumns> {
    let mappings = MAPPINGS.iter().flat_map(ModelMapping::parts);
    mappings
        .chain([RECORDED_PATHS, SNIPPETS, LFS_LINKS])
        .chain(upload_owners::parts())
        .chain(claims::parts())
        .collect()
}

impl Layout {
    /// Probes the databases. If that of CI is unreachable, only its own models cannot be read; without that of security,
    /// it is not known which owners of some uploads exist.
    pub(crate) async fn probe(
        main: &Database,
        ci: Option<&Database>,
        sec: Option<&Database>,
    ) -> Result<Self, SourceError> {
        let parts = all_parts();
        let (snapshot, schema) = probe(main, &parts).await?;
        let second = match ci {
            None => Ok(None),
            Some(ci) => probe(ci, &parts).await.map(Some),
        };
        let mut models = HashMap::new();
        for mapping in &MAPPINGS {
            let found = match (mapping.db, &second) {
                _ if is_not_gitlab(&schema) => Err(not_gitlab(DbKind::Main)),
                (DbKind::Main | DbKind::Sec, _) | (DbKind::Ci, Ok(None)) => only(mapping, &schema),
                (DbKind::Ci, Err(error)) => Err(away(error)),
                (DbKind::Ci, Ok(Some((second, ci)))) => {
                    live(
                        mapping,
                        Tables { snapshot: &snapshot, schema: &schema },
                        Tables { snapshot: second, schema: ci },
                    )
                    .await?
                }
            };
            let ci = second.as_ref().ok().and_then(Option::as_ref).map(|(_, ci)| ci);
            let found =
                found.and_then(|found| readable(mapping, found, &schema, ci).map_err(Missing::Access));
            models.insert(mapping.model, found);
        }
        snapshot.end().await?;
        let ci = match second {
            Ok(Some((snapshot, ci))) => snapshot.end().await.map(|()| ci)?,
            _ => Schema::default(),
        };
        let sec = match sec {
            Some(sec) => of_security(sec, &parts).await,
            None => Schema::default(),
        };
        Ok(Self { main: schema, ci, sec, models })
    }

    /// Tables in which files are recorded and that no rule knows.
    pub(crate) fn not_understood(&self) -> Vec<String> {
        self.all(|schema| schema.not_understood().collect())
    }

    /// Columns that exist, would be read and may not be.
    pub(crate) fn missing_rights(&self) -> Vec<String> {
        self.all(|schema| schema.missing_rights().collect())
    }

    /// What the databases say, sorted.
    fn all(&self, of: impl Fn(&Schema) -> Vec<String>) -> Vec<String> {
        let all: BTreeSet<String> = [&self.main, &self.ci, &self.sec].into_iter().flat_map(of).collect();
        all.into_iter().collect()
    }

    /// The table of a model, or why it cannot be read.
    pub(crate) fn table(&self, model: Model) -> Result<ModelTable, String> {
        self.find(model).map_err(|(Missing::Model(why) | Missing::Access(why))| why)
    }

    fn find(&self, model: Model) -> Result<ModelTable, Missing> {
        let found = self.models.get(&model).cloned();
        found.unwrap_or_else(|| Err(Missing::Access(format!("{model} was not probed"))))
    }

    /// The same in the terms of the port.
    pub(crate) fn readable(&self, model: Model) -> Readable {
        match self.find(model) {
            Ok(ModelTable { db: DbKind::Main, table }) => Readable::Yes { about: self.main.estimated(table) },
            Ok(ModelTable { db: DbKind::Ci, table }) => Readable::Yes { about: self.ci.estimated(table) },
            Ok(ModelTable { db: DbKind::Sec, table }) => Readable::Yes { about: self.sec.estimated(table) },
            Err(Missing::Model(why)) => Readable::Absent(why),
            Err(Missing::Access(why)) => Readable::No(why),
        }
    }
}

/// The schema of the database of security, as far as it can be seen.
async fn of_security(sec: &Database, parts: &[TableColumns]) -> Schema {
    let probed = async {
        let (snapshot, schema) = probe(sec, parts).await?;
        snapshot.end().await.map(|()| schema)
    };
    probed.await.unwrap_or_else(|error: SourceError| {
        warn!(error = %ErrorChain(&error), "the database of security cannot be read");
        Schema::default()
    })
}

async fn probe<'d>(
    database: &'d Database,
    parts: &[TableColumns],
) -> Result<(Snapshot<'d>, Schema), SourceError> {
    let snapshot = database.snapshot().await?;
    let owners: Vec<&str> = upload_owners::parts().map(|part| part.table).collect();
    let mut schema = Schema::probe(&snapshot, parts, &owners).await?;
    schema.find_filled(&snapshot, MAPPINGS.iter().map(|mapping| mapping.states.part())).await?;
    let tables: Vec<&str> = MAPPINGS.iter().flat_map(|mapping| mapping.tables).copied().collect();
    schema.estimate(&snapshot, &tables).await?;
    Ok((snapshot, schema))
}

/// The table of a model, if it and everything that its records depend on can be read.
fn readable(
    mapping: &ModelMapping,
    found: ModelTable,
    main: &Schema,
    ci: Option<&Schema>,
) -> Result<ModelTable, String> {
    let own = ci.filter(|_| found.db == DbKind::Ci).unwrap_or(main);
    own.check(&mapping.part(found.table))?;
    mapping.lookups.iter().try_for_each(|part| main.check(part)).map(|()| found)
}

fn away(error: &SourceError) -> Missing {
    Missing::Access(match error {
        SourceError::Unavailable(cause) => format!("the database of CI is unreachable: {cause}"),
        SourceError::Refused(..) => format!("the database of CI: {error}"),
    })
}

/// Whether it does not look like GitLab's main database.
fn is_not_gitlab(schema: &Schema) -> bool {
    !CORE.iter().any(|table| schema.has_table(table))
}

fn not_gitlab(db: DbKind) -> Missing {
    let (database, setting) = match db {
        DbKind::Main => ("main database", "database_url"),
        DbKind::Ci => ("database of CI", "ci_database_url"),
        DbKind::Sec => ("database of security", "sec_database_url"),
    };
    Missing::Access(format!(
        "no table of GitLab's is visible in the {database}: {setting} must name GitLab's database, and the role \
         needs USAGE on its schema"
    ))
}

fn present(mapping: &ModelMapping, schema: &Schema) -> Option<&'static str> {
    mapping.tables.iter().copied().find(|table| schema.has_table(table))
}

fn absent(mapping: &ModelMapping) -> Missing {
    let table = mapping.tables.first().copied().unwrap_or_default();
    let why = if table == OLDEST.0 {
        format!("this version is older than {}, the oldest that is supported", OLDEST.1)
    } else {
        "this version does not have it".to_owned()
    };
    Missing::Model(format!("GitLab's table {table} is not there: {why}"))
}

fn locked(table: &str, db: DbKind) -> Missing {
    let advice = match db {
        DbKind::Main => "database_url must name the main database",
        DbKind::Ci => "ci_database_url must name the database of CI",
        DbKind::Sec => "sec_database_url must name the database of security",
    };
    Missing::Access(format!("GitLab's table {table} is a copy that is no longer written to: {advice}"))
}

/// The table of the one database there is for the model.
fn only(mapping: &ModelMapping, schema: &Schema) -> Result<ModelTable, Missing> {
    let table = present(mapping, schema).ok_or_else(|| absent(mapping))?;
    if schema.is_locked(table) {
        return Err(locked(table, mapping.db));
    }
    Ok(ModelTable { db: DbKind::Main, table })
}

/// Which of two tables of the same name GitLab writes to: the one that is not locked, else the one with the higher
/// keys.
async fn live(
    mapping: &ModelMapping,
    main: Tables<'_>,
    ci: Tables<'_>,
) -> Result<Result<ModelTable, Missing>, SourceError> {
    let usable = |schema: &Schema| present(mapping, schema).filter(|table| !schema.is_locked(table));
    let at_main = usable(main.schema).map(|table| ModelTable { db: DbKind::Main, table });
    let at_ci = usable(ci.schema).map(|table| ModelTable { db: DbKind::Ci, table });
    Ok(match (at_main, at_ci) {
        (None, None) => Err(match present(mapping, ci.schema).or_else(|| present(mapping, main.schema)) {
            Some(table) => locked(table, DbKind::Ci),
            None if ci.schema.is_empty() => not_gitlab(DbKind::Ci),
            None => absent(mapping),
        }),
        (Some(table), None) | (None, Some(table)) => Ok(table),
        (Some(at_main), Some(at_ci)) => {
            // A table that cannot be read is no candidate.
            let can_read =
                |of: Tables<'_>, found: ModelTable| of.schema.check(&mapping.part(found.table)).is_ok();
            if !can_read(main, at_main) || !can_read(ci, at_ci) {
                return Ok(Ok(if can_read(main, at_main) { at_main } else { at_ci }));
            }
            let main = last_key(main, mapping, at_main.table).await?;
            let ci = last_key(ci, mapping, at_ci.table).await?;
            Ok(if main > ci { at_main } else { at_ci })
        }
    })
}

async fn last_key(
    tables: Tables<'_>,
    mapping: &ModelMapping,
    table: &str,
) -> Result<Option<i64>, SourceError> {
    let statement = format!("SELECT max({})::bigint FROM {table}", mapping.key());
    let keys = tables.snapshot.rows(&statement, &[], |row| Option::<i64>::read(row, 0)).await?;
    Ok(keys.first().copied().flatten())
}
