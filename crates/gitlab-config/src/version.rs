//! The version of a GitLab, by which some of its rules differ.

use std::path::Path;

/// A version, of which only the first two numbers matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    /// From here on, `gitlab_rails['repositories_storages']` names the folder *above* the repositories.
    pub(crate) const STORAGES_ARE_ABOVE_REPOSITORIES: Self = Self { major: 17, minor: 8 };
    /// From here on, the registry has a metadata database by itself.
    pub(crate) const REGISTRY_HAS_DATABASE: Self = Self { major: 19, minor: 0 };

    /// Reads `18.5`, `18.5.2` and `18.5.2-ee`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split(['.', '-', '+']);
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(Self { major, minor })
    }

    /// That of the installation which has this file, if it can be read.
    pub(crate) fn of_file(file: &Path) -> Option<Self> {
        Self::parse(&crate::file::text(file).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text: &str| Version::parse(text).unwrap();
        assert!(version("17.10.0-ee") > version("17.8\n"));
        assert!(version("9.5.3") < Version::STORAGES_ARE_ABOVE_REPOSITORIES);
        assert!(version("19.0.0-pre") >= Version::REGISTRY_HAS_DATABASE);
        for wrong in ["", "18", "master", "v18.1", "18.x"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
