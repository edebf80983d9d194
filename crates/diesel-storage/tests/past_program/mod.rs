//! Changes of records on SQLite that the program does not make, and so does not count: as a failing disk makes them, for example.

use diesel::connection::SimpleConnection as _;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query};

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = diesel::sql_types::Text)]
    sql: String,
}

/// Updates records of the database in this file past the trigger that counts what changes.
pub(crate) fn update(path: &str, statement: &str) {
    let mut connection = SqliteConnection::establish(path).unwrap();
    let trigger = sql_query("SELECT sql FROM sqlite_schema WHERE name = 'records_changed'");
    let trigger: Trigger = trigger.get_result(&mut connection).unwrap();
    let statements = format!("BEGIN; DROP TRIGGER records_changed; {statement}; {}; COMMIT", trigger.sql);
    connection.batch_execute(&statements).unwrap();
}
