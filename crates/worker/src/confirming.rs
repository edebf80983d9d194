//! What is not good is confirmed before it is recorded.
//!
//! No failure is recorded before a look that began after the reading found the storage there, and to be the one in which it
//! was read, and that was read before: another volume at the same address may have other content at the same paths. Of what
//! lies where something was mounted that is not any more, or where something else is mounted now, nothing is said. Nothing is recorded as missing, or as unreadable
//! if it was good, of a storage most of whose witnesses are lost (`witnesses`).

use stocktake_domain::ports::{MountBelow, ProbedStorage, Watch};
use stocktake_domain::{NotJudged, UnreadableFolder};

use crate::batch::Unconfirmed;
use crate::context::EngineContext;
use crate::settings::Storage;

/// What came of records whose content is not good.
#[derive(Default)]
pub(crate) struct Confirmed {
    /// Those that may be recorded so.
    pub(crate) sure: Vec<Unconfirmed>,
    /// Why nothing can be said of others, which are given back one by one.
    pub(crate) folders: Vec<UnreadableFolder>,
    /// How many these are, and those that were found where they had not been.
    pub(crate) given_back: usize,
}

impl EngineContext {
    /// Which of these may be recorded, that were seen under this watch. Fails if nothing can be said of the storage.
    pub(crate) async fn confirm(
        &self,
        name: &str,
        storage: &Storage,
        watch: &Watch,
        unconfirmed: Vec<Unconfirmed>,
    ) -> Result<Confirmed, NotJudged> {
        if self.settings.believe_missing {
            self.believe(name, storage, &unconfirmed).await?;
            return Ok(Confirmed { sure: unconfirmed, ..Confirmed::default() });
        }
        let is_any_lost = unconfirmed.iter().any(|record| record.is_lost);
        if !is_any_lost && !self.is_a_known_place(name).await? {
            return Ok(Confirmed { sure: unconfirmed, ..Confirmed::default() });
        }
        let probed = self.probe(name, storage).await?;
        if unconfirmed.iter().any(Unconfirmed::is_all_gone) {
            self.check_read(name, &probed, watch).await?;
        } else {
            // What is there in part was found, and what was refused before was looked for nowhere.
            self.check_identity(name, &probed).await?;
        }
        let gone_mounts = self.gone_mounts(name, &probed).await?;
        let mut confirmed = Confirmed::default();
        for record in unconfirmed {
            let path = record.path();
            if let Some(mount) = gone_mounts.iter().find(|mount| mount.concerns(path)) {
                confirmed.folders.push(of_mount(mount));
                confirmed.given_back += 1;
            } else if record.is_all_gone() && has_come_back(storage, &probed, path).await {
                confirmed.given_back += 1;
            } else {
                confirmed.sure.push(record);
            }
        }
        let mut unasked = gone_mounts;
        for mount in &probed.mounts {
            let is_concerned = |record: &Unconfirmed| mount.concerns(record.path());
            if confirmed.sure.iter().any(|record| record.is_lost && is_concerned(record))
                && let Err(doubt) = self.check_mount(name, storage, mount).await?
            {
                let (doubted, sure) = confirmed.sure.into_iter().partition::<Vec<_>, _>(is_concerned);
                confirmed.given_back += doubted.len();
                confirmed.folders.extend(doubted.iter().map(|_| doubt.clone()));
                confirmed.sure = sure;
                unasked.push(mount.clone());
            }
        }
        if confirmed.sure.iter().any(|record| record.is_lost) {
            self.check_witnesses(name, storage, &unasked).await?;
        }
        if !confirmed.sure.is_empty() {
            self.health.update(name, |state| {
                state.open_folders(confirmed.sure.iter().map(Unconfirmed::path));
            });
        }
        Ok(confirmed)
    }

    /// Fails unless content at this path, seen to be absent under this watch, is gone from a storage that is itself whole.
    pub(crate) async fn confirm_gone(
        &self,
        name: &str,
        storage: &Storage,
        watch: &Watch,
        path: &str,
    ) -> Result<(), NotJudged> {
        let probed = self.probe(name, storage).await?;
        self.check_read(name, &probed, watch).await?;
        let gone_mounts = self.gone_mounts(name, &probed).await?;
        if let Some(mount) = gone_mounts.iter().find(|mount| mount.concerns(path)) {
            return Err(gone(mount));
        }
        for mount in probed.mounts.iter().filter(|mount| mount.concerns(path)) {
            self.check_mount(name, storage, mount).await?.map_err(NotJudged::Folder)?;
        }
        self.check_witnesses(name, storage, &gone_mounts).await
    }

    /// Whether anything is known of the place of the storage: which folder or file system it was, or what was mounted in it.
    async fn is_a_known_place(&self, name: &str) -> Result<bool, NotJudged> {
        let identity = self.parts.conditions.identity(name, &self.settings.host).await;
        if self.answered("reading which storage it was", identity)?.is_some() {
            return Ok(true);
        }
        let mounts = self.parts.conditions.mounts(name).await;
        Ok(!self.answered("reading what was mounted in a storage", mounts)?.is_empty())
    }

    /// What is mounted no more where these lie need not be.
    async fn believe(&self, name: &str, storage: &Storage, lost: &[Unconfirmed]) -> Result<(), NotJudged> {
        let Ok(probed) = self.probe(name, storage).await else { return Ok(()) };
        self.remember(name, &probed, &[]).await?;
        for mount in self.gone_mounts(name, &probed).await? {
            if lost.iter().any(|record| mount.concerns(record.path())) {
                let forgotten = self.parts.conditions.forget_mount(name, &mount).await;
                self.answered("forgetting a mount", forgotten)?;
            }
        }
        Ok(())
    }

    /// What was mounted in the storage when it was last read, and is not now.
    pub(crate) async fn gone_mounts(
        &self,
        name: &str,
        probed: &ProbedStorage,
    ) -> Result<Vec<MountBelow>, NotJudged> {
        let known = self.parts.conditions.mounts(name).await;
        let known = self.answered("reading what was mounted in a storage", known)?;
        Ok(known.difference(&probed.mounts).cloned().collect())
    }

    /// Keeps in what is mounted in the storage good content was read, and forgets what need not be mounted because good
    /// content is there without it.
    pub(crate) async fn remember_mounts(
        &self,
        name: &str,
        probed: &ProbedStorage,
        good: &[String],
    ) -> Result<(), NotJudged> {
        let known = self.parts.conditions.mounts(name).await;
        let known = self.answered("reading what was mounted in a storage", known)?;
        let mut unsettled = Vec::new();
        for mount in known.symmetric_difference(&probed.mounts) {
            let kept = if !good.iter().any(|path| mount.concerns(path)) {
                unsettled.push(mount.holds.clone());
                continue;
            } else if known.contains(mount) {
                self.parts.conditions.forget_mount(name, mount).await
            } else {
                self.parts.conditions.remember_mount(name, mount).await
            };
            self.answered("keeping what is mounted in a storage", kept)?;
        }
        self.health.update(name, |state| state.unsettled = unsettled.into_iter().collect());
        Ok(())
    }
}

/// What is said of a storage in which something is mounted no more.
pub(crate) fn gone(mount: &MountBelow) -> NotJudged {
    NotJudged::Folder(of_mount(mount))
}

fn of_mount(mount: &MountBelow) -> UnreadableFolder {
    let reason =
        format!("its folder {} cannot be read: what was mounted there is not any more", mount.folder);
    UnreadableFolder { folder: mount.holds.clone(), reason }
}

/// Whether content that was not there is, since something is mounted where it lies.
async fn has_come_back(storage: &Storage, probed: &ProbedStorage, path: &str) -> bool {
    probed.mounts.iter().any(|mount| mount.concerns(path)) && storage.content.look(path).await.is_ok()
}
