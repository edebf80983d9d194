//! The contracts of the database ports, on SQLite and on PostgreSQL: their suites, and random operations of which each must
//! do the same as in the database in memory.

#![expect(clippy::unwrap_used, reason = "tests")]

mod state_machine;
mod support;

use std::error::Error as _;

use futures_util::stream;
use stocktake_domain::contract::DatabaseFixture;
use stocktake_domain::ports::ImportError;
use stocktake_domain::{Location, Model, RecordKey, SourceRecord};

use support::{Database, run};

mod sqlite {
    stocktake_domain::database_contract!(crate::support::run, crate::support::Database::sqlite);
}

mod postgres {
    stocktake_domain::database_contract!(crate::support::run, crate::support::Database::postgres);
}

/// What is said of a value that does not fit into a database: which record, which field, and why.
async fn refusal(db: &Database, change: impl FnOnce(&mut SourceRecord)) -> String {
    let location = Location { storage: "main".to_owned(), path: "2.bin".to_owned() };
    let mut entry = SourceRecord::new(RecordKey::integer(2), location);
    change(&mut entry);
    let batches = Box::pin(stream::iter([Ok(vec![entry])]));
    let outcome = db.ports().catalogue.import(Model::Uploads, batches).await;
    match outcome.unwrap_err() {
        ImportError::Store(error) => error.source().unwrap().to_string(),
        ImportError::Source(error) => panic!("{error}"),
    }
}

async fn name_the_record_and_the_field(db: Database) {
    let large = refusal(&db, |entry| entry.file_size = Some(1 << 63)).await;
    assert_eq!(large, "record 2: file_size 9223372036854775808 is beyond 9223372036854775807");
    let odd = refusal(&db, |entry| "a\0b".clone_into(&mut entry.location.path)).await;
    assert_eq!(odd, "record 2: path \"a\\0b\" holds a NUL character, which no database text may");
}

#[test]
fn of_sqlite_name_the_record_and_the_field() {
    run(async { name_the_record_and_the_field(Database::sqlite().await).await });
}

#[test]
fn of_postgres_name_the_record_and_the_field() {
    run(async { name_the_record_and_the_field(Database::postgres().await).await });
}
