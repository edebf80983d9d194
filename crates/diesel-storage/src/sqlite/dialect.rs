//! SQLite's own SQL. It locks no rows: a transaction that writes is alone.

use super::session::SqliteSession;
use crate::dialect::{Dialect, Index, Lock};
use crate::sql::Sql;

impl Dialect for SqliteSession {
    // CROSS JOIN keeps the order of the join. The sign before `l.model` takes its affinity away, with which it
    // would not be looked up in an index on an expression.
    const HELD: &'static str = " FROM leases l CROSS JOIN records AS r INDEXED BY records_in_queue \
        ON r.model + 0 = +l.model AND r.storage = l.storage AND r.key >= l.first_key AND r.key <= l.last_key \
        AND r.due_at IS NOT NULL AND r.due_at >= l.due_from AND r.due_at <= l.claimed_at";

    const KEY_IN: (&'static str, &'static str) = (" r.model = ? AND r.key IN (", ")");

    fn indexed_by(index: Index) -> &'static str {
        match index {
            Index::ByState => " INDEXED BY records_by_state",
            Index::InQueue => " INDEXED BY records_in_queue",
            Index::ToRetry => " INDEXED BY records_to_retry",
            Index::Mismatched => " INDEXED BY records_mismatched",
        }
    }

    fn locking(_lock: Lock) -> &'static str {
        ""
    }

    /// The keys go as JSON, because SQLite has no arrays.
    fn push_with_keys<T>(sql: Sql<T>, model: i16, keys: &[Vec<u8>]) -> Sql<T> {
        let quoted: Vec<String> = keys.iter().map(|key| format!("\"{}\"", hex::encode(key))).collect();
        let sql = sql.push(
            " FROM json_each(?) AS wanted CROSS JOIN records AS r \
             ON r.model = ? AND r.key = unhex(wanted.value) WHERE TRUE",
        );
        sql.bind(format!("[{}]", quoted.join(","))).bind(model)
    }
}
