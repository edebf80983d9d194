//! The Diesel adapters of the ports `Catalogue`, `Queue`, `Jobs`, `Tokens`, `Sessions`, `SyncState` and `Conditions`, for embedded SQLite
//! and for PostgreSQL, chosen at run time from the URL.
//!
//! The ports are implemented once, generic over a [`session::Driver`]; each database has a driver of its own,
//! with its pool, its locks, its SQL where that differs, its way to write many rows at once and its signal that there is work.

mod adapter;
mod catalogue;
mod clock;
mod columns;
mod conditions;
mod counts;
mod dialect;
mod encryption;
mod error;
mod jobs;
mod key;
mod mark;
mod marks;
mod orphan_walks;
mod postgres;
mod queries;
mod queue;
mod ranges;
mod rows;
mod scanning;
mod schema;
mod session;
mod sessions;
mod settings;
mod span;
mod sql;
mod sqlite;
mod store;
mod sync_state;
mod tokens;

pub use encryption::{Encryption, EncryptionKey, InvalidEncryptionKey};
pub use error::is_busy;
pub use settings::{StoreClock, StoreSettings};
pub use store::{Store, exists, migrate, open, open_to_read, place};
