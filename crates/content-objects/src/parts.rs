//! How large the parts are in which an object was uploaded, of which a checksum or an `ETag` is one of parts.

use std::sync::atomic::Ordering;

use stocktake_content::num::widen;
use stocktake_domain::ContentError;
use stocktake_domain::ports::Watch;

use crate::access::{Access, unless_cancelled};
use crate::checksum::Kept;
use crate::dialect::Dialect;
use crate::error::ObjectError;
use crate::kept::bytes;
use crate::list::page::xml;
use crate::part_sizes::{ListedPart, PartSizes};
use crate::retry::RetryState;
use crate::version::Version;
use crate::wire::Target;

const MEBIBYTE: u64 = 1 << 20;

/// The sizes of parts, in MiB, that programs usually take; 5 is the least that Amazon allows.
const USUAL: [u64; 14] = [5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512];

/// The most sizes that are tried at once: each costs an MD5 of the whole object.
const MOST_TRIED: usize = 2;

/// The most parts of an object. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MOST_PARTS: usize = 10_000;

/// The most bytes of a page of a thousand parts.
const MAX_PAGE: usize = 1 << 20;

/// A page of the list of parts.
#[derive(Debug, Default, PartialEq, Eq)]
struct PartsPage {
    etag: Option<String>,
    parts: Vec<ListedPart>,
    /// The number of the last part on it, if there are more.
    next: Option<u64>,
}

/// Reads what `GetObjectAttributes` says of an object's parts; the checksum of each is in the element of this name. `None` if it
/// is no such answer.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
fn parts_page(body: &[u8], checksum: &str) -> Option<PartsPage> {
    let (mut page, mut part, mut is_whole) = (PartsPage::default(), ListedPart::default(), false);
    let (mut is_truncated, mut marker) = (false, None);
    let walked = xml::walk(body, |element| {
        let text = element.text;
        match element.path {
            [_, b"ETag"] => page.etag = Some(text.trim_matches('"').to_owned()),
            [_, b"ObjectParts"] => is_whole = true,
            [_, b"ObjectParts", b"IsTruncated"] => is_truncated = text == "true",
            [_, b"ObjectParts", b"NextPartNumberMarker"] => marker = text.parse().ok(),
            [_, b"ObjectParts", b"Part"] => page.parts.push(std::mem::take(&mut part)),
            [_, b"ObjectParts", b"Part", b"Size"] => {
                part.size = text.parse().map_err(|_| "a part has no size")?;
            }
            [_, b"ObjectParts", b"Part", name] if *name == checksum.as_bytes() => {
                part.checksum = bytes(&text);
            }
            _ => {}
        }
        Ok(())
    });
    if is_truncated {
        page.next = Some(marker?);
    }
    (walked.is_ok() && is_whole).then_some(page)
}

/// Whether an object of this size has so many parts if all but the last one have this size.
fn fits(size: u64, part: u64, count: u64) -> bool {
    part > 0 && size.div_ceil(part) == count
}

/// The usual sizes that fit; none if there are too many.
fn usual(size: u64, count: u64) -> Vec<u64> {
    let fitting =
        USUAL.map(|mebibytes| mebibytes * MEBIBYTE).into_iter().filter(|part| fits(size, *part, count));
    Some(fitting.collect::<Vec<_>>()).filter(|sizes| sizes.len() <= MOST_TRIED).unwrap_or_default()
}

impl Access {
    /// How large the parts of this version of an object are, of which the store keeps this; `None` if that cannot be told.
    pub(crate) async fn part_sizes(
        &self,
        key: &str,
        version: Option<&Version>,
        kept: &Kept,
        watch: &Watch,
    ) -> Result<Option<PartSizes>, ContentError> {
        // Of objects without a checksum, S3 lists no parts.
        if self.remote.place.dialect == Dialect::S3 && kept.etag.is_none() {
            let listed = self.listed_parts(key, version, kept, watch).await?;
            if listed.is_some() {
                return Ok(listed.map(PartSizes::Listed));
            }
        }
        let count = kept.parts;
        let told = self.part_size(key, version, 1, watch).await?.filter(|size| *size > 0);
        let size = version.and_then(|version| version.size);
        let (Some(count), Some(size)) = (count, size) else { return Ok(told.map(PartSizes::Told)) };
        match told {
            Some(part) if fits(size, part, count) => Ok(Some(PartSizes::Told(part))),
            // A server that takes no notice of parts tells the size of the whole object.
            Some(part) if part != size => Ok(None),
            _ => Ok(Some(usual(size, count)).filter(|sizes| !sizes.is_empty()).map(PartSizes::Guessed)),
        }
    }

    /// The parts of this version as the store lists them, which needs a permission of its own; `None` if it does not, or if they
    /// do not make up the object.
    async fn listed_parts(
        &self,
        key: &str,
        version: Option<&Version>,
        kept: &Kept,
        watch: &Watch,
    ) -> Result<Option<Vec<ListedPart>>, ContentError> {
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            if !self.lists_parts.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let target = Target::Parts { key, after };
            // It takes no condition of an `ETag`.
            let answer = self.get(target, key, None, &mut RetryState::new(), watch).await?;
            let page = match answer {
                Ok(answer) => unless_cancelled(watch, self.collect(answer.body, MAX_PAGE)).await?,
                Err(error) => Err(error),
            };
            let page = match page {
                Ok(body) => parts_page(&body, kept.element()),
                // These say nothing of the service.
                Err(
                    ObjectError::Missing
                    | ObjectError::Changed
                    | ObjectError::NothingThere
                    | ObjectError::Busy { .. }
                    | ObjectError::Broken(_),
                ) => return Ok(None),
                Err(
                    ObjectError::Unproven
                    | ObjectError::Mismatch(_)
                    | ObjectError::Final(_)
                    | ObjectError::Unclear(_)
                    | ObjectError::Storage(_),
                ) => None,
            };
            let Some(page) = page else {
                // Another server, or one that does not permit it: asked once.
                self.lists_parts.store(false, Ordering::Relaxed);
                return Ok(None);
            };
            let is_this = page.etag.is_none() || page.etag.as_deref() == version.and_then(Version::bare_etag);
            parts.extend(page.parts);
            match page.next.filter(|next| *next > after) {
                Some(next) if is_this && parts.len() < MOST_PARTS => after = next,
                _ if is_this && page.next.is_none() => break,
                _ => return Ok(None),
            }
        }
        let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.size));
        let is_number = kept.parts.is_none_or(|count| count == widen(parts.len()));
        let makes_up = sum.is_some() && sum == version.and_then(|version| version.size);
        Ok(Some(parts).filter(|parts| is_number && makes_up && !parts.is_empty()))
    }

    /// Whether the last part has the size that is left if all others are as large as the first one. Parts of several sizes are
    /// allowed; the checksum of such an object cannot be calculated by the size of the first one.
    pub(crate) async fn are_even(
        &self,
        key: &str,
        version: Option<&Version>,
        (part, count): (u64, u64),
        watch: &Watch,
    ) -> Result<bool, ContentError> {
        let Some(size) = version.and_then(|version| version.size) else { return Ok(false) };
        let last = self.part_size(key, version, count, watch).await?;
        Ok(last.is_some() && last == size.checked_sub(part.saturating_mul(count.saturating_sub(1))))
    }

    async fn part_size(
        &self,
        key: &str,
        version: Option<&Version>,
        number: u64,
        watch: &Watch,
    ) -> Result<Option<u64>, ContentError> {
        // Without it, the object is read all the same.
        let (part, if_match) = (Target::Part { key, number }, version.and_then(Version::if_match));
        let answer = self.get(part, key, if_match, &mut RetryState::new(), watch).await?;
        Ok(answer.ok().and_then(|answer| Version::of_metadata(&answer.headers).size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_parts_leaves_few_sizes() {
        let mebibytes = |size: u64, count| -> Vec<u64> {
            usual(size, count).into_iter().map(|part| part / MEBIBYTE).collect()
        };
        assert_eq!(mebibytes(20 * MEBIBYTE, 4), [5]);
        assert_eq!(mebibytes(20 * MEBIBYTE + 1, 3), [8, 10]);
        assert_eq!(mebibytes(100 * MEBIBYTE, 7), [15, 16]);
        assert!(mebibytes(1000 * MEBIBYTE, 7).is_empty());
        // Of an upload in one part any size will do.
        assert!(mebibytes(3, 1).is_empty());
        assert!(mebibytes(0, 0).is_empty());
    }

    #[test]
    fn a_page_of_parts_is_read_and_nothing_else_for_one() {
        let sum = "AAECAw==";
        let part = format!(
            "<Part><PartNumber>1</PartNumber><ChecksumCRC32C>{sum}</ChecksumCRC32C><Size>5</Size></Part>"
        );
        let page = |inside: &str| {
            let body = format!(
                "<GetObjectAttributesResponse xmlns=\"x\"><ETag>ab-2</ETag><ObjectParts>{inside}</ObjectParts>\
                 </GetObjectAttributesResponse>"
            );
            parts_page(body.as_bytes(), "ChecksumCRC32C")
        };
        let expected = ListedPart { size: 5, checksum: Some(vec![0, 1, 2, 3]) };
        let last =
            page(&format!("<IsTruncated>false</IsTruncated>{part}<PartsCount>1</PartsCount>")).unwrap();
        assert_eq!((last.etag.as_deref(), last.next, &last.parts[..]), (Some("ab-2"), None, &[expected][..]));
        let truncated = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>";
        assert_eq!(page(&format!("{truncated}{part}")).unwrap().next, Some(1));
        assert_eq!(page("<IsTruncated>true</IsTruncated>"), None);
        assert_eq!(page("<Part><Size>x</Size></Part>"), None);
        let without = "<GetObjectAttributesResponse><ETag>ab-2</ETag></GetObjectAttributesResponse>";
        for other in ["", "123456789", without, "<GetObjectAttributesResponse><ObjectParts>"] {
            assert_eq!(parts_page(other.as_bytes(), "ChecksumCRC32C"), None, "{other}");
        }
    }

    #[test]
    fn so_many_parts_fit_or_not() {
        assert!(fits(9, 4, 3) && fits(8, 4, 2) && fits(1, 4, 1));
        assert!(!fits(9, 4, 2) && !fits(9, 9, 3) && !fits(9, 0, 3));
    }
}
