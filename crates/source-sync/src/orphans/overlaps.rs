//! Storages that lie in one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stocktake_domain::Location;
use stocktake_domain::ports::{ContentStore, StorageAddress};

/// Where the paths of the storages begin, by name; of those only that lie where others may lie as well.
pub(super) struct Addresses(BTreeMap<String, StorageAddress>);

impl Addresses {
    pub(super) async fn of(storages: &BTreeMap<String, Arc<dyn ContentStore>>) -> Self {
        let mut addresses = BTreeMap::new();
        for (name, store) in storages {
            if let Some(address) = store.address().await {
                addresses.insert(name.clone(), address);
            }
        }
        Self(addresses)
    }

    /// The storages in the order in which they are searched: those in which others lie behind these, else by name. So what
    /// lies in several is told as content of the innermost.
    pub(super) fn in_order(&self, names: BTreeSet<String>) -> Vec<String> {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_cached_key(|name| self.count_within(name));
        names
    }

    /// How many storages lie in this one, but for those of the same extent.
    fn count_within(&self, name: &str) -> usize {
        let Self(addresses) = self;
        addresses.get(name).map_or(0, |outer| {
            let is_within =
                |inner: &&StorageAddress| outer.may_overlap(inner) && inner.prefix.len() > outer.prefix.len();
            addresses.values().filter(is_within).count()
        })
    }
}

/// The storages in which content of one may lie as well.
pub(super) struct Overlaps<'a> {
    storage: &'a str,
    others: Vec<Overlap<'a>>,
}

/// One of these.
pub(super) struct Overlap<'a> {
    /// Its name.
    pub(super) storage: &'a str,
    from: &'a StorageAddress,
    to: &'a StorageAddress,
    /// Whether all that lies there was judged before.
    is_judged: bool,
}

impl<'a> Overlaps<'a> {
    /// Those of a storage. All of `searched` was judged before.
    pub(super) fn new(storage: &'a str, Addresses(addresses): &'a Addresses, searched: &[String]) -> Self {
        let others = addresses.get(storage).into_iter().flat_map(|from| {
            let others = addresses.iter().filter(|(name, to)| *name != storage && from.may_overlap(to));
            others.map(|(name, to)| {
                let is_judged = from.is_beside(to) && searched.contains(name);
                Overlap { storage: name, from, to, is_judged }
            })
        });
        Self { storage, others: others.collect() }
    }

    pub(super) fn others(&self) -> &[Overlap<'a>] {
        &self.others
    }

    /// Whether the storage or one of these has one of these names.
    pub(super) fn include_any(&self, names: &[String]) -> bool {
        let others = self.others.iter().map(|other| other.storage);
        others.chain([self.storage]).any(|storage| names.iter().any(|name| name == storage))
    }

    /// Whether what lies at this path of the storage was judged before, as content of another one.
    pub(super) fn is_judged(&self, path: &str) -> bool {
        self.others.iter().any(|other| other.is_judged && other.path(path).is_some())
    }

    /// Everywhere that content at this path of the storage lies.
    pub(super) fn places(&self, path: &str) -> Vec<Location> {
        let location = |storage: &str, path| Location { storage: storage.to_owned(), path };
        let others = self.others.iter().filter_map(|other| Some(location(other.storage, other.path(path)?)));
        std::iter::once(location(self.storage, path.to_owned())).chain(others).collect()
    }
}

impl Overlap<'_> {
    /// The path there of what lies at this path; `None` if it does not lie there.
    pub(super) fn path(&self, path: &str) -> Option<String> {
        self.from.path_in(self.to, path)
    }
}
