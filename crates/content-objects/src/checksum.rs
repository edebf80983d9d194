//! The checksum that a store keeps of an object, compared with the bytes while they arrive.

use std::vec;

use http::HeaderMap;
use stocktake_content::num::{narrow, widen};

use crate::dialect::Dialect;
use crate::etag::EtagKind;
use crate::kept::{bytes, has_own_key, md5_like};
use crate::part_sizes::{ListedPart, PartSizes};
use crate::sums::{Kind, Sum};
use crate::version::text;

/// The headers of S3, the fastest first.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
const OF_S3: [(&str, Kind); 7] = [
    ("x-amz-checksum-crc64nvme", Kind::Crc64Nvme),
    ("x-amz-checksum-crc32c", Kind::Crc32c),
    ("x-amz-checksum-crc32", Kind::Crc32),
    ("x-amz-checksum-sha256", Kind::Sha256),
    ("x-amz-checksum-sha1", Kind::Sha1),
    ("x-amz-checksum-sha512", Kind::Sha512),
    ("x-amz-checksum-md5", Kind::Md5),
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
    /// Which `ETag` it is, if it is one: nobody promises that it is a checksum.
    pub(crate) etag: Option<EtagKind>,
}

impl Kept {
    /// The checksum that the headers of a response tell; of several, that which is calculated the fastest.
    ///
    /// The `ETag` of S3 is taken only if there is no other: that it is an MD5, or the MD5 of the parts' MD5s, is true of some objects
    /// of some services, and no promise.
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
        Some(Self { kind, value, is_of_parts, parts: None, etag: None })
    }

    /// Whether it says nothing that a recorded digest of the object would not say.
    pub(crate) fn is_mere_md5(&self) -> bool {
        self.etag.is_some() && !self.is_of_parts
    }

    /// The name of an element with a checksum of this kind.
    pub(crate) fn element(&self) -> &'static str {
        match self.kind {
            Kind::Crc64Nvme => "ChecksumCRC64NVME",
            Kind::Crc32c => "ChecksumCRC32C",
            Kind::Crc32 => "ChecksumCRC32",
            Kind::Sha256 => "ChecksumSHA256",
            Kind::Sha1 => "ChecksumSHA1",
            Kind::Sha512 => "ChecksumSHA512",
            Kind::Md5 => "ChecksumMD5",
        }
    }

    /// The `ETag` of an upload in one piece, which may be its MD5, or of one in parts: `"<MD5 of their MD5s>-<their number>"`.
    fn of_etag(headers: &HeaderMap) -> Option<Self> {
        let etag = text(headers, "etag").filter(|_| !has_own_key(headers))?;
        if let Some(md5) = md5_like(etag) {
            let etag = Some(EtagKind::of(headers, false));
            return Some(Self {
                kind: Kind::Md5,
                value: md5.to_vec(),
                is_of_parts: false,
                parts: None,
                etag,
            });
        }
        let (digits, count) = etag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
        let value = hex::decode(digits).ok().filter(|value| value.len() == Kind::Md5.length())?;
        let parts = Some(count.parse().ok().filter(|count| *count > 0)?);
        Some(Self {
            kind: Kind::Md5,
            value,
            is_of_parts: true,
            parts,
            etag: Some(EtagKind::of(headers, true)),
        })
    }
}

/// Calculates the checksum that a store keeps.
pub(crate) struct Comparison {
    pub(crate) kept: Kept,
    /// How the sizes of parts are known.
    pub(crate) sizes: SizesBy,
    /// One for each size that the parts may have.
    sums: Vec<Running>,
}

/// How the sizes of an object's parts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SizesBy {
    /// The checksum is one of the whole object.
    NoParts,
    /// The store lists them.
    List,
    /// The store says that of the first one.
    First(u64),
    Guess,
}

/// A checksum that is being calculated, perhaps of parts.
struct Running {
    kind: Kind,
    sum: Sum,
    parts: Option<Parts>,
}

/// The checksums of the parts, of which that of the object is one.
struct Parts {
    sizes: Sizes,
    /// The number of the current part, from 1.
    number: u64,
    /// Its checksum as the store lists it, if it does.
    listed: Option<Vec<u8>>,
    /// The first part that is not as the store lists it.
    differing: Option<u64>,
    /// How many bytes are missing of the current part.
    left: u64,
    sums: Sum,
}

/// The sizes of the parts that follow.
enum Sizes {
    /// All have this one.
    Even(u64),
    Listed(vec::IntoIter<ListedPart>),
}

impl Parts {
    fn new(kind: Kind, sizes: Sizes) -> Self {
        let mut parts =
            Self { sizes, number: 0, listed: None, differing: None, left: 0, sums: Sum::new(kind) };
        parts.begin_next();
        parts
    }

    /// Adds the checksum of the current part.
    fn add(&mut self, sum: &[u8]) {
        self.sums.update(sum);
        if self.listed.as_ref().is_some_and(|listed| listed != sum) {
            self.differing.get_or_insert(self.number);
        }
    }

    fn begin_next(&mut self) {
        self.number += 1;
        (self.left, self.listed) = match &mut self.sizes {
            Sizes::Even(size) => (*size, None),
            // Bytes behind the last part would belong to it; their number was compared with that of the object.
            Sizes::Listed(parts) => parts.next().map_or((u64::MAX, None), |part| (part.size, part.checksum)),
        };
    }
}

impl Comparison {
    /// Begins to calculate; of a checksum of parts with the sizes that these may have. `None` if it cannot be calculated.
    pub(crate) fn begin(kept: Kept, sizes: Option<PartSizes>) -> Option<Self> {
        let kind = kept.kind;
        let running = |parts| Running { kind, sum: Sum::new(kind), parts };
        if !kept.is_of_parts {
            return Some(Self { sums: vec![running(None)], sizes: SizesBy::NoParts, kept });
        }
        let in_parts = |sizes| running(Some(Parts::new(kind, sizes)));
        let (sizes, sums): (_, Vec<_>) = match sizes? {
            PartSizes::Listed(parts) => (SizesBy::List, vec![in_parts(Sizes::Listed(parts.into_iter()))]),
            PartSizes::Told(size) => (SizesBy::First(size), vec![in_parts(Sizes::Even(size))]),
            PartSizes::Guessed(sizes) => {
                (SizesBy::Guess, sizes.into_iter().map(|size| in_parts(Sizes::Even(size))).collect())
            }
        };
        (!sums.is_empty()).then_some(Self { kept, sizes, sums })
    }

    /// Adds bytes of the object, in order.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sums.iter_mut().for_each(|sum| sum.update(bytes));
    }

    /// The difference, if there is one.
    pub(crate) fn difference(self) -> Option<String> {
        let Self { kept: Kept { kind, value, is_of_parts, .. }, sums, .. } = self;
        let calculated: Vec<_> = sums.into_iter().map(Running::finish).collect();
        let (first, differing) = calculated.first()?;
        calculated.iter().all(|(calculated, _)| *calculated != value).then(|| {
            let of_parts = if is_of_parts { " of its parts" } else { "" };
            let (kept, calculated) = (hex::encode(value), hex::encode(first));
            let part = differing.map_or_else(String::new, |number| format!(", first in part {number}"));
            format!("the store keeps {} {kept}{of_parts}, calculated {calculated}{part}", kind.name())
        })
    }
}

impl Running {
    fn update(&mut self, mut bytes: &[u8]) {
        let Some(parts) = &mut self.parts else { return self.sum.update(bytes) };
        while !bytes.is_empty() {
            if parts.left == 0 {
                let whole = std::mem::replace(&mut self.sum, Sum::new(self.kind));
                parts.add(&whole.finish());
                parts.begin_next();
                // An empty part, which nobody uploads, is one all the same.
                continue;
            }
            let (of_part, rest) = bytes.split_at(narrow(parts.left).min(bytes.len()));
            self.sum.update(of_part);
            parts.left -= widen(of_part.len());
            bytes = rest;
        }
    }

    /// The checksum, and the first part that is not as the store lists it.
    fn finish(self) -> (Vec<u8>, Option<u64>) {
        let last = self.sum.finish();
        match self.parts {
            None => (last, None),
            Some(mut parts) => {
                parts.add(&last);
                (parts.sums.finish(), parts.differing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use md5::Md5;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::etag::EtagsSeen;

    /// What is public of each algorithm: the checksum of `123456789`.
    const CHECKS: [(&str, &str); 7] = [
        ("x-amz-checksum-crc64nvme", "ae8b14860a799888"),
        ("x-amz-checksum-crc32c", "e3069283"),
        ("x-amz-checksum-crc32", "cbf43926"),
        ("x-amz-checksum-sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("x-amz-checksum-sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        (
            "x-amz-checksum-sha512",
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
        ),
        ("x-amz-checksum-md5", "25f9e794323b453885f5181f1b624d0b"),
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
        let Kept { is_of_parts, etag: kind, parts, .. } = kept().unwrap();
        let plain = EtagKind::of(&HeaderMap::new(), true);
        assert_eq!((is_of_parts, kind, parts), (true, Some(plain), Some(3)));
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
        assert_eq!(Kept::of(Dialect::S3, &headers(&both)).unwrap().etag, None);
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
        for etag in ["\"25f9\"", "W/\"25f9e794323b453885f5181f1b624d0b\"", "25f9e794323b453885f5181f1b624d0b"]
        {
            assert_eq!(Kept::of(Dialect::S3, &headers(&[("etag", etag)])), None, "{etag}");
        }
    }

    #[test]
    fn an_etag_of_one_piece_may_be_its_md5() {
        let etag = ("etag", "\"25f9e794323b453885f5181f1b624d0b\"");
        let kept = |more: &[(&'static str, &str)]| Kept::of(Dialect::S3, &headers(&[&[etag], more].concat()));
        assert!(kept(&[]).unwrap().is_mere_md5());
        assert_eq!(difference(kept(&[]), None, &[b"123456789"]), None);
        assert!(difference(kept(&[]), None, &[b"12345678X"]).is_some());
        let encryption = |kind| [("x-amz-server-side-encryption", kind)];
        assert_eq!(kept(&encryption("aws:kms")), None);
        // Of encrypted objects it is another kind, of which nothing is known by the one that agreed.
        let seen = EtagsSeen::default();
        seen.agreed(kept(&[]).unwrap().etag.unwrap());
        assert!(seen.are_md5s(kept(&[]).unwrap().etag.unwrap()));
        assert!(!seen.are_md5s(kept(&encryption("AES256")).unwrap().etag.unwrap()));
    }

    #[test]
    fn parts_of_several_sizes_are_calculated_as_they_are_listed() {
        let sums: Vec<_> = [&b"12"[..], b"34567", b"89"].map(Sha256::digest).to_vec();
        let value = format!("{}-3", BASE64_STANDARD.encode(Sha256::digest(sums.concat())));
        let kept = || Kept::of(Dialect::S3, &headers(&[("x-amz-checksum-sha256", &value)])).unwrap();
        let listed = |with_checksums: bool| {
            let part = |(size, sum): (u64, &sha2::digest::Output<Sha256>)| ListedPart {
                size,
                checksum: with_checksums.then(|| sum.to_vec()),
            };
            PartSizes::Listed([2, 5, 2].into_iter().zip(&sums).map(part).collect())
        };
        let told = |content: &[u8], with_checksums| {
            let mut comparison = Comparison::begin(kept(), Some(listed(with_checksums))).unwrap();
            content.chunks(4).for_each(|chunk| comparison.update(chunk));
            comparison.difference()
        };
        assert_eq!([told(b"123456789", true), told(b"123456789", false)], [None, None]);
        assert!(told(b"1234X6789", true).unwrap().ends_with(", first in part 2"));
        assert!(!told(b"1234X6789", false).unwrap().contains("first in part"));
    }
}
