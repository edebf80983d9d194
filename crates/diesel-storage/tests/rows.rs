//! Rows of the catalogue as other versions wrote them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod past_program;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use secrecy::ExposeSecret as _;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{Applied, Lease, LeaseTerms, Outcome, WorkerId, numbered};
use stocktake_domain::{
    Digest, DigestRule, KeyData, Location, Model, RecordKey, RowPart, SourceRecord, Timestamp,
};
use stocktake_testbed::postgres;

const MODEL: Model = Model::CiSecureFiles;
const HOUR: Duration = Duration::from_secs(3600);

/// An empty database.
struct Database {
    settings: StoreSettings,
    _folder: tempfile::TempDir,
}

impl Database {
    async fn both() -> [Self; 2] {
        let folder = || tempfile::tempdir().unwrap();
        let (file, other) = (folder(), folder());
        let sqlite = format!("sqlite://{}/test.db", file.path().display());
        [Self::new(sqlite, file).await, Self::new(postgres().create_database().unwrap(), other).await]
    }

    async fn new(url: String, folder: tempfile::TempDir) -> Self {
        let settings = StoreSettings {
            url: url.into(),
            encryption: Encryption::default(),
            max_connections: 2,
            thread_connections: 0,
            timeout: Duration::from_secs(20),
            clock: StoreClock::Fixed(Arc::<ManualClock>::default()),
        };
        migrate(&settings).await.unwrap();
        Self { settings, _folder: folder }
    }

    async fn open(&self) -> Store {
        open(&self.settings).await.unwrap()
    }

    /// Runs a statement past the program.
    fn alter(&self, statement: &str) {
        match self.settings.url.expose_secret().strip_prefix("sqlite://") {
            Some(path) => past_program::update(path, statement),
            None => drop(postgres().sql(self.settings.url.expose_secret(), statement).unwrap()),
        }
    }
}

fn entry(number: i64) -> SourceRecord {
    let location = Location { storage: "main".to_owned(), path: format!("{number}.bin") };
    SourceRecord { file_size: Some(5), ..SourceRecord::new(RecordKey::integer(number), location) }
}

async fn import(store: &Store, entries: Vec<SourceRecord>) -> Applied {
    let entries = Box::pin(stream::iter([Ok(numbered(1, entries))]));
    store.catalogue.import(MODEL, entries).await.unwrap()
}

/// Recalculates and claims a record.
async fn claim(store: &Store, number: i64) -> Lease {
    let terms = LeaseTerms { duration: HOUR, heartbeat_timeout: HOUR };
    let (worker, key) = (WorkerId("w".to_owned()), RecordKey::integer(number));
    store.queue.claim_one(&worker, MODEL, &key, terms).await.unwrap().unwrap()
}

async fn succeed(store: &Store, number: i64) {
    let lease = claim(store, number).await;
    let [record] = lease.records.try_into().unwrap();
    let done = record.verification.succeed(Digest::Sha256([7; 32]), Timestamp::from_millis(5));
    assert!(record.reference.is_ok());
    store.queue.complete(lease.id, &[(record.key, Outcome::Succeeded(done))], true).await.unwrap();
}

#[tokio::test]
async fn a_row_without_check_values_is_whole_until_it_is_written_again() {
    for database in Database::both().await {
        let store = database.open().await;
        import(&store, (1..=3).map(entry).collect()).await;
        for number in 1..=3 {
            succeed(&store, number).await;
        }
        database.alter("UPDATE records SET recorded_check = NULL, baseline_check = NULL");
        // The same lines do not write them; another line and a success do.
        assert_eq!(import(&store, (1..=3).map(entry).collect()).await.unchanged, 3);
        let changed = SourceRecord { owner: Some("group".to_owned()), ..entry(1) };
        assert_eq!(import(&store, vec![changed]).await.changed, 1);
        succeed(&store, 2).await;
        database.alter("UPDATE records SET file_size = 6, baseline_at = 6");
        let mut references = Vec::new();
        for number in 1..=3 {
            references.push(claim(&store, number).await.records[0].reference);
        }
        assert_eq!(references[..2], [Err(RowPart::Recorded), Err(RowPart::Baseline)]);
        assert_eq!(references[2].map(|reference| reference.size), Ok(Some(6)));
    }
}

#[tokio::test]
async fn a_column_of_a_later_version_is_left_to_its_default() {
    for database in Database::both().await {
        database.alter("ALTER TABLE records ADD COLUMN later integer NOT NULL DEFAULT 7");
        let store = database.open().await;
        assert_eq!(import(&store, (1..=40).map(entry).collect()).await.added, 40);
        succeed(&store, 2).await;
        let changed = SourceRecord { owner: Some("group".to_owned()), ..entry(1) };
        assert_eq!(import(&store, vec![changed, entry(41)]).await.changed, 1);
        database.alter("UPDATE records SET attempt = 1 / CASE WHEN later = 7 THEN 1 ELSE 0 END");
        assert_eq!(
            store.catalogue.get(MODEL, &RecordKey::integer(41)).await.unwrap().unwrap().history().attempt,
            1
        );
    }
}

#[tokio::test]
async fn key_data_is_encrypted_when_the_database_is_opened_but_for_a_damaged_row() {
    let rule = DigestRule::SecureFile(KeyData("signing".to_owned()));
    let key = |byte: u8| hex::encode([byte; 32]).parse().unwrap();
    for database in Database::both().await {
        let with = async |current: Option<u8>, former: Option<u8>| {
            let encryption = Encryption::new(current.map(key), former.map(key).into_iter().collect());
            open(&StoreSettings { encryption, ..database.settings.clone() }).await.unwrap()
        };
        let rule_of = async |store: &Store, number: i64| {
            store.catalogue.get(MODEL, &RecordKey::integer(number)).await.unwrap().unwrap().rule
        };
        let entries = || (1..=1100).map(|number| SourceRecord { rule: rule.clone(), ..entry(number) });
        import(&database.open().await, entries().collect()).await;
        database.alter("UPDATE records SET file_size = 6 WHERE path = '700.bin'");
        let store = with(Some(1), None).await;
        assert_eq!(rule_of(&store, 1100).await, rule);
        // What is compared is what the text says, not how it is kept: only what is damaged is written.
        let applied = import(&store, entries().collect()).await;
        assert_eq!((applied.changed, applied.unchanged), (1, 1099));
        let blind = database.open().await;
        for number in [1, 700, 1100] {
            assert!(matches!(rule_of(&blind, number).await, DigestRule::Unresolved(_)), "{number}");
        }
        database.alter("UPDATE records SET file_size = 6 WHERE path = '700.bin'");
        let store = with(Some(2), Some(1)).await;
        assert_eq!(import(&store, entries().skip(700).collect()).await.unchanged, 400);
        let other = with(Some(2), None).await;
        assert_eq!(rule_of(&other, 1).await, rule);
        assert!(matches!(rule_of(&other, 700).await, DigestRule::Unresolved(_)));
        assert_eq!(claim(&other, 700).await.records[0].reference, Err(RowPart::Recorded));
    }
}
