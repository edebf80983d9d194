//! The id of a loose object: the hash over what its file inflates to.

use flate2::{Decompress, FlushDecompress, Status};
use stocktake_content::num::{narrow, widen};

use crate::id::{Hash, ObjectFormat, ObjectId};

/// How many bytes are inflated at a time.
const OUTPUT_BYTES: usize = 32 * 1024;

/// More than the longest header, `commit 18446744073709551615`.
const MAX_HEADER_BYTES: usize = 32;

/// Why a file is no object.
pub(super) type ObjectError = &'static str;

/// Calculates the ids of loose objects, one after the other.
pub(super) struct Inflater {
    stream: Decompress,
    output: Box<[u8]>,
    object: Object,
    ended: bool,
}

/// What is known of an object so far.
struct Object {
    hash: Hash,
    /// The beginning up to the zero byte, until it is complete.
    header: Vec<u8>,
    /// The number of bytes that are still missing behind the header; `None` before its end.
    left: Option<u64>,
}

impl Inflater {
    pub(super) fn new(format: ObjectFormat) -> Self {
        Self {
            stream: Decompress::new(true),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            object: Object::new(format),
            ended: false,
        }
    }

    /// Starts another object.
    pub(super) fn reset(&mut self, format: ObjectFormat) {
        self.stream.reset(true);
        self.object = Object::new(format);
        self.ended = false;
    }

    /// Adds the next chunk of the file.
    pub(super) fn update(&mut self, mut input: &[u8]) -> Result<(), ObjectError> {
        while !self.ended {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input, &mut self.output, FlushDecompress::None);
            let status = status.map_err(|_| "it does not inflate")?;
            let used = narrow(self.stream.total_in() - read);
            let made = narrow(self.stream.total_out() - written);
            input = input.get(used..).unwrap_or_default();
            self.object.update(self.output.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            let is_stuck = used == 0 && made == 0;
            if !self.ended && (is_stuck || (input.is_empty() && made < self.output.len())) {
                return Ok(());
            }
        }
        if input.is_empty() { Ok(()) } else { Err("there is something behind its end") }
    }

    /// The id, once the whole file has been added. Another object must be started then.
    pub(super) fn finish(&mut self, format: ObjectFormat) -> Result<ObjectId, ObjectError> {
        let object = std::mem::replace(&mut self.object, Object::new(format));
        match object.left {
            Some(0) if self.ended => Ok(object.hash.finish()),
            _ => Err("it is cut short"),
        }
    }
}

impl Object {
    fn new(format: ObjectFormat) -> Self {
        Self { hash: format.hash(), header: Vec::new(), left: None }
    }

    fn update(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.hash.update(bytes);
        let mut content = widen(bytes.len());
        if self.left.is_none() {
            let end = bytes.iter().position(|byte| *byte == 0);
            self.header.extend(bytes.iter().take(end.unwrap_or(bytes.len())).take(MAX_HEADER_BYTES));
            let Some(end) = end else {
                let fits = self.header.len() < MAX_HEADER_BYTES;
                return if fits { Ok(()) } else { Err("it has no header") };
            };
            self.left = Some(size(&self.header).ok_or("it has no header")?);
            content -= widen(end) + 1;
        }
        let left = self.left.and_then(|left| left.checked_sub(content));
        self.left = Some(left.ok_or("it is longer than it says")?);
        Ok(())
    }
}

/// The size in a header such as `blob 12`.
fn size(header: &[u8]) -> Option<u64> {
    let (kind, size) = str::from_utf8(header).ok()?.split_once(' ')?;
    let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
    let known = matches!(kind, "blob" | "tree" | "commit" | "tag");
    if known && is_number { size.parse().ok() } else { None }
}
