//! Reading a file of GitLab's, which is small.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::InstallationError;

/// The longest file that is read. The commented template of `gitlab.rb` has less than a fifth of it.
pub(super) const LONGEST: u64 = 1024 * 1024;

/// The text of a file.
pub(super) fn text(file: &Path) -> Result<String, InstallationError> {
    let unreadable = |error| InstallationError::unreadable(file, &error);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(InstallationError::file(
            file,
            "is longer than 1 MiB, which no configuration of GitLab's is",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| InstallationError::file(file, "is not UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text))
}

/// Whether its name says that a file is YAML.
pub(super) fn is_yaml(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yml", "yaml"].iter().any(|yaml| ending.eq_ignore_ascii_case(yaml)))
}
