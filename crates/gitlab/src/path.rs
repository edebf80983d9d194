//! Where GitLab puts things: the rules by which a row's numbers and names become a path.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _};
use sha2::{Digest as _, Sha256};
use stocktake_domain::Timestamp;

/// `aa/bb/<64 digits>`: the SHA-256 of the id's decimal digits, behind its own first four digits.
pub(crate) fn hashed(id: i64) -> String {
    let digest: [u8; 32] = Sha256::digest(id.to_string()).into();
    let [first, second, ..] = digest;
    let mut path = String::with_capacity(256);
    push_hex(&mut path, first);
    path.push('/');
    push_hex(&mut path, second);
    path.push('/');
    for byte in digest {
        push_hex(&mut path, byte);
    }
    path
}

fn push_hex(path: &mut String, byte: u8) {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half });
    path.push(digit(byte >> 4));
    path.push(digit(byte & 0x0f));
}

/// A path below the hashed folder of this id; the parts are joined by slashes.
pub(crate) fn below(id: i64, parts: &[&dyn std::fmt::Display]) -> String {
    let mut path = hashed(id);
    for part in parts {
        // Writing to a String does not fail.
        let _ = write!(path, "/{part}");
    }
    path
}

/// `YYYY_MM_DD` of this time in UTC.
pub(crate) fn day(time: Timestamp) -> String {
    let day = DateTime::from_timestamp_millis(time.millis()).unwrap_or_default();
    format!("{:04}_{:02}_{:02}", day.year(), day.month(), day.day())
}

/// `YYYY_MM` of this time in UTC.
pub(crate) fn month(time: Timestamp) -> String {
    let day = DateTime::from_timestamp_millis(time.millis()).unwrap_or_default();
    format!("{:04}_{:02}", day.year(), day.month())
}

/// A Ruby class in the form that paths have it: `Projects::Topic` is `projects/topic`.
pub(crate) fn underscore(class: &str) -> String {
    let mut path = String::with_capacity(class.len() + 4);
    for (index, part) in class.split("::").enumerate() {
        if index > 0 {
            path.push('/');
        }
        for (index, letter) in part.chars().enumerate() {
            if letter.is_ascii_uppercase() && index > 0 {
                path.push('_');
            }
            path.push(letter.to_ascii_lowercase());
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashed_path_of_known_ids() {
        for (id, digits) in [
            (1, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"),
            (2, "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"),
            (42, "73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049"),
        ] {
            assert_eq!(hashed(id), format!("{}/{}/{digits}", &digits[..2], &digits[2..4]));
        }
        assert_eq!(below(1, &[&"pages", &7, &"a.zip"]), format!("{}/pages/7/a.zip", hashed(1)));
    }

    #[test]
    fn days_are_of_utc() {
        let time = Timestamp::parse_rfc3339("2025-01-01T00:30:00+02:00").unwrap();
        assert_eq!((day(time).as_str(), month(time).as_str()), ("2024_12_31", "2024_12"));
        assert_eq!(day(Timestamp::from_millis(-1)), "1969_12_31");
    }

    #[test]
    fn classes_become_folders() {
        for (class, path) in [
            ("PersonalSnippet", "personal_snippet"),
            ("User", "user"),
            ("DesignManagement::Action", "design_management/action"),
        ] {
            assert_eq!(underscore(class), path);
        }
    }
}
