//! Reads a whole object, resumes where a connection broke, and compares it with the checksum that its store keeps.

use std::time::Instant;

use futures_util::StreamExt as _;
use stocktake_content::HashStream;
use stocktake_content::num::{narrow, widen};
use stocktake_domain::ports::{Inspection, Watch};
use stocktake_domain::{Algorithm, ContentError, Observation, Reference, judge};
use tokio::sync::oneshot;

use crate::access::{Access, changed, unless_cancelled};
use crate::checksum::{Comparison, Kept};
use crate::dialect::Dialect;
use crate::error::ObjectError;
use crate::retry::RetryState;
use crate::version::{Part, Version};
use crate::wire::{Answer, Target};

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
    Same,
    /// How they differ.
    Different(String),
}

/// How far a reading has come.
struct Progress {
    /// The object that is read; known from the first response on.
    version: Option<Version>,
    /// How many bytes were received, whether hashed already or still in `piece`.
    offset: u64,
    /// Bytes that were received but not yet passed to the hashing threads.
    piece: Vec<u8>,
    /// Compares it with the checksum that the store keeps, if it keeps one.
    comparison: Option<Comparison>,
}

impl Progress {
    fn new() -> Self {
        Self { version: None, offset: 0, piece: Vec::new(), comparison: None }
    }

    fn is_complete(&self) -> bool {
        self.version.as_ref().is_some_and(|version| version.size == Some(self.offset))
    }
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
        let mut before: Option<(Observation, Option<String>)> = None;
        for number in 0..READINGS {
            let whole = reads_whole && number.is_multiple_of(2);
            let Some(Read { seen, compared }) = self.read_once(inspection, key, whole, watch).await? else {
                before = None;
                continue;
            };
            let (same, doubt) = before.map_or((false, None), |(first, doubt)| (first == seen, doubt));
            let doubt = match (compared, doubt) {
                (Compared::Same, _) => return Ok(seen),
                (Compared::Nothing, None) if !whole || is_good(inspection, &seen) => return Ok(seen),
                // Twice alike, it was not the network that changed it.
                (_, Some(how)) if same => {
                    return Err(ContentError::Altered(format!("Checksum mismatch: {how}: {at}")));
                }
                (Compared::Different(how), _) => Some(how),
                (Compared::Nothing, doubt) => doubt,
            };
            before = Some((seen, doubt));
        }
        Err(before.and_then(|(_, doubt)| doubt).map_or_else(
            || changed(&at),
            |how| ContentError::Unreadable(format!("read otherwise each time, at last: {how}: {at}")),
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
        let mut progress = Progress::new();
        let mut retry = RetryState::new();
        while !progress.is_complete() {
            let before = progress.offset;
            let received = self.receive(key, whole, &mut progress, &stream, &mut retry, watch).await?;
            if progress.offset > before {
                retry.progressed();
            }
            match received {
                // If all bytes have arrived, it does not matter how the connection ended.
                Err(_) | Ok(()) if progress.is_complete() => {}
                Ok(()) => {
                    let Progress { offset, .. } = progress;
                    let host = &self.remote.place.endpoint;
                    let short =
                        ObjectError::Mismatch(format!("{host} ended its answer early at byte {offset}"));
                    self.retry_or_fail(short, &mut retry, key, watch).await?;
                }
                Err(ObjectError::Changed) => return Ok(None),
                Err(error) => self.retry_or_fail(error, &mut retry, key, watch).await?,
            }
        }
        let seen = finish(stream, progress.piece).await?;
        let compared = progress.comparison.map_or(Compared::Nothing, |comparison| {
            comparison.difference().map_or(Compared::Same, Compared::Different)
        });
        Ok(Some(Read { seen, compared }))
    }

    /// Requests the rest of the object, and receives as much of it as arrives.
    async fn receive(
        &self,
        key: &str,
        whole: bool,
        progress: &mut Progress,
        stream: &HashStream,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let first = progress.offset;
        let if_match = progress.version.as_ref().and_then(Version::if_match);
        let target = if whole && first == 0 { Target::Whole { key } } else { Target::From { key, first } };
        let answer = match self.get(target, key, if_match, retry, watch).await? {
            Ok(answer) => answer,
            // An empty object has no range; its metadata show whether it is empty.
            Err(ObjectError::NothingThere) if progress.version.is_none() => {
                return self.receive_nothing(key, progress, retry, watch).await;
            }
            Err(ObjectError::NothingThere) => return Ok(Err(ObjectError::Changed)),
            Err(error) => return Ok(Err(error)),
        };
        let Some(part) = Part::of(&answer, first) else {
            let host = &self.remote.place.endpoint;
            return Ok(Err(ObjectError::Mismatch(format!("{host} sent another range than was asked for"))));
        };
        if progress.version.is_none() {
            progress.comparison = self.comparison(&answer, key, &part.version, watch).await?;
        }
        if progress.version.get_or_insert_with(|| part.version.clone()) != &part.version {
            return Ok(Err(ObjectError::Changed));
        }
        self.take_in(answer, part.known, progress, stream, retry, watch).await
    }

    /// The comparison with the checksum that this first response tells, if it can be made.
    async fn comparison(
        &self,
        answer: &Answer,
        key: &str,
        version: &Version,
        watch: &Watch,
    ) -> Result<Option<Comparison>, ContentError> {
        let Some(kept) = Kept::of(self.remote.place.dialect, &answer.headers) else { return Ok(None) };
        if !kept.is_of_parts {
            return Ok(Comparison::begin(kept, None));
        }
        // Without it, the object is read all the same.
        let first = Target::FirstPart { key };
        let first = self.get(first, key, version.if_match(), &mut RetryState::new(), watch).await?;
        let part_size = first.ok().and_then(|first| Version::of_metadata(&first.headers).size);
        Ok(Comparison::begin(kept, part_size))
    }

    /// Finds out whether an object of which no byte can be had is empty.
    async fn receive_nothing(
        &self,
        key: &str,
        progress: &mut Progress,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let said = self.get(Target::Metadata { key }, key, None, retry, watch).await?;
        Ok(said.and_then(|said| {
            let version = Version::of_metadata(&said.headers);
            let empty = version.size == Some(0);
            progress.version = empty.then_some(version);
            if empty { Ok(()) } else { Err(ObjectError::NothingThere) }
        }))
    }

    /// Receives the bytes of one response, of which the first `known` ones were received before.
    async fn take_in(
        &self,
        answer: Answer,
        mut known: u64,
        progress: &mut Progress,
        stream: &HashStream,
        retry: &mut RetryState,
        watch: &Watch,
    ) -> Result<Result<(), ObjectError>, ContentError> {
        let place = &self.remote.place;
        let size = progress.version.as_ref().and_then(|version| version.size);
        let mut chunks = answer.body.bytes_stream();
        while let Some(chunk) = unless_cancelled(watch, chunks.next()).await? {
            let mut chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Ok(Err(place.connection_error(&error))),
            };
            retry.heard(Instant::now());
            let skipped = known.min(widen(chunk.len()));
            known -= skipped;
            let chunk = chunk.split_off(narrow(skipped));
            let count = widen(chunk.len());
            let offset = progress.offset.saturating_add(count);
            if size.is_some_and(|size| offset > size) {
                let reason = format!("{} sent more bytes than the object has", place.endpoint);
                return Ok(Err(ObjectError::Mismatch(reason)));
            }
            progress.offset = offset;
            watch.add_bytes(count);
            if let Some(comparison) = &mut progress.comparison {
                comparison.update(&chunk);
            }
            hand_over(&chunk, &mut progress.piece, stream, watch).await?;
            if let Some(limiter) = &self.limiter {
                unless_cancelled(watch, limiter.pay(count)).await?;
            }
        }
        if let Some(version) = progress.version.as_mut().filter(|version| version.size.is_none()) {
            // The end of the response is that of the object.
            version.size = Some(progress.offset);
        }
        Ok(Ok(()))
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
