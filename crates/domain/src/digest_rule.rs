//! How what was recorded of a record's content relates to the bytes that are stored.

use std::fmt;
use std::str::FromStr;

/// What the recorded digest and size are of, and how to come to it from the bytes that are stored.
///
/// The checksum shown is always that of the stored bytes. The text form, of an import line and of the
/// catalogue, is the word given below with its argument after a colon.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub enum DigestRule {
    /// They are of the stored bytes. It has no text form: it is what holds without a rule.
    #[default]
    Stored,
    /// `length:<bytes>`: of the stored bytes, which must be exactly so many, whatever size is shown.
    Length(u64),
    /// `secure_file:<key data>`: of the plaintext of a CI secure file, whose key is the SHA-256 of the key data.
    SecureFile(KeyData),
    /// `terraform_state:<project id>`: of the plaintext of a Terraform state, whose key follows from the
    /// instance's `db_key_base` and the project.
    TerraformState(u64),
    /// `pipeline_artifact:<project id>`: of the plaintext of a pipeline artifact that holds variables, whose
    /// key follows from the instance's `db_key_base` and the project.
    PipelineArtifact(u64),
    /// `portable_pdb`: the digest is the checksum of a portable PDB (a `NuGet` symbol file), made with its id
    /// zeroed; the size is that of the stored bytes.
    PortablePdb,
    /// `unresolved:<reason>`: there are no stored bytes to speak of, because where they lie cannot be resolved
    /// (the owner's row is gone, a storage is not known); the reason is a sentence. Such a record is invalid.
    Unresolved(String),
    /// `unlisted:<reason>`: the record stands for what lies in a folder that the last scan could not list, or not to the
    /// end; the reason is what the system said. Such a record is unreadable.
    Unlisted(String),
}

/// The text that the key of a CI secure file is made of. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyData(pub String);

impl fmt::Debug for KeyData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What encryption adds to the plaintext, in bytes: a nonce of 12 and a tag of 16.
pub const ENCRYPTION_OVERHEAD: u64 = 12 + 16;

impl DigestRule {
    /// Whether the stored bytes are encrypted.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self, Self::SecureFile(_) | Self::TerraformState(_) | Self::PipelineArtifact(_))
    }

    /// The size that is compared with the recorded one, of content whose stored bytes are so many; `None` if
    /// so few bytes cannot be encrypted content.
    pub const fn recorded_size(&self, stored: u64) -> Option<u64> {
        if self.is_encrypted() { stored.checked_sub(ENCRYPTION_OVERHEAD) } else { Some(stored) }
    }

    /// The text form; `None` for [`DigestRule::Stored`]. It holds the key of a CI secure file: not for logs.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Stored => return None,
            Self::Length(bytes) => format!("length:{bytes}"),
            Self::SecureFile(KeyData(text)) => format!("secure_file:{text}"),
            Self::TerraformState(project) => format!("terraform_state:{project}"),
            Self::PipelineArtifact(project) => format!("pipeline_artifact:{project}"),
            Self::PortablePdb => "portable_pdb".to_owned(),
            Self::Unresolved(reason) => format!("unresolved:{reason}"),
            Self::Unlisted(reason) => format!("unlisted:{reason}"),
        })
    }
}

impl fmt::Debug for DigestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stored"),
            Self::SecureFile(key_data) => write!(f, "secure_file:{key_data:?}"),
            other => f.write_str(&other.text().unwrap_or_default()),
        }
    }
}

/// Why a text is no rule. It repeats nothing of the text, which may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDigestRuleError {
    /// No rule of this name.
    #[error(
        "a rule is length:<bytes>, secure_file:<key data>, terraform_state:<project id>, \
         pipeline_artifact:<project id>, portable_pdb, unresolved:<reason> or unlisted:<reason>"
    )]
    Name,
    /// The argument is no whole number that both databases can keep.
    #[error("the rule's argument is no whole number from 0 to 9223372036854775807")]
    Number,
    /// There is a NUL in it, which no database text may have.
    #[error("the rule holds a NUL character")]
    Nul,
    /// The key data are empty.
    #[error("the rule secure_file has no key data")]
    KeyData,
    /// The reason is empty.
    #[error("the rule has no reason")]
    Reason,
}

impl FromStr for DigestRule {
    type Err = ParseDigestRuleError;

    fn from_str(text: &str) -> Result<Self, ParseDigestRuleError> {
        if text.contains('\0') {
            return Err(ParseDigestRuleError::Nul);
        }
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let number = |argument: &str| {
            let number = argument.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
            number.ok_or(ParseDigestRuleError::Number)
        };
        match (name, argument) {
            ("length", Some(argument)) => number(argument).map(Self::Length),
            ("secure_file", Some("")) => Err(ParseDigestRuleError::KeyData),
            ("secure_file", Some(argument)) => Ok(Self::SecureFile(KeyData(argument.to_owned()))),
            ("terraform_state", Some(argument)) => number(argument).map(Self::TerraformState),
            ("pipeline_artifact", Some(argument)) => number(argument).map(Self::PipelineArtifact),
            ("portable_pdb", None) => Ok(Self::PortablePdb),
            ("unresolved" | "unlisted", Some("")) => Err(ParseDigestRuleError::Reason),
            ("unresolved", Some(reason)) => Ok(Self::Unresolved(reason.to_owned())),
            ("unlisted", Some(reason)) => Ok(Self::Unlisted(reason.to_owned())),
            _ => Err(ParseDigestRuleError::Name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_parses_back_and_keys_are_not_shown() {
        for text in [
            "length:12",
            "secure_file:ab:cd",
            "terraform_state:1",
            "pipeline_artifact:9223372036854775807",
            "portable_pdb",
            "unresolved:project 7: no such row",
            "unlisted:Permission denied (os error 13)",
        ] {
            assert_eq!(text.parse::<DigestRule>().unwrap().text().as_deref(), Some(text));
        }
        assert_eq!(DigestRule::Stored.text(), None);
        assert_eq!(
            format!("{:?}", "secure_file:ab".parse::<DigestRule>().unwrap()),
            "secure_file:[REDACTED]"
        );
    }

    #[test]
    fn wrong_texts_are_refused() {
        for (text, error) in [
            ("", ParseDigestRuleError::Name),
            ("stored", ParseDigestRuleError::Name),
            ("portable_pdb:1", ParseDigestRuleError::Name),
            ("length", ParseDigestRuleError::Name),
            ("length:-1", ParseDigestRuleError::Number),
            ("length:9223372036854775808", ParseDigestRuleError::Number),
            ("terraform_state:x", ParseDigestRuleError::Number),
            ("secure_file:", ParseDigestRuleError::KeyData),
            ("secure_file:a\0b", ParseDigestRuleError::Nul),
            ("unresolved", ParseDigestRuleError::Name),
            ("unresolved:", ParseDigestRuleError::Reason),
            ("unlisted:", ParseDigestRuleError::Reason),
        ] {
            assert_eq!(text.parse::<DigestRule>(), Err(error), "{text}");
        }
    }

    #[test]
    fn encryption_adds_nonce_and_tag() {
        let encrypted = DigestRule::TerraformState(1);
        assert_eq!(encrypted.recorded_size(33), Some(5));
        assert_eq!(encrypted.recorded_size(27), None);
        assert_eq!(DigestRule::PortablePdb.recorded_size(27), Some(27));
    }
}
