//! Sources over fixtures, and the expected records.

use std::collections::BTreeMap;

use stocktake_domain::ports::{Readable, Source as _};
use stocktake_domain::{
    Digest, Location, Metadata, Model, ModelKind, ObjectType, RecordKey, SourceRecord, Timestamp,
};
use stocktake_source_gitlab::{GitlabSettings, GitlabSource, Storages, Stores};
use stocktake_testbed::{GitlabDatabase, GitlabRecord, postgres};

/// The storages by the names that the fixture gives them.
pub(crate) fn storages() -> Storages {
    let stores = |object_type: ObjectType| Stores {
        local: Some(format!("{object_type}-disk")),
        object: Some(format!("{object_type}-bucket")),
    };
    let git = [("default", "git-default"), ("second", "git-second")];
    Storages {
        files: ObjectType::ALL.into_iter().map(|object_type| (object_type, stores(object_type))).collect(),
        public: Some("public-disk".to_owned()),
        uploads_folders: vec!["/srv/uploads".to_owned()],
        git: git.map(|(name, storage)| (name.to_owned(), storage.to_owned())).into(),
        registry: Some("registry".to_owned()),
        ..Storages::default()
    }
}

/// A database of GitLab with the fixture in it, and its URL.
pub(crate) fn loaded() -> (String, GitlabDatabase) {
    let url = postgres().create_database().unwrap();
    let fixture = GitlabDatabase::load(&url).unwrap();
    (url, fixture)
}

pub(crate) fn source(url: &str) -> GitlabSource {
    GitlabSource::new(GitlabSettings::new(url.into(), storages())).unwrap()
}

pub(crate) fn decomposed(main: &str, ci: &str) -> GitlabSource {
    let settings = GitlabSettings::new(main.into(), storages());
    GitlabSource::new(GitlabSettings { ci_database_url: Some(ci.into()), ..settings }).unwrap()
}

/// All records of a model, read by pages of this size.
pub(crate) async fn all(source: &GitlabSource, model: Model, limit: u32) -> Vec<SourceRecord> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = source.page(model, after.take(), limit).await.unwrap();
        assert!(page.rows.len() <= usize::try_from(limit).unwrap());
        rows.extend(page.rows);
        match page.read_to {
            Some(key) => after = Some(key),
            None => return rows,
        }
    }
}

/// The expected record of the fixture's record.
pub(crate) fn row(record: &GitlabRecord) -> SourceRecord {
    let location = Location { storage: record.storage.clone(), path: record.path.clone() };
    let time = |text: Option<&str>| text.map(|text| Timestamp::parse_rfc3339(text).unwrap());
    let kind = record.model.parse::<Model>().unwrap().kind();
    SourceRecord {
        created_at: time(record.created_at),
        file_size: record.file_size,
        expected: record.expected.as_ref().map(|text| text.parse().unwrap()),
        rule: record.rule.as_ref().map(|text| text.parse().unwrap()).unwrap_or_default(),
        mutable: record.mutable,
        disabled: record.disabled,
        owner: record.owner.map(ToOwned::to_owned),
        source_checksum: record.source_checksum.as_ref().map(|text| shown(kind, text)),
        content_changed_at: time(record.content_changed_at),
        ..SourceRecord::new(RecordKey::integer(record.id), location)
    }
}

/// The digest that GitLab shows as this text.
fn shown(kind: ModelKind, text: &str) -> Digest {
    let digest = match kind {
        ModelKind::GitRepository => {
            let bytes = hex(&format!("{text:0>40}"));
            Digest::Gitaly(bytes.try_into().unwrap())
        }
        _ if text.len() == 64 => format!("sha256:{text}").parse().unwrap(),
        _ => Digest::Metadata(Metadata::Size(text.parse().unwrap())),
    };
    assert_eq!(digest.to_string(), text);
    digest
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Asserts that the source has exactly these records, and returns their number for each model.
pub(crate) async fn assert_rows(
    source: &GitlabSource,
    records: &[GitlabRecord],
    models: impl IntoIterator<Item = Model>,
) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for model in models {
        let expected: Vec<_> =
            records.iter().filter(|record| record.model == model.name()).map(row).collect();
        let found = all(source, model, 1000).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{model}");
        }
        assert_eq!(found.len(), expected.len(), "{model}");
        counts.insert(model.name(), found.len());
    }
    counts
}

/// The models that cannot be read, with the reasons.
pub(crate) async fn unreadable(source: &GitlabSource) -> BTreeMap<&'static str, String> {
    let reasons = surveyed(source).await.into_iter().filter_map(|(model, readable)| match readable {
        Readable::Yes { .. } | Readable::Absent(_) => None,
        Readable::No(why) => Some((model.name(), why)),
    });
    reasons.collect()
}

/// The models that are absent, with the reasons.
pub(crate) async fn absent(source: &GitlabSource) -> BTreeMap<&'static str, String> {
    let reasons = surveyed(source).await.into_iter().filter_map(|(model, readable)| match readable {
        Readable::Yes { .. } | Readable::No(_) => None,
        Readable::Absent(why) => Some((model.name(), why)),
    });
    reasons.collect()
}

async fn surveyed(source: &GitlabSource) -> Vec<(Model, Readable)> {
    let survey = source.survey().await.unwrap();
    assert!(survey.iter().map(|(model, _)| *model).eq(Model::ALL));
    survey
}
