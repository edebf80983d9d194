//! Packs and the files beside them.

use super::index::PackIndex;
use super::{Check, trailer};
use crate::num::big_endian;
use crate::visit::{Halt, Place, Visit};

/// The folder of packs, in that of objects.
pub(super) const FOLDER: &[u8] = b"pack";

/// The endings of files that end with a checksum of their own.
const ENDINGS: [&str; 5] = ["pack", "idx", "rev", "mtimes", "bitmap"];

/// The endings of files that end with the checksum of a pack, and then their own.
const NAMING_A_PACK: [&str; 3] = ["idx", "rev", "mtimes"];

/// The files in the folder of packs, by name, each with the number that the file system knows it by.
pub(super) type Listing = Vec<(Box<[u8]>, u64)>;

/// Lists the files in the folder of packs, without those that are being written.
pub(super) fn list(visit: &Visit<'_>, objects: &Place) -> Result<Listing, Halt> {
    let entries = visit.entries(objects, FOLDER)?.unwrap_or_default();
    let is_done = |name: &[u8]| !name.starts_with(b".") && !name.starts_with(b"tmp_");
    let entries = entries.into_iter().filter(|entry| is_done(&entry.name));
    let mut files: Vec<_> = entries.map(|entry| (entry.name, entry.inode)).collect();
    files.sort_unstable();
    Ok(files)
}

/// The name without this ending.
pub(super) fn stem<'name>(name: &'name [u8], ending: &str) -> Option<&'name [u8]> {
    name.strip_suffix(ending.as_bytes())?.strip_suffix(b".")
}

/// Checks every pack and what is beside it.
pub(super) fn check(check: &mut Check<'_>) -> Result<(), Halt> {
    let names: Vec<_> = list(check.visit, &check.place)?.into_iter().map(|(name, _)| name).collect();
    let is_there = |stem: &[u8], ending: &str| {
        names.binary_search(&[stem, ending.as_bytes()].join(&b'.').into_boxed_slice()).is_ok()
    };
    // Each file alone first: only of two good ones can be said that they do not belong together.
    for name in &names {
        if ENDINGS.iter().any(|ending| stem(name, ending).is_some()) || name.as_ref() == b"multi-pack-index" {
            check.file(&[FOLDER, name].join(&b'/'))?;
        }
    }
    for name in &names {
        let path = [FOLDER, name].join(&b'/');
        if let Some(stem) = stem(name, "pack") {
            if !is_there(stem, "idx") {
                return Err(check.place.suspect(&path, "there is no index beside it"));
            }
        } else if let Some((stem, ending)) =
            NAMING_A_PACK.iter().find_map(|ending| Some((stem(name, ending)?, *ending)))
        {
            if is_there(stem, "pack") {
                check_naming(check, &path, &[FOLDER, &[stem, b"pack"].join(&b'.')].join(&b'/'), ending)?;
            } else if ending == "idx" {
                return Err(check.place.suspect(&path, "there is no pack beside it"));
            }
        }
    }
    let folder = [FOLDER, b"multi-pack-index.d"].join(&b'/');
    super::graphs::check_chain(check, &folder, "multi-pack-index", "midx")
}

/// Whether the file names the checksum of its pack, and an index as many objects as the pack.
fn check_naming(check: &Check<'_>, path: &[u8], pack_path: &[u8], ending: &str) -> Result<(), Halt> {
    let (visit, place, format) = (check.visit, &check.place, check.format);
    let (Some(file), Some(pack)) = (visit.open(place, path)?, visit.open(place, pack_path)?) else {
        return Ok(());
    };
    let of_pack = trailer::id_from_end(visit, place, pack_path, format, &pack, 1)?;
    let named = trailer::id_from_end(visit, place, path, format, &file, 2)?;
    if of_pack != named {
        return Err(place.suspect(path, "it names another checksum than the pack beside it has"));
    }
    if ending == "idx" {
        let mut header = [0; 12];
        let read = visit.read_into(&pack, 0, &mut header);
        read.map_err(|error| place.refused(pack_path, error))?;
        let objects = header.get(8..).map_or(0, big_endian);
        if PackIndex::open(visit, place, path, format)?.is_some_and(|index| index.objects() != objects) {
            return Err(place.suspect(path, "it names another number of objects than the pack beside it"));
        }
    }
    Ok(())
}
