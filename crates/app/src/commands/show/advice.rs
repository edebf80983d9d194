//! When a record is read next, and what its administrator can do.

use stocktake_domain::{Acceptance, FailureCause, FailureKind, Record, RowPart, Status, Timestamp};

use crate::settings::Settings;

/// What a folder of files says of what is none.
const NOT_A_FILE: &str = "not a regular file";

/// When the record is read again; `None` if it is due now, or never.
pub(super) fn next_check(settings: &Settings, record: &Record) -> Option<Timestamp> {
    match &record.status {
        Status::Failed(_) => record.status.retry_at(),
        Status::Succeeded(_) => {
            let good = record.history().baseline?;
            Some(good.at.after(settings.verification.reverify_after))
        }
        Status::Pending(_) | Status::Started(_) | Status::Disabled(_) => None,
    }
}

/// Whether the record was retired so, and still is.
fn is_retirement(acceptance: &Acceptance) -> bool {
    acceptance.accepted.checksum.is_none() && acceptance.taken_back.is_none()
}

/// One sentence or two, of a record with these acceptances.
pub(super) fn what_to_do(settings: &Settings, record: &Record, acceptances: &[Acceptance]) -> String {
    let (model, key, storage) = (record.model, &record.key, &record.location.storage);
    let again = format!("stocktake verify {model} --identifiers {key}");
    if !settings.storages.contains_key(storage) {
        return format!(
            "The storage {storage} is not in the configuration: add [storages.{storage}], or import the record with another."
        );
    }
    let Some(failure) = record.status.last_failure() else {
        return match &record.status {
            Status::Succeeded(_) => format!("Nothing. To read it now: {again}"),
            Status::Disabled(_) if acceptances.iter().any(is_retirement) => format!(
                "Nothing. If the file is to be there: restore it and scan the storage, or stocktake accept --undo {model} {key}"
            ),
            Status::Disabled(_) => {
                "It is switched off. To have it read: import it again without \"disabled\".".to_owned()
            }
            Status::Started(_) => "Nothing. It is being read.".to_owned(),
            Status::Pending(_) | Status::Failed(_) => format!("It waits to be read: {again}"),
        };
    };
    if let FailureCause::DamagedRow { part } = failure.cause() {
        return match part {
            RowPart::Recorded => format!("Import or sync the record again; then: {again}"),
            RowPart::Baseline => {
                format!("Look at the content; if it is good: stocktake accept {model} {key}")
            }
        };
    }
    if matches!(failure.cause(), FailureCause::MissingPart { .. }) {
        return format!(
            "The repository is there, and lacks what is named: put that back from any copy of the repository, an object by its \
             id; then: {again}"
        );
    }
    if matches!(failure.cause(), FailureCause::Unreadable { reason } if reason.starts_with(NOT_A_FILE)) {
        return format!(
            "A pipe, a socket, a device or a folder is in its place: find out what put it there, and restore the file; then: \
             {again}"
        );
    }
    match failure.kind() {
        FailureKind::Altered => format!(
            "Changed on purpose: stocktake accept {model} {key}. If not, restore it from a backup; then: {again}"
        ),
        FailureKind::Missing => format!(
            "Deleted on purpose: stocktake accept {model} {key}. If not, restore it from a backup, or find out where it \
             went; then: {again}"
        ),
        FailureKind::Unreadable => {
            format!("Look at its permissions, and at the disk and its log; then: {again}")
        }
        FailureKind::Invalid => {
            "The catalogue names a place that can hold no content: correct it at its source, and import or sync again."
                .to_owned()
        }
        FailureKind::TimedOut => format!(
            "It took longer than verification.lease: make that longer, or find out what is slow; then: {again}"
        ),
    }
}
