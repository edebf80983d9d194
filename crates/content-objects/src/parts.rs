//! How large the parts are in which an object was uploaded, of which a checksum or an `ETag` is one of parts.

use stocktake_domain::ContentError;
use stocktake_domain::ports::Watch;

use crate::access::Access;
use crate::retry::RetryState;
use crate::version::Version;
use crate::wire::Target;

const MEBIBYTE: u64 = 1 << 20;

/// The sizes of parts, in MiB, that programs usually take; 5 is the least that Amazon allows.
const USUAL: [u64; 14] = [5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 256, 512];

/// The most sizes that are tried at once: each costs an MD5 of the whole object.
const MOST_TRIED: usize = 2;

/// The sizes that the parts of an object may have, all but the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartSizes {
    /// As the store says it of the first one.
    Told(u64),
    /// Those of the usual ones that fit. A difference says nothing then.
    Guessed(Vec<u64>),
}

impl PartSizes {
    pub(crate) fn sizes(&self) -> &[u64] {
        match self {
            Self::Told(size) => std::slice::from_ref(size),
            Self::Guessed(sizes) => sizes,
        }
    }
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
    /// How large the parts of this version of an object are; `None` if that cannot be told. `count` is their number, where
    /// known.
    pub(crate) async fn part_sizes(
        &self,
        key: &str,
        version: Option<&Version>,
        count: Option<u64>,
        watch: &Watch,
    ) -> Result<Option<PartSizes>, ContentError> {
        let told = self.part_size(key, version, 1, watch).await?.filter(|size| *size > 0);
        let size = version.and_then(|version| version.size);
        let (Some(count), Some(size)) = (count, size) else { return Ok(told.map(PartSizes::Told)) };
        match told {
            Some(part) if fits(size, part, count) => Ok(Some(PartSizes::Told(part))),
            // A server that takes no notice of parts tells the size of the whole object.
            Some(part) if part != size => Ok(None),
            _ => Ok(Some(PartSizes::Guessed(usual(size, count))).filter(|sizes| !sizes.sizes().is_empty())),
        }
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
    fn so_many_parts_fit_or_not() {
        assert!(fits(9, 4, 3) && fits(8, 4, 2) && fits(1, 4, 1));
        assert!(!fits(9, 4, 2) && !fits(9, 9, 3) && !fits(9, 0, 3));
    }
}
