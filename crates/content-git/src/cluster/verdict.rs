//! What the replicas of a repository are together.

use std::collections::BTreeMap;

use stocktake_domain::{ContentError, Digests, Emptied, Evidence, NotJudged, Observation, UnreadableFolder};

use super::praefect::Repository;

/// What was seen of one replica.
pub(super) type Seen = Result<Observation, ContentError>;

/// Which replicas of a repository are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The storages whose replicas are up to date.
    pub(super) current: Vec<String>,
    /// What is said of each of the others.
    pub(super) behind: Vec<String>,
}

impl Plan {
    /// `nodes` are the storages that can be read. Fails if a replica can't be, or none is up to date.
    pub(super) fn of<'n>(
        repository: &Repository,
        nodes: impl Iterator<Item = &'n String>,
    ) -> Result<Self, ContentError> {
        let nodes: Vec<&String> = nodes.collect();
        let assigned: Vec<&String> =
            if repository.assigned.is_empty() { nodes.clone() } else { repository.assigned.iter().collect() };
        if let Some(other) = assigned.iter().find(|storage| !nodes.contains(storage)) {
            return Err(ContentError::Invalid(format!(
                "the replica on {other} is in none of the storages that `replicas` names"
            )));
        }
        let Some(newest) = repository.newest() else {
            return Err(ContentError::MissingPart("Praefect knows of no replica of it".to_owned()));
        };
        let mut plan = Self { current: Vec::new(), behind: Vec::new() };
        for storage in assigned {
            match repository.generations.get(storage) {
                Some(generation) if *generation == newest => plan.current.push(storage.clone()),
                Some(generation) => plan.behind.push(format!(
                    "the replica on {storage} is behind: it has generation {generation}, the newest is {newest}"
                )),
                None => plan.behind.push(format!("the replica on {storage} is behind: it is not there yet")),
            }
        }
        plan.current.sort_unstable();
        plan.behind.sort_unstable();
        if plan.current.is_empty() { Err(plan.is_behind()) } else { Ok(plan) }
    }

    /// A replica that is behind is no damage: Praefect has yet to bring it up to date.
    fn is_behind(&self) -> ContentError {
        ContentError::Invalid(self.behind.join("; "))
    }

    /// What the replicas are, given what was seen of each that is up to date, by its storage.
    pub(super) fn judge(&self, seen: &BTreeMap<String, Seen>) -> Seen {
        let bytes_read = seen.values().flatten().map(|seen| seen.bytes_read).sum();
        let mut good: Vec<(&String, Observation)> = Vec::new();
        let mut bad: Vec<(&String, ContentError)> = Vec::new();
        for (storage, seen) in seen {
            match seen {
                Err(ContentError::NotJudged(fault)) => return Err(on_node(storage, fault).into()),
                Err(error) => bad.push((storage, error.clone())),
                Ok(seen) if seen.evidence == Evidence::Absence => {
                    bad.push((storage, ContentError::MissingRepository));
                }
                Ok(seen) => good.push((storage, seen.clone())),
            }
        }
        if !bad.is_empty() {
            return Err(together(&bad));
        }
        let groups = alike(&good);
        if groups.len() > 1 {
            return Err(ContentError::Altered(differences(&groups)));
        }
        if !self.behind.is_empty() {
            return Err(self.is_behind());
        }
        let (_, first) = good.swap_remove(0);
        Ok(Observation { bytes_read, ..first })
    }
}

/// What keeps a node's replicas from being read. A folder of a node is none of the virtual storage, which is then not
/// judged as a whole.
pub(super) fn on_node(node: &str, fault: &NotJudged) -> NotJudged {
    match fault {
        NotJudged::Storage(reason) | NotJudged::Folder(UnreadableFolder { reason, .. }) => {
            NotJudged::Storage(format!("the replicas on {node}: {reason}"))
        }
        NotJudged::Cancelled | NotJudged::Process(_) => fault.clone(),
    }
}

/// What is wrong with replicas, as one failure of the kind of the first.
fn together(bad: &[(&String, ContentError)]) -> ContentError {
    let named = bad.iter().map(|(storage, error)| match error {
        ContentError::MissingFile { .. } | ContentError::MissingRepository => {
            format!("the replica on {storage} is missing")
        }
        error => format!("the replica on {storage}: {error}"),
    });
    let text = named.collect::<Vec<_>>().join("; ");
    match bad.first().map(|(_, error)| error) {
        Some(ContentError::Altered(_)) => ContentError::Altered(text),
        Some(ContentError::Unreadable(_)) => ContentError::Unreadable(text),
        Some(ContentError::Invalid(_)) => ContentError::Invalid(text),
        Some(ContentError::DamagedRow(part)) => ContentError::DamagedRow(*part),
        _ => ContentError::MissingPart(text),
    }
}

/// What tells the refs of replicas apart.
type RefsSeen = (Digests, Option<Emptied>);

/// The replicas whose refs are the same, the most first.
fn alike<'s>(good: &[(&'s String, Observation)]) -> Vec<Vec<&'s str>> {
    let mut groups: Vec<(RefsSeen, Vec<&str>)> = Vec::new();
    for (storage, seen) in good {
        let refs = (seen.stored.digests, seen.emptied);
        match groups.iter_mut().find(|(known, _)| *known == refs) {
            Some((_, group)) => group.push(storage),
            None => groups.push((refs, vec![storage])),
        }
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Which replicas have other refs than the most, or that no such can be told.
fn differences(groups: &[Vec<&str>]) -> String {
    match groups {
        [most, others @ ..] if others.iter().all(|group| group.len() < most.len()) => {
            let others: Vec<&str> = others.iter().flatten().copied().collect();
            format!(
                "the replica on {} has other refs than the one on {}",
                others.join(" and "),
                most.join(" and ")
            )
        }
        _ => {
            let all: Vec<&str> = groups.iter().flatten().copied().collect();
            format!("the replicas on {} have different refs", all.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use stocktake_domain::Measure;

    use super::*;

    fn repository(assigned: &[&str], generations: &[(&str, i64)]) -> Repository {
        Repository {
            replica_path: "@cluster/repositories/aa/bb/1".to_owned(),
            assigned: assigned.iter().map(|storage| (*storage).to_owned()).collect(),
            generations: generations.iter().map(|(storage, at)| ((*storage).to_owned(), *at)).collect(),
        }
    }

    fn plan(assigned: &[&str], generations: &[(&str, i64)]) -> Result<Plan, String> {
        let nodes = ["g1", "g2", "g3"].map(str::to_owned);
        Plan::of(&repository(assigned, generations), nodes.iter()).map_err(|error| error.to_string())
    }

    /// What is seen of a replica with other refs for each digit.
    fn seen(digit: u8) -> Observation {
        let digests = Digests { sha256: Some([digit; 32]), ..Digests::default() };
        let stored = Measure { size: None, digests };
        Observation { evidence: Evidence::Content, bytes_read: 10, stored, recorded: None, emptied: None }
    }

    #[test]
    fn assigned_replicas_are_read_as_far_as_they_are_up_to_date() {
        let behind = |text: &str| vec![text.to_owned()];
        let all = [("g1", 3), ("g2", 3), ("g3", 3)];
        assert_eq!(plan(&[], &all).unwrap().current, ["g1", "g2", "g3"]);
        assert_eq!(plan(&["g3", "g1"], &all).unwrap().current, ["g1", "g3"]);
        let late = plan(&[], &[("g1", 3), ("g2", 1), ("g3", 3)]).unwrap();
        assert_eq!(late.current, ["g1", "g3"]);
        assert_eq!(late.behind, behind("the replica on g2 is behind: it has generation 1, the newest is 3"));
        let new = plan(&["g1", "g2"], &[("g1", 0)]).unwrap();
        assert_eq!(new.behind, behind("the replica on g2 is behind: it is not there yet"));
        // What is newest is where it is no longer assigned to.
        assert!(plan(&["g1"], &[("g1", 2), ("g2", 3)]).unwrap_err().contains("g1 is behind"));
        assert!(plan(&[], &[]).unwrap_err().contains("knows of no replica"));
        assert!(plan(&["g1", "g4"], &all).unwrap_err().contains("on g4 is in none of the storages"));
    }

    #[test]
    fn a_repository_is_good_if_all_its_replicas_are() {
        let refs = |digit| -> Seen { Ok(seen(digit)) };
        let plan = plan(&[], &[("g1", 3), ("g2", 3), ("g3", 3)]).unwrap();
        let judge = |seen: [Seen; 3]| {
            plan.judge(&["g1", "g2", "g3"].map(str::to_owned).into_iter().zip(seen).collect())
        };
        let good = judge([refs(1), refs(1), refs(1)]).unwrap();
        assert_eq!((good.bytes_read, good.stored), (30, seen(1).stored));
        let text = |seen| judge(seen).unwrap_err().to_string();
        assert_eq!(
            text([refs(1), refs(2), refs(1)]),
            "the replica on g2 has other refs than the one on g1 and g3"
        );
        assert_eq!(text([refs(1), refs(2), refs(3)]), "the replicas on g1 and g2 and g3 have different refs");
        let lost = Err(ContentError::MissingRepository);
        assert_eq!(
            judge([refs(1), lost.clone(), refs(1)]),
            Err(ContentError::MissingPart("the replica on g2 is missing".to_owned()))
        );
        // Praefect says that it is there, whatever the model's rule is.
        let absent = Ok(Observation { evidence: Evidence::Absence, ..seen(1) });
        assert_eq!(text([refs(1), absent, refs(1)]), "the replica on g2 is missing");
        let damaged = Err(ContentError::Unreadable("pack x: bad".to_owned()));
        assert_eq!(
            judge([damaged, refs(1), lost.clone()]),
            Err(ContentError::Unreadable(
                "the replica on g1: pack x: bad; the replica on g3 is missing".to_owned()
            ))
        );
        let away = |reason: &str| Err(NotJudged::Storage(reason.to_owned()).into());
        assert_eq!(judge([lost, away("away"), refs(1)]), away("the replicas on g2: away"));
    }

    #[test]
    fn a_replica_that_is_behind_is_told_apart_from_damage() {
        let refs = |digit| -> Seen { Ok(seen(digit)) };
        let plan = plan(&[], &[("g1", 3), ("g2", 1), ("g3", 3)]).unwrap();
        let judge =
            |seen: [Seen; 2]| plan.judge(&["g1", "g3"].map(str::to_owned).into_iter().zip(seen).collect());
        let Err(ContentError::Invalid(told)) = judge([refs(1), refs(1)]) else { panic!("not told") };
        assert!(told.starts_with("the replica on g2 is behind"), "{told}");
        assert!(matches!(judge([refs(1), refs(2)]), Err(ContentError::Altered(_))));
        assert!(matches!(
            judge([Err(ContentError::MissingRepository), refs(2)]),
            Err(ContentError::MissingPart(_))
        ));
    }
}
