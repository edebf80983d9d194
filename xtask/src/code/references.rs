//! The paths that code names: in `use` declarations, in types and expressions, and in the tokens of macros.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use super::{attributes_of, is_test_only};

/// A path, and where the code names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Its segments, without generic arguments; the first is empty if the path begins with `::`.
    pub(crate) path: Vec<String>,
    /// The line, from 1.
    pub(crate) line: usize,
}

/// One path of a `use` declaration.
pub(super) struct ImportLeaf {
    /// The name it gets in the module; `None` for a glob.
    pub(super) name: Option<String>,
    pub(super) path: Vec<String>,
    line: usize,
}

/// The paths that a `use` declaration imports.
pub(super) fn import_leaves(item: &ItemUse) -> Vec<ImportLeaf> {
    let prefix = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
    let mut leaves = Vec::new();
    add_leaves(&item.tree, &prefix, &mut leaves);
    leaves
}

fn add_leaves(tree: &UseTree, prefix: &[String], leaves: &mut Vec<ImportLeaf>) {
    let with = |ident: &syn::Ident| {
        let mut path = prefix.to_vec();
        if ident != "self" || path.is_empty() {
            path.push(ident.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(tree) => add_leaves(&tree.tree, &with(&tree.ident), leaves),
        UseTree::Name(tree) => {
            let path = with(&tree.ident);
            leaves.push(ImportLeaf {
                name: path.last().cloned(),
                path,
                line: tree.ident.span().start().line,
            });
        }
        UseTree::Rename(tree) => {
            let line = tree.ident.span().start().line;
            leaves.push(ImportLeaf { name: Some(tree.rename.to_string()), path: with(&tree.ident), line });
        }
        UseTree::Glob(tree) => {
            let line = tree.star_token.span().start().line;
            leaves.push(ImportLeaf { name: None, path: prefix.to_vec(), line });
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| add_leaves(tree, prefix, leaves)),
    }
}

/// All paths that the items name, except in items for tests only and in modules within.
pub(super) fn references_of(items: &[Item]) -> Vec<Reference> {
    let mut collector = Collector { found: Vec::new() };
    for item in items {
        collector.visit_item(item);
    }
    collector.found
}

struct Collector {
    found: Vec<Reference>,
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_test = matches!(item, ImplItem::Fn(item) if is_test_only(&item.attrs));
        if !is_test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let leaves = import_leaves(item).into_iter();
        self.found.extend(leaves.map(|leaf| Reference { path: leaf.path, line: leaf.line }));
    }

    /// `pub(super)` and `pub(in crate::x)` name modules without using them.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let first = path.leading_colon.map(|_| String::new());
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.found.push(Reference { path: first.into_iter().chain(segments).collect(), line });
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        visit::visit_macro(self, invocation);
        self.visit_tokens(invocation.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.visit_tokens(list.tokens.clone());
        }
    }
}

impl Collector {
    /// Finds `a::b` in tokens that need not be valid Rust. A single name could mean anything, so it is skipped.
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.finish(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.finish(&mut path, line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.visit_tokens(group.stream());
                    }
                }
            }
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.found.push(Reference { path, line });
        }
    }
}
