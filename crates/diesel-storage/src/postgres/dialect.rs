//! PostgreSQL's own SQL.

use diesel_async::AsyncPgConnection;

use crate::dialect::{Dialect, Index, Lock};
use crate::sql::Sql;

impl Dialect for AsyncPgConnection {
    // OFFSET 0 keeps the planner from joining in another order.
    const HELD: &'static str = " FROM leases l CROSS JOIN LATERAL (SELECT * FROM records c \
        WHERE c.model + 0 = l.model AND c.storage = l.storage AND c.key >= l.first_key AND c.key <= l.last_key \
        AND c.due_at IS NOT NULL AND c.due_at >= l.due_from AND c.due_at <= l.claimed_at OFFSET 0) AS r";

    // Of a model that was filled a moment ago the planner believes that there is hardly a record, and would look at
    // all of them rather than for each key; of a model that it learns only when the statement runs, it does not.
    const KEY_IN: (&'static str, &'static str) =
        (" r.model = (SELECT CAST(? AS smallint)) AND r.key = ANY (ARRAY (", "))");

    fn indexed_by(_index: Index) -> &'static str {
        ""
    }

    fn locking(lock: Lock) -> &'static str {
        match lock {
            Lock::Update => " FOR UPDATE",
            Lock::UpdateSkipLocked => " FOR UPDATE SKIP LOCKED",
            Lock::KeyShare => " FOR KEY SHARE",
        }
    }

    fn push_with_keys<T>(sql: Sql<T>, model: i16, keys: &[Vec<u8>]) -> Sql<T> {
        let sql = sql.push(
            " FROM unnest(?::bytea[]) AS wanted (key) CROSS JOIN LATERAL \
             (SELECT * FROM records c WHERE c.model = ? AND c.key = wanted.key OFFSET 0) AS r WHERE TRUE",
        );
        sql.bind(keys.to_vec()).bind(model)
    }
}
