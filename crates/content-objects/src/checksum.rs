//! The checksum that a store keeps of an object, compared with the bytes while they arrive.

use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use stocktake_content::num::{narrow, widen};

use crate::dialect::Dialect;
use crate::kept::{bytes, has_own_key};
use crate::parts::PartSizes;
use crate::version::text;

/// An algorithm, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Crc64Nvme,
    Crc32c,
    Crc32,
    Sha256,
    Sha1,
    Md5,
}

/// The headers of S3, the fastest first.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
const OF_S3: [(&str, Kind); 5] = [
    ("x-amz-checksum-crc64nvme", Kind::Crc64Nvme),
    ("x-amz-checksum-crc32c", Kind::Crc32c),
    ("x-amz-checksum-crc32", Kind::Crc32),
    ("x-amz-checksum-sha256", Kind::Sha256),
    ("x-amz-checksum-sha1", Kind::Sha1),
];

/// A checksum that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    kind: Kind,
    value: Vec<u8>,
    /// Whether it is one of the checksums of an upload's parts.
    pub(crate) is_of_parts: bool,
    /// The number of these parts, where it is told.
    pub(crate) parts: Option<u64>,
    /// Whether it is an `ETag`, which nobody promises to be a checksum.
    pub(crate) is_etag: bool,
}

impl Kept {
    /// The checksum that the headers of a response tell; of several, that which is calculated the fastest.
    ///
    /// The `ETag` of S3 is taken only of an upload in parts, and if there is no other: that it is the MD5 of their MD5s is true of
    /// some objects of some services, and no promise.
    pub(crate) fn of(dialect: Dialect, headers: &HeaderMap) -> Option<Self> {
        let whole = |kind, value: &str| Self::new(kind, value, false);
        match dialect {
            Dialect::S3 => {
                let checksum = OF_S3.iter().find_map(|(name, kind)| {
                    let value = text(headers, name)?;
                    let (value, count) = value.split_once('-').map_or((value, None), |(v, n)| (v, Some(n)));
                    let is_composite = text(headers, "x-amz-checksum-type") == Some("COMPOSITE");
                    let kept = Self::new(*kind, value, is_composite || count.is_some())?;
                    Some(Self { parts: count.and_then(|count| count.parse().ok()), ..kept })
                });
                checksum.or_else(|| Self::of_etag(headers))
            }
            Dialect::Google => {
                let values = headers.get_all("x-goog-hash").into_iter();
                let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
                let find =
                    |name| values.iter().flat_map(|v| v.split(',')).find_map(|v| v.trim().strip_prefix(name));
                let crc32c = find("crc32c=").and_then(|value| whole(Kind::Crc32c, value));
                crc32c.or_else(|| whole(Kind::Md5, find("md5=")?))
            }
            // Of a part, `Content-MD5` is that of the part.
            Dialect::Azure => {
                let of_blob = text(headers, "x-ms-blob-content-md5");
                let whole_blob =
                    text(headers, "content-md5").filter(|_| !headers.contains_key("content-range"));
                whole(Kind::Md5, of_blob.or(whole_blob)?)
            }
        }
    }

    fn new(kind: Kind, base64: &str, is_of_parts: bool) -> Option<Self> {
        let value = bytes(base64).filter(|value| value.len() == kind.length())?;
        Some(Self { kind, value, is_of_parts, parts: None, is_etag: false })
    }

    /// The `ETag` of an upload in parts: `"<MD5 of their MD5s>-<their number>"`.
    fn of_etag(headers: &HeaderMap) -> Option<Self> {
        let etag = text(headers, "etag").filter(|_| !has_own_key(headers))?;
        let (digits, count) = etag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
        let value = hex::decode(digits).ok().filter(|value| value.len() == Kind::Md5.length())?;
        let parts = Some(count.parse().ok().filter(|count| *count > 0)?);
        Some(Self { kind: Kind::Md5, value, is_of_parts: true, parts, is_etag: true })
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32c => "CRC32C",
            Self::Crc32 => "CRC32",
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
        }
    }

    /// How many bytes a checksum has.
    fn length(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32c | Self::Crc32 => 4,
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Md5 => 16,
        }
    }
}

/// A checksum that is being calculated.
enum Sum {
    Crc(Kind, crc_fast::Digest),
    Sha256(Sha256),
    Sha1(Sha1),
    Md5(Md5),
}

impl Sum {
    fn new(kind: Kind) -> Self {
        let crc = |algorithm| Self::Crc(kind, crc_fast::Digest::new(algorithm));
        match kind {
            Kind::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Kind::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Kind::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Sha1 => Self::Sha1(Sha1::new()),
            Kind::Md5 => Self::Md5(Md5::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(kind, sum) => {
                let bytes = sum.finalize().to_be_bytes();
                bytes.into_iter().skip(bytes.len().saturating_sub(kind.length())).collect()
            }
            Self::Sha256(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().to_vec(),
            Self::Md5(sum) => sum.finalize().to_vec(),
        }
    }
}

/// Calculates the checksum that a store keeps.
pub(crate) struct Comparison {
    pub(crate) kept: Kept,
    /// Of a checksum of parts, the sizes that all but the last one may have.
    pub(crate) sizes: Option<PartSizes>,
    /// One for each size that the parts may have.
    sums: Vec<Running>,
}

/// A checksum that is being calculated, perhaps of parts.
struct Running {
    kind: Kind,
    sum: Sum,
    parts: Option<Parts>,
}

/// The checksums of the parts, of which that of the object is one.
struct Parts {
    size: u64,
    /// How many bytes are missing of the current part.
    left: u64,
    sums: Sum,
}

impl Comparison {
    /// Begins to calculate; of a checksum of parts with the sizes that these may have. `None` if it cannot be calculated.
    pub(crate) fn begin(kept: Kept, sizes: Option<PartSizes>) -> Option<Self> {
        let kind = kept.kind;
        let running = |parts| Running { kind, sum: Sum::new(kind), parts };
        if !kept.is_of_parts {
            return Some(Self { sums: vec![running(None)], sizes: None, kept });
        }
        let possible = sizes.as_ref()?.sizes().iter().copied().filter(|size| *size > 0);
        let sums = possible.map(|size| running(Some(Parts { size, left: size, sums: Sum::new(kind) })));
        let sums: Vec<_> = sums.collect();
        (!sums.is_empty()).then_some(Self { kept, sizes, sums })
    }

    /// Adds bytes of the object, in order.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sums.iter_mut().for_each(|sum| sum.update(bytes));
    }

    /// The difference, if there is one.
    pub(crate) fn difference(self) -> Option<String> {
        let Self { kept: Kept { kind, value, is_of_parts, .. }, sums, .. } = self;
        let calculated: Vec<Vec<u8>> = sums.into_iter().map(Running::finish).collect();
        let first = calculated.first()?;
        (!calculated.contains(&value)).then(|| {
            let of_parts = if is_of_parts { " of its parts" } else { "" };
            let (kept, calculated) = (hex::encode(value), hex::encode(first));
            format!("the store keeps {} {kept}{of_parts}, calculated {calculated}", kind.name())
        })
    }
}

impl Running {
    fn update(&mut self, mut bytes: &[u8]) {
        let Some(parts) = &mut self.parts else { return self.sum.update(bytes) };
        while !bytes.is_empty() {
            if parts.left == 0 {
                let whole = std::mem::replace(&mut self.sum, Sum::new(self.kind));
                parts.sums.update(&whole.finish());
                parts.left = parts.size;
            }
            let (of_part, rest) = bytes.split_at(narrow(parts.left).min(bytes.len()));
            self.sum.update(of_part);
            parts.left -= widen(of_part.len());
            bytes = rest;
        }
    }

    fn finish(self) -> Vec<u8> {
        let last = self.sum.finish();
        match self.parts {
            None => last,
            Some(Parts { mut sums, .. }) => {
                sums.update(&last);
                sums.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    /// What is public of each algorithm: the checksum of `123456789`.
    const CHECKS: [(&str, &str); 5] = [
        ("x-amz-checksum-crc64nvme", "ae8b14860a799888"),
        ("x-amz-checksum-crc32c", "e3069283"),
        ("x-amz-checksum-crc32", "cbf43926"),
        ("x-amz-checksum-sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("x-amz-checksum-sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
    ];

    fn encoded(hexadecimal: &str) -> String {
        BASE64_STANDARD.encode(hex::decode(hexadecimal).unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn difference(kept: Option<Kept>, part_size: Option<u64>, pieces: &[&[u8]]) -> Option<String> {
        let mut comparison = Comparison::begin(kept.unwrap(), part_size.map(PartSizes::Told)).unwrap();
        for piece in pieces {
            comparison.update(piece);
        }
        comparison.difference()
    }

    #[test]
    fn each_algorithm_is_the_public_one() {
        for (name, check) in CHECKS {
            let kept = || Kept::of(Dialect::S3, &headers(&[(name, &encoded(check))]));
            assert_eq!(difference(kept(), None, &[b"1234", b"56789"]), None, "{name}");
            let told = difference(kept(), None, &[b"12345678"]).unwrap();
            assert!(told.contains(&format!(" {check}, calculated ")), "{told}");
        }
    }

    #[test]
    fn a_checksum_of_parts_is_that_of_their_checksums() {
        // Parts of four bytes: 1234, 5678, 9.
        let sums = [&b"1234"[..], b"5678", b"9"].map(Sha256::digest).concat();
        let value = format!("{}-3", BASE64_STANDARD.encode(Sha256::digest(sums)));
        let kept = || Kept::of(Dialect::S3, &headers(&[("x-amz-checksum-sha256", &value)]));
        assert!(kept().unwrap().is_of_parts);
        assert_eq!(difference(kept(), Some(4), &[b"12", b"3456", b"", b"789"]), None);
        assert!(difference(kept(), Some(4), &[b"123456780"]).unwrap().contains(" of its parts, calculated "));
        assert!(Comparison::begin(kept().unwrap(), None).is_none());
        assert_eq!(kept().unwrap().parts, Some(3));
        let crcs = [&b"1234"[..], b"5678"].map(|part| {
            let mut sum = Sum::new(Kind::Crc32c);
            sum.update(part);
            sum.finish()
        });
        let mut all = Sum::new(Kind::Crc32c);
        all.update(&crcs.concat());
        let value = BASE64_STANDARD.encode(all.finish());
        let composite = [("x-amz-checksum-crc32c", value.as_str()), ("x-amz-checksum-type", "COMPOSITE")];
        assert_eq!(difference(Kept::of(Dialect::S3, &headers(&composite)), Some(4), &[b"12345678"]), None);
    }

    #[test]
    fn an_etag_of_parts_is_the_md5_of_their_md5s() {
        let md5s = [&b"1234"[..], b"5678", b"9"].map(Md5::digest).concat();
        let etag = format!("\"{}-3\"", hex::encode(Md5::digest(md5s)));
        let kept = || Kept::of(Dialect::S3, &headers(&[("etag", &etag)]));
        let Kept { is_of_parts, is_etag, parts, .. } = kept().unwrap();
        assert_eq!((is_of_parts, is_etag, parts), (true, true, Some(3)));
        assert_eq!(difference(kept(), Some(4), &[b"12345", b"6789"]), None);
        assert!(difference(kept(), Some(5), &[b"123456789"]).is_some());
        // One of several sizes is enough.
        let mut comparison =
            Comparison::begin(kept().unwrap(), Some(PartSizes::Guessed(vec![5, 4]))).unwrap();
        comparison.update(b"123456789");
        assert_eq!(comparison.difference(), None);
        for none in [
            &[("etag", etag.as_str()), ("x-amz-server-side-encryption", "aws:kms")][..],
            &[("etag", "\"25f9e794323b453885f5181f1b624d0b-0\"")],
            &[("etag", "\"25f9-2\"")],
            &[("etag", "W/\"25f9e794323b453885f5181f1b624d0b-2\"")],
        ] {
            assert_eq!(Kept::of(Dialect::S3, &headers(none)), None, "{none:?}");
        }
        let both = [("etag", etag.as_str()), ("x-amz-checksum-crc32", "y/Q5Jg==")];
        assert!(!Kept::of(Dialect::S3, &headers(&both)).unwrap().is_etag);
    }

    #[test]
    fn google_and_azure_have_headers_of_their_own() {
        let (crc32c, md5) = (encoded("e3069283"), encoded("25f9e794323b453885f5181f1b624d0b"));
        let google = |text: &str| Kept::of(Dialect::Google, &headers(&[("x-goog-hash", text)]));
        for text in [format!("crc32c={crc32c},md5={md5}"), format!("md5={md5}"), format!("crc32c={crc32c}")] {
            assert_eq!(difference(google(&text), None, &[b"123456789"]), None, "{text}");
        }
        let azure = |pairs: &[(&'static str, &str)]| Kept::of(Dialect::Azure, &headers(pairs));
        assert_eq!(difference(azure(&[("content-md5", &md5)]), None, &[b"123456789"]), None);
        assert!(
            difference(azure(&[("content-md5", &md5)]), None, &[b"x"]).unwrap().contains("keeps MD5 25f9")
        );
        let part = [("content-md5", "x"), ("content-range", "bytes 0-1/9")];
        assert_eq!(azure(&part), None);
        assert!(azure(&[part[0], part[1], ("x-ms-blob-content-md5", &md5)]).is_some());
    }

    #[test]
    fn what_is_no_checksum_is_not_compared() {
        for value in ["", "x", "AAAA", "AAAAAA=="] {
            assert_eq!(
                Kept::of(Dialect::S3, &headers(&[("x-amz-checksum-crc64nvme", value)])),
                None,
                "{value}"
            );
        }
        assert_eq!(
            Kept::of(Dialect::S3, &headers(&[("etag", "\"25f9e794323b453885f5181f1b624d0b\"")])),
            None
        );
    }
}
