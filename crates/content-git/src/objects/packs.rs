//! Packs and the files that belong to them.

use stocktake_content::num::big_endian;

use super::check::Check;
use super::chunks;
use super::index::PackIndex;
use super::listing::{FOLDER, list, stem};
use super::trailer;
use crate::error::{ReadError, display_name};

/// The header and the chunk with the names of indexes in a multi-pack index.
const MIDX_NAMES: (usize, &[u8; 4]) = (12, b"PNAM");

/// The extensions of files that end with their own checksum.
const CHECKSUMMED: [&str; 5] = ["pack", "idx", "rev", "mtimes", "bitmap"];

/// The extensions of files that end with the checksum of their pack, followed by their own.
const WITH_PACK_CHECKSUM: [&str; 3] = ["idx", "rev", "mtimes"];

/// Checks every pack and its files.
pub(super) fn check(check: &mut Check<'_>) -> Result<(), ReadError> {
    let names: Vec<_> = list(check.reader, &check.folder)?.into_iter().map(|(name, _)| name).collect();
    let exists = |stem: &[u8], extension: &str| {
        names.binary_search(&[stem, extension.as_bytes()].join(&b'.').into_boxed_slice()).is_ok()
    };
    // Each file by itself first: only two intact files can be said not to belong together.
    for name in &names {
        if CHECKSUMMED.iter().any(|extension| stem(name, extension).is_some())
            || name.as_ref() == b"multi-pack-index"
        {
            check.file(&[FOLDER, name].join(&b'/'))?;
        }
    }
    for name in &names {
        let path = [FOLDER, name].join(&b'/');
        if let Some(stem) = stem(name, "pack") {
            if !exists(stem, "idx") {
                return Err(check.folder.suspect(&path, "there is no index beside it"));
            }
        } else if let Some((stem, extension)) =
            WITH_PACK_CHECKSUM.iter().find_map(|extension| Some((stem(name, extension)?, *extension)))
        {
            if exists(stem, "pack") {
                check_belongs(check, &path, &[FOLDER, &[stem, b"pack"].join(&b'.')].join(&b'/'), extension)?;
            } else if extension == "idx" {
                return Err(check.folder.suspect(&path, "there is no pack beside it"));
            }
        }
    }
    let midx = [FOLDER, b"multi-pack-index"].join(&b'/');
    let mut listed = Vec::new();
    chunks::read(check.reader, &check.folder, &midx, MIDX_NAMES, 1, &mut |piece| {
        listed.extend_from_slice(piece);
        Ok(())
    })?;
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if stem(name, "idx").is_some_and(|stem| !exists(stem, "pack")) {
            return Err(check.folder.suspect(&midx, format!("{} is not there", display_name(name))));
        }
    }
    check.chain(&[FOLDER, b"multi-pack-index.d"].join(&b'/'), "multi-pack-index", "midx")
}

/// Checks that the file has the checksum of its pack, and an index as many objects as the pack.
fn check_belongs(check: &Check<'_>, path: &[u8], pack_path: &[u8], extension: &str) -> Result<(), ReadError> {
    let (reader, folder, format) = (check.reader, &check.folder, check.format);
    let (Some(file), Some(pack)) = (reader.open(folder, path)?, reader.open(folder, pack_path)?) else {
        return Ok(());
    };
    let of_pack = trailer::id_from_end(reader, folder, pack_path, format, &pack, 1)?;
    let named = trailer::id_from_end(reader, folder, path, format, &file, 2)?;
    if of_pack != named {
        return Err(folder.suspect(path, "it names another checksum than the pack beside it has"));
    }
    if extension == "idx" {
        let mut header = [0; 12];
        let read = reader.read_into(&pack, 0, &mut header);
        read.map_err(|error| folder.refused(pack_path, error))?;
        let objects = header.get(8..).map_or(0, big_endian);
        if PackIndex::open(reader, folder, path, format)?.is_some_and(|index| index.objects() != objects) {
            return Err(folder.suspect(path, "it names another number of objects than the pack beside it"));
        }
    }
    Ok(())
}
