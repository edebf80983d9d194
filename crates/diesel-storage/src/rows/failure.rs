//! Causes of failure as they are kept: a word that names the cause, and its data, all separated by one space. The last
//! datum of a cause that has a text is that text. `0005_failure_causes` makes the same of what was kept before.

use stocktake_domain::{
    Digest, Failure, FailureCause, Metadata, RowPart, Timestamp, format_duration, parse_duration,
};

use crate::error::DbError;

/// The words of the causes that have a text ([`FailureCause::text`]) behind them, and nothing else.
pub(crate) const CAUSES_WITH_TEXT: [&str; 5] =
    ["missing_file", "missing_part", "altered", "unreadable", "invalid"];

/// The cause as it is kept. What a system said may hold a NUL, which PostgreSQL refuses.
pub(crate) fn failure_cause(failure: &Failure) -> String {
    let text = match failure.cause() {
        FailureCause::MissingFile { at } => format!("missing_file {at}"),
        FailureCause::MissingRepository => "missing_repository".to_owned(),
        FailureCause::ChecksumMismatch { expected, calculated } => {
            format!("checksum_mismatch {} {}", tagged(*expected), tagged(*calculated))
        }
        FailureCause::SizeMismatch { expected, found } => format!("size_mismatch {expected} {found}"),
        FailureCause::ContentChanged { since, was, is } => {
            format!("content_changed {since} {} {}", tagged(*was), tagged(*is))
        }
        FailureCause::MissingPart { what } => format!("missing_part {what}"),
        FailureCause::Altered { what } => format!("altered {what}"),
        FailureCause::Unreadable { reason } => format!("unreadable {reason}"),
        FailureCause::Invalid { reason } => format!("invalid {reason}"),
        FailureCause::DamagedRow { part: RowPart::Recorded } => "damaged_row recorded".to_owned(),
        FailureCause::DamagedRow { part: RowPart::Baseline } => "damaged_row baseline".to_owned(),
        FailureCause::TimedOut { lease } => format!("timed_out {}", format_duration(*lease)),
    };
    text.replace('\0', "\u{fffd}")
}

/// The failure whose cause is kept so.
pub(crate) fn failure_of(text: &str) -> Result<Failure, DbError> {
    let (name, data) = text.split_once(' ').unwrap_or((text, ""));
    let cause = match name {
        "missing_file" => Some(FailureCause::MissingFile { at: data.to_owned() }),
        "missing_repository" => Some(FailureCause::MissingRepository),
        "checksum_mismatch" => data.split_once(' ').and_then(|(expected, calculated)| {
            Some(FailureCause::ChecksumMismatch {
                expected: digest(expected)?,
                calculated: digest(calculated)?,
            })
        }),
        "size_mismatch" => data.split_once(' ').and_then(|(expected, found)| {
            Some(FailureCause::SizeMismatch { expected: expected.parse().ok()?, found: found.parse().ok()? })
        }),
        "content_changed" => content_changed(data),
        "missing_part" => Some(FailureCause::MissingPart { what: data.to_owned() }),
        "altered" => Some(FailureCause::Altered { what: data.to_owned() }),
        "unreadable" => Some(FailureCause::Unreadable { reason: data.to_owned() }),
        "invalid" => Some(FailureCause::Invalid { reason: data.to_owned() }),
        "damaged_row" => match data {
            "recorded" => Some(FailureCause::DamagedRow { part: RowPart::Recorded }),
            "baseline" => Some(FailureCause::DamagedRow { part: RowPart::Baseline }),
            _ => None,
        },
        "timed_out" => parse_duration(data).map(|lease| FailureCause::TimedOut { lease }),
        _ => None,
    };
    cause
        .map(Failure::new)
        .ok_or_else(|| DbError::data(format!("the cause of a failure {text:?} is unknown")))
}

fn content_changed(data: &str) -> Option<FailureCause> {
    let (since, digests) = data.split_once(' ')?;
    let (was, is) = digests.split_once(' ')?;
    Some(FailureCause::ContentChanged {
        since: Timestamp::parse_rfc3339(since)?,
        was: digest(was)?,
        is: digest(is)?,
    })
}

/// A digest behind its algorithm, and `stored-` in front of what an object store says of an object that was not read.
fn tagged(digest: Digest) -> String {
    match digest {
        Digest::Metadata(Metadata::Sha256(_) | Metadata::Md5(_)) => format!("stored-{}", digest.tagged()),
        Digest::Metadata(Metadata::AtRestSha256(_) | Metadata::AtRestSha1(_) | Metadata::AtRestMd5(_)) => {
            format!("at-rest-{}", digest.tagged())
        }
        _ => digest.tagged(),
    }
}

fn digest(text: &str) -> Option<Digest> {
    let (tag, value) = text.split_once(':')?;
    match tag {
        "gitaly" => {
            let bytes = hex::decode(value).ok()?;
            let mut padded = [0; 20];
            padded.get_mut(20_usize.checked_sub(bytes.len())?..)?.copy_from_slice(&bytes);
            Some(Digest::Gitaly(padded))
        }
        "size" => value.parse().ok().map(|size| Digest::Metadata(Metadata::Size(size))),
        _ => match (text.strip_prefix("stored-"), text.strip_prefix("at-rest-")) {
            (Some(kept), _) => match kept.parse().ok()? {
                Digest::Sha256(bytes) => Some(Digest::Metadata(Metadata::Sha256(bytes))),
                Digest::Md5(bytes) => Some(Digest::Metadata(Metadata::Md5(bytes))),
                Digest::Sha1(_) | Digest::Gitaly(_) | Digest::Metadata(_) => None,
            },
            (None, Some(computed)) => match computed.parse().ok()? {
                Digest::Sha256(bytes) => Some(Digest::Metadata(Metadata::AtRestSha256(bytes))),
                Digest::Sha1(bytes) => Some(Digest::Metadata(Metadata::AtRestSha1(bytes))),
                Digest::Md5(bytes) => Some(Digest::Metadata(Metadata::AtRestMd5(bytes))),
                Digest::Gitaly(_) | Digest::Metadata(_) => None,
            },
            (None, None) => text.parse().ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_cause_is_read_back_as_it_was() {
        let digests = [
            Digest::Sha256([1; 32]),
            Digest::Md5([2; 16]),
            Digest::Sha1([3; 20]),
            Digest::Metadata(Metadata::AtRestSha256([4; 32])),
            Digest::Metadata(Metadata::AtRestSha1([4; 20])),
            Digest::Metadata(Metadata::AtRestMd5([4; 16])),
            Digest::Gitaly([0; 20]),
            Digest::Gitaly(std::array::from_fn(|index| u8::from(index > 2))),
            Digest::Metadata(Metadata::Sha256([4; 32])),
            Digest::Metadata(Metadata::Md5([5; 16])),
            Digest::Metadata(Metadata::Size(123)),
            Digest::Metadata(Metadata::Size(u64::MAX)),
        ];
        let since = Timestamp::from_millis(1_738_754_830_173);
        let mut failures = vec![
            Failure::missing_file("a b/c"),
            Failure::missing_file(&"é".repeat(999)),
            Failure::missing_repository(),
            Failure::size_mismatch(0, u64::MAX),
            Failure::missing_part("object 11 is missing"),
            Failure::altered("object 12 is not what its name says"),
            Failure::unreadable(&"a line\nand another ".repeat(50)),
            Failure::invalid(""),
            Failure::damaged_row(RowPart::Recorded),
            Failure::damaged_row(RowPart::Baseline),
            Failure::timed_out(Duration::from_secs(28_805)),
        ];
        for (one, other) in digests.iter().zip(digests.iter().cycle().skip(1)) {
            failures.push(Failure::checksum_mismatch(*one, *other));
            failures.push(Failure::content_changed(since, *one, *other));
        }
        for failure in failures {
            let kept = failure_cause(&failure);
            assert_eq!(failure_of(&kept).unwrap(), failure, "{kept}");
            let (word, data) = kept.split_once(' ').unwrap_or((&kept, ""));
            let text = CAUSES_WITH_TEXT.contains(&word).then_some(data);
            assert_eq!(failure.cause().text(), text, "{kept}");
        }
    }

    #[test]
    fn what_is_no_cause_is_refused() {
        for text in [
            "",
            "gone",
            "checksum_mismatch",
            "checksum_mismatch md5:00 md5:00",
            "size_mismatch 1",
            "content_changed now md5:00 md5:00",
            "timed_out soon",
            "damaged_row",
            "checksum_mismatch gitaly:000000000000000000000000000000000000000000 size:1",
        ] {
            assert!(failure_of(text).is_err(), "{text}");
        }
        assert_eq!(failure_of("unreadable a\u{fffd}b").unwrap(), Failure::unreadable("a\u{fffd}b"));
        assert_eq!(failure_cause(&Failure::unreadable("a\0b")), "unreadable a\u{fffd}b");
    }
}
