//! Reads the objects of a part of a pack, from those that are kept as a whole down to those that build on them, each once.

use stocktake_content::num::widen;

use super::delta::Copied;
use super::entries::{self, BaseTree};
use super::forest::{DeltaForest, Origin};
use super::kind::{self, Kind, Link, LinkError};
use super::order::Order;
use super::pack::Pack;
use crate::error::ReadError;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// Buffers that are kept to be used again, and the most bytes of each.
const SPARES: usize = 8;
const SPARE_BYTES: usize = 1024 * 1024;

/// How objects are read.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    /// Whether what objects name is looked up.
    pub(super) links: bool,
    /// Whether each object is compared with its id.
    pub(super) contents: bool,
}

impl Depth {
    fn reads(self, kind: Kind) -> bool {
        self.contents || (self.links && kind != Kind::Blob)
    }
}

/// Is told of the objects in a pack.
pub(super) trait ObjectVisitor {
    /// There is an object of this type at this place of the index.
    fn object(&mut self, place: u32, kind: Kind);

    /// The id at this place of the index.
    fn id(&self, pack: &Pack<'_>, place: u32) -> Result<Option<ObjectId>, ReadError> {
        pack.index.id(place)
    }

    /// The place of this id.
    fn place(&self, pack: &Pack<'_>, id: &ObjectId) -> Result<Option<u32>, ReadError> {
        pack.index.find(id)
    }

    /// The object names this one. Entries of a tree that the one has on which it builds are left out.
    fn link(&mut self, link: &Link<'_>) -> Result<(), ReadError>;
}

/// The content of an object.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Where the entries of a tree begin.
    begins: Vec<u32>,
}

impl Content {
    /// How much memory it takes.
    fn held(&self) -> usize {
        self.bytes.capacity() + self.begins.capacity() * size_of::<u32>()
    }
}

/// An object on which others build that have not been read yet.
struct Frame {
    offset: u64,
    /// The next of them.
    next: usize,
    /// `None` if it is not needed, or there was no memory left for it.
    content: Option<Content>,
}

/// What is the same for all objects of a repository.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) reader: &'a RepoReader<'a>,
    pub(super) format: ObjectFormat,
    pub(super) parents: &'a Parents,
    pub(super) depth: Depth,
}

/// Reads the objects of a pack, part by part.
pub(super) fn run(
    terms: Terms<'_>,
    pack: &mut Pack<'_>,
    order: &Order,
    visitor: &mut impl ObjectVisitor,
) -> Result<(), ReadError> {
    let most_held = pack.share_memory();
    for part in 0..order.len() {
        let part = order.part(&pack.index, part)?;
        let forest = DeltaForest::read(terms.reader, pack, part, |pack, id| visitor.place(pack, id))?;
        Descent::run(terms, pack, &forest, visitor, most_held)?;
    }
    Ok(())
}

/// A way through the objects of a part of a pack.
struct Descent<'d, 'pack, V> {
    terms: Terms<'d>,
    pack: &'d mut Pack<'pack>,
    forest: &'d DeltaForest,
    visitor: &'d mut V,
    /// The objects above the one that is read.
    stack: Vec<Frame>,
    /// The bytes of their contents, and the most that are kept.
    held: usize,
    most_held: usize,
    /// How many objects have been read.
    count: usize,
    copies: Vec<Copied>,
    spares: Vec<Content>,
}

impl<'d, 'pack, V: ObjectVisitor> Descent<'d, 'pack, V> {
    /// Reads all objects.
    fn run(
        terms: Terms<'d>,
        pack: &'d mut Pack<'pack>,
        forest: &'d DeltaForest,
        visitor: &'d mut V,
        most_held: usize,
    ) -> Result<(), ReadError> {
        let (stack, copies, spares) = Default::default();
        let (held, count) = (0, 0);
        let mut descent =
            Self { terms, pack, forest, visitor, stack, held, most_held, count, copies, spares };
        for at in 0..forest.len() {
            if let Some(origin) = forest.origin(at) {
                descent.family(at, origin)?;
            }
        }
        if descent.count < forest.len() { Err(descent.circle()) } else { Ok(()) }
    }

    /// Reads an object, and those that build on it.
    fn family(&mut self, at: usize, origin: Origin) -> Result<(), ReadError> {
        let Some((offset, place)) = self.forest.object(at) else { return Ok(()) };
        let kind = match origin {
            Origin::Whole(kind) => kind,
            Origin::Outside => self.pack.kind(offset)?,
        };
        let is_read = self.terms.depth.reads(kind);
        self.found(place, kind)?;
        if is_read && kind == Kind::Blob && self.forest.first(at).is_none() {
            // It need not be held.
            if let Some(id) = self.pack.streamed_id(offset, self.forest.length(at))? {
                return self.compare(offset, place, id);
            }
        }
        let content = if is_read { Some(self.root(at, kind, origin)?) } else { None };
        self.push(at, offset, content);
        while let Some(frame) = self.pop() {
            let Frame { offset, next: at, content } = frame;
            let (mut base, mut child) = (content, None);
            let Some((child_offset, place)) = self.forest.object(at) else { continue };
            self.found(place, kind)?;
            if is_read {
                let content = base.take().map_or_else(|| self.again(kind, offset), Ok)?;
                child = Some(self.child(at, kind, &content)?);
                base = Some(content);
            }
            match self.forest.next(at) {
                Some(next) => self.keep(Frame { offset, next, content: base }),
                None => self.recycle(base),
            }
            self.push(at, child_offset, child);
        }
        Ok(())
    }

    /// Tells the visitor of an object.
    fn found(&mut self, place: u32, kind: Kind) -> Result<(), ReadError> {
        if self.count.is_multiple_of(1_024) {
            self.terms.reader.check_cancelled()?;
        }
        self.count += 1;
        self.visitor.object(place, kind);
        Ok(())
    }

    /// Reads the object of this number, which builds on none of the part.
    fn root(&mut self, at: usize, kind: Kind, origin: Origin) -> Result<Content, ReadError> {
        let Some((offset, place)) = self.forest.object(at) else { return Ok(Content::default()) };
        let mut content = self.spares.pop().unwrap_or_default();
        match origin {
            Origin::Whole(_) => {
                self.pack.read_whole(offset, self.forest.length(at), &mut content.bytes)?;
            }
            Origin::Outside => content.bytes.clone_from(&self.pack.object(offset)?.content),
        }
        self.check(offset, place, kind, &content.bytes)?;
        if self.terms.depth.links {
            let (format, parents) = (self.terms.format, self.replaced_parents(kind, place)?);
            let Content { bytes, begins } = &mut content;
            let mut visit = |link: Link<'_>| Ok::<_, LinkError>(self.visitor.link(&link)?);
            let visited = match kind {
                Kind::Tree => entries::all(bytes, format, begins, &mut visit),
                _ => kind::links(kind, bytes, format, parents, &mut visit),
            };
            visited.map_err(|error| self.error(offset, error))?;
        }
        Ok(content)
    }

    /// Reads the object of this number, which builds on `base`.
    fn child(&mut self, at: usize, kind: Kind, base: &Content) -> Result<Content, ReadError> {
        let Some((offset, place)) = self.forest.object(at) else { return Ok(Content::default()) };
        let mut content = self.spares.pop().unwrap_or_default();
        let length = self.forest.length(at);
        self.pack.read_delta(offset, length, &base.bytes, &mut content.bytes, &mut self.copies)?;
        self.check(offset, place, kind, &content.bytes)?;
        if self.terms.depth.links {
            let (format, parents) = (self.terms.format, self.replaced_parents(kind, place)?);
            let Content { bytes, begins } = &mut content;
            let mut visit = |link: Link<'_>| Ok::<_, LinkError>(self.visitor.link(&link)?);
            let base = BaseTree { content: &base.bytes, begins: &base.begins };
            let visited = match kind {
                Kind::Tree => base.changed(bytes, &self.copies, format, begins, &mut visit),
                _ => kind::links(kind, bytes, format, parents, &mut visit),
            };
            visited.map_err(|error| self.error(offset, error))?;
        }
        Ok(content)
    }

    /// Reads an object again that was not kept.
    fn again(&mut self, kind: Kind, offset: u64) -> Result<Content, ReadError> {
        let mut content = self.spares.pop().unwrap_or_default();
        content.bytes.clone_from(&self.pack.object(offset)?.content);
        if kind == Kind::Tree && self.terms.depth.links {
            let Content { bytes, begins } = &mut content;
            entries::all(bytes, self.terms.format, begins, &mut |_| Ok::<_, LinkError>(()))
                .map_err(|error| self.error(offset, error))?;
        }
        Ok(content)
    }

    /// The parents of a commit that are not its own.
    fn replaced_parents(&self, kind: Kind, place: u32) -> Result<Option<&'d [ObjectId]>, ReadError> {
        if kind != Kind::Commit || self.terms.parents.is_empty() {
            return Ok(None);
        }
        let id = self.visitor.id(self.pack, place)?;
        Ok(id.and_then(|id| self.terms.parents.of(&id)))
    }

    /// Compares an object with its id, if that is asked for.
    fn check(&self, offset: u64, place: u32, kind: Kind, content: &[u8]) -> Result<(), ReadError> {
        if !self.terms.depth.contents {
            return Ok(());
        }
        let mut hash = kind.hash(self.terms.format, widen(content.len()));
        hash.update(content);
        self.compare(offset, place, hash.finish())
    }

    fn compare(&self, offset: u64, place: u32, calculated: ObjectId) -> Result<(), ReadError> {
        if self.visitor.id(self.pack, place)? == Some(calculated) {
            return Ok(());
        }
        Err(self.pack.damaged(offset, "its content is not what its id says"))
    }

    fn error(&self, offset: u64, error: LinkError) -> ReadError {
        match error {
            LinkError::Malformed(reason) => self.pack.damaged(offset, reason),
            LinkError::Read(error) => error,
        }
    }

    /// Goes on with the objects that build on the one of this number, if there are any.
    fn push(&mut self, at: usize, offset: u64, content: Option<Content>) {
        match self.forest.first(at) {
            Some(next) => self.keep(Frame { offset, next, content }),
            None => self.recycle(content),
        }
    }

    fn keep(&mut self, mut frame: Frame) {
        let bytes = frame.content.as_ref().map_or(0, Content::held);
        if self.held + bytes > self.most_held && !self.stack.is_empty() {
            let content = frame.content.take();
            self.recycle(content);
        } else {
            self.held += bytes;
        }
        self.stack.push(frame);
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.stack.pop()?;
        self.held -= frame.content.as_ref().map_or(0, Content::held);
        Some(frame)
    }

    fn recycle(&mut self, content: Option<Content>) {
        let content = content.filter(|content| content.held() <= SPARE_BYTES);
        if self.spares.len() < SPARES {
            self.spares.extend(content);
        }
    }

    /// What is wrong with objects that were not come by: they build on each other.
    fn circle(&mut self) -> ReadError {
        for at in 0..self.forest.len() {
            let Some((offset, _)) = self.forest.object(at) else { break };
            if let Err(error) = self.pack.kind(offset) {
                return error;
            }
        }
        ReadError::Changed
    }
}
