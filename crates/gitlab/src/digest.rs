//! Digests as GitLab's columns hold them: the text of the digits, the bytes, or neither.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stocktake_domain::Digest;

/// The digest in a column of bytes, whatever of its encodings it has; `None` if it is none.
///
/// The digits as text (64, 40 or 32 of them); the bytes themselves (32, 20 or 16); or 48 bytes, which are the
/// 64 digits decoded as if they were base64.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Digest> {
    match bytes.len() {
        48 => of_digits(STANDARD.encode(bytes).as_bytes()),
        _ => of_digits(bytes).or_else(|| of_raw(bytes)),
    }
}

/// The digest in a column of text: its digits.
pub(crate) fn of_text(text: &str) -> Option<Digest> {
    of_digits(text.as_bytes())
}

/// The digest of an image's manifest, which names its algorithm: `sha256:…`.
pub(crate) fn of_manifest(text: &str) -> Option<Digest> {
    text.starts_with("sha256:").then(|| text.parse().ok())?
}

fn of_digits(digits: &[u8]) -> Option<Digest> {
    match digits.len() {
        64 => unhex(digits).map(Digest::Sha256),
        40 => unhex(digits).map(Digest::Sha1),
        32 => unhex(digits).map(Digest::Md5),
        _ => None,
    }
}

/// The bytes of twice as many digits. Every row has some, so that this is quicker than what is for all lengths.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut all = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let (high, low) = (value(high), value(low));
        all |= high | low;
        *byte = (high << 4) | (low & 0x0f);
    }
    (all <= 0x0f).then_some(bytes)
}

/// What a digit is worth; more than 15 for what is none.
const fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0xf0,
    }
}

fn of_raw(bytes: &[u8]) -> Option<Digest> {
    match bytes.len() {
        32 => bytes.try_into().ok().map(Digest::Sha256),
        20 => bytes.try_into().ok().map(Digest::Sha1),
        16 => bytes.try_into().ok().map(Digest::Md5),
        _ => None,
    }
}

/// A checksum of GitLab's own verification as text, from a table of states: it is kept as text, but if it is
/// not, its bytes are told by their digits. Not every one is a digest: of an object it is a size.
pub(crate) fn checksum(bytes: &[u8]) -> Option<String> {
    let text =
        std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    (!bytes.is_empty()).then(|| text.map_or_else(|| hex::encode(bytes), ToOwned::to_owned))
}

/// The same from a column of the model's own table, where older versions keep the bytes.
pub(crate) fn packed_checksum(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        0 => None,
        64 | 40 => checksum(bytes),
        _ => Some(hex::encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8cf5a403791770e5e3bb8a7a283a7f3d2400014287aa317aaaf3f84555a0e3f5";

    #[test]
    fn every_encoding_of_a_digest() {
        let expected: Digest = format!("sha256:{HEX}").parse().unwrap();
        assert_eq!(of_bytes(HEX.as_bytes()), Some(expected));
        assert_eq!(of_bytes(HEX.to_uppercase().as_bytes()), Some(expected));
        assert_eq!(of_bytes(&hex::decode(HEX).unwrap()), Some(expected));
        assert_eq!(of_text(HEX), Some(expected));
        assert_eq!(of_manifest(&format!("sha256:{HEX}")), Some(expected));
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        for (digits, expected) in [(sha1, format!("sha1:{sha1}")), (md5, format!("md5:{md5}"))] {
            assert_eq!(of_bytes(digits.as_bytes()), Some(expected.parse().unwrap()));
            assert_eq!(of_bytes(&hex::decode(digits).unwrap()), Some(expected.parse().unwrap()));
        }
        for wrong in [&b""[..], b"abc", &[0; 63], &[b'z'; 64], &[b'z'; 48]] {
            assert_eq!(of_bytes(wrong), None, "{wrong:?}");
        }
        assert_eq!([of_text("xyz"), of_manifest("sha512:00"), of_manifest(HEX)], [None; 3]);
    }

    #[test]
    fn the_column_of_nuget_symbols() {
        // The vector of a portable PDB: its checksum, and the 48 bytes of packages_nuget_symbols.file_sha256.
        let column = "f1c7f96b8d37efdd7bef47b97b76dbf1aedadbcddaedfddddb8d34d35e36f3b6\
                      9adf5eda69a7f77fce39e796b47b77f9";
        let column = hex::decode(column).unwrap();
        assert_eq!(column.len(), 48);
        assert_eq!(of_bytes(&column), of_text(HEX));
    }

    #[test]
    fn checksums_of_gitlabs_own() {
        assert_eq!(checksum(HEX.as_bytes()).as_deref(), Some(HEX));
        assert_eq!(checksum(b"0123").as_deref(), Some("0123"));
        assert_eq!(checksum(b"abc").as_deref(), Some("abc"));
        assert_eq!(checksum(&hex::decode(HEX).unwrap()).as_deref(), Some(HEX));
        assert_eq!(checksum(b""), None);
        assert_eq!(packed_checksum(&hex::decode(HEX).unwrap()).as_deref(), Some(HEX));
        assert_eq!(packed_checksum(HEX.as_bytes()).as_deref(), Some(HEX));
        // The size 12 of an object, packed: as text it would be no text at all, and 3132 would be "12".
        assert_eq!(packed_checksum(&[0x12]).as_deref(), Some("12"));
        assert_eq!(packed_checksum(&[0x31, 0x32]).as_deref(), Some("3132"));
        assert_eq!(packed_checksum(b""), None);
    }
}
