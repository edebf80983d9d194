//! Which file of a crate imports which, and the circles among them.
//!
//! # What an import is
//!
//! File A imports file B if code in A names an item of the same crate and B defines that item, or B is the module
//! through which A names it. In detail:
//!
//! * Every path counts: `use` declarations, qualified paths in types, expressions and patterns, and paths of at least
//!   two segments in the tokens of macros and attributes. What a macro generates is not seen.
//! * Re-exports are followed: `use crate::X` with `pub use shapes::X` in `lib.rs` imports `shapes.rs`. A module other
//!   than the crate's root that re-exports is imported as well: `use crate::geometry::X` also imports `geometry.rs`,
//!   which must be understood first to know what the name means. The root only lists the crate's interface.
//! * Naming a module alone imports nothing; naming an item in it does. `mod child;` is not an import.
//! * What a module takes from a module that encloses it, by `super::` or otherwise, is not an import: it is a part of
//!   that module. A parent that calls its children and defines what they share is therefore no circle; two siblings
//!   that import each other are one, and so are a parent, its child, and a third file that the child imports and that
//!   imports the parent.
//! * Items for tests only (`#[cfg(test)]`) neither import nor are imported.
//!
//! A circle is a strongly connected component of more than one file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::modules::{Crate, Module};
use super::resolve::Target;

/// Where a file imports another for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The path as written.
    pub(crate) path: String,
}

/// The imports of each file that has any, by the file imported.
pub(crate) type Imports = BTreeMap<PathBuf, BTreeMap<PathBuf, Site>>;

/// Files that import each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    /// All of them, sorted.
    pub(crate) files: BTreeSet<PathBuf>,
    /// A shortest cycle: each file, and where it imports the next one; the last one imports the first.
    pub(crate) shortest: Vec<(PathBuf, Site)>,
}

/// The imports between the files of a crate.
pub(crate) fn imports(krate: &Crate) -> Imports {
    let mut imports = Imports::new();
    for (path, module) in krate.modules.iter().filter(|(_, module)| !module.is_test) {
        for reference in &module.references {
            for file in imported_files(krate, path, module, &reference.path) {
                let site = Site { line: reference.line, path: reference.path.join("::") };
                let known = imports.entry(module.file.clone()).or_default();
                let first = known.entry(file.to_owned()).or_insert_with(|| site.clone());
                if site.line < first.line {
                    *first = site;
                }
            }
        }
    }
    imports
}

/// The files that the module imports by naming this path.
fn imported_files<'a>(
    krate: &'a Crate,
    from: &[String],
    module: &Module,
    path: &[String],
) -> BTreeSet<&'a Path> {
    let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
    let through = krate.resolve(from, parent).into_iter().filter_map(|target| match target {
        Target::Module(module) if !module.is_empty() => Some(module),
        _ => None,
    });
    let defined = krate.resolve(from, path).into_iter().filter_map(|target| match target {
        Target::Item(module, _) => Some(module),
        _ => None,
    });
    let modules: BTreeSet<_> = defined.chain(through).collect();
    let files = modules.iter().filter(|imported| !from.starts_with(imported));
    let files = files.filter_map(|imported| krate.modules.get(imported));
    files
        .filter(|imported| !imported.is_test && imported.file != module.file)
        .map(|imported| imported.file.as_path())
        .collect()
}

/// All circles among the imports, in the order of their first files.
pub(crate) fn circles(imports: &Imports) -> Vec<Circle> {
    let reach: BTreeMap<&Path, BTreeSet<&Path>> =
        imports.keys().map(|file| (file.as_path(), reachable(imports, file))).collect();
    let reaches = |from: &Path, to: &Path| reach.get(from).is_some_and(|files| files.contains(to));
    let mut circles: Vec<Circle> = Vec::new();
    for file in imports.keys().filter(|file| reaches(file, file)) {
        if circles.iter().any(|circle| circle.files.contains(file)) {
            continue;
        }
        let files: BTreeSet<PathBuf> =
            imports.keys().filter(|other| reaches(file, other) && reaches(other, file)).cloned().collect();
        let cycles = files.iter().filter_map(|file| shortest_cycle(imports, file));
        let shortest = cycles.min_by_key(Vec::len).unwrap_or_default();
        circles.push(Circle { files, shortest });
    }
    circles
}

/// Every file that can be reached from this one in at least one step.
fn reachable<'a>(imports: &'a Imports, from: &Path) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(next.as_path()) {
                open.push(next);
            }
        }
    }
    found
}

/// The fewest imports that lead from the file back to it.
fn shortest_cycle(imports: &Imports, start: &Path) -> Option<Vec<(PathBuf, Site)>> {
    let mut came_from: BTreeMap<&Path, (&Path, &Site)> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while !came_from.contains_key(start) {
        let file = open.pop_front()?;
        for (next, site) in imports.get(file).into_iter().flatten() {
            came_from.entry(next).or_insert_with(|| {
                open.push_back(next);
                (file, site)
            });
        }
    }
    let mut cycle = Vec::new();
    let mut file = start;
    while cycle.is_empty() || file != start {
        let (from, site) = came_from.get(file)?;
        cycle.push((from.to_path_buf(), (*site).clone()));
        file = from;
    }
    cycle.reverse();
    Some(cycle)
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    /// The imports of a crate `a` with these files, as `from > to`, by their names without `crates/a/src/`.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let mut edges = Vec::new();
        for (from, imported) in read(files) {
            let name = |file: &Path| file.strip_prefix("crates/a/src").unwrap().display().to_string();
            edges.extend(imported.keys().map(|to| format!("{} > {}", name(&from), name(to))));
        }
        edges
    }

    fn read(files: &[(&str, &str)]) -> Imports {
        let files: Vec<_> =
            files.iter().map(|(name, text)| (format!("crates/a/src/{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let crates = Sources::parse(&files).unwrap().crates().unwrap();
        imports(&crates[0])
    }

    #[test]
    fn every_kind_of_path_counts() {
        for text in [
            "use crate::c::C;",
            "use crate::{c::{self, C as D}};",
            "use super::c::C as _;",
            "fn f() { crate::c::C::new() }",
            "fn f(c: Vec<super::c::C>) {}",
            "fn f() { let crate::c::C = 1; }",
            "use crate::c; impl T for c::C {}",
            "use crate::c as other; fn f() -> other::C {}",
            "use crate::c::*; fn f(c: C) {}",
            "fn f() { format!(\"{}\", crate::c::C); }",
            "macro_rules! m { () => { $crate::c::C } }",
            "#[derived(from(crate::c::C))] struct B;",
            "mod inner { use super::super::c::C; }",
            "fn f() { use crate::c::C; }",
        ] {
            let files = [("lib.rs", "mod b; mod c;"), ("b.rs", text), ("c.rs", "pub struct C;")];
            assert_eq!(of(&files), ["b.rs > c.rs"], "{text}");
        }
    }

    #[test]
    fn what_is_no_import() {
        for text in [
            "use crate::c;",
            "use other::c::C; use ::c::C as D;",
            "fn f(c: C) {}",
            "use crate::{Root, root}; fn f() { crate::root(); }",
            "#[cfg(test)] mod tests { use crate::c::C; }",
            "#[cfg(all(test, unix))] use crate::c::C;",
            "#[test] fn f() { crate::c::C; } struct B; impl B { #[cfg(test)] fn g() { crate::c::C; } }",
            "use crate::c::tests::helper;",
            "pub(in crate::c) struct B;",
        ] {
            let root = "mod b; mod c; pub struct Root; fn root() {}";
            let files =
                [("lib.rs", root), ("b.rs", text), ("c.rs", "pub struct C; #[cfg(test)] pub mod tests;")];
            assert_eq!(
                of(&[&files[..], &[("c/tests.rs", "pub fn helper() {}")]].concat()),
                [""; 0],
                "{text}"
            );
        }
    }

    #[test]
    fn re_exports_are_followed_to_the_definition() {
        let files = [
            ("lib.rs", "mod b; mod c; pub use c::C;"),
            ("b.rs", "use crate::C;"),
            ("c.rs", "mod d; pub use self::d::*;"),
            ("c/d/mod.rs", "pub use e::C; mod e;"),
            ("c/d/e.rs", "pub struct C;"),
        ];
        let of_b = |files: &[(&str, &str)]| -> Vec<_> {
            of(files).into_iter().filter(|edge| edge.starts_with("b.rs")).collect()
        };
        assert_eq!(of_b(&files), ["b.rs > c/d/e.rs"]);
        // A module other than the root is imported as well.
        let through = [files[0], ("b.rs", "use crate::c::C;"), files[2], files[3], files[4]];
        assert_eq!(of_b(&through), ["b.rs > c/d/e.rs", "b.rs > c.rs"]);
    }

    #[test]
    fn circular_re_exports_terminate() {
        let files = [
            ("lib.rs", "mod b; mod c;"),
            ("b.rs", "pub use crate::c::*; pub use crate::c::X; fn f() { X::new(); Y::new() }"),
            ("c.rs", "pub use crate::b::*; pub use crate::b::X;"),
        ];
        assert_eq!(of(&files), ["b.rs > c.rs", "c.rs > b.rs"]);
    }

    #[test]
    fn a_parent_and_its_children_are_no_circle() {
        let files = [
            ("main.rs", "mod b; fn main() { b::run() }"),
            ("b.rs", "mod c; mod d; pub struct B; pub fn run() { c::run(); d::run() }"),
            ("b/c.rs", "use super::B; use crate::b::B as Same; pub fn run() {}"),
            ("b/d.rs", "use super::*; pub fn run() { B }"),
        ];
        assert_eq!(of(&files), ["b.rs > b/c.rs", "b.rs > b/d.rs", "main.rs > b.rs"]);
        assert_eq!(circles(&read(&files)), []);
    }

    #[test]
    fn circles_are_found_with_a_shortest_cycle() {
        let files = [
            ("lib.rs", "mod b; mod c; mod d; mod e; mod f;"),
            ("b.rs", "use crate::c::C;\npub struct B;"),
            ("c.rs", "use crate::d::D;\npub struct C;"),
            ("d.rs", "\nuse crate::{b::B, e::E};\npub struct D; fn f() { crate::c::C }"),
            ("e.rs", "use crate::f::F;\npub struct E;"),
            ("f.rs", "pub struct F;"),
        ];
        let found = circles(&read(&files));
        let [circle] = &found[..] else { panic!("{found:?}") };
        let names: Vec<_> = circle.files.iter().map(|file| file.file_name().unwrap()).collect();
        assert_eq!(names, ["b.rs", "c.rs", "d.rs"]);
        let sites: Vec<_> = circle.shortest.iter().map(|(_, site)| (site.line, site.path.as_str())).collect();
        assert_eq!(sites, [(1, "crate::d::D"), (3, "crate::c::C")]);
    }

    #[test]
    fn a_module_without_a_file_is_an_error() {
        let sources = Sources::parse(&[("crates/a/src/lib.rs", "mod b;")]).unwrap();
        assert!(sources.crates().err().unwrap().to_string().contains("the module `b`"));
    }
}
