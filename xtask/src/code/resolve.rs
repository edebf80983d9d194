//! What a path refers to: a module or an item of the same crate, or something in another crate.

use std::collections::BTreeSet;

use super::modules::Crate;

/// What a path refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A module of the crate.
    Module(Vec<String>),
    /// An item in the module that defines it.
    Item(Vec<String>, String),
    /// A path in another crate, beginning with that crate's name.
    Outside(Vec<String>),
}

/// The names that are being looked up, so that circular imports terminate.
type Pending = BTreeSet<(Vec<String>, String)>;

impl Crate {
    /// What `path`, named in the module `from`, refers to. Imports are followed to the definition. More than one
    /// target is possible: a module and a function may have the same name.
    pub(crate) fn resolve(&self, from: &[String], path: &[String]) -> BTreeSet<Target> {
        self.follow(from, path, &mut Pending::new())
    }

    fn follow(&self, from: &[String], path: &[String], pending: &mut Pending) -> BTreeSet<Target> {
        let (mut targets, rest) = self.begin(from, path, pending);
        for segment in rest {
            let mut next = BTreeSet::new();
            for target in targets {
                match target {
                    Target::Module(module) => next.extend(self.look_up(&module, segment, pending)),
                    Target::Item(..) => next.extend([target]),
                    Target::Outside(mut path) => {
                        path.push(segment.clone());
                        next.extend([Target::Outside(path)]);
                    }
                }
            }
            targets = next;
        }
        targets
    }

    /// Resolves the beginning of a path; returns what it refers to and the remaining segments.
    fn begin<'a>(
        &self,
        from: &[String],
        path: &'a [String],
        pending: &mut Pending,
    ) -> (BTreeSet<Target>, &'a [String]) {
        let Some((first, rest)) = path.split_first() else { return (BTreeSet::new(), path) };
        match first.as_str() {
            "crate" => (BTreeSet::from([Target::Module(Vec::new())]), rest),
            "self" => (BTreeSet::from([Target::Module(from.to_vec())]), rest),
            "super" => {
                let supers = path.iter().take_while(|segment| *segment == "super").count();
                let parent = from.get(..from.len().saturating_sub(supers)).unwrap_or_default();
                (BTreeSet::from([Target::Module(parent.to_vec())]), path.get(supers..).unwrap_or_default())
            }
            "" => match rest.split_first() {
                Some((name, rest)) => (BTreeSet::from([Target::Outside(vec![name.clone()])]), rest),
                None => (BTreeSet::new(), rest),
            },
            _ => {
                let mut targets = self.look_up(from, first, pending);
                if targets.is_empty() {
                    targets.insert(Target::Outside(vec![first.clone()]));
                }
                (targets, rest)
            }
        }
    }

    /// What the name refers to in the module.
    fn look_up(&self, path: &[String], name: &str, pending: &mut Pending) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        let Some(module) = self.modules.get(path) else { return targets };
        let mut child = path.to_vec();
        child.push(name.to_owned());
        if self.modules.contains_key(&child) {
            targets.insert(Target::Module(child));
        }
        if module.items.contains(name) {
            targets.insert(Target::Item(path.to_vec(), name.to_owned()));
        }
        let key = (path.to_vec(), name.to_owned());
        if !pending.insert(key.clone()) {
            return targets;
        }
        for import in module.imports.get(name).into_iter().flatten() {
            targets.extend(self.follow(path, import, pending));
        }
        if targets.is_empty() {
            for glob in &module.globs {
                for target in self.follow(path, glob, pending) {
                    if let Target::Module(module) = target {
                        targets.extend(self.look_up(&module, name, pending));
                    }
                }
            }
        }
        pending.remove(&key);
        targets
    }
}
