//! The id of a loose object: the hash over what its file inflates to.

use flate2::{Decompress, FlushDecompress, Status};
use stocktake_content::num::{narrow, widen};

use super::kind::{Kind, MAX_BYTES, TOO_LARGE};
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
    /// Whether the content of commits, trees and tags is kept.
    keeps_content: bool,
    object: Object,
    ended: bool,
}

/// An object that was read to its end.
pub(super) struct Inflated {
    /// As it follows from the content.
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    /// Only of a commit, tree or tag, and if it was asked for.
    pub(super) content: Option<Vec<u8>>,
}

/// What is known of an object so far.
struct Object {
    hash: Hash,
    /// The beginning up to the zero byte, until it is complete.
    header: Vec<u8>,
    /// The type, and the number of bytes that are still missing behind the header; `None` before its end.
    left: Option<(Kind, u64)>,
    content: Vec<u8>,
}

impl Inflater {
    pub(super) fn new(format: ObjectFormat, keeps_content: bool) -> Self {
        Self {
            stream: Decompress::new(true),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            keeps_content,
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
            self.object.update(self.output.get(..made).unwrap_or_default(), self.keeps_content)?;
            self.ended = status == Status::StreamEnd;
            let is_stuck = used == 0 && made == 0;
            if !self.ended && (is_stuck || (input.is_empty() && made < self.output.len())) {
                return Ok(());
            }
        }
        if input.is_empty() { Ok(()) } else { Err("there is something behind its end") }
    }

    /// The object, once the whole file has been added. Another object must be started then.
    pub(super) fn finish(&mut self, format: ObjectFormat) -> Result<Inflated, ObjectError> {
        let object = std::mem::replace(&mut self.object, Object::new(format));
        match object.left {
            Some((kind, 0)) if self.ended => {
                let content = (self.keeps_content && kind != Kind::Blob).then_some(object.content);
                Ok(Inflated { id: object.hash.finish(), kind, content })
            }
            _ => Err("it is cut short"),
        }
    }
}

impl Object {
    fn new(format: ObjectFormat) -> Self {
        Self { hash: format.hash(), header: Vec::new(), left: None, content: Vec::new() }
    }

    fn update(&mut self, bytes: &[u8], keeps_content: bool) -> Result<(), ObjectError> {
        self.hash.update(bytes);
        let mut content = bytes;
        if self.left.is_none() {
            let end = bytes.iter().position(|byte| *byte == 0);
            self.header.extend(bytes.iter().take(end.unwrap_or(bytes.len())).take(MAX_HEADER_BYTES));
            let Some(end) = end else {
                let fits = self.header.len() < MAX_HEADER_BYTES;
                return if fits { Ok(()) } else { Err("it has no header") };
            };
            self.left = Some(kind_and_size(&self.header).ok_or("it has no header")?);
            content = bytes.get(end + 1..).unwrap_or_default();
        }
        let left = self.left.and_then(|(kind, left)| Some((kind, left.checked_sub(widen(content.len()))?)));
        let (kind, left) = left.ok_or("it is longer than it says")?;
        self.left = Some((kind, left));
        if keeps_content && kind != Kind::Blob {
            if widen(self.content.len() + content.len()) > MAX_BYTES {
                return Err(TOO_LARGE);
            }
            self.content.extend_from_slice(content);
        }
        Ok(())
    }
}

/// Type and size in a header such as `blob 12`.
fn kind_and_size(header: &[u8]) -> Option<(Kind, u64)> {
    let (kind, size) = str::from_utf8(header).ok()?.split_once(' ')?;
    let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Some((Kind::parse(kind.as_bytes())?, size.parse().ok()?)) } else { None }
}
