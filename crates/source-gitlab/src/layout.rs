//! Which models can be read, and from which of the two databases.

use std::collections::HashMap;

use stocktake_domain::Model;
use stocktake_domain::ports::{Readable, SourceError};

use crate::claims;
use crate::database::{Database, Snapshot};
use crate::field::Field as _;
use crate::owners;
use crate::plan::{Plan, Side};
use crate::rows::PLANS;
use crate::schema::{Part, Schema};

/// What both databases were found to have.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) main: Schema,
    pub(crate) ci: Schema,
    models: HashMap<Model, Result<Home, Without>>,
}

/// Where a model's table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) side: Side,
    pub(crate) table: &'static str,
}

/// Why a model has no home.
#[derive(Debug, Clone)]
enum Without {
    /// This version of GitLab does not have such a model.
    Model(String),
    /// There is none that could be read.
    Access(String),
}

/// Tables that every version of GitLab has: where none of them is seen, nothing follows from the lack of others.
const CORE: [&str; 5] = ["projects", "uploads", "lfs_objects", "routes", "namespaces"];

/// All that is ever read, for looking at it and for granting the right to.
pub(crate) fn all_parts() -> Vec<Part> {
    let known = [crate::known::RECORDED_PATHS, crate::known::SNIPPETS, crate::known::LFS_LINKS];
    let plans = PLANS.iter().flat_map(Plan::parts);
    plans.chain(known).chain(owners::parts()).chain(claims::parts()).collect()
}

impl Layout {
    /// Looks at the databases. That of CI may be away: then it is only its own models that cannot be read.
    pub(crate) async fn look(main: &Database, ci: Option<&Database>) -> Result<Self, SourceError> {
        let parts = all_parts();
        let (snapshot, schema) = look_into(main, &parts).await?;
        let second = match ci {
            None => Ok(None),
            Some(ci) => look_into(ci, &parts).await.map(Some),
        };
        let mut models = HashMap::new();
        for plan in &PLANS {
            let home = match (plan.side, &second) {
                _ if is_strange(&schema) => Err(strange(Side::Main)),
                (Side::Main, _) | (Side::Ci, Ok(None)) => only(plan, &schema),
                (Side::Ci, Err(error)) => Err(away(error)),
                (Side::Ci, Ok(Some((second, ci)))) => live(plan, (&snapshot, &schema), (second, ci)).await?,
            };
            let ci = second.as_ref().ok().and_then(Option::as_ref).map(|(_, ci)| ci);
            let home = home.and_then(|home| readable(plan, home, &schema, ci).map_err(Without::Access));
            models.insert(plan.model, home);
        }
        snapshot.end().await?;
        let ci = match second {
            Ok(Some((snapshot, ci))) => snapshot.end().await.map(|()| ci)?,
            _ => Schema::default(),
        };
        Ok(Self { main: schema, ci, models })
    }

    /// Where a model is to be read, or why it cannot be.
    pub(crate) fn home(&self, model: Model) -> Result<Home, String> {
        self.look_up(model).map_err(|(Without::Model(why) | Without::Access(why))| why)
    }

    fn look_up(&self, model: Model) -> Result<Home, Without> {
        let found = self.models.get(&model).cloned();
        found.unwrap_or_else(|| Err(Without::Access(format!("{model} was not looked at"))))
    }

    /// The same as the port tells it.
    pub(crate) fn readable(&self, model: Model) -> Readable {
        match self.look_up(model) {
            Ok(Home { side: Side::Main, table }) => Readable::Yes { about: self.main.estimated(table) },
            Ok(Home { side: Side::Ci, table }) => Readable::Yes { about: self.ci.estimated(table) },
            Err(Without::Model(why)) => Readable::Absent(why),
            Err(Without::Access(why)) => Readable::No(why),
        }
    }
}

async fn look_into<'d>(
    database: &'d Database,
    parts: &[Part],
) -> Result<(Snapshot<'d>, Schema), SourceError> {
    let snapshot = database.snapshot().await?;
    let mut schema = Schema::probe(&snapshot, parts).await?;
    schema.find_filled(&snapshot, PLANS.iter().map(|plan| plan.states.part())).await?;
    let tables: Vec<&str> = PLANS.iter().flat_map(|plan| plan.tables).copied().collect();
    schema.estimate(&snapshot, &tables).await?;
    Ok((snapshot, schema))
}

/// The home of a model, if its table and all that it leads to can be read.
fn readable(plan: &Plan, home: Home, main: &Schema, ci: Option<&Schema>) -> Result<Home, String> {
    let own = ci.filter(|_| home.side == Side::Ci).unwrap_or(main);
    own.check(&plan.part(home.table))?;
    plan.needs.iter().try_for_each(|part| main.check(part)).map(|()| home)
}

fn away(error: &SourceError) -> Without {
    Without::Access(match error {
        SourceError::Unavailable(cause) => format!("the database of CI is unreachable: {cause}"),
        SourceError::Refused(..) => format!("the database of CI: {error}"),
    })
}

/// Whether it does not look like GitLab's main database.
fn is_strange(schema: &Schema) -> bool {
    !CORE.iter().any(|table| schema.has_table(table))
}

fn strange(side: Side) -> Without {
    let (database, setting) = match side {
        Side::Main => ("main database", "database_url"),
        Side::Ci => ("database of CI", "ci_database_url"),
    };
    Without::Access(format!(
        "no table of GitLab's is seen in the {database}: {setting} must name GitLab's database, and the role \
         needs USAGE on its schema"
    ))
}

fn present(plan: &Plan, schema: &Schema) -> Option<&'static str> {
    plan.tables.iter().copied().find(|table| schema.has_table(table))
}

fn absent(plan: &Plan) -> Without {
    let table = plan.tables.first().copied().unwrap_or_default();
    Without::Model(format!("GitLab's table {table} is not there: this version does not have it"))
}

fn locked(table: &str, side: Side) -> Without {
    let advice = match side {
        Side::Main => "database_url must name the main database",
        Side::Ci => "ci_database_url must name the database of CI",
    };
    Without::Access(format!("GitLab's table {table} is a copy that is no longer written to here: {advice}"))
}

/// The table of the one database there is for the model.
fn only(plan: &Plan, schema: &Schema) -> Result<Home, Without> {
    let table = present(plan, schema).ok_or_else(|| absent(plan))?;
    if schema.is_locked(table) {
        return Err(locked(table, plan.side));
    }
    Ok(Home { side: Side::Main, table })
}

/// Which of two tables of the same name is the one that GitLab writes to: the one that is not locked, else the
/// one that has come farther.
async fn live(
    plan: &Plan,
    (main, of_main): (&Snapshot<'_>, &Schema),
    (ci, of_ci): (&Snapshot<'_>, &Schema),
) -> Result<Result<Home, Without>, SourceError> {
    let usable = |schema: &Schema| present(plan, schema).filter(|table| !schema.is_locked(table));
    let at_main = usable(of_main).map(|table| Home { side: Side::Main, table });
    let at_ci = usable(of_ci).map(|table| Home { side: Side::Ci, table });
    Ok(match (at_main, at_ci) {
        (None, None) => Err(match present(plan, of_ci).or_else(|| present(plan, of_main)) {
            Some(table) => locked(table, Side::Ci),
            None if of_ci.is_empty() => strange(Side::Ci),
            None => absent(plan),
        }),
        (Some(home), None) | (None, Some(home)) => Ok(home),
        (Some(at_main), Some(at_ci)) => {
            // What cannot be read is no candidate.
            let of = |schema: &Schema, home: Home| schema.check(&plan.part(home.table)).is_ok();
            if !of(of_main, at_main) || !of(of_ci, at_ci) {
                return Ok(Ok(if of(of_main, at_main) { at_main } else { at_ci }));
            }
            let (main, ci) = (last(main, plan, at_main.table).await?, last(ci, plan, at_ci.table).await?);
            Ok(if main > ci { at_main } else { at_ci })
        }
    })
}

async fn last(snapshot: &Snapshot<'_>, plan: &Plan, table: &str) -> Result<Option<i64>, SourceError> {
    let statement = format!("SELECT max({})::bigint FROM {table}", plan.key());
    let keys = snapshot.rows(&statement, &[], |row| Option::<i64>::read(row, 0)).await?;
    Ok(keys.first().copied().flatten())
}
