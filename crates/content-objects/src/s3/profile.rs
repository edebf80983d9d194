//! The credentials file that Amazon's tools share, and where to find keys.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::settings::{KeyPair, S3Keys, SettingsError};

/// Looks up an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What requests are signed with.
#[derive(Debug)]
pub(super) enum Signing {
    With(KeyPair),
    Role { metadata_endpoint: Option<String> },
    Nothing,
}

/// Finds the keys where the settings say.
pub(super) fn find(keys: &S3Keys, environment: Environment<'_>) -> Result<Signing, SettingsError> {
    match keys {
        S3Keys::Pair(pair) => Ok(Signing::With(pair.clone())),
        S3Keys::Anonymous => Ok(Signing::Nothing),
        S3Keys::Role { metadata_endpoint } => {
            Ok(Signing::Role { metadata_endpoint: metadata_endpoint.clone() })
        }
        S3Keys::Environment => from_environment(environment)?.map(Signing::With).ok_or_else(|| {
            SettingsError::Keys("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".to_owned())
        }),
        S3Keys::Profile { name, file } => {
            let (name, file) = place(name.as_deref(), file.as_deref(), environment)?;
            from_file(&name, &file).map(Signing::With)
        }
        S3Keys::Automatic => {
            if let Some(pair) = from_environment(environment)? {
                return Ok(Signing::With(pair));
            }
            let asked_for = environment("AWS_PROFILE").is_some();
            match place(None, None, environment).and_then(|(name, file)| from_file(&name, &file)) {
                Ok(pair) => Ok(Signing::With(pair)),
                Err(error) if asked_for => Err(error),
                Err(_) => Ok(Signing::Role { metadata_endpoint: None }),
            }
        }
    }
}

fn from_environment(environment: Environment<'_>) -> Result<Option<KeyPair>, SettingsError> {
    let get = |name: &str| environment(name).filter(|value| !value.is_empty());
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret_key)) => Ok(Some(KeyPair {
            access_key,
            secret_key: SecretString::from(secret_key),
            session_token: get("AWS_SESSION_TOKEN").map(SecretString::from),
        })),
        (None, None) => Ok(None),
        _ => Err(SettingsError::Keys(
            "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set".to_owned(),
        )),
    }
}

/// The name of the profile, and the file it is in.
fn place(
    name: Option<&str>,
    file: Option<&Path>,
    environment: Environment<'_>,
) -> Result<(String, PathBuf), SettingsError> {
    let name = name.map(str::to_owned).or_else(|| environment("AWS_PROFILE"));
    let file = file.map(Path::to_owned).or_else(|| {
        let home = || environment("HOME").map(|home| Path::new(&home).join(".aws/credentials"));
        environment("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from).or_else(home)
    });
    let file = file.ok_or_else(|| SettingsError::Keys("HOME is not set, so no file is known".to_owned()))?;
    Ok((name.unwrap_or_else(|| "default".to_owned()), file))
}

fn from_file(name: &str, file: &Path) -> Result<KeyPair, SettingsError> {
    let missing = |what: &str| SettingsError::Keys(format!("{what} in {}", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| SettingsError::Keys(format!("{}: {error}", file.display())))?;
    let values =
        section(&text, name).ok_or_else(|| missing(&format!("there is no profile named {name:?}")))?;
    let value = |key: &str| {
        let found = values.iter().rev().find(|(found, _)| found.eq_ignore_ascii_case(key));
        found.map(|(_, value)| (*value).to_owned())
    };
    let wanted = |key: &str| value(key).ok_or_else(|| missing(&format!("the profile {name:?} has no {key}")));
    Ok(KeyPair {
        access_key: wanted("aws_access_key_id")?,
        secret_key: SecretString::from(wanted("aws_secret_access_key")?),
        session_token: value("aws_session_token").map(SecretString::from),
    })
}

/// The keys and values of the section with this name; `None` if there is none.
pub(crate) fn section<'a>(text: &'a str, name: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines() {
        if let Some(header) = line.trim().strip_prefix('[').and_then(|line| line.split_once(']')) {
            let title = header.0.trim();
            let title = title.strip_prefix("profile ").map_or(title, str::trim);
            inside = title == name;
            if inside {
                found.get_or_insert_with(Vec::new);
            }
            continue;
        }
        // An indented line continues a value of several lines, which neither key of a pair is.
        let comment = line.starts_with(['#', ';', ' ', '\t']);
        if let (true, false, Some((key, value))) = (inside, comment, line.split_once('=')) {
            // A comment must follow a space: keys may contain these characters.
            let value = value.split(" #").next().and_then(|value| value.split(" ;").next());
            found.get_or_insert_with(Vec::new).push((key.trim(), value.unwrap_or_default().trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const FILE: &str = "\
# Comment
[default]
aws_access_key_id = first
aws_secret_access_key=with=equals/and#hash # comment

[ profile other ]
AWS_ACCESS_KEY_ID=second
aws_secret_access_key = words
aws_session_token = token
s3 =
  aws_access_key_id = nested

[half]
aws_access_key_id = alone
";

    fn pair(keys: &S3Keys, variables: &[(&str, &str)]) -> Result<[String; 3], String> {
        let environment = |name: &str| {
            variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        };
        match find(keys, &environment) {
            Ok(Signing::With(pair)) => Ok([
                pair.access_key,
                pair.secret_key.expose_secret().to_owned(),
                pair.session_token.map(|token| token.expose_secret().to_owned()).unwrap_or_default(),
            ]),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn words(words: [&str; 3]) -> [String; 3] {
        words.map(str::to_owned)
    }

    #[test]
    fn profiles_are_read_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, FILE).unwrap();
        let named =
            |name: Option<&str>| S3Keys::Profile { name: name.map(str::to_owned), file: Some(file.clone()) };
        assert_eq!(pair(&named(None), &[]).unwrap(), words(["first", "with=equals/and#hash", ""]));
        assert_eq!(pair(&named(Some("other")), &[]).unwrap(), words(["second", "words", "token"]));
        assert_eq!(
            pair(&named(None), &[("AWS_PROFILE", "other")]).unwrap(),
            words(["second", "words", "token"])
        );
        let at = file.display();
        assert_eq!(
            pair(&named(Some("none")), &[]).unwrap_err(),
            format!("no keys: there is no profile named \"none\" in {at}")
        );
        assert_eq!(
            pair(&named(Some("half")), &[]).unwrap_err(),
            format!("no keys: the profile \"half\" has no aws_secret_access_key in {at}")
        );
    }

    #[test]
    fn the_first_place_that_has_keys_counts() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), FILE).unwrap();
        let home = home.path().to_str().unwrap();
        let variables = [("HOME", home), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        assert_eq!(pair(&S3Keys::Automatic, &variables).unwrap(), words(["a", "b", ""]));
        assert_eq!(
            pair(&S3Keys::Automatic, &variables[..1]).unwrap(),
            words(["first", "with=equals/and#hash", ""])
        );
        assert!(pair(&S3Keys::Automatic, &variables[..2]).unwrap_err().contains("only one of"));
        assert_eq!(pair(&S3Keys::Automatic, &[]).unwrap_err(), "Role { metadata_endpoint: None }");
        let unknown = [("HOME", home), ("AWS_PROFILE", "none")];
        assert!(pair(&S3Keys::Automatic, &unknown).unwrap_err().contains("no profile named"));
        assert!(pair(&S3Keys::Environment, &[]).unwrap_err().contains("are not set"));
    }
}
