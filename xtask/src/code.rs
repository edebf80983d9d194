//! The syntax trees of a checkout's Rust files, and what is derived from them: modules, resolved paths, imports.

mod imports;
mod modules;
mod references;
mod resolve;
mod survey;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use proc_macro2::TokenStream;
use syn::{Attribute, Item, Meta, Token};

use crate::project::files_below;

pub(crate) use imports::{Circle, circles, imports};
pub(crate) use modules::Crate;
pub(crate) use resolve::Target;
pub(crate) use survey::survey;

/// A parsed Rust file.
pub(crate) struct SourceFile {
    /// How many lines it has.
    pub(crate) lines: usize,
    /// Its tokens; comments other than documentation are not among them.
    pub(crate) tokens: TokenStream,
    /// Its syntax tree.
    pub(crate) tree: syn::File,
}

/// Rust files by their paths relative to the root of a checkout.
#[derive(Default)]
pub(crate) struct Sources {
    /// The files, sorted.
    pub(crate) files: BTreeMap<PathBuf, SourceFile>,
}

impl Sources {
    /// Parses every Rust file below `root`. Fails if one cannot be read or is not valid Rust.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut this = Self::default();
        for path in files_below(root)? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                this.add(path.strip_prefix(root)?, &text)?;
            }
        }
        Ok(this)
    }

    fn add(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let parse = || {
            let tokens: TokenStream = text.parse().map_err(syn::Error::from)?;
            Ok((tokens.clone(), syn::parse2(tokens)?))
        };
        let (tokens, tree) = parse().map_err(|error: syn::Error| {
            let line = error.span().start().line;
            anyhow::Error::new(error).context(format!("{}:{line}", path.display()))
        })?;
        self.files.insert(path.to_owned(), SourceFile { lines: text.lines().count(), tokens, tree });
        Ok(())
    }

    /// The crates with a library or a program in `src`, in the order of their folders. Fails if a module's file is
    /// missing.
    pub(crate) fn crates(&self) -> anyhow::Result<Vec<Crate>> {
        let roots = self
            .files
            .keys()
            .filter(|path| ["src/lib.rs", "src/main.rs"].iter().any(|root| path.ends_with(root)));
        roots.map(|root| Crate::new(self, root)).collect()
    }
}

#[cfg(test)]
impl Sources {
    /// Parses the given texts, each with its path.
    pub(crate) fn parse(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut this = Self::default();
        files.iter().try_for_each(|(path, text)| this.add(Path::new(path), text))?;
        Ok(this)
    }
}

/// Whether the item is compiled for tests only: `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
pub(crate) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.segments.last().is_some_and(|last| last.ident == "test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args().is_ok_and(|meta| requires_test(&meta))
        }
        _ => false,
    })
}

fn requires_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            let parser = syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated;
            list.parse_args_with(parser).is_ok_and(|conditions| conditions.iter().any(requires_test))
        }
        _ => false,
    }
}

/// The attributes of an item.
pub(crate) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
