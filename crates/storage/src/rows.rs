//! Rows of the tables, and how they become values of the domain and back.

mod codes;
mod job;
mod lease;
mod record;
mod token;

pub(crate) use codes::{
    DISABLED, FAILED, PENDING, SUCCEEDED, failure_kind_code, failure_kind_of, job_state_code, model_code,
    model_of, state_of, stored_state_code,
};
pub(crate) use job::{JobRow, NewJobRow};
pub(crate) use lease::{LEASE, LeaseRow, LeaseSql, NewLeaseRow};
pub(crate) use record::{RecordRow, ResultRow, StagedRow};
pub(crate) use token::{NewTokenRow, TokenRow};

use stocktake_domain::Digest;

use crate::error::Fault;

/// The text, if both databases can keep it.
pub(crate) fn storable(text: &str, what: &str) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(Fault::data(format!(
            "{what} {text:?} holds a NUL character, which no database text may"
        )));
    }
    Ok(text.to_owned())
}

/// A count or size of the domain as the signed number that a database keeps.
pub(crate) fn storable_size(size: u64, what: &str) -> Result<i64, Fault> {
    i64::try_from(size).map_err(|_| Fault::data(format!("{what} {size} is beyond {}", i64::MAX)))
}

/// A number that is never negative, as read.
pub(crate) fn unsigned(number: i64, what: &str) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::data(format!("{what} {number} is negative")))
}

fn digest_of(bytes: &[u8]) -> Result<Digest, Fault> {
    Digest::from_bytes(bytes).ok_or_else(|| Fault::data(format!("a digest of {} bytes", bytes.len())))
}
