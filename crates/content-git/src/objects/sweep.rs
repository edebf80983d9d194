//! Reads every commit, tree and tag of a folder of objects once, in the order in which they lie there, and looks up
//! what they name.
//!
//! If each object that is there names only objects that are there too, then everything exists that can be reached from
//! any of them, and nothing needs to be walked through. What is not found may be named by objects that nothing reaches;
//! whether it is missed is decided by [`super::walk`].

use stocktake_content::num::narrow;

use super::check::{Kinds, Swept};
use super::chunks;
use super::descent::{self, Depth, ObjectVisitor, Terms};
use super::ids::{Ids, Need, Recent};
use super::index::PackIndex;
use super::kind::{Kind, Link};
use super::listing;
use super::lookup::Lookup;
use super::loose::LooseObjects;
use super::order::Order;
use super::pack::Pack;
use super::pack_ids::PackIds;
use super::root::{Root, Roots};
use crate::doubts::Doubts;
use crate::error::ReadError;
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::memory::Held;
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// The folder of a chain of commit graphs.
const GRAPHS: &[u8] = b"info/commit-graphs";

/// The header and the chunk of ids in a commit graph.
const GRAPH_IDS: (usize, &[u8; 4]) = (8, b"OIDL");

/// The bytes of memory for the objects of a pack in their order, and those that any repository may take.
const ORDER_BYTES: u64 = 128 * 1024 * 1024;
const LEAST_ORDER_BYTES: u64 = 1024 * 1024;

/// The bytes of memory for objects of a pack on which others build.
const BASES_BYTES: u64 = 48 * 1024 * 1024;

/// The bytes of memory for objects that are looked up together: if packs of the folder are looked up in their files, and
/// if only those of alternates are.
const WAITING_BYTES: u64 = 64 * 1024 * 1024;
const FEW_WAITING_BYTES: u64 = 1024 * 1024;

/// The bits of the type that an object has; above them are those of the types that it has to have.
const ACTUAL: u8 = 15;

/// A pack of the folder.
struct SweptPack {
    /// The name of its index.
    name: Vec<u8>,
    /// For each place, the bits of its type ([`ACTUAL`]), and of the types that objects expect in the upper half.
    types: Vec<u8>,
}

/// The objects of the folder.
pub(super) struct Sweep<'a> {
    reader: &'a RepoReader<'a>,
    folder: &'a RepoFolder,
    format: ObjectFormat,
    parents: &'a Parents,
    loose: &'a LooseObjects,
    packs: Vec<SweptPack>,
    ids: PackIds,
    /// The objects of alternates.
    elsewhere: Lookup<'a>,
    /// Objects that are looked up in the files together, and how many at most.
    waiting: Vec<Need>,
    most_waiting: usize,
    /// The memory that they take.
    held: Option<Held>,
    recent: Recent,
    doubts: Doubts,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        reader: &'a RepoReader<'a>,
        folders: &'a [RepoFolder],
        folder: &'a RepoFolder,
        format: ObjectFormat,
        parents: &'a Parents,
        loose: &'a LooseObjects,
    ) -> Result<Self, ReadError> {
        let elsewhere = Lookup::new(reader, folders, format)?;
        let (packs, ids, doubts) = (Vec::new(), PackIds::default(), Doubts::default());
        let (recent, waiting) = (Recent::new(), Vec::new());
        Ok(Self {
            reader,
            folder,
            format,
            parents,
            loose,
            packs,
            ids,
            elsewhere,
            waiting,
            most_waiting: 1,
            held: None,
            recent,
            doubts,
        })
    }

    /// Reads the folder. With `has_promisor`, what objects of promisor packs name need not be there. Of the roots that are
    /// in this folder the types are compared.
    pub(super) fn run(
        mut self,
        depth: Depth,
        has_promisor: bool,
        roots: Option<&Roots<'_>>,
    ) -> Result<Swept, ReadError> {
        let loose = self.loose;
        let listing = listing::list(self.reader, self.folder)?;
        let names: Vec<_> = listing.iter().map(|(name, _)| name.as_ref()).collect();
        let indexes: Vec<_> = names.iter().filter_map(|name| listing::stem(name, "idx")).collect();
        if depth.links {
            self.load(&indexes)?;
            for (id, bits) in &loose.links {
                self.need(id, *bits)?;
            }
            if let Some(roots) = roots {
                roots(&mut |root| {
                    self.expect(&root);
                    Ok(())
                })?;
            }
        }
        for (number, stem) in indexes.iter().enumerate() {
            let is_promised =
                has_promisor && names.binary_search(&[stem, &b".promisor"[..]].concat().as_slice()).is_ok();
            let depth = Depth { links: depth.links && !is_promised, ..depth };
            if depth.links || depth.contents {
                self.pack(number, &path(stem), depth)?;
            }
        }
        self.settle()?;
        if depth.links {
            self.graphs()?;
        }
        for pack in &self.packs {
            // An object whose type is known has to be of the one that is expected.
            self.doubts.more |= pack.types.iter().any(|bits| {
                let (actual, expected) = (bits & ACTUAL, bits >> 4);
                actual != 0 && expected & !actual != 0
            });
        }
        for (id, bits) in &loose.links {
            self.doubts.more |= loose.kinds.get(id).is_some_and(|actual| *bits & !actual != 0);
        }
        let kinds = if self.doubts == Doubts::default() { Kinds::new() } else { self.kinds() };
        Ok(Swept { listing, doubts: self.doubts, kinds })
    }

    /// Takes the types of the objects.
    fn kinds(&mut self) -> Kinds {
        let kinds = self.packs.drain(..).map(|mut pack| {
            pack.types.iter_mut().for_each(|bits| *bits &= ACTUAL);
            (pack.name, pack.types)
        });
        kinds.collect()
    }

    /// Looks up the commits that commit graphs name.
    fn graphs(&mut self) -> Result<(), ReadError> {
        let mut paths = vec![b"info/commit-graph".to_vec()];
        let chain = self.reader.entries(self.folder, GRAPHS)?.unwrap_or_default();
        let chain = chain.into_iter().filter(|entry| entry.name.ends_with(b".graph"));
        paths.extend(chain.map(|entry| [GRAPHS, &entry.name].join(&b'/')));
        let (reader, folder, format) = (self.reader, self.folder, self.format);
        for path in paths {
            chunks::read(reader, folder, &path, GRAPH_IDS, format.bytes(), &mut |ids| {
                for id in ids.chunks_exact(format.bytes()).filter_map(|id| format.id(id)) {
                    if self.doubts.graph.is_none() && !self.contains(&id, Kind::Commit)? {
                        self.doubts.graph = Some((id, path.clone()));
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads the ids of all packs, as far as memory allows.
    fn load(&mut self, stems: &[&[u8]]) -> Result<(), ReadError> {
        for stem in stems {
            let name = path(stem);
            let index = PackIndex::open(self.reader, self.folder, &name, self.format)?;
            let index = index.ok_or(ReadError::Changed)?;
            self.ids.add(self.reader.memory(), &index, self.format)?;
            let types = vec![0; narrow(u64::from(index.objects()))];
            self.packs.push(SweptPack { name, types });
        }
        let wanted = if self.ids.are_all_held() { FEW_WAITING_BYTES } else { WAITING_BYTES };
        let held = self.reader.memory().hold_up_to(wanted, FEW_WAITING_BYTES);
        self.most_waiting = narrow(held.bytes) / size_of::<Need>();
        self.held = Some(held);
        Ok(())
    }

    fn pack(&mut self, number: usize, name: &[u8], depth: Depth) -> Result<(), ReadError> {
        let Some(mut pack) = Pack::open(self.reader, self.folder, name, self.format, BASES_BYTES)? else {
            return Err(ReadError::Changed);
        };
        let objects = pack.index.objects();
        let wanted = Order::bytes(objects).min(ORDER_BYTES);
        let held = self.reader.memory().hold_up_to(wanted, LEAST_ORDER_BYTES);
        let order = Order::new(&pack.index, pack.size(), held.bytes)?;
        tracing::trace!(
            pack.number = number,
            pack.objects = objects,
            pack.parts = order.len(),
            "sweep a pack"
        );
        let swept = self.packs.iter().position(|swept| swept.name == name);
        let (reader, format, parents) = (self.reader, self.format, self.parents);
        let terms = Terms { reader, format, parents, depth };
        descent::run(terms, &mut pack, &order, &mut InPack { sweep: self, swept })
    }

    /// Calls `visitor` for each object in a promisor pack of this folder, and for each that one of these names.
    pub(super) fn visit_promised(
        reader: &RepoReader<'_>,
        folder: &RepoFolder,
        format: ObjectFormat,
        visitor: &mut dyn FnMut(&ObjectId),
    ) -> Result<(), ReadError> {
        for (name, _) in listing::list(reader, folder)? {
            let Some(stem) = listing::stem(&name, "promisor") else { continue };
            let Some(mut pack) = Pack::open(reader, folder, &path(stem), format, BASES_BYTES)? else {
                continue;
            };
            let order = Order::new(&pack.index, pack.size(), ORDER_BYTES)?;
            let parents = Parents::default();
            let depth = Depth { links: true, contents: false };
            let terms = Terms { reader, format, parents: &parents, depth };
            descent::run(terms, &mut pack, &order, &mut Named(visitor))?;
        }
        Ok(())
    }

    /// Looks up an object that another one names, now or with others.
    fn need(&mut self, id: &ObjectId, bits: u8) -> Result<(), ReadError> {
        let is_known = self.recent.contains_or_add(id, bits);
        if is_known || self.find(id, bits) || self.loose.kinds.contains_key(id) {
            return Ok(());
        }
        self.waiting.push(Need { id: *id, bits });
        if self.waiting.len() < self.most_waiting { Ok(()) } else { self.settle() }
    }

    /// Looks up in the files what is not in memory.
    fn settle(&mut self) -> Result<(), ReadError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        waiting.dedup_by(|next, first| {
            let is_same = next.id == first.id;
            first.bits |= if is_same { next.bits } else { 0 };
            is_same
        });
        let Self { packs, ids, .. } = self;
        let in_files = packs.iter_mut().enumerate().filter(|(number, _)| ids.get(*number).is_none());
        for (_, pack) in in_files {
            let index = PackIndex::open(self.reader, self.folder, &pack.name, self.format)?;
            let types = &mut pack.types;
            index.ok_or(ReadError::Changed)?.take_found(&mut waiting, |place, bits| {
                if let Some(types) = types.get_mut(narrow(u64::from(place))) {
                    *types |= bits << 4;
                }
            })?;
        }
        self.elsewhere.take_found_in_alternates(&mut waiting)?;
        for need in waiting.drain(..) {
            self.doubts.add_missing(&need.id);
        }
        self.waiting = waiting;
        Ok(())
    }

    /// Notes the type that a root has to have. Whether it is there is looked up elsewhere.
    fn expect(&mut self, root: &Root) {
        let Some(kind) = root.kind else { return };
        let actual = self.loose.kinds.get(&root.id);
        self.doubts.more |= actual.is_some_and(|actual| *actual != kind.bit());
        self.find(&root.id, kind.bit());
    }

    /// Whether an object is there; notes the type that it has to have.
    fn contains(&mut self, id: &ObjectId, kind: Kind) -> Result<bool, ReadError> {
        Ok(self.find(id, kind.bit()) || self.loose.kinds.contains_key(id) || self.elsewhere.contains(id)?)
    }

    /// Whether an object is in one of the packs whose ids are in memory; notes the bits of the types that it has to have.
    fn find(&mut self, id: &ObjectId, bits: u8) -> bool {
        let Some((number, place)) = self.ids.find(id) else { return false };
        let types = self.packs.get_mut(number).and_then(|pack| pack.types.get_mut(narrow(u64::from(place))));
        if let Some(types) = types {
            *types |= bits << 4;
        }
        true
    }
}

/// Looks up what the objects of a pack name.
struct InPack<'sweep, 'a> {
    sweep: &'sweep mut Sweep<'a>,
    /// Which of the packs of the sweep it is.
    swept: Option<usize>,
}

impl InPack<'_, '_> {
    fn ids(&self) -> Option<&Ids> {
        self.swept.and_then(|swept| self.sweep.ids.get(swept))
    }
}

impl ObjectVisitor for InPack<'_, '_> {
    fn object(&mut self, place: u32, kind: Kind) {
        let pack = self.swept.and_then(|swept| self.sweep.packs.get_mut(swept));
        if let Some(bits) = pack.and_then(|pack| pack.types.get_mut(narrow(u64::from(place)))) {
            *bits |= kind.bit();
        }
    }

    fn id(&self, pack: &Pack<'_>, place: u32) -> Result<Option<ObjectId>, ReadError> {
        match self.ids() {
            Some(ids) => Ok(self.sweep.format.id(ids.get(place))),
            None => pack.index.id(place),
        }
    }

    fn place(&self, pack: &Pack<'_>, id: &ObjectId) -> Result<Option<u32>, ReadError> {
        match self.ids() {
            Some(ids) => Ok(ids.find(id)),
            None => pack.index.find(id),
        }
    }

    fn link(&mut self, link: &Link<'_>) -> Result<(), ReadError> {
        self.sweep.need(&link.id, link.kind.bit())
    }
}

/// Calls the visitor for each object that one of the pack names.
struct Named<'v>(&'v mut dyn FnMut(&ObjectId));

impl ObjectVisitor for Named<'_> {
    fn object(&mut self, _place: u32, _kind: Kind) {}

    fn link(&mut self, link: &Link<'_>) -> Result<(), ReadError> {
        (self.0)(&link.id);
        Ok(())
    }
}

/// The path of the index of this name without extension.
fn path(stem: &[u8]) -> Vec<u8> {
    [listing::FOLDER, b"/", stem, b".idx"].concat()
}
