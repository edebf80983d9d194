//! A source in memory that keeps the promises of the port, and can be made to break them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stocktake_domain::ports::{Claim, ModelCheck, Readable, Source, SourceCheck, SourceError, SourcePage};
use stocktake_domain::{Location, Model, RecordKey, SourceRecord, Timestamp};
use tokio::sync::watch;

use super::{entry, sooner_or_later};

/// What the source has, and what was asked of it.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) of: BTreeMap<Model, BTreeMap<RecordKey, SourceRecord>>,
    /// Models that the survey says cannot be read.
    pub(crate) unreadable: BTreeMap<Model, String>,
    /// Models that this version of the source does not have.
    pub(crate) absent: BTreeSet<Model>,
    /// Models whose rows are refused when they are asked for.
    pub(crate) refused: BTreeSet<Model>,
    /// Models whose rows take too long.
    pub(crate) slow: BTreeSet<Model>,
    /// It does not answer at all.
    pub(crate) away: bool,
    /// The page with this number never comes.
    pub(crate) hangs_at: Option<u64>,
    /// Models of which it says when rows were touched.
    pub(crate) touchable: BTreeSet<Model>,
    pub(crate) surveys: u64,
    pub(crate) pages: u64,
    pub(crate) read: u64,
    pub(crate) failed: u64,
    pub(crate) claims: BTreeMap<String, Claim>,
    pub(crate) asked: Vec<usize>,
}

pub(crate) struct MemorySource {
    rows: Mutex<Rows>,
    asked: watch::Sender<()>,
}

impl MemorySource {
    pub(crate) fn new() -> Self {
        Self { rows: Mutex::default(), asked: watch::Sender::new(()) }
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows, or puts back what was changed of them.
    pub(crate) fn put(&self, model: Model, keys: impl IntoIterator<Item = i64>) {
        for key in keys {
            self.put_as(model, key, |_| ());
        }
    }

    /// Adds a row with some changes.
    pub(crate) fn put_as(&self, model: Model, key: i64, change: impl FnOnce(&mut SourceRecord)) {
        let mut row = entry(key);
        change(&mut row);
        if row.content_changed_at.is_some() {
            self.rows().touchable.insert(model);
        }
        self.rows().of.entry(model).or_default().insert(row.key.clone(), row);
    }

    pub(crate) fn delete(&self, model: Model, keys: impl IntoIterator<Item = i64>) {
        let keys: BTreeSet<_> = keys.into_iter().map(RecordKey::integer).collect();
        self.rows().of.entry(model).or_default().retain(|key, _| !keys.contains(key));
    }

    /// Returns when it was asked such things.
    pub(crate) async fn until(&self, so: impl Fn(&Rows) -> bool) {
        let mut asked = self.asked.subscribe();
        while !so(&self.rows()) {
            sooner_or_later(asked.changed()).await.unwrap();
        }
    }

    fn ask(&self, model: Option<Model>) -> Result<bool, SourceError> {
        self.asked.send_replace(());
        let mut rows = self.rows();
        if rows.away || model.is_some_and(|model| rows.slow.contains(&model)) {
            rows.failed += 1;
            return Err(SourceError::Unavailable("no answer".into()));
        }
        let Some(model) = model else { return Ok(true) };
        if rows.refused.contains(&model) {
            rows.failed += 1;
            return Err(SourceError::Refused("a column is gone".to_owned(), None));
        }
        rows.pages += 1;
        Ok(rows.hangs_at != Some(rows.pages))
    }

    async fn answer(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
        is_meant: impl Fn(&SourceRecord) -> bool + Send,
    ) -> Result<SourcePage, SourceError> {
        // Others have their turn, as while a database works.
        tokio::task::yield_now().await;
        if !self.ask(Some(model))? {
            std::future::pending::<()>().await;
        }
        let mut rows = self.rows();
        let table = rows.of.entry(model).or_default();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = table.range((start, Bound::Unbounded)).map(|(_, row)| row).filter(|row| is_meant(row));
        let limit = usize::try_from(limit).unwrap();
        let page: Vec<SourceRecord> = behind.take(limit).cloned().collect();
        let read_to = page.last().filter(|_| page.len() == limit).map(|row| row.key.clone());
        rows.read += u64::try_from(page.len()).unwrap();
        Ok(SourcePage { rows: page, read_to })
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn survey(&self) -> Result<Vec<(Model, Readable)>, SourceError> {
        self.ask(None)?;
        let mut rows = self.rows();
        rows.surveys += 1;
        let count = |model: &Model| u64::try_from(rows.of.get(model).map_or(0, BTreeMap::len)).ok();
        let readable = |model: Model| match rows.unreadable.get(&model) {
            Some(reason) => Readable::No(reason.clone()),
            None if rows.absent.contains(&model) => Readable::Absent("there is no such table".to_owned()),
            None => Readable::Yes { about: count(&model) },
        };
        Ok(Model::ALL.into_iter().map(|model| (model, readable(model))).collect())
    }

    async fn page(
        &self,
        model: Model,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        self.answer(model, after, limit, |_| true).await
    }

    async fn changed(
        &self,
        model: Model,
        since: Timestamp,
        after: Option<RecordKey>,
        limit: u32,
    ) -> Result<SourcePage, SourceError> {
        if !self.rows().touchable.contains(&model) {
            self.ask(Some(model))?;
            return Ok(SourcePage { rows: Vec::new(), read_to: None });
        }
        self.answer(model, after, limit, move |row| row.content_changed_at.is_some_and(|time| time >= since))
            .await
    }

    fn storages(&self) -> BTreeSet<String> {
        ["disk", "elsewhere", "git"].map(str::to_owned).into()
    }

    async fn check(&self) -> Result<SourceCheck, SourceError> {
        self.ask(None)?;
        let uploads = ModelCheck {
            model: Model::Uploads,
            readable: Readable::Yes { about: None },
            rows: None,
            storages: vec!["disk".to_owned()],
            unknown: Vec::new(),
        };
        Ok(SourceCheck { models: vec![uploads], ..SourceCheck::default() })
    }

    async fn claims(&self, pieces: &[Vec<Location>]) -> Result<Vec<Claim>, SourceError> {
        self.ask(None)?;
        let mut rows = self.rows();
        rows.asked.push(pieces.len());
        let claim = |places: &Vec<Location>| {
            let mut claims = places.iter().filter_map(|Location { storage, path }| {
                rows.claims.get(&format!("{storage}/{path}")).or_else(|| rows.claims.get(path)).copied()
            });
            claims.next().unwrap_or(Claim::Nobody)
        };
        Ok(pieces.iter().map(claim).collect())
    }
}
