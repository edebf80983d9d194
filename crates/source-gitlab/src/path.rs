//! GitLab's rules for paths: how ids and names in a row become a path.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _};
use sha2::{Digest as _, Sha256};
use stocktake_domain::Timestamp;

/// The length of a hashed folder, `aa/bb/<64 digits>`.
const HASHED: usize = 70;

/// `aa/bb/<64 digits>`: the SHA-256 of the id's decimal digits, below folders named after its first four digits.
pub(crate) fn hashed(id: i64) -> String {
    let mut path = String::with_capacity(HASHED);
    push_hashed(&mut path, id);
    path
}

/// Appends the same to a path. Nearly every row needs one, so the digits are written at once.
pub(crate) fn push_hashed(path: &mut String, id: i64) {
    let mut digits = [0; 64];
    let digest: [u8; 32] = Sha256::digest(id.to_string()).into();
    if hex::encode_to_slice(digest, &mut digits).is_err() {
        return;
    }
    let digits = std::str::from_utf8(&digits).unwrap_or_default();
    for part in [digits.get(..2), Some("/"), digits.get(2..4), Some("/"), Some(digits)] {
        path.push_str(part.unwrap_or_default());
    }
}

/// A part of a path.
pub(crate) trait Segment {
    fn append_to(&self, path: &mut String);
}

impl Segment for &str {
    fn append_to(&self, path: &mut String) {
        path.push_str(self);
    }
}

impl Segment for String {
    fn append_to(&self, path: &mut String) {
        path.push_str(self);
    }
}

impl Segment for i64 {
    fn append_to(&self, path: &mut String) {
        // Writing to a String does not fail.
        let _ = write!(path, "{self}");
    }
}

/// A path below the hashed folder of this id; the parts are joined by slashes.
pub(crate) fn below(id: i64, parts: &[&dyn Segment]) -> String {
    let mut path = String::with_capacity(2 * HASHED);
    push_hashed(&mut path, id);
    for part in parts {
        path.push('/');
        part.append_to(&mut path);
    }
    path
}

/// `YYYY_MM_DD` of a time in UTC.
pub(crate) struct Day(pub(crate) Timestamp);

impl Segment for Day {
    fn append_to(&self, path: &mut String) {
        let Self(time) = self;
        let day = DateTime::from_timestamp_millis(time.millis()).unwrap_or_default();
        let two = |number: u32| [number / 10, number % 10].map(|digit| char::from_digit(digit, 10));
        let _ = write!(path, "{:04}", day.year());
        for number in [day.month(), day.day()] {
            path.push('_');
            path.extend(two(number).into_iter().flatten());
        }
    }
}

/// `YYYY_MM` of this time in UTC.
pub(crate) fn month(time: Timestamp) -> String {
    let day = DateTime::from_timestamp_millis(time.millis()).unwrap_or_default();
    format!("{:04}_{:02}", day.year(), day.month())
}

/// The name of a Ruby class as it appears in paths: `Projects::Topic` is `projects/topic`.
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
        assert_eq!(below(1, &[&"pages", &7_i64, &"a.zip"]), format!("{}/pages/7/a.zip", hashed(1)));
    }

    #[test]
    fn days_are_of_utc() {
        let day = |time| {
            let mut text = String::new();
            Day(time).append_to(&mut text);
            text
        };
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
