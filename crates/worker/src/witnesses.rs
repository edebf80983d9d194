//! Whether a storage is whole: what became of some of the records that were good when they were last looked at.
//!
//! That a root opens says little: another volume may be mounted there, or none, with a file left in the folder below; a
//! device may answer every read with an error; an emptied registry answers as before. So before a record that is not there
//! is recorded as such, or one that was good as unreadable, its storage is judged by *witnesses*: records whose content was there before,
//! spread over all of them. If more than ten of them, and more than half, are missing or unreadable, no record is, unless an
//! administrator says that so much was really lost (`believe_missing`). What is mounted below the root is judged in the same way
//! by the witnesses in it.

use std::sync::Arc;
use std::time::Duration;

use stocktake_domain::ports::{MountBelow, Witness};
use stocktake_domain::{ContentError, NotJudged, UnreadableFolder, format_duration};
use tokio::time::Instant;

use crate::context::EngineContext;
use crate::probing::PROBE_TIMEOUT;
use crate::settings::Storage;

/// So many may be lost in any storage without its being suspected.
const FEW: usize = 10;

/// The most witnesses of a storage: so many that half of them are more than a few. Of a storage with fewer good records,
/// all are.
const WITNESSES: u32 = 22;

/// The most witnesses of a storage of whom those are asked that lie in one mount, which may hold a small part of it.
const WITNESSES_OF_MOUNTS: u32 = 8 * WITNESSES;

/// How long the same witnesses are asked.
const CHOSEN_FOR: Duration = Duration::from_secs(60);

/// What became of the witnesses.
#[derive(Debug, Default)]
struct Testimony {
    found: usize,
    missing: usize,
    unreadable: usize,
    /// What was said of the first that is unreadable.
    reason: String,
}

impl EngineContext {
    /// Fails unless enough of the storage's witnesses can be found and read. Those that are in these mounts, which are
    /// known to be gone, are not asked.
    pub(crate) async fn check_witnesses(
        &self,
        name: &str,
        storage: &Storage,
        gone: &[MountBelow],
    ) -> Result<(), NotJudged> {
        let asked = tokio::time::timeout(PROBE_TIMEOUT, self.ask(name, storage, gone)).await;
        let whole = asked.unwrap_or_else(|_| {
            let waited = format_duration(PROBE_TIMEOUT);
            Err(NotJudged::Storage(format!("storage {name} does not answer within {waited}")))
        });
        self.health.update(name, |state| state.is_doubted = whole.is_err());
        whole
    }

    async fn ask(&self, name: &str, storage: &Storage, gone: &[MountBelow]) -> Result<(), NotJudged> {
        let chosen = self.health.update(name, |state| state.witnesses.clone());
        let still_chosen = chosen.filter(|(at, _)| at.elapsed() < CHOSEN_FOR);
        if let Some((_, witnesses)) = still_chosen
            && hear(storage, &witnesses, gone).await?.is_reassuring()
        {
            return Ok(());
        }
        // Some that were chosen before may have been recorded as lost since.
        let witnesses = self.choose(name).await?;
        let testimony = hear(storage, &witnesses, gone).await?;
        if testimony.is_reassuring() {
            return Ok(());
        }
        Err(NotJudged::Storage(testimony.told()))
    }

    /// The doubt, if more than a few and most of the witnesses in a mount are lost: another volume may be mounted there.
    pub(crate) async fn check_mount(
        &self,
        name: &str,
        storage: &Storage,
        mount: &MountBelow,
    ) -> Result<Result<(), UnreadableFolder>, NotJudged> {
        let chosen = self.parts.catalogue.witnesses(name, WITNESSES_OF_MOUNTS).await;
        let mut witnesses = self.answered("choosing witnesses of a mount", chosen)?;
        witnesses.retain(|witness| mount.concerns(&witness.path));
        let asked = tokio::time::timeout(PROBE_TIMEOUT, hear(storage, &witnesses, &[])).await;
        let told = match asked {
            Ok(testimony) => {
                let testimony = testimony?;
                if testimony.is_reassuring() {
                    return Ok(Ok(()));
                }
                testimony.told()
            }
            Err(_) => format!("it does not answer within {}", format_duration(PROBE_TIMEOUT)),
        };
        let reason = format!("what is mounted at its folder {}: {told}", mount.folder);
        Ok(Err(UnreadableFolder { folder: mount.holds.clone(), reason }))
    }

    async fn choose(&self, name: &str) -> Result<Arc<[Witness]>, NotJudged> {
        let chosen = self.parts.catalogue.witnesses(name, WITNESSES).await;
        let chosen: Arc<[Witness]> = self.answered("choosing witnesses of a storage", chosen)?.into();
        self.health.update(name, |state| state.witnesses = Some((Instant::now(), Arc::clone(&chosen))));
        Ok(chosen)
    }

    /// Whether one of the storage's witnesses is in a mount that is gone.
    pub(crate) async fn miss(&self, name: &str, mount: &MountBelow) -> Result<bool, NotJudged> {
        Ok(self.choose(name).await?.iter().any(|witness| mount.concerns(&witness.path)))
    }
}

/// Asks the witnesses, until it is clear that few are lost.
async fn hear(storage: &Storage, witnesses: &[Witness], gone: &[MountBelow]) -> Result<Testimony, NotJudged> {
    let mut testimony = Testimony::default();
    let mut left = witnesses.len();
    for witness in witnesses {
        if left + testimony.lost() <= FEW {
            break;
        }
        left -= 1;
        if gone.iter().any(|mount| mount.concerns(&witness.path)) {
            continue;
        }
        match storage.content.look(&witness.path).await {
            Err(
                ContentError::MissingFile { .. }
                | ContentError::MissingRepository
                | ContentError::MissingPart(_),
            ) => testimony.missing += 1,
            Err(ContentError::Unreadable(reason)) => {
                testimony.unreadable += 1;
                if testimony.reason.is_empty() {
                    testimony.reason = format!("{reason}: {}", witness.path);
                }
            }
            // Of this one nothing can be said.
            Err(ContentError::NotJudged(NotJudged::Folder(_))) => {}
            Err(ContentError::NotJudged(fault)) => return Err(fault),
            // Whatever is wrong with it is there.
            Ok(())
            | Err(ContentError::Altered(_) | ContentError::Invalid(_) | ContentError::DamagedRow(_)) => {
                testimony.found += 1;
            }
        }
    }
    Ok(testimony)
}

impl Testimony {
    fn lost(&self) -> usize {
        self.missing + self.unreadable
    }

    fn asked(&self) -> usize {
        self.found + self.lost()
    }

    /// Whether no more is lost than may be in a storage that is whole.
    fn is_reassuring(&self) -> bool {
        self.lost() <= FEW || self.lost() * 2 <= self.asked()
    }

    fn told(&self) -> String {
        let (asked, found) = (self.asked(), self.found);
        if self.unreadable > self.missing {
            let Self { unreadable, reason, .. } = self;
            format!(
                "{unreadable} of {asked} of its records seen before cannot be read: {reason}. Are rights and device as they were?"
            )
        } else if found == 0 {
            format!("none of {asked} of its records seen before can be found. Is another volume mounted?")
        } else {
            format!("only {found} of {asked} of its records seen before can be found. Is everything mounted?")
        }
    }
}
