//! `kind = "git"`.

use stocktake_content_git::{GitSettings, Integrity};

use super::super::values::folder;
use super::{Content, Section};
use crate::settings::SettingsError;

pub(super) fn read(section: &mut Section<'_, '_>) -> Result<Content, SettingsError> {
    Ok(Content::Git(GitSettings {
        root: section.get("root", folder)?,
        readers: section.readers()?,
        bytes_per_second: section.bytes_per_second()?,
        integrity: section
            .choice("integrity", [("objects", Integrity::Objects), ("refs", Integrity::Refs)])?
            .unwrap_or_default(),
    }))
}
