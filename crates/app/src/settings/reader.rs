//! Takes checked values out of the merged table, and knows afterwards which keys nobody wanted.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

use super::SettingsError;
use super::layers::{Origin, Setting, SettingValue, Table};
use super::values::Wanted;
use crate::suggest;

/// A reader of the table.
pub(crate) struct Reader<'a> {
    table: &'a Table,
    used: BTreeSet<String>,
    sections: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// A reader that nothing was taken from yet.
    pub(crate) fn new(table: &'a Table) -> Self {
        Self { table, used: BTreeSet::new(), sections: BTreeSet::new() }
    }

    /// The key's checked value; an error if it is not set or not right.
    pub(crate) fn get<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(&Value) -> Result<T, Wanted>,
    ) -> Result<T, SettingsError> {
        self.optional(key, check)?.ok_or_else(|| self.unset(key))
    }

    /// The key's checked value, `None` if it is not set; an error if it is not right.
    pub(crate) fn optional<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(&Value) -> Result<T, Wanted>,
    ) -> Result<Option<T>, SettingsError> {
        self.used.insert(key.to_owned());
        self.table
            .get(key)
            .map(|setting| match setting.plain() {
                Some(value) => check(value).map_err(|wanted| self.mistake(key, &wanted)),
                None => Err(self.mistake(key, "is a secret, which cannot be read here")),
            })
            .transpose()
    }

    /// The secret of this key; `None` if it is not set, or empty.
    pub(crate) fn secret(&mut self, key: &str) -> Result<Option<SecretString>, SettingsError> {
        self.used.insert(key.to_owned());
        let setting = self.table.get(key);
        match setting.map(|setting| &setting.value) {
            None => Ok(None),
            Some(SettingValue::Secret(secret)) => {
                let text = secret.expose_secret().trim();
                Ok(Some(text).filter(|text| !text.is_empty()).map(Into::into))
            }
            Some(SettingValue::Plain(_)) => Err(self.mistake(key, "must be a text in quotation marks")),
        }
    }

    /// The names one level below `section`, for sections named by the user.
    pub(crate) fn names_below(&mut self, section: &str) -> Vec<String> {
        self.sections.insert(section.to_owned());
        let names: BTreeSet<_> = self
            .table
            .keys()
            .filter_map(|key| {
                let rest = key.strip_prefix(section)?.strip_prefix('.')?;
                let is_empty_section = || self.table.get(key).is_some_and(Setting::is_empty_section);
                match rest.split_once('.') {
                    Some((name, _)) => Some(name.to_owned()),
                    None => is_empty_section().then(|| rest.to_owned()),
                }
            })
            .collect();
        names.into_iter().collect()
    }

    /// Whether the key has the value that the program carries.
    pub(crate) fn is_default(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|setting| setting.origin == Origin::Default)
    }

    /// A sentence about a key, with where its value came from.
    pub(crate) fn mistake(&self, key: &str, sentence: &str) -> SettingsError {
        let origin = self.table.get(key).map(|setting| format!(" ({})", setting.origin));
        SettingsError(format!("{key}: {sentence}{}", origin.unwrap_or_default()))
    }

    /// An error for a key that must be set, with the place of the section that lacks it.
    fn unset(&self, key: &str) -> SettingsError {
        let section = key.rsplit_once('.').map_or(key, |(section, _)| section);
        let place = self.place(section).map(|place| format!(" ({place})")).unwrap_or_default();
        // Perhaps it is there under a name that nobody knows.
        let below = format!("{section}.");
        let others = self.table.iter().filter(|(other, setting)| {
            other.starts_with(&below) && !self.used.contains(*other) && setting.origin != Origin::Default
        });
        let meant = suggest::nearest(key, others.map(|(other, _)| other.as_str()));
        let meant = meant.map(|other| format!("; is {other} meant for it?")).unwrap_or_default();
        SettingsError(format!("{key} is not set{place}{meant}"))
    }

    /// Where the first key of a section was set that is no default.
    pub(crate) fn place(&self, section: &str) -> Option<String> {
        let rest =
            |name: &str| name.strip_prefix(section).map(|rest| rest.is_empty() || rest.starts_with('.'));
        let mut written = self.table.iter().filter(|(_, setting)| setting.origin != Origin::Default);
        written.find(|(name, _)| rest(name) == Some(true)).map(|(_, setting)| setting.origin.to_string())
    }

    /// An error for the first key that nobody took.
    pub(crate) fn finish(&self) -> Result<(), SettingsError> {
        let is_section = |key: &str| {
            let below = format!("{key}.");
            self.sections.contains(key) || self.used.iter().any(|used| used.starts_with(&below))
        };
        let is_known = |key: &str, setting: &Setting| {
            if setting.is_empty_section() { is_section(key) } else { self.used.contains(key) }
        };
        match self.table.iter().find(|(key, setting)| !is_known(key, setting)) {
            None => Ok(()),
            Some((key, setting)) => {
                let nearest = suggest::nearest(key, self.used.iter().map(String::as_str));
                let meant = nearest.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
                Err(SettingsError(format!("unknown configuration key {key} ({}){meant}", setting.origin)))
            }
        }
    }
}
