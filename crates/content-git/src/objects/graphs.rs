//! Commit graphs, and chains of files in which each but the first builds on the one before.

use super::Check;
use crate::visit::Halt;

/// The most bytes of the list of a chain.
const MOST_CHAIN_BYTES: usize = 1024 * 1024;

/// Checks the commit graphs.
pub(super) fn check(check: &mut Check<'_>) -> Result<(), Halt> {
    check.file(b"info/commit-graph")?;
    check_chain(check, b"info/commit-graphs", "commit-graph", "graph")
}

/// Checks the files of a chain: `<kind>-chain` lists the checksums, by which the files are named.
pub(super) fn check_chain(
    check: &mut Check<'_>,
    folder: &[u8],
    kind: &str,
    ending: &str,
) -> Result<(), Halt> {
    // "graph-<checksum>.graph" and "multi-pack-index-<checksum>.midx"
    let lead = if ending == "graph" { "graph" } else { kind };
    for entry in check.visit.entries(&check.place, folder)?.unwrap_or_default() {
        if entry.name.ends_with(format!(".{ending}").as_bytes()) {
            check.file(&[folder, &entry.name].join(&b'/'))?;
        }
    }
    let path = [folder, format!("{kind}-chain").as_bytes()].join(&b'/');
    let chain = check.visit.read(&check.place, &path, MOST_CHAIN_BYTES)?.unwrap_or_default();
    for line in chain.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let id = check.format.parse(line);
        let id = id.ok_or_else(|| check.place.suspect(&path, "a line of it is no checksum"))?;
        let file = [folder, format!("{lead}-{id}.{ending}").as_bytes()].join(&b'/');
        // A graph that another repository holds is found there.
        if check.visit.kind(&check.place, &file)?.is_none() && !check.has_alternates()? {
            return Err(check.place.suspect(&file, "the chain names it, and it is not there"));
        }
    }
    Ok(())
}
