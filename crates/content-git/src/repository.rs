//! Reading one repository, again if it changes meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use stocktake_content::path;
use stocktake_domain::ports::Inspection;
use stocktake_domain::{ContentError, DigestRule, Digests, Evidence, Measure, Observation};

use crate::config::{self, Format, RefStorage};
use crate::digest::RefsDigest;
use crate::id::ObjectFormat;
use crate::objects::{Checked, Targets};
use crate::refs;
use crate::store::Integrity;
use crate::visit::{Desk, Halt, Kind, Place, Visit};

/// The pauses before a repository is read again that looked broken or changed. Git makes several changes one
/// after the other, such as putting a pack and its index in place, between which it may have to wait for the
/// processor.
const PAUSES: [Duration; 7] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(800),
];

/// How often in a row a repository has to look broken in the same way to be told so.
const SUSPICIONS: u32 = 3;

/// How often the refs are read until they are the same twice, before a pause is made.
const READINGS: u32 = 8;

/// The most bytes of a repository's configuration.
const MOST_CONFIG_BYTES: usize = 4 * 1024 * 1024;

/// Reads a repository.
pub(crate) fn inspect(desk: &mut Desk<'_>, inspection: &Inspection) -> Result<Observation, ContentError> {
    no_rule(&inspection.rule)?;
    let path = inspection.path.trim_end_matches('/');
    path::check(if path.is_empty() { &inspection.path } else { path })?;
    let place = Place::new(path.as_bytes(), "");
    let mut checked = Checked::default();
    let (mut bytes_read, mut suspicion, mut times) = (0, None, 0);
    let mut pauses = PAUSES.iter();
    loop {
        let seen = match Visit::new(desk) {
            Ok(visit) => {
                let seen = read(&visit, &place, inspection, &mut checked);
                bytes_read += visit.bytes_read();
                seen
            }
            Err(halt) => Err(halt),
        };
        match seen {
            Ok(digests) => return Ok(observation(bytes_read, digests)),
            Err(Halt::Told(error)) => return Err(error),
            Err(Halt::Suspect(reason)) => {
                times = if suspicion.as_ref() == Some(&reason) { times + 1 } else { 1 };
                if times == SUSPICIONS {
                    return Err(ContentError::Unreadable(reason));
                }
                suspicion = Some(reason);
            }
            Err(Halt::Changed) => suspicion = None,
        }
        let Some(pause) = pauses.next() else {
            return Err(ContentError::Unreadable("changed while being read".to_owned()));
        };
        rest(desk, *pause)?;
    }
}

/// In which folder a storage that is a node of a Gitaly Cluster has its repositories, under names that only the
/// cluster's own database knows (<https://docs.gitlab.com/administration/gitaly/praefect/>): whether one that is
/// not found is missing, or was never created, cannot be told.
const CLUSTER: &[u8] = b"@cluster";
const IN_CLUSTER: &str =
    "the storage is a node of a Gitaly Cluster, whose repositories lie under other names";

/// A repository is no file: what a rule says of stored bytes is a mistake in the record.
fn no_rule(rule: &DigestRule) -> Result<(), ContentError> {
    match rule {
        DigestRule::Stored => Ok(()),
        DigestRule::Unresolved(reason) => Err(ContentError::Invalid(reason.clone())),
        _ => Err(ContentError::Invalid("a git repository can have no rule".to_owned())),
    }
}

fn observation(bytes_read: u64, digests: Digests) -> Observation {
    let stored = Measure { size: None, digests };
    Observation { evidence: Evidence::Content, bytes_read, stored, recorded: None }
}

/// Waits, unless the reading is called off.
fn rest(desk: &Desk<'_>, pause: Duration) -> Result<(), ContentError> {
    const LOOK: Duration = Duration::from_millis(50);
    let begin = Instant::now();
    loop {
        if desk.order.is_called_off() {
            return Err(ContentError::Cancelled);
        }
        let left = pause.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

fn read(
    visit: &Visit<'_>,
    place: &Place,
    inspection: &Inspection,
    checked: &mut Checked,
) -> Result<Digests, Halt> {
    match visit.kind(place, b"")? {
        Some(Kind::Folder) => {}
        Some(Kind::File) => return Err(place.broken(b"", "not a git repository: it is no folder")),
        None if !visit.is_current() => return Err(Halt::Changed),
        None if visit.kind(&Place::new(CLUSTER, ""), b"")? == Some(Kind::Folder) => {
            return Err(Halt::Told(ContentError::Invalid(IN_CLUSTER.to_owned())));
        }
        None if inspection.model.may_be_absent() => {
            return Ok(RefsDigest::new(inspection.algorithms).finish().digests);
        }
        None => return Err(Halt::Told(ContentError::MissingRepository)),
    }
    let format = format(visit, place)?;
    let with_objects = visit.shared().settings.integrity == Integrity::Objects;
    if with_objects {
        checked.check(visit, place, format.objects)?;
    }
    let mut before = None;
    for _ in 0..READINGS {
        let is_last = before.is_some() || refs::is_snapshot(format);
        let mut digest = RefsDigest::new(inspection.algorithms);
        let mut targets =
            if with_objects && is_last { Some(Targets::new(visit, place, format.objects)?) } else { None };
        refs::each(visit, place, format, &mut |found| {
            digest.add(&found.name, &found.id);
            targets.as_mut().map_or(Ok(()), |targets| targets.add(found))
        })?;
        if let Some(targets) = targets {
            targets.finish()?;
        }
        let refs = digest.finish();
        if refs::is_snapshot(format) || before == Some(refs.fingerprint) {
            return Ok(refs.digests);
        }
        before = Some(refs.fingerprint);
    }
    Err(Halt::Changed)
}

/// Looks for what makes a folder a repository, and what format it has.
fn format(visit: &Visit<'_>, place: &Place) -> Result<Format, Halt> {
    for (name, kind) in [("HEAD", Kind::File), ("objects", Kind::Folder), ("refs", Kind::Folder)] {
        if visit.kind(place, name.as_bytes())? != Some(kind) {
            return Err(place.suspect(b"", format!("not a git repository: it has no {name}")));
        }
    }
    let config = visit.read(place, b"config", MOST_CONFIG_BYTES)?;
    let plain = Format { objects: ObjectFormat::Sha1, refs: RefStorage::Files };
    config
        .map_or(Ok(plain), |config| config::parse(&config).map_err(|reason| place.broken(b"config", reason)))
}
