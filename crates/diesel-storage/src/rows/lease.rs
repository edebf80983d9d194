//! Rows of `leases`.

use std::sync::LazyLock;

use diesel::prelude::Insertable;
use diesel::sql_types::{BigInt, Binary, SmallInt, Text};

use crate::columns::{Row, columns, select_list};
use crate::schema::leases;

columns! {
    /// What is read of a lease.
    #[derive(Debug, Clone)]
    pub(crate) struct LeaseRow {
        id: BigInt,
        model: SmallInt,
        storage: Text,
        first_key: Binary,
        last_key: Binary,
        due_from: BigInt,
        claimed_at: BigInt,
        deadline: BigInt,
    }
}

/// The columns of a lease `l`.
pub(crate) static LEASE: LazyLock<String> = LazyLock::new(|| select_list::<LeaseRow>("l"));

/// Their SQL types.
pub(crate) type LeaseSql = <LeaseRow as Row>::SqlType;

/// A lease to be made.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = leases)]
pub(crate) struct NewLeaseRow {
    pub(crate) model: i16,
    pub(crate) storage: String,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    pub(crate) due_from: i64,
    pub(crate) claimed_at: i64,
    pub(crate) worker: String,
    pub(crate) alive_until: i64,
    pub(crate) deadline: i64,
}
