//! Inflates what lies in a pack.

use flate2::{Decompress, FlushDecompress, Status};
use stocktake_content::num::narrow;

use super::file::PackFile;
use super::header::Deflated;
use crate::error::ReadError;
use crate::objects::kind::{MAX_BYTES, TOO_LARGE};

/// The most bytes of memory that are taken at once: the size in a header may be damaged.
const GROWTH: usize = 1024 * 1024;

/// How many bytes are inflated at a time of what is not held in memory.
const PIECE_BYTES: usize = 64 * 1024;

/// Inflates one after the other.
pub(super) struct Inflater {
    stream: Decompress,
    /// Used anew for each delta or piece. Its length never shrinks, so that it is not filled with zeros each time.
    scratch: Vec<u8>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { stream: Decompress::new(true), scratch: Vec::new() }
    }

    /// Replaces `output` by the inflated bytes of this object or delta.
    pub(super) fn whole(
        &mut self,
        file: &mut PackFile<'_>,
        data: Deflated,
        output: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        self.fill(file, data, output)?;
        output.truncate(narrow(data.size));
        Ok(())
    }

    /// The inflated bytes, to be read before anything else is inflated.
    pub(super) fn borrowed(&mut self, file: &mut PackFile<'_>, data: Deflated) -> Result<&[u8], ReadError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.truncate(GROWTH);
        let filled = self.fill(file, data, &mut scratch);
        self.scratch = scratch;
        filled?;
        Ok(self.scratch.get(..narrow(data.size)).unwrap_or_default())
    }

    /// Calls `sink` with the inflated bytes, piece by piece.
    pub(super) fn pieces(
        &mut self,
        file: &mut PackFile<'_>,
        data: Deflated,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(PIECE_BYTES.max(scratch.len()), 0);
        self.stream.reset(true);
        let done = loop {
            let begin = self.stream.total_out();
            let done = self.step(file, data, &mut scratch);
            let made = narrow(self.stream.total_out() - begin);
            sink(scratch.get(..made).unwrap_or_default());
            match done {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.scratch = scratch;
        done
    }

    /// Inflates to the beginning of `output`, which is made longer if need be.
    fn fill(
        &mut self,
        file: &mut PackFile<'_>,
        data: Deflated,
        output: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        if data.size > MAX_BYTES {
            return Err(file.damaged(data.offset, TOO_LARGE));
        }
        // One more, to see whether it is longer than it says.
        let limit = narrow(data.size) + 1;
        self.stream.reset(true);
        loop {
            let made = narrow(self.stream.total_out());
            if made >= output.len() {
                output.resize(limit.min(made + made.max(GROWTH)), 0);
            }
            let end = limit.min(output.len());
            let free = output.get_mut(made..end).unwrap_or_default();
            if self.step(file, data, free)? {
                return Ok(());
            }
        }
    }

    /// Inflates on, as much as fits into `output`; whether that was the last of it.
    fn step(
        &mut self,
        file: &mut PackFile<'_>,
        data: Deflated,
        output: &mut [u8],
    ) -> Result<bool, ReadError> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let input = file.bytes(data.begin + read, 1)?;
        let is_end = input.is_empty();
        // What is inflated at once need not be copied into the stream's own window.
        let status = self.stream.decompress(input, output, FlushDecompress::Finish);
        let status = status.map_err(|_| file.damaged(data.offset, "it does not inflate"))?;
        if self.stream.total_out() > data.size {
            return Err(file.damaged(data.offset, "it is longer than it says"));
        }
        if status == Status::StreamEnd && self.stream.total_out() == data.size {
            return Ok(true);
        }
        let is_stuck = self.stream.total_in() == read && self.stream.total_out() == written;
        if status == Status::StreamEnd || is_end || is_stuck {
            return Err(file.damaged(data.offset, "it is cut short"));
        }
        Ok(false)
    }
}
