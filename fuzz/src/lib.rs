//! Fuzz targets: whatever reads bytes that somebody else wrote, be it a client, a configuration file of a GitLab, a
//! repository or a storage's service. A target holds if no input makes it panic, hang or break the property that it
//! asserts.
//!
//! `cargo xtask bench fuzz` runs each target with libFuzzer. The folder `corpus` has a few inputs for each, among them
//! every one that once failed; the test replays them.

mod git;

use stocktake_content_objects::fuzzing as objects;
use stocktake_content_registry::fuzzing as registry;
use stocktake_domain::PathText;
use stocktake_gitlab_config::fuzzing as gitlab;
use stocktake_http::fuzzing as http;

/// The variable that names the target to the program `target`.
pub const TARGET: &str = "STOCKTAKE_FUZZ_TARGET";

/// A target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is also that of its folder below `corpus`.
    pub name: &'static str,
    /// Takes one input, and panics if the target does not hold.
    pub run: fn(&[u8]),
}

impl Target {
    /// The target with this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All targets.
pub const TARGETS: [Target; 18] = [
    target("aws_profile", objects::profile),
    target("cursor", http::cursor),
    target("form", http::form),
    target("git_config", git::config),
    target("gitlab_rb", gitlab::ruby),
    target("identifiers", http::identifiers),
    target("import_lines", stocktake_import::fuzzing::lines),
    target("manifest", registry::manifest),
    target("multipart", http::multipart),
    target("pack_index", git::pack_index),
    target("packed_refs", git::packed_refs),
    target("path_text", path_text),
    target("portable_pdb", stocktake_content::fuzzing::portable_pdb),
    target("query", http::query),
    target("reftable", git::reftable),
    target("bucket_list", objects::list),
    target("www_authenticate", registry::challenge),
    target("yaml", gitlab::yaml),
];

/// A path in its escaped form is what it was before.
fn path_text(input: &[u8]) {
    let text = PathText::of_bytes(input).into_string();
    assert_eq!(PathText::new(&text).to_bytes().as_ref(), input, "the path was written as {text:?}");
}
