//! Rows of `leases`.

use diesel::prelude::{Insertable, Queryable};
use diesel::sql_types::{BigInt, Binary, SmallInt, Text};

use crate::schema::leases;

/// The columns of [`LeaseRow`], of a lease `l`.
pub(crate) const LEASE: &str =
    "l.id, l.model, l.storage, l.first_key, l.last_key, l.due_from, l.claimed_at, l.deadline";

/// Their types.
pub(crate) type LeaseSql = (BigInt, SmallInt, Text, Binary, Binary, BigInt, BigInt, BigInt);

/// What is asked of a lease that somebody has.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct LeaseRow {
    pub(crate) id: i64,
    pub(crate) model: i16,
    pub(crate) storage: String,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    pub(crate) due_from: i64,
    pub(crate) claimed_at: i64,
    pub(crate) deadline: i64,
}

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
