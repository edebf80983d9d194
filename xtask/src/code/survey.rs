//! The functions of a file with their lengths, and its visible items without documentation.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Fields, Ident, ImplItem, ImplItemFn, Item, ItemEnum, ItemFn, ItemImpl, ItemMacro,
    ItemStruct, ItemTrait, TraitItem, TraitItemFn, Type, Visibility,
};

use super::{attributes_of, is_test_only};

/// A function or method with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name, after that of its type or trait if it is a method.
    pub(crate) name: String,
    /// The line of its name, from 1.
    pub(crate) line: usize,
    /// The lines of its body: those between the braces, or one if both are on the same line.
    pub(crate) body: usize,
    /// Whether it is compiled for tests only.
    pub(crate) is_test: bool,
}

/// What a file holds. Items that macros generate are not among them.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The functions, in the order of the text. The body of one within another counts for both.
    pub(crate) functions: Vec<Function>,
    /// How many items are `pub` and have no documentation.
    pub(crate) undocumented_public: usize,
    /// How many items are visible within the crate or a part of it, and have no documentation.
    pub(crate) undocumented_in_crate: usize,
}

/// Surveys a file. If it is a file for tests only, its functions are, and no item is missing documentation.
pub(crate) fn survey(file: &syn::File, is_test: bool) -> Survey {
    let mut surveyor = Surveyor { found: Survey::default(), is_test, owner: None };
    surveyor.visit_file(file);
    surveyor.found
}

struct Surveyor {
    found: Survey,
    is_test: bool,
    /// The type or trait whose items are visited.
    owner: Option<Ident>,
}

impl Surveyor {
    fn add_function(&mut self, name: &Ident, block: &Block, attributes: &[Attribute]) {
        let open = block.brace_token.span.open().start().line;
        let close = block.brace_token.span.close().end().line;
        let body = match close.saturating_sub(open) {
            0 => usize::from(!block.stmts.is_empty()),
            lines => lines - 1,
        };
        let name = self.owner.as_ref().map_or_else(|| name.to_string(), |owner| format!("{owner}::{name}"));
        let line = block.span().start().line;
        let is_test = self.is_test || is_test_only(attributes);
        self.found.functions.push(Function { name, line, body, is_test });
    }

    /// Counts an item if it is visible and has no documentation.
    fn check(&mut self, visibility: &Visibility, attributes: &[Attribute]) {
        if self.is_test || attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            return;
        }
        match visibility {
            Visibility::Public(_) => self.found.undocumented_public += 1,
            Visibility::Restricted(restricted) if !restricted.path.is_ident("self") => {
                self.found.undocumented_in_crate += 1;
            }
            _ => {}
        }
    }

    fn check_fields(&mut self, fields: &Fields) {
        for field in fields.iter().filter(|field| field.ident.is_some()) {
            self.check(&field.vis, &field.attrs);
        }
    }

    /// Visits with `owner` in front of the names of functions.
    fn within(&mut self, owner: Option<Ident>, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Surveyor {
    fn visit_item(&mut self, item: &'ast Item) {
        let outer = self.is_test;
        self.is_test |= is_test_only(attributes_of(item));
        match item {
            Item::Const(item) => self.check(&item.vis, &item.attrs),
            Item::Static(item) => self.check(&item.vis, &item.attrs),
            Item::Type(item) => self.check(&item.vis, &item.attrs),
            _ => {}
        }
        visit::visit_item(self, item);
        self.is_test = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.check(&item.vis, &item.attrs);
        self.add_function(&item.sig.ident, &item.block, &item.attrs);
        self.within(None, |this| visit::visit_item_fn(this, item));
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let is_exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
        if is_exported {
            self.check(&Visibility::Public(syn::token::Pub::default()), &item.attrs);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.check(&item.vis, &item.attrs);
        self.check_fields(&item.fields);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.check(&item.vis, &item.attrs);
        for variant in &item.variants {
            self.check(&item.vis, &variant.attrs);
        }
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.check(&item.vis, &item.attrs);
        for inner in &item.items {
            match inner {
                TraitItem::Const(inner) => self.check(&item.vis, &inner.attrs),
                TraitItem::Fn(inner) => self.check(&item.vis, &inner.attrs),
                TraitItem::Type(inner) => self.check(&item.vis, &inner.attrs),
                _ => {}
            }
        }
        self.within(Some(item.ident.clone()), |this| visit::visit_item_trait(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.add_function(&item.sig.ident, block, &item.attrs);
        }
        self.within(None, |this| visit::visit_trait_item_fn(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let owner = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.clone()),
            _ => None,
        };
        self.within(owner, |this| visit::visit_item_impl(this, item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Const(item) = item {
            self.check(&item.vis, &item.attrs);
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.check(&item.vis, &item.attrs);
        self.add_function(&item.sig.ident, &item.block, &item.attrs);
        self.within(None, |this| visit::visit_impl_item_fn(this, item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Survey {
        survey(&syn::parse_file(text).unwrap(), false)
    }

    #[test]
    fn bodies_are_measured_between_their_braces() {
        let text = "fn empty() {}\n\
                    impl<T> Shape<T> {\n    fn one(&self) { 1 }\n    fn two(\n    ) {\n        a();\n\n        b();\n    }\n}\n\
                    trait Area {\n    fn none();\n    fn more() {\n        fn inner() {\n        }\n    }\n}\n\
                    #[cfg(test)]\nmod tests {\n    #[test]\n    fn it() { x() }\n}\n";
        let found: Vec<_> = of(text)
            .functions
            .into_iter()
            .map(|function| (function.name, function.line, function.body, function.is_test))
            .collect();
        let expected = [
            ("empty", 1, 0, false),
            ("Shape::one", 3, 1, false),
            ("Shape::two", 5, 3, false),
            ("Area::more", 13, 2, false),
            ("inner", 14, 0, false),
            ("it", 21, 1, true),
        ];
        assert_eq!(found, expected.map(|(name, line, body, is_test)| (name.to_owned(), line, body, is_test)));
    }

    #[test]
    fn each_visible_item_needs_documentation() {
        for (text, public, in_crate) in [
            ("pub fn a() {} pub(crate) fn b() {} fn c() {} pub(self) fn d() {}", 1, 1),
            ("/// It.\npub fn a() {}", 0, 0),
            ("pub struct A { pub b: u8, c: u8 } pub struct B(pub u8);", 3, 0),
            ("pub(super) enum A { B, #[doc(hidden)] C }", 0, 2),
            ("pub trait A { fn b(); const C: u8; type D; }", 4, 0),
            ("impl A { pub fn b() {} pub const C: u8 = 1; fn d() {} } impl T for A { fn e() {} }", 2, 0),
            ("pub const A: u8 = 1; pub static B: u8 = 1; pub type C = u8;", 3, 0),
            ("#[macro_export] macro_rules! a { () => {} } macro_rules! b { () => {} }", 1, 0),
            ("#[cfg(test)] mod tests { pub fn a() {} } pub use a::b; pub mod c;", 0, 0),
        ] {
            let found = of(text);
            assert_eq!(
                (found.undocumented_public, found.undocumented_in_crate),
                (public, in_crate),
                "{text}"
            );
        }
    }
}
