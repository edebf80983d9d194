//! Values of the domain as a database keeps them, and back.

use stocktake_domain::{Digest, EvidenceLevel, Metadata};

use crate::error::DbError;

/// The text, if both databases can keep it.
pub(crate) fn storable(text: &str, what: &str) -> Result<String, DbError> {
    if text.contains('\0') {
        return Err(DbError::data(format!(
            "{what} {text:?} holds a NUL character, which no database text may"
        )));
    }
    Ok(text.to_owned())
}

/// A count or size of the domain as the signed number that a database keeps.
pub(crate) fn storable_size(size: u64, what: &str) -> Result<i64, DbError> {
    i64::try_from(size).map_err(|_| DbError::data(format!("{what} {size} is beyond {}", i64::MAX)))
}

/// A number that is never negative, as read.
pub(crate) fn unsigned(number: i64, what: &str) -> Result<u64, DbError> {
    u64::try_from(number).map_err(|_| DbError::data(format!("{what} {number} is negative")))
}

/// A digest as it is kept: the number of bytes tells what it is. Digests of content that was read are kept as
/// they are; all others have a byte in front that says so again.
pub(crate) fn digest_bytes(digest: Digest) -> Vec<u8> {
    let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
    match digest {
        Digest::Sha256(bytes) => bytes.to_vec(),
        Digest::Md5(bytes) => bytes.to_vec(),
        Digest::Sha1(bytes) => bytes.to_vec(),
        Digest::Gitaly(bytes) => tagged(GITALY, &bytes),
        Digest::Metadata(Metadata::Sha256(bytes)) => tagged(METADATA, &bytes),
        Digest::Metadata(Metadata::Md5(bytes)) => tagged(METADATA, &bytes),
        Digest::Metadata(Metadata::Size(size)) => tagged(METADATA, &size.to_be_bytes()),
        // Twice, so that no length means two things.
        Digest::Metadata(Metadata::AtRestSha256(bytes)) => tagged(AT_REST, &tagged(AT_REST, &bytes)),
        Digest::Metadata(Metadata::AtRestSha1(bytes)) => tagged(AT_REST, &tagged(AT_REST, &bytes)),
        Digest::Metadata(Metadata::AtRestMd5(bytes)) => tagged(AT_REST, &tagged(AT_REST, &bytes)),
    }
}

const GITALY: u8 = 1;
const METADATA: u8 = 2;
const AT_REST: u8 = 3;

/// The numbers of bytes of a checksum that rests on this; of what was read they are any others.
pub(crate) const fn lengths(level: EvidenceLevel) -> &'static [i64] {
    match level {
        EvidenceLevel::SizeOnly => &[9],
        EvidenceLevel::SaidByStore => &[17, 33],
        EvidenceLevel::ComputedAtRest => &[18, 22, 34],
        EvidenceLevel::Read => &[16, 20, 21, 32],
    }
}

/// The digest that is kept in these bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> Result<Digest, DbError> {
    let tagged = bytes.split_first().and_then(|(tag, rest)| match (*tag, rest.len()) {
        (GITALY, 20) => rest.try_into().ok().map(Digest::Gitaly),
        (METADATA, 32) => rest.try_into().ok().map(|bytes| Digest::Metadata(Metadata::Sha256(bytes))),
        (METADATA, 16) => rest.try_into().ok().map(|bytes| Digest::Metadata(Metadata::Md5(bytes))),
        (METADATA, 8) => {
            rest.try_into().ok().map(|bytes| Digest::Metadata(Metadata::Size(u64::from_be_bytes(bytes))))
        }
        (AT_REST, _) => rest.split_first().and_then(|(_, bytes)| at_rest(bytes)),
        _ => None,
    });
    let plain = || match bytes.len() {
        32 => bytes.try_into().ok().map(Digest::Sha256),
        20 => bytes.try_into().ok().map(Digest::Sha1),
        _ => bytes.try_into().ok().map(Digest::Md5),
    };
    tagged.or_else(plain).ok_or_else(|| DbError::data(format!("a digest of {} bytes", bytes.len())))
}

fn at_rest(bytes: &[u8]) -> Option<Digest> {
    let computed = match bytes.len() {
        32 => bytes.try_into().ok().map(Metadata::AtRestSha256),
        20 => bytes.try_into().ok().map(Metadata::AtRestSha1),
        16 => bytes.try_into().ok().map(Metadata::AtRestMd5),
        _ => None,
    };
    computed.map(Digest::Metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_digest_is_read_back_as_it_was() {
        for digest in [
            Digest::Sha256([1; 32]),
            Digest::Md5([2; 16]),
            Digest::Sha1([1; 20]),
            Digest::Gitaly([1; 20]),
            Digest::Metadata(Metadata::Sha256([1; 32])),
            Digest::Metadata(Metadata::Md5([2; 16])),
            Digest::Metadata(Metadata::Size(u64::MAX)),
            Digest::Metadata(Metadata::AtRestSha256([3; 32])),
            Digest::Metadata(Metadata::AtRestSha1([3; 20])),
            Digest::Metadata(Metadata::AtRestMd5([3; 16])),
            // What begins as others do.
            Digest::Sha256([3; 32]),
            Digest::Sha1([3; 20]),
            Digest::Md5([3; 16]),
        ] {
            let bytes = digest_bytes(digest);
            assert_eq!(digest_of(&bytes).unwrap(), digest);
            let length = i64::try_from(bytes.len()).unwrap();
            for level in EvidenceLevel::ALL {
                assert_eq!(
                    lengths(level).contains(&length),
                    level == digest.level(),
                    "{digest:?} as {level}"
                );
            }
        }
        for wrong in [0, 8, 15, 19, 31, 35] {
            assert!(digest_of(&vec![1; wrong]).is_err(), "{wrong}");
        }
    }
}
