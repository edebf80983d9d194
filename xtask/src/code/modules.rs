//! The modules of a crate and the names in each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use syn::{Item, ItemMod};

use super::references::{Reference, import_leaves, references_of};
use super::{Sources, attributes_of, is_test_only};

/// One module, in a file or inline.
pub(crate) struct Module {
    /// Its file, relative to the root of the checkout.
    pub(crate) file: PathBuf,
    /// Whether it is compiled for tests only.
    pub(crate) is_test: bool,
    /// The items defined in it, except modules.
    pub(super) items: BTreeSet<String>,
    /// The paths that its `use` declarations give a name to, by that name.
    pub(super) imports: BTreeMap<String, Vec<Vec<String>>>,
    /// The paths of its glob imports.
    pub(super) globs: Vec<Vec<String>>,
    /// Every path that its code names, outside of items for tests only.
    pub(crate) references: Vec<Reference>,
}

/// A crate: a library or a program.
pub(crate) struct Crate {
    /// Its root, relative to the root of the checkout.
    pub(crate) root: PathBuf,
    /// Its modules by their path below `crate`, which is empty for the root.
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
}

impl Crate {
    /// Finds all modules, starting at the crate's root. Fails if a module's file is missing.
    pub(super) fn new(sources: &Sources, root: &Path) -> anyhow::Result<Self> {
        let mut this = Self { root: root.to_owned(), modules: BTreeMap::new() };
        let folder = root.parent().context("a crate's root without a folder")?;
        let tree = &sources.files.get(root).context("no root")?.tree;
        this.add(sources, Vec::new(), root, folder, &tree.items, false)?;
        Ok(this)
    }

    /// The folder of its manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.root.ancestors().nth(2).unwrap_or(&self.root)
    }

    /// The files all of whose modules are compiled for tests only.
    pub(crate) fn test_files(&self) -> impl Iterator<Item = &Path> {
        let mut files: BTreeMap<&Path, bool> = BTreeMap::new();
        for module in self.modules.values() {
            *files.entry(&module.file).or_insert(true) &= module.is_test;
        }
        files.into_iter().filter(|(_, is_test)| *is_test).map(|(file, _)| file)
    }

    /// Adds a module and all below it. `folder` is where the files of its children are.
    fn add(
        &mut self,
        sources: &Sources,
        path: Vec<String>,
        file: &Path,
        folder: &Path,
        items: &[Item],
        is_test: bool,
    ) -> anyhow::Result<()> {
        for item in items {
            if let Item::Mod(child) = item {
                let is_test = is_test || is_test_only(&child.attrs);
                self.add_child(sources, &path, file, folder, child, is_test)?;
            }
        }
        self.modules.insert(path, Module::new(file, items, is_test));
        Ok(())
    }

    fn add_child(
        &mut self,
        sources: &Sources,
        parent: &[String],
        file: &Path,
        folder: &Path,
        child: &ItemMod,
        is_test: bool,
    ) -> anyhow::Result<()> {
        let name = child.ident.to_string();
        let mut path = parent.to_vec();
        path.push(name.clone());
        let below = folder.join(&name);
        if let Some((_, items)) = &child.content {
            return self.add(sources, path, file, &below, items, is_test);
        }
        let places = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
        let found = places.iter().find_map(|place| sources.files.get_key_value(place));
        let (file, source) = found
            .with_context(|| format!("{} declares the module `{name}`: no such file", file.display()))?;
        self.add(sources, path, file, &below, &source.tree.items, is_test)
    }
}

impl Module {
    fn new(file: &Path, items: &[Item], is_test: bool) -> Self {
        let mut names = BTreeSet::new();
        let mut imports: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut globs = Vec::new();
        for item in items.iter().filter(|item| is_test || !is_test_only(attributes_of(item))) {
            names.extend(defined_name(item));
            if let Item::Use(item) = item {
                for leaf in import_leaves(item) {
                    match leaf.name {
                        Some(name) => imports.entry(name).or_default().push(leaf.path),
                        None => globs.push(leaf.path),
                    }
                }
            }
        }
        let references = if is_test { Vec::new() } else { references_of(items) };
        Self { file: file.to_owned(), is_test, items: names, imports, globs, references }
    }
}

/// The name that the item defines in its module.
fn defined_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
