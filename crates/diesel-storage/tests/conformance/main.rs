//! The contracts of the database ports, on SQLite and on PostgreSQL: their suites, and random operations of which each must
//! do the same as in the database in memory.

#![expect(clippy::unwrap_used, reason = "tests")]

mod messages;
#[path = "../past_program/mod.rs"]
mod past_program;
mod state_machine;
mod support;

mod sqlite {
    stocktake_domain::database_contract!(crate::support::run, crate::support::Database::sqlite);
}

mod postgres {
    stocktake_domain::database_contract!(crate::support::run, crate::support::Database::postgres);
}
