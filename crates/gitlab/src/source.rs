//! The port, over one or two databases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stocktake_domain::ports::{Readable, Source, SourceError, SourcePage, SourceRow};
use stocktake_domain::{Entry, Model, RecordKey, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::database::{Database, Snapshot, Value};
use crate::digest;
use crate::error::{is_drift, refused};
use crate::field::Field as _;
use crate::known::{Known, Main, Wanted};
use crate::layout::{Home, Layout};
use crate::plan::{Side, Table, Touched};
use crate::rows::{
    Attestation, ContainerRepository, DependencyProxyBlob, DependencyProxyManifest, DesignRepository,
    GroupWiki, JobArtifact, LfsObject, MergeRequestDiff, NugetSymbol, PackageFile, PagesDeployment,
    PipelineArtifact, ProjectRow, ProjectWiki, SecureFile, SnippetRepository, TerraformVersion, Upload,
};
use crate::schema::{Part, Schema};
use crate::settings::{GitlabSettings, Storages};

/// How many times more rows are looked at for a change than may come back: most were not changed.
const WINDOW: u32 = 10;

/// The database of a GitLab instance, or its two.
#[derive(Debug)]
pub struct GitlabSource {
    main: Database,
    ci: Option<Database>,
    storages: Storages,
    batch_size: u32,
    /// What the databases were found to have when last looked at.
    layout: Mutex<Option<Arc<Layout>>>,
}

/// Which rows of a model to read.
#[derive(Debug, Clone, Copy)]
struct Range<'r> {
    after: i64,
    limit: u32,
    /// Only what was changed then or later.
    since: Option<&'r str>,
}

impl GitlabSource {
    /// Reads the settings; connects to nothing yet.
    pub fn new(settings: GitlabSettings) -> Result<Self, SourceError> {
        let GitlabSettings { database_url, ci_database_url, storages, batch_size, statement_timeout } =
            settings;
        let ci = ci_database_url.map(|url| Database::new(&url, statement_timeout)).transpose()?;
        let main = Database::new(&database_url, statement_timeout)?;
        Ok(Self { main, ci, storages, batch_size: batch_size.get(), layout: Mutex::default() })
    }

    /// The statement that [`Source::page`] reads a model's own table with, for `EXPLAIN` and for measuring: `$1`
    /// is the key to go on behind, `$2` the number of rows.
    pub async fn statement(&self, model: Model) -> Result<String, SourceError> {
        let layout = self.layout().await?;
        let home = layout.home(model).map_err(refused)?;
        let plan = crate::rows::PLANS.into_iter().find(|plan| plan.model == model);
        let plan = plan.ok_or_else(|| refused(format!("{model} has no plan")))?;
        Ok(page_statement(self.schema(&layout, home.side), &plan.part(home.table), plan.key(), ""))
    }

    async fn look(&self) -> Result<Arc<Layout>, SourceError> {
        let layout = Arc::new(Layout::look(&self.main, self.ci.as_ref()).await?);
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&layout));
        Ok(layout)
    }

    async fn layout(&self) -> Result<Arc<Layout>, SourceError> {
        let known = self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(layout) => Ok(layout),
            None => self.look().await,
        }
    }

    fn schema<'l>(&self, layout: &'l Layout, side: Side) -> &'l Schema {
        if self.ci.is_some() && side == Side::Ci { &layout.ci } else { &layout.main }
    }

    /// What was seen of the schema is looked at again next time, once it does not hold any more.
    fn forget(&self) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn read_any(&self, model: Model, range: Range<'_>) -> Result<SourcePage, SourceError> {
        let read = match model {
            Model::CiJobArtifacts => self.read::<JobArtifact>(range).await,
            Model::CiPipelineArtifacts => self.read::<PipelineArtifact>(range).await,
            Model::CiSecureFiles => self.read::<SecureFile>(range).await,
            Model::ContainerRepositories => self.read::<ContainerRepository>(range).await,
            Model::DependencyProxyBlobs => self.read::<DependencyProxyBlob>(range).await,
            Model::DependencyProxyManifests => self.read::<DependencyProxyManifest>(range).await,
            Model::DesignManagementRepositories => self.read::<DesignRepository>(range).await,
            Model::GroupWikiRepositories => self.read::<GroupWiki>(range).await,
            Model::LfsObjects => self.read::<LfsObject>(range).await,
            Model::MergeRequestDiffs => self.read::<MergeRequestDiff>(range).await,
            Model::PackagesNugetSymbols => self.read::<NugetSymbol>(range).await,
            Model::PackagesPackageFiles => self.read::<PackageFile>(range).await,
            Model::PagesDeployments => self.read::<PagesDeployment>(range).await,
            Model::Projects => self.read::<ProjectRow>(range).await,
            Model::ProjectsWikiRepositories => self.read::<ProjectWiki>(range).await,
            Model::SnippetRepositories => self.read::<SnippetRepository>(range).await,
            Model::SupplyChainAttestations => self.read::<Attestation>(range).await,
            Model::TerraformStateVersions => self.read::<TerraformVersion>(range).await,
            Model::Uploads => self.read::<Upload>(range).await,
        };
        read.inspect_err(|error| {
            if is_drift(error) {
                self.forget();
            }
        })
    }

    async fn read<T: Table>(&self, range: Range<'_>) -> Result<SourcePage, SourceError> {
        let layout = self.layout().await?;
        let home = layout.home(T::PLAN.model).map_err(|why| {
            self.forget();
            refused(why)
        })?;
        let schema = self.schema(&layout, home.side);
        let second = self.ci.as_ref().filter(|_| home.side == Side::Ci);
        let snapshot = self.main.snapshot().await?;
        let own = match second {
            Some(ci) => Some(ci.snapshot().await?),
            None => None,
        };
        let of_rows = own.as_ref().unwrap_or(&snapshot);
        let Batch { rows, read_to } = batch::<T>(of_rows, schema, home, range).await?;
        let mut wanted = Wanted::default();
        for row in &rows {
            row.want(&mut wanted);
        }
        let main = Main { snapshot: &snapshot, schema: &layout.main };
        let (checksums, known) =
            tokio::try_join!(checksums(of_rows, schema, &rows), Box::pin(Known::gather(&main, wanted)))?;
        snapshot.end().await?;
        if let Some(own) = own {
            own.end().await?;
        }
        let rows = rows.into_iter().map(|row| self.describe(row, &known, &checksums)).collect();
        Ok(SourcePage { rows, read_to: read_to.map(RecordKey::integer) })
    }

    fn describe<T: Table>(&self, row: T, known: &Known, checksums: &HashMap<i64, String>) -> SourceRow {
        let key = row.key();
        let facts = row.describe(known, &self.storages);
        let (location, rule) = facts.place(SourceRow::UNKNOWN);
        SourceRow {
            entry: Entry {
                key: RecordKey::integer(key),
                created_at: facts.created_at,
                file_size: facts.file_size.and_then(|size| u64::try_from(size).ok()),
                location,
                expected: facts.expected,
                rule,
                mutable: facts.mutable,
                disabled: facts.disabled,
            },
            owner: known.path_of(facts.owner).cloned(),
            elsewhere: checksums.get(&key).cloned(),
        }
    }

    /// No more rows than one statement may read, and at least one, or a reader would never come to the end.
    fn range<'r>(
        &self,
        after: Option<RecordKey>,
        limit: u32,
        since: Option<&'r str>,
    ) -> Result<Range<'r>, SourceError> {
        let after = match after {
            None => i64::MIN,
            Some(key) => key.as_integer().ok_or_else(|| refused(format!("{key} is no key of GitLab's")))?,
        };
        Ok(Range { after, limit: limit.clamp(1, self.batch_size), since })
    }
}

/// Rows, and how far was looked.
struct Batch<T> {
    rows: Vec<T>,
    read_to: Option<i64>,
}

async fn batch<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    home: Home,
    range: Range<'_>,
) -> Result<Batch<T>, SourceError> {
    let plan = T::PLAN;
    let part = plan.part(home.table);
    let limit = i64::from(range.limit);
    let Some(since) = range.since else {
        let statement = page_statement(schema, &part, plan.key(), "");
        let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&limit, Type::INT8)];
        let rows: Vec<T> = snapshot.rows(&statement, &values, T::read).await?;
        let read_to = full(&rows, range.limit);
        return Ok(Batch { rows, read_to });
    };
    let Some(condition) = changed_since(schema, home.table, plan.touched, since) else {
        return Ok(Batch { rows: Vec::new(), read_to: None });
    };
    let window = window(snapshot, home.table, plan.key(), range).await?;
    let condition = format!("AND {} <= {} {condition}", plan.key(), window.end);
    let statement = page_statement(schema, &part, plan.key(), &condition);
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&limit, Type::INT8)];
    let rows: Vec<T> = snapshot.rows(&statement, &values, T::read).await?;
    let read_to = full(&rows, range.limit).or(window.is_full.then_some(window.end));
    Ok(Batch { rows, read_to })
}

/// The last key, if there may be more rows behind it.
fn full<T: Table>(rows: &[T], limit: u32) -> Option<i64> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= limit);
    rows.last().filter(|_| is_full).map(Table::key)
}

fn page_statement(schema: &Schema, part: &Part, key: &str, condition: &str) -> String {
    let columns = schema.select(part);
    let table = part.table;
    format!("SELECT {columns} FROM {table} WHERE {key} > $1 {condition} ORDER BY {key} LIMIT $2")
}

/// The condition for rows that were changed; `None` if that is not to be seen.
fn changed_since(schema: &Schema, table: &'static str, touched: Touched, since: &str) -> Option<String> {
    // The text is a time of ours. It has no type of its own, so that it takes the column's.
    match touched {
        Touched::Never => None,
        Touched::Own(columns) => {
            schema.check(&Part { table, columns }).ok()?;
            columns.first().map(|column| format!("AND {} >= '{since}'", column.name))
        }
        Touched::Through { part, by } => {
            schema.check(&part).ok()?;
            let Part { table: other, columns } = part;
            let (key, column) = columns.first().zip(columns.last())?;
            let (key, column) = (key.name, column.name);
            Some(format!(
                "AND EXISTS (SELECT FROM {other} o WHERE o.{key} = {table}.{by} AND o.{column} >= '{since}')"
            ))
        }
    }
}

/// The next rows to look at for changes: a bounded number, however few of them were changed.
struct Window {
    end: i64,
    is_full: bool,
}

async fn window(
    snapshot: &Snapshot<'_>,
    table: &str,
    key: &str,
    range: Range<'_>,
) -> Result<Window, SourceError> {
    let size = i64::from(range.limit.saturating_mul(WINDOW));
    let statement = format!(
        "SELECT coalesce(max(k), $1)::bigint, count(*) FROM \
         (SELECT {key} AS k FROM {table} WHERE {key} > $1 ORDER BY {key} LIMIT $2) AS w"
    );
    let values: [Value<'_>; 2] = [(&range.after, Type::INT8), (&size, Type::INT8)];
    let found = snapshot.rows(&statement, &values, |row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?)));
    let (end, count) = found.await?.first().copied().unwrap_or((range.after, 0));
    Ok(Window { end, is_full: count == size })
}

/// `verification_state` of what GitLab found good.
const SUCCEEDED: i64 = 2;

/// The checksums of GitLab's own verification, from its table of states, or from the row itself where that table
/// is not there yet or has only its defaults.
async fn checksums<T: Table>(
    snapshot: &Snapshot<'_>,
    schema: &Schema,
    rows: &[T],
) -> Result<HashMap<i64, String>, SourceError> {
    let states = T::PLAN.states;
    let part = states.part();
    let keys: Vec<i64> = rows.iter().map(Table::key).collect();
    let mut found: HashMap<i64, (i64, Option<Vec<u8>>)> = HashMap::new();
    if !keys.is_empty() && schema.is_filled(part.table) {
        let key = states.columns.first().map_or("id", |column| column.name);
        let columns = schema.select(&part);
        let statement = format!("SELECT {columns} FROM {} WHERE {key} = ANY ($1)", part.table);
        let values: [Value<'_>; 1] = [(&keys, Type::INT8_ARRAY)];
        let read = |row: &Row| Ok((i64::read(row, 0)?, (i64::read(row, 1)?, row.try_get(2)?)));
        found.extend(snapshot.rows(&statement, &values, read).await?);
    }
    let good = rows.iter().filter_map(|row| {
        let key = row.key();
        let checksum = match found.remove(&key) {
            Some((SUCCEEDED, checksum)) => checksum.as_deref().and_then(digest::checksum),
            Some((state, checksum)) if state != 0 || checksum.is_some() => None,
            _ => {
                let own = row.own_state().filter(|(state, _)| *state == SUCCEEDED);
                own.and_then(|(_, checksum)| digest::packed_checksum(&checksum))
            }
        };
        checksum.map(|checksum| (key, checksum))
    });
    Ok(good.collect())
}

#[async_trait]
impl Source for GitlabSource {
    async fn survey(&self) -> Result<Vec<(Model, Readable)>, SourceError> {
        let layout = self.look().await?;
        Ok(Model::ALL.into_iter().map(|model| (model, layout.readable(model))).collect())
    }

    async fn page(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        self.read_any(model, self.range(after, limit, None)?).await
    }

    async fn touched(
        &self,
        model: Model,
        since: Timestamp,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        let since = since.to_string();
        self.read_any(model, self.range(after, limit, Some(&since))?).await
    }
}
