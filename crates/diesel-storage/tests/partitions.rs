//! The partitions of `records` on PostgreSQL: each data type has one, all are alike, and what is written through any name is
//! counted.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, migrate, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::numbered;
use stocktake_domain::{Location, Model, RecordKey, SourceRecord};
use stocktake_testbed::postgres;

fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.into(),
        encryption: Encryption::default(),
        max_connections: 2,
        thread_connections: 0,
        timeout: Duration::from_secs(20),
        clock: StoreClock::Fixed(Arc::<ManualClock>::default()),
    }
}

/// A migrated database with three records of each of these models, and its URL.
async fn filled(models: &[Model]) -> (Store, String) {
    let url = postgres().create_database().unwrap();
    migrate(&settings(&url)).await.unwrap();
    let store = open(&settings(&url)).await.unwrap();
    for model in models {
        let entry = |number| {
            let location = Location { storage: "main".to_owned(), path: format!("{number}") };
            SourceRecord { file_size: Some(1), ..SourceRecord::new(RecordKey::integer(number), location) }
        };
        let entries = stream::iter([Ok(numbered(1, (0..3).map(entry)))]);
        assert_eq!(store.catalogue.import(*model, Box::pin(entries)).await.unwrap().added, 3);
    }
    (store, url)
}

async fn counts_are_exact(store: &Store) {
    assert_eq!(store.catalogue.count_differences().await.unwrap(), []);
}

/// What a statement past the program returns.
fn sql(url: &str, statement: &str) -> String {
    postgres().sql(url, statement).unwrap()
}

#[tokio::test]
async fn every_data_type_has_its_partition() {
    let (store, url) = filled(&Model::ALL).await;
    counts_are_exact(&store).await;
    for model in Model::ALL {
        let found = store.catalogue.get(model, &RecordKey::integer(2)).await.unwrap().unwrap();
        assert_eq!(found.model, model);
    }
    let filled =
        "SELECT count(*) FROM (SELECT tableoid FROM records GROUP BY tableoid HAVING count(*) = 3) AS filled";
    assert_eq!(sql(&url, filled), Model::ALL.len().to_string());
}

/// A partition that a later migration makes has all that those of the first have.
#[tokio::test]
async fn all_partitions_are_alike() {
    let (_, url) = filled(&[]).await;
    let kinds = "SELECT count(*) || ' ' || made FROM (SELECT p.relid, \
        (SELECT string_agg(option, ' ' ORDER BY option) FROM unnest(c.reloptions) AS option) || ' ' || \
        (SELECT string_agg(replace(x.relname, c.relname || '_', ''), ' ' ORDER BY x.relname) FROM pg_index i \
         JOIN pg_class x ON x.oid = i.indexrelid \
         WHERE i.indrelid = p.relid AND i.indisvalid) || ' ' || \
        (SELECT string_agg(t.tgname, ' ' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = p.relid) AS made \
        FROM pg_partition_tree('records') p JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf) AS partitions GROUP BY made";
    assert_eq!(
        sql(&url, kinds),
        format!(
            "{} autovacuum_analyze_scale_factor=0.05 autovacuum_vacuum_scale_factor=0.05 fillfactor=80 \
             by_checksum by_state failing findings in_queue in_storage mismatched pkey to_retry with_key_data \
             records_added records_changed records_emptied records_removed",
            Model::ALL.len()
        )
    );
    let whole = "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'records'::regclass";
    assert_eq!(sql(&url, whole), "t");
}

/// A trigger of a statement is that of the table which the statement names.
#[tokio::test]
async fn what_is_written_by_any_name_is_counted() {
    let (store, url) = filled(&[Model::LfsObjects, Model::Uploads]).await;
    let copy = |to: &str, from: &str, more: &str| {
        format!(
            "CREATE TEMPORARY TABLE taken AS SELECT * FROM {from}; UPDATE taken SET key = key || '\\x{more}'; \
             INSERT INTO {to} SELECT * FROM taken"
        )
    };
    let statements = [
        copy("records", "records", "00"),
        copy("records_9", "records_9", "01"),
        "UPDATE records SET storage = 'other', file_size = 7 WHERE path = '1'".to_owned(),
        "UPDATE records_9 SET storage = 'another', file_size = 9 WHERE path = '2'".to_owned(),
        "DELETE FROM records WHERE path = '1'".to_owned(),
        "DELETE FROM records_19 WHERE path = '2'".to_owned(),
    ];
    for statement in statements {
        let before = sql(&url, "SELECT count(*) FROM record_count_changes");
        sql(&url, &statement);
        assert_ne!(sql(&url, "SELECT count(*) FROM record_count_changes"), before, "{statement}");
        counts_are_exact(&store).await;
    }
    sql(&url, "TRUNCATE records_9");
    counts_are_exact(&store).await;
    let left = store.catalogue.summary().await.unwrap();
    assert_eq!(left.iter().map(|summary| summary.model).collect::<Vec<_>>(), [Model::Uploads]);
    sql(&url, "TRUNCATE records");
    assert_eq!(store.catalogue.summary().await.unwrap(), []);
    counts_are_exact(&store).await;
}
