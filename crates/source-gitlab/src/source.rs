//! The port, over one or two databases.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stocktake_domain::ports::{Claim, Readable, Source, SourceError, SourcePage};
use stocktake_domain::{Location, Model, RecordKey, Timestamp};

use crate::claims::{Claims, Tables};
use crate::database::Database;
use crate::error::{is_drift, refused};
use crate::known::{Known, Main, Wanted};
use crate::layout::Layout;
use crate::plan::{Side, Table};
use crate::read::{Batch, Range, batch, page_statement};
use crate::rows::{
    Attestation, ContainerRepository, DependencyProxyBlob, DependencyProxyManifest, DesignRepository,
    GroupWiki, JobArtifact, LfsObject, MergeRequestDiff, NugetSymbol, PackageFile, PagesDeployment,
    PipelineArtifact, ProjectRow, ProjectWiki, SecureFile, SnippetRepository, TerraformVersion, Upload,
};
use crate::schema::Schema;
use crate::settings::{GitlabSettings, Storages};
use crate::states::checksums;

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
        // All rows behind the key before them, unless only some of them were asked for.
        let after = range.since.is_none().then_some(range.after);
        let checksums = checksums(of_rows, schema, &rows, after);
        let (mut checksums, known) = tokio::try_join!(checksums, Box::pin(Known::gather(&main, wanted)))?;
        snapshot.end().await?;
        if let Some(own) = own {
            own.end().await?;
        }
        let entries = rows.into_iter().map(|row| {
            let key = row.key();
            let facts = row.describe(&known, &self.storages);
            let owner = known.path_of(facts.owner).cloned();
            facts.entry(key, owner, checksums.remove(&key))
        });
        let rows = entries.collect();
        Ok(SourcePage { rows, read_to: read_to.map(RecordKey::integer) })
    }

    /// Asks who claims these places: first what follows from the places alone, then the rows.
    async fn claim_all(&self, places: &[Location]) -> Result<Vec<Claim>, SourceError> {
        let mut claims = Claims::of(places, &self.storages);
        if claims.needs(Side::Main) {
            let layout = self.layout().await?;
            self.ask(&mut claims, Side::Main, &self.main, &layout.main).await?;
            match &self.ci {
                // Nothing of it was seen when it was away: as long as it is, nothing can be said.
                Some(ci) if claims.needs(Side::Ci) => {
                    let layout = if layout.ci.is_empty() { self.look().await? } else { layout };
                    self.ask(&mut claims, Side::Ci, ci, &layout.ci).await?;
                }
                Some(_) => {}
                None => self.ask(&mut claims, Side::Ci, &self.main, &layout.main).await?,
            }
        }
        Ok(claims.answers())
    }

    async fn ask(
        &self,
        claims: &mut Claims<'_>,
        side: Side,
        database: &Database,
        schema: &Schema,
    ) -> Result<(), SourceError> {
        if !claims.needs(side) {
            return Ok(());
        }
        let snapshot = database.snapshot().await?;
        claims.ask(side, Tables { snapshot: &snapshot, schema }, &self.storages).await?;
        snapshot.end().await
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

    async fn changed(
        &self,
        model: Model,
        since: Timestamp,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        let since = since.to_string();
        self.read_any(model, self.range(after, limit, Some(&since))?).await
    }

    fn storages(&self) -> BTreeSet<String> {
        self.storages.names()
    }

    async fn claims(&self, places: &[Location]) -> Result<Vec<Claim>, SourceError> {
        self.claim_all(places).await.inspect_err(|error| {
            if is_drift(error) {
                self.forget();
            }
        })
    }
}
