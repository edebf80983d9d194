//! Patterns for paths in SQLite: its own GLOB knows no folders, so that it is given a function.

use std::sync::{Mutex, PoisonError};

use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use stocktake_domain::PathGlob;

/// Whether the path of the record `r` matches. One value: the pattern.
pub(super) const MATCHES: &str = "path_matches(r.path, ?)";

#[diesel::declare_sql_function]
extern "SQL" {
    /// Whether a path matches a pattern.
    fn path_matches(
        path: diesel::sql_types::Text,
        pattern: diesel::sql_types::Text,
    ) -> diesel::sql_types::Bool;
}

/// Makes the function known to a connection.
pub(super) fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    // All rows of a statement have the same pattern.
    let last: Mutex<Option<PathGlob>> = Mutex::new(None);
    path_matches_utils::register_impl(connection, move |path: String, pattern: String| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|known| known.as_str() != pattern) {
            *last = pattern.parse().ok();
        }
        // What is no pattern matches nothing; the adapter binds none.
        last.as_ref().is_some_and(|glob| glob.matches(&path))
    })
}
