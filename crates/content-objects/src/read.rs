//! Reads and hashes a whole object, and compares it with the checksum that its store keeps.

use stocktake_content::HashStream;
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{Algorithm, ContentError, Observation, Reference, judge};
use tokio::sync::oneshot;

use crate::access::{Access, changed, unless_cancelled};
use crate::checksum::{Comparison, Kept, SizesBy};
use crate::dialect::Dialect;
use crate::reader::{ObjectReader, ReadError};
use crate::version::Version;

/// Bytes passed to the hashing threads at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// How often reading starts again because the object changed meanwhile.
const READINGS: u32 = 3;

/// What a reading to the end brought.
struct Read {
    seen: Observation,
    compared: Compared,
}

/// What the comparison with the checksum that the store keeps says.
enum Compared {
    /// The store tells none that could be compared.
    Nothing,
    Same {
        by_etag: bool,
    },
    Different(Difference),
}

/// How what was read differs from what the store keeps.
struct Difference {
    how: String,
    by_etag: bool,
}

impl Access {
    /// Reads and hashes an object.
    pub(crate) async fn read(
        &self,
        inspection: &Inspection,
        key: &str,
        watch: &Watch,
    ) -> Result<Observation, ContentError> {
        let at = self.remote.place.at(key);
        // S3 tells a checksum of a whole object only, and the size only of a range: what is read whole and is not good by
        // what was recorded is read again by a range, lest a length that was changed on its way makes a finding.
        let reads_whole =
            self.remote.place.dialect == Dialect::S3 && inspection.reference != Reference::default();
        let mut before: Option<(Observation, Option<Difference>)> = None;
        for number in 0..READINGS {
            let whole = reads_whole && number.is_multiple_of(2);
            let Some(Read { seen, compared }) = self.read_once(inspection, key, whole, watch).await? else {
                before = None;
                continue;
            };
            let (same, doubt) = before.map_or((false, None), |(first, doubt)| (first == seen, doubt));
            let doubt = match (compared, doubt) {
                // An `ETag`, which is of what was stored last, does not refute a checksum, which a range does not tell.
                (Compared::Same { by_etag }, doubt)
                    if !by_etag || doubt.as_ref().is_none_or(|doubt| doubt.by_etag) =>
                {
                    return Ok(seen);
                }
                (Compared::Nothing, None) if !whole || is_good(inspection, &seen) => return Ok(seen),
                // Twice alike, it was not the network that changed it.
                (_, Some(Difference { how, .. })) if same => {
                    return Err(ContentError::Altered(format!("Checksum mismatch: {how}: {at}")));
                }
                (Compared::Different(difference), _) => Some(difference),
                (Compared::Nothing | Compared::Same { .. }, doubt) => doubt,
            };
            before = Some((seen, doubt));
        }
        Err(before.and_then(|(_, doubt)| doubt).map_or_else(
            || changed(&at),
            |Difference { how, .. }| {
                ContentError::Unreadable(format!("read otherwise each time, at last: {how}: {at}"))
            },
        ))
    }

    /// Reads the object to its end; `None` if it changed meanwhile.
    async fn read_once(
        &self,
        inspection: &Inspection,
        key: &str,
        whole: bool,
        watch: &Watch,
    ) -> Result<Option<Read>, ContentError> {
        let stream = self.pool.stream(&self.pool.plan(inspection)?);
        let (mut reader, mut piece) = (ObjectReader::new(self, key, whole), Vec::new());
        let mut comparison = None;
        let Reference { expected, baseline, .. } = &inspection.reference;
        let has_digest = expected.is_some() || baseline.is_some();
        loop {
            let received = match reader.next(watch).await {
                Ok(received) => received,
                Err(ReadError::Changed) => return Ok(None),
                Err(ReadError::Failed(error)) => return Err(error),
            };
            // A digest that was recorded says as much, and the MD5 of an `ETag` takes longer than all else.
            if let Some(kept) = reader.take_kept().filter(|kept| !(has_digest && kept.is_mere_md5())) {
                comparison = self.comparison(kept, key, reader.version(), watch).await?;
            }
            let Some(received) = received else { break };
            if let Some(comparison) = &mut comparison {
                comparison.update(&received);
            }
            hand_over(&received, &mut piece, &stream, watch).await?;
        }
        let seen = finish(stream, piece).await?;
        let compared = match comparison {
            None => Compared::Nothing,
            Some(comparison) => self.compared(comparison, key, reader.version(), watch).await?,
        };
        Ok(Some(Read { seen, compared }))
    }

    /// What a comparison comes to. A difference of a checksum of parts counts only if their sizes are certain.
    async fn compared(
        &self,
        comparison: Comparison,
        key: &str,
        version: Option<&Version>,
        watch: &Watch,
    ) -> Result<Compared, ContentError> {
        let (etag, parts, sizes) = (comparison.kept.etag, comparison.kept.parts, comparison.sizes);
        let Some(how) = comparison.difference() else {
            if let Some(etag) = etag {
                self.etags_seen.agreed(etag);
            }
            return Ok(Compared::Same { by_etag: etag.is_some() });
        };
        let is_certain = match (sizes, parts) {
            _ if etag.is_some_and(|etag| !self.etags_seen.are_md5s(etag)) => false,
            (SizesBy::NoParts | SizesBy::List, _) | (SizesBy::First(_), None) => true,
            (SizesBy::First(part), Some(count)) => self.are_even(key, version, (part, count), watch).await?,
            (SizesBy::Guess, _) => false,
        };
        let by_etag = etag.is_some();
        Ok(if is_certain { Compared::Different(Difference { how, by_etag }) } else { Compared::Nothing })
    }

    /// The comparison with the checksum that the store keeps, if it can be made.
    async fn comparison(
        &self,
        kept: Kept,
        key: &str,
        version: Option<&Version>,
        watch: &Watch,
    ) -> Result<Option<Comparison>, ContentError> {
        let sizes = if kept.is_of_parts { self.part_sizes(key, version, &kept, watch).await? } else { None };
        Ok(Comparison::begin(kept, sizes))
    }
}

/// Whether this is what was recorded, whichever digest is to be shown.
fn is_good(inspection: &Inspection, seen: &Observation) -> bool {
    let shown = if seen.stored.digests.sha256.is_some() { Algorithm::Sha256 } else { Algorithm::Md5 };
    judge(&inspection.reference, seen, shown).is_ok()
}

/// Adds the bytes to the piece, and passes it to the hashing threads whenever it is full.
async fn hand_over(
    mut chunk: &[u8],
    piece: &mut Vec<u8>,
    stream: &HashStream,
    watch: &Watch,
) -> Result<(), ContentError> {
    while !chunk.is_empty() {
        let room = PIECE_BYTES.saturating_sub(piece.len()).min(chunk.len());
        let (fitting, rest) = chunk.split_at(room);
        piece.extend_from_slice(fitting);
        chunk = rest;
        if piece.len() >= PIECE_BYTES {
            stream.push(std::mem::replace(piece, Vec::with_capacity(PIECE_BYTES)));
            unless_cancelled(watch, stream.ready()).await?;
        }
    }
    Ok(())
}

/// Has the last bytes hashed, and waits for the observation.
async fn finish(stream: HashStream, piece: Vec<u8>) -> Result<Observation, ContentError> {
    if !piece.is_empty() {
        stream.push(piece);
    }
    let (tell, told) = oneshot::channel();
    stream.finish(move |seen| {
        // The receiver is gone if the read was cancelled.
        let _unheard = tell.send(seen);
    });
    // If there is no result, the hashing has panicked, which says nothing about the content.
    told.await.map_err(|_| ContentError::CANCELLED)
}
