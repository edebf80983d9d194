//! The port `Source` over the databases of a GitLab.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stocktake_domain::ports::{Claim, Readable, Source, SourceCheck, SourceError, SourcePage};
use stocktake_domain::{Location, Model, RecordKey, SourceRecord, Timestamp};
use tracing::{instrument, warn};

use crate::check::check;
use crate::claims::Claims;
use crate::database::Database;
use crate::error::{is_drift, refused};
use crate::layout::{Layout, ModelTable};
use crate::lookups::{LookupKeys, Lookups};
use crate::mapping::{DbKind, ModelRow};
use crate::pages::{Batch, Range, batch, page_statement};
use crate::praefect;
use crate::rows::{
    Attestation, ContainerRepository, DebianComponentFile, DependencyProxyBlob, DependencyProxyManifest,
    DesignRepository, GroupWiki, JobArtifact, LfsObject, MergeRequestDiff, NugetSymbol, PackageFile,
    PagesDeployment, PipelineArtifact, ProjectRow, ProjectWiki, SecureFile, SnippetRepository,
    TerraformVersion, Upload,
};
use crate::schema::{Schema, Tables};
use crate::settings::{GitlabSettings, Storages};
use crate::states::States;

/// The databases of a GitLab instance.
#[derive(Debug)]
pub struct GitlabSource {
    main: Database,
    ci: Option<Database>,
    sec: Option<Database>,
    praefect: Option<Database>,
    storages: Storages,
    batch_size: u32,
    /// The result of the last probe of the databases.
    layout: Mutex<Option<Arc<Layout>>>,
}

impl GitlabSource {
    /// Checks the settings; does not connect yet.
    pub fn new(settings: GitlabSettings) -> Result<Self, SourceError> {
        let GitlabSettings {
            database_url,
            ci_database_url,
            sec_database_url,
            praefect_database_url,
            storages,
            batch_size,
            statement_timeout,
        } = settings;
        let [ci, sec, praefect] = [ci_database_url, sec_database_url, praefect_database_url]
            .map(|url| url.map(|url| Database::new(&url, statement_timeout)).transpose());
        let (ci, sec, praefect) = (ci?, sec?, praefect?);
        let main = Database::new(&database_url, statement_timeout)?;
        let (batch_size, layout) = (batch_size.get(), Mutex::default());
        Ok(Self { main, ci, sec, praefect, storages, batch_size, layout })
    }

    /// The statement with which [`Source::page`] reads a model's own table, for `EXPLAIN` and for measuring: `$1` is
    /// the key after which to continue, `$2` the number of rows.
    pub async fn statement(&self, model: Model) -> Result<String, SourceError> {
        let layout = self.layout().await?;
        let ModelTable { db, table } = layout.table(model).map_err(refused)?;
        let mapping = crate::rows::MAPPINGS.into_iter().find(|mapping| mapping.model == model);
        let mapping = mapping.ok_or_else(|| refused(format!("{model} has no mapping")))?;
        Ok(page_statement(self.schema(&layout, db), &mapping.part(table), mapping.key(), ""))
    }

    /// Probes the databases, and keeps the result.
    async fn probe(&self) -> Result<Arc<Layout>, SourceError> {
        let layout = Arc::new(Layout::probe(&self.main, self.ci.as_ref(), self.sec.as_ref()).await?);
        let before = {
            let mut known = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
            known.replace(Arc::clone(&layout))
        };
        let not_understood = layout.not_understood();
        if !not_understood.is_empty() && before.is_none_or(|before| before.not_understood() != not_understood)
        {
            warn!(tables = not_understood.join(", "), "GitLab records files that no rule knows");
        }
        Ok(layout)
    }

    async fn layout(&self) -> Result<Arc<Layout>, SourceError> {
        let known = self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(layout) => Ok(layout),
            None => self.probe().await,
        }
    }

    fn schema<'l>(&'l self, layout: &'l Layout, db: DbKind) -> &'l Schema {
        self.database(layout, db).1
    }

    /// The database in which tables of this kind are, and its schema.
    fn database<'l>(&'l self, layout: &'l Layout, db: DbKind) -> (&'l Database, &'l Schema) {
        match (db, &self.ci, &self.sec) {
            (DbKind::Ci, Some(ci), _) => (ci, &layout.ci),
            (DbKind::Sec, _, Some(sec)) => (sec, &layout.sec),
            _ => (&self.main, &layout.main),
        }
    }

    /// Discards the layout, so that the databases are probed again by the next call.
    fn forget(&self) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn forget_on_drift(&self, error: &SourceError) {
        if is_drift(error) {
            self.forget();
        }
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
            Model::PackagesDebianProjectComponentFiles => self.read::<DebianComponentFile>(range).await,
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
        read.inspect_err(|error| self.forget_on_drift(error))
    }

    /// Reads a page: the rows, what they depend on in other tables, and the states of GitLab's own verification; each
    /// row becomes its record at once.
    async fn read<T: ModelRow>(&self, range: Range<'_>) -> Result<SourcePage, SourceError> {
        let layout = self.layout().await?;
        let ModelTable { db, table } = layout.table(T::MAPPING.model).map_err(|why| {
            self.forget();
            refused(why)
        })?;
        let main_snapshot = self.main.snapshot().await?;
        let ci_snapshot = match &self.ci {
            Some(ci) if db == DbKind::Ci => Some(ci.snapshot().await?),
            _ => None,
        };
        let sec_snapshot = match &self.sec {
            Some(sec) if T::MAPPING.model == Model::Uploads && !layout.sec.is_empty() => {
                Some(sec.snapshot().await?)
            }
            _ => None,
        };
        let main = Tables { snapshot: &main_snapshot, schema: &layout.main };
        let sec = sec_snapshot.as_ref().map(|snapshot| Tables { snapshot, schema: &layout.sec });
        let own = Tables {
            snapshot: ci_snapshot.as_ref().unwrap_or(&main_snapshot),
            schema: self.schema(&layout, db),
        };
        let Batch { rows, read_to } = batch::<T>(own, table, range).await?;
        let mut keys = LookupKeys::default();
        for row in &rows {
            row.add_keys(&mut keys);
        }
        // These are all rows after the key, unless only those that were changed are read.
        let after = range.since.is_none().then_some(range.after);
        let states = States::read(own, &rows, after);
        let (states, lookups) = tokio::try_join!(states, Box::pin(Lookups::find(main, sec, keys)))?;
        main_snapshot.end().await?;
        for snapshot in [ci_snapshot, sec_snapshot].into_iter().flatten() {
            snapshot.end().await?;
        }
        let records = rows.into_iter().map(|row| {
            let source_checksum = states.checksum(&row);
            SourceRecord { source_checksum, ..row.record(&lookups, &self.storages) }
        });
        Ok(SourcePage { rows: records.collect(), read_to: read_to.map(RecordKey::integer) })
    }

    /// Finds out what claims these pieces: first by their locations alone, then by the rows.
    async fn claim_all(&self, pieces: &[Vec<Location>]) -> Result<Vec<Claim>, SourceError> {
        let mut claims = Claims::of(pieces, &self.storages);
        if claims.needs(DbKind::Main) {
            let mut layout = self.layout().await?;
            for db in [DbKind::Main, DbKind::Ci, DbKind::Sec] {
                if !claims.needs(db) {
                    continue;
                }
                // If it was unreachable, its schema is unknown: it has to be probed before anything can be concluded.
                if self.schema(&layout, db).is_empty() {
                    layout = self.probe().await?;
                }
                let (database, schema) = self.database(&layout, db);
                let snapshot = database.snapshot().await?;
                claims.find(db, Tables { snapshot: &snapshot, schema }, &self.storages).await?;
                snapshot.end().await?;
            }
        }
        if let Some(praefect) = self.praefect.as_ref().filter(|_| claims.needs_praefect()) {
            let snapshot = praefect.snapshot().await?;
            claims.find_replicas(&snapshot, &self.storages).await?;
            snapshot.end().await?;
        }
        Ok(claims.answers())
    }

    /// No more rows than one statement may read, and at least one, or a caller would never reach the end.
    fn range<'r>(
        &self,
        after: Option<RecordKey>,
        limit: u32,
        since: Option<&'r str>,
    ) -> Result<Range<'r>, SourceError> {
        let after = match after {
            None => i64::MIN,
            Some(key) => key.as_integer().ok_or_else(|| refused(format!("{key} is no key of GitLab")))?,
        };
        Ok(Range { after, limit: limit.clamp(1, self.batch_size), since })
    }
}

#[async_trait]
impl Source for GitlabSource {
    #[instrument(name = "gitlab.survey", skip_all)]
    async fn survey(&self) -> Result<Vec<(Model, Readable)>, SourceError> {
        let layout = self.probe().await?;
        Ok(Model::ALL.into_iter().map(|model| (model, layout.readable(model))).collect())
    }

    #[instrument(name = "gitlab.page", skip_all, fields(%model, limit))]
    async fn page(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        self.read_any(model, self.range(after, limit, None)?).await
    }

    #[instrument(name = "gitlab.changed", skip_all, fields(%model, %since, limit))]
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

    #[instrument(name = "gitlab.check", skip_all)]
    async fn check(&self) -> Result<SourceCheck, SourceError> {
        let layout = self.probe().await?;
        let mut found = check(&layout, &self.storages);
        if let Some(praefect) = &self.praefect {
            found.missing_rights.extend(praefect::missing_rights(praefect).await?);
        }
        Ok(found)
    }

    #[instrument(name = "gitlab.claims", skip_all, fields(pieces = pieces.len()))]
    async fn claims(&self, pieces: &[Vec<Location>]) -> Result<Vec<Claim>, SourceError> {
        self.claim_all(pieces).await.inspect_err(|error| self.forget_on_drift(error))
    }
}
