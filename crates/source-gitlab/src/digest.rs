//! Digests in the encodings of GitLab's columns: hexadecimal text, bytes, and mixtures of both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stocktake_domain::{Digest, Metadata, ModelKind};

/// The digest in a column of bytes, in any of three encodings; `None` if it is not a digest.
///
/// The encodings are: hexadecimal digits as text (64, 40 or 32 of them); the bytes themselves (32, 20 or 16); or 48
/// bytes, which are 64 digits decoded as if they were base64.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Digest> {
    match bytes.len() {
        48 => of_digits(STANDARD.encode(bytes).as_bytes()),
        _ => of_digits(bytes).or_else(|| of_raw(bytes)),
    }
}

/// The digest in a column of text: hexadecimal digits.
pub(crate) fn of_text(text: &str) -> Option<Digest> {
    of_digits(text.as_bytes())
}

/// The digest of an image's manifest, which includes the algorithm: `sha256:…`.
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

/// The bytes of twice as many digits. Nearly every row has some, and a fixed length is faster than a general decoder.
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

/// The value of a digit; more than 15 for any other character.
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

/// A checksum of GitLab's own verification in a table of states, of a model of this kind. It is text.
///
/// That is not documented, so bytes of a digest's length are accepted as well.
pub(crate) fn of_state(kind: ModelKind, bytes: &[u8]) -> Option<Digest> {
    of_shown(kind, bytes).or_else(|| match kind {
        ModelKind::GitRepository => bytes.try_into().ok().map(Digest::Gitaly),
        ModelKind::Blob | ModelKind::ContainerRepository => bytes.try_into().ok().map(Digest::Sha256),
    })
}

/// The same in a column of the model's own table, where older versions keep the digits as bytes.
pub(crate) fn of_packed_state(kind: ModelKind, bytes: &[u8]) -> Option<Digest> {
    match bytes.len() {
        64 | 40 => of_state(kind, bytes),
        _ => of_shown(kind, hex::encode(bytes).as_bytes()),
    }
}

/// The checksum in the form that GitLab shows: 64 digits for a file or a container repository, Gitaly's checksum for a
/// Git repository, and the size for a file in object storage.
fn of_shown(kind: ModelKind, text: &[u8]) -> Option<Digest> {
    let sha256 = || Some(text).filter(|text| text.len() == 64).and_then(unhex).map(Digest::Sha256);
    match kind {
        ModelKind::GitRepository => of_refs(text),
        ModelKind::ContainerRepository => sha256(),
        // A file may have been moved since, so a size is accepted wherever the file is now.
        ModelKind::Blob => sha256().or_else(|| of_size(text)),
    }
}

/// Gitaly's checksum, which Gitaly shows without leading zero bytes.
fn of_refs(text: &[u8]) -> Option<Digest> {
    let mut digits = [b'0'; 40];
    let begin = digits.len().checked_sub(text.len()).filter(|begin| begin % 2 == 0 && *begin < 40)?;
    digits.get_mut(begin..)?.copy_from_slice(text);
    unhex(&digits).map(Digest::Gitaly)
}

/// A size as GitLab shows it: decimal, with an even number of digits.
fn of_size(text: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(text).ok()?;
    let size = Digest::Metadata(Metadata::Size(text.parse().ok()?));
    (size.to_string() == text).then_some(size)
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

    /// The digest of a checksum for each kind of model; `None` where it is not one.
    fn shown(read: fn(ModelKind, &[u8]) -> Option<Digest>, bytes: &[u8]) -> [Option<String>; 3] {
        [ModelKind::Blob, ModelKind::GitRepository, ModelKind::ContainerRepository]
            .map(|kind| read(kind, bytes).map(|digest| digest.tagged()))
    }

    #[test]
    fn checksums_of_gitlabs_own() {
        let sha256 = Some(format!("sha256:{HEX}"));
        let git = |digits: &str| Some(format!("gitaly:{digits}"));
        let size = |digits: &str| Some(format!("size:{digits}"));
        let (short, zeros) = ("e0c8b55c106d3f9a338da2daf8d5b939ea4ac2", "0".repeat(40));
        let raw = hex::decode(HEX).unwrap();
        for (text, expected) in [
            (HEX.as_bytes(), [sha256.clone(), None, sha256.clone()]),
            (&raw, [sha256.clone(), None, sha256.clone()]),
            (short.as_bytes(), [None, git(short), None]),
            (zeros.as_bytes(), [None, git(&zeros), None]),
            (&[7; 20], [None, git(&"07".repeat(20)), None]),
            // The sizes in GitLab's own tests, and texts that are no sizes.
            (b"12", [size("12"), git("12"), None]),
            (b"0123", [size("0123"), git("0123"), None]),
            (b"00", [size("00"), git(&zeros), None]),
            (b"123", [None, None, None]),
            (b"0012", [None, git("12"), None]),
            (b"+1", [None, None, None]),
            (b"no checksum", [None, None, None]),
            (b"", [None, None, None]),
        ] {
            assert_eq!(shown(of_state, text), expected, "{text:?}");
        }
    }

    #[test]
    fn checksums_of_gitlabs_own_as_older_versions_keep_them() {
        let sha256 = Some(format!("sha256:{HEX}"));
        let raw = hex::decode(HEX).unwrap();
        for bytes in [HEX.as_bytes(), &raw] {
            assert_eq!(shown(of_packed_state, bytes), [sha256.clone(), None, sha256.clone()]);
        }
        let git = Some(format!("gitaly:{}", "0d".repeat(20)));
        assert_eq!(shown(of_packed_state, &[0x0d; 20]), [None, git, None]);
        // Two digits to a byte: "3132", not the text "12".
        assert_eq!(shown(of_packed_state, b"12")[0].as_deref(), Some("size:3132"));
        assert_eq!(shown(of_packed_state, &[0x01, 0x23])[0].as_deref(), Some("size:0123"));
        assert_eq!(shown(of_packed_state, b""), [None, None, None]);
    }
}
