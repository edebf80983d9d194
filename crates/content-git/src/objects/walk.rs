//! Walks from the refs through everything that they reach, and tells what is missing, or the first object that is of the wrong
//! type. This is slower than the sweep, and is done only if the sweep leaves doubts.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use stocktake_content::num::narrow;
use stocktake_domain::ContentError;

use super::check::Kinds;
use super::entries::{self, BaseTree};
use super::ids::{IdSet, Recent};
use super::kind::{Kind, Link, LinkError, links};
use super::lacking::Lacking;
use super::listing::Listing;
use super::lookup::{Lookup, Place};
use super::loose;
use super::pack::{Object, Pack};
use super::root::Root;
use crate::error::{ReadError, display_name};
use crate::folder::RepoFolder;
use crate::id::{ObjectFormat, ObjectId};
use crate::reader::RepoReader;
use crate::shallow::Parents;

/// The most bytes of memory for objects of a pack on which others build. They are come by in no order that suits the pack.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// How many packs are kept open.
const MAX_OPEN: usize = 8;

/// The bit of an object that was visited.
const VISITED: u8 = 1 << 4;

/// A walk through the objects of a repository.
pub(super) struct Walk<'a> {
    reader: &'a RepoReader<'a>,
    format: ObjectFormat,
    parents: &'a Parents,
    has_promisor: bool,
    /// Objects that are not here, but that a promisor has promised.
    promised: HashSet<ObjectId>,
    lookup: Lookup<'a>,
    visited: Visited,
    /// The packs that were read last, by their numbers.
    packs: VecDeque<(usize, Pack<'a>)>,
    recent: Recent,
    /// The objects that are missing, if these are all and every other one is there as one of the right type.
    all_missing: Option<IdSet>,
    /// How many objects can be missing at most, if that is known.
    most_missing: Option<usize>,
    /// The first object that is missing, and the root that reaches it.
    pub(super) first_missing: Option<(Root, ObjectId)>,
    /// All that are missing.
    pub(super) lacking: Lacking,
}

/// What the sweep found.
pub(super) struct Known<'a> {
    /// The types of objects in the packs of the first folder.
    pub(super) kinds: Option<&'a Kinds>,
    /// The objects that are missing, if these are all and every other one is there as one of the right type.
    pub(super) all_missing: Option<HashSet<ObjectId>>,
    /// How many objects can be missing at most, if that is known.
    pub(super) most_missing: Option<usize>,
}

/// The objects that were visited, and their types.
#[derive(Default)]
struct Visited {
    /// For each pack and place the bit of the type, or 0 if it is not known, and [`VISITED`].
    packed: Vec<Vec<u8>>,
    loose: HashMap<ObjectId, Kind>,
}

impl Visited {
    /// What is noted of the object at this place of a pack, which has so many objects; `None` if it has no such place.
    fn note(&mut self, pack: usize, place: u32, objects: u32) -> Option<&mut u8> {
        if self.packed.len() <= pack {
            self.packed.resize_with(pack + 1, Vec::new);
        }
        let noted = self.packed.get_mut(pack)?;
        if noted.is_empty() {
            *noted = vec![0; narrow(u64::from(objects))];
        }
        noted.get_mut(narrow(u64::from(place)))
    }

    /// Whether nothing is to be done for this link, because its object was visited as one of that type. A blob of which that
    /// type is known is visited with this.
    fn is_visited(&mut self, link: &Link<'_>, packed: Option<(usize, u32)>) -> bool {
        let Some((pack, place)) = packed else { return self.loose.get(&link.id) == Some(&link.kind) };
        let noted = self.packed.get_mut(pack).and_then(|noted| noted.get_mut(narrow(u64::from(place))));
        let Some(noted) = noted else { return false };
        if *noted == Kind::Blob.bit() && link.kind == Kind::Blob {
            *noted |= VISITED;
        }
        *noted == link.kind.bit() | VISITED
    }
}

/// An object that is to be visited.
struct Item {
    id: ObjectId,
    /// The type that it has to have; `None` if it may be any.
    kind: Option<Kind>,
    /// Where it is in the tree of its commit, or in an index.
    path: Vec<u8>,
}

impl Item {
    fn of(root: &Root) -> Self {
        Self { id: root.id, kind: root.kind, path: root.path.clone() }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        reader: &'a RepoReader<'a>,
        folders: &'a [RepoFolder],
        format: ObjectFormat,
        parents: &'a Parents,
        has_promisor: bool,
        promised: HashSet<ObjectId>,
        known: Known<'_>,
    ) -> Result<Self, ReadError> {
        let mut lookup = Lookup::new(reader, folders, format)?;
        lookup.hold_ids()?;
        let (mut visited, packs, recent) = (Visited::default(), VecDeque::new(), Recent::new());
        for (number, name) in lookup.own_packs() {
            visited.packed.resize_with(number, Vec::new);
            visited.packed.push(known.kinds.and_then(|kinds| kinds.get(name)).cloned().unwrap_or_default());
        }
        Ok(Self {
            reader,
            format,
            parents,
            has_promisor,
            promised,
            lookup,
            visited,
            packs,
            recent,
            all_missing: known.all_missing.map(IdSet::new),
            most_missing: known.most_missing,
            first_missing: None,
            lacking: Lacking::default(),
        })
    }

    /// The files in the folder of packs of each folder when the walk began.
    pub(super) fn listings(&self) -> &[Listing] {
        self.lookup.listings()
    }

    /// Visits everything that this root reaches and that was not visited yet. Ends early, with what is missing, once nothing
    /// else can be.
    pub(super) fn visit(&mut self, from: &Root) -> Result<(), ReadError> {
        let mut open = vec![Item::of(from)];
        let mut count = 0_u32;
        while let Some(item) = open.pop() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(1_024) {
                self.reader.check_cancelled()?;
            }
            let Some(object) = self.object(&item, from)? else { continue };
            let begin = open.len();
            match self.links(&object, &item, &mut open) {
                Ok(()) => {}
                Err(LinkError::Read(error)) => return Err(error),
                Err(LinkError::Malformed(reason)) => {
                    let reason = reason_of(&item, object.kind, reason);
                    let what = format!("{}: {reason}", display_name(&from.name));
                    return Err(ReadError::Suspect(ContentError::Unreadable(what)));
                }
            }
            let named = open.get_mut(begin..).unwrap_or_default();
            // A commit's tree comes before its parents: older trees mostly build on newer ones, which are known then.
            named.reverse();
            // What is missing itself comes before what may lead to something that is.
            if let Some(all) = &self.all_missing {
                named.sort_by_key(|item| all.contains(&item.id));
            }
        }
        Ok(())
    }

    /// Adds what the object names, as far as it was not visited yet, to the open items.
    fn links(&mut self, object: &Object, item: &Item, open: &mut Vec<Item>) -> Result<(), LinkError> {
        let parents = if object.kind == Kind::Commit { self.parents.of(&item.id) } else { None };
        // Only objects of the pack that was read last have one.
        let base = self.packs.front_mut().and_then(|(_, pack)| pack.base_of(object));
        let Self { format, recent, lookup, visited, all_missing, .. } = self;
        let mut push = |link: Link<'_>| {
            if link.kind == Kind::Blob && all_missing.as_ref().is_some_and(|all| !all.contains(&link.id)) {
                return Ok(());
            }
            if !recent.contains_or_add(&link.id, link.kind.bit())
                && !visited.is_visited(&link, lookup.find_packed(&link.id)?)
            {
                let mut path = item.path.clone();
                if !path.is_empty() && !link.name.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(link.name);
                open.push(Item { id: link.id, kind: Some(link.kind), path });
            }
            Ok::<_, LinkError>(())
        };
        if object.kind != Kind::Tree {
            return links(object.kind, &object.content, *format, parents, &mut push);
        }
        let (content, mut begins) = (&object.content, Vec::new());
        let visited_base = base.as_ref().and_then(|(base, copies)| {
            Some((BaseTree { content: &base.content, begins: base.visited.get()? }, *copies))
        });
        match visited_base {
            // What it has of a tree that was visited was visited with that.
            Some((base, copies)) => base.changed(content, copies, *format, &mut begins, &mut push)?,
            None => entries::all(content, *format, &mut begins, &mut push)?,
        }
        object.visited.get_or_init(|| begins);
        Ok(())
    }

    /// The object, unless there is nothing to visit in it: it is a blob, was visited before, is promised, or is missing.
    fn object(&mut self, item: &Item, from: &Root) -> Result<Option<Rc<Object>>, ReadError> {
        let Some(place) = self.lookup.find(&item.id)? else {
            if self.promised.contains(&item.id) {
                return Ok(None);
            }
            return self.miss(item, from).map(|()| None);
        };
        match place {
            Place::Packed(number, _) if self.has_promisor && self.lookup.is_promised(number) => Ok(None),
            Place::Packed(number, place) => self.packed(number, place, item, from),
            Place::Loose(number) => self.loose(number, item, from),
        }
    }

    /// Notes an object that is missing. Fails if no other can be.
    fn miss(&mut self, item: &Item, from: &Root) -> Result<(), ReadError> {
        if self.first_missing.is_none() {
            self.lookup.check_current()?;
            self.first_missing = Some((from.clone(), item.id));
        }
        self.lacking.add(item.id, || missing(item, from), || called(item, from));
        let are_all = self.most_missing.is_some_and(|most| self.lacking.ids().len() >= most);
        match self.lacking.error() {
            Some(error) if are_all => Err(error),
            _ => Ok(()),
        }
    }

    fn packed(
        &mut self,
        number: usize,
        place: u32,
        item: &Item,
        from: &Root,
    ) -> Result<Option<Rc<Object>>, ReadError> {
        let pack = self.pack(number)?;
        let objects = pack.index.objects();
        let bit = self.visited.note(number, place, objects).ok_or(ReadError::Changed)?;
        let (_, pack) = self.packs.front_mut().ok_or(ReadError::Changed)?;
        let (kind, is_visited) = match Kind::of_bit(*bit & !VISITED) {
            Some(kind) => (kind, *bit & VISITED != 0),
            None => (pack.kind(pack.index.offset(place)?)?, false),
        };
        *bit = kind.bit() | VISITED;
        check_kind(item, kind, from)?;
        if is_visited || kind == Kind::Blob {
            return Ok(None);
        }
        pack.object(pack.index.offset(place)?).map(Some)
    }

    /// Puts the pack of this number in front of the others.
    fn pack(&mut self, number: usize) -> Result<&Pack<'a>, ReadError> {
        if let Some(at) = self.packs.iter().position(|(open, _)| *open == number) {
            self.packs.swap(0, at);
        } else {
            let Some((folder, name)) = self.lookup.pack(number) else { return Err(ReadError::Changed) };
            let pack =
                Pack::open(self.reader, folder, name, self.format, CACHE_BYTES)?.ok_or(ReadError::Changed)?;
            self.packs.truncate(MAX_OPEN - 1);
            self.packs.push_front((number, pack));
        }
        self.packs.front().map(|(_, pack)| pack).ok_or(ReadError::Changed)
    }

    fn loose(&mut self, number: usize, item: &Item, from: &Root) -> Result<Option<Rc<Object>>, ReadError> {
        if let Some(kind) = self.visited.loose.get(&item.id) {
            check_kind(item, *kind, from)?;
            return Ok(None);
        }
        let Some(folder) = self.lookup.folder(number) else { return Err(ReadError::Changed) };
        let (kind, content) = loose::read(self.reader, folder, self.format, &item.id)?;
        self.visited.loose.insert(item.id, kind);
        check_kind(item, kind, from)?;
        Ok(content.map(|content| Rc::new(Object::new(kind, content, None))))
    }
}

fn check_kind(item: &Item, kind: Kind, from: &Root) -> Result<(), ReadError> {
    match item.kind {
        Some(expected) if expected != kind => {
            let what = format!(
                "{}: the object {} is a {} where there has to be a {}{}",
                display_name(&from.name),
                item.id,
                kind.name(),
                expected.name(),
                at(item)
            );
            Err(ReadError::Suspect(ContentError::Unreadable(what)))
        }
        _ => Ok(()),
    }
}

/// What is said of roots that are missing. Nobody has looked for what they would reach.
pub(super) fn missing_roots(roots: &[Root]) -> Option<ReadError> {
    let mut lacking = Lacking::default();
    lacking.may_be_more = true;
    for root in roots {
        let item = Item::of(root);
        lacking.add(root.id, || missing(&item, root), || called(&item, root));
    }
    lacking.error()
}

fn missing(item: &Item, from: &Root) -> String {
    let name = display_name(&from.name);
    match item.kind {
        Some(kind) if item.id != from.id || !item.path.is_empty() => {
            format!("{name}: the {} {} is missing{}", kind.name(), item.id, at(item))
        }
        _ => format!("{name}: its object {} is missing", item.id),
    }
}

/// An object behind others, with the root that reaches it.
fn called(item: &Item, from: &Root) -> String {
    let kind = item.kind.map_or("object", Kind::name);
    format!("the {kind} {} ({})", item.id, display_name(&from.name))
}

fn reason_of(item: &Item, kind: Kind, reason: &str) -> String {
    format!("the {} {}{}: {reason}", kind.name(), item.id, at(item))
}

/// The path in brackets, if the object has one.
fn at(item: &Item) -> String {
    if item.path.is_empty() { String::new() } else { format!(" ({})", display_name(&item.path)) }
}
