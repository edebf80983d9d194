//! The variable `GITLAB_OMNIBUS_CONFIG` of a container, in the files in which it may be kept.

use std::path::Path;

use crate::file::{self, InstallationError};
use crate::node::{Node, Value};
use crate::ruby::Program;
use crate::yaml;

/// The variable.
const VARIABLE: &str = "GITLAB_OMNIBUS_CONFIG";

/// The program in the variable: in a file of Docker Compose if it is YAML, in a list of variables if its name ends so, else
/// the file is the program itself.
pub(crate) fn variable(file: &Path) -> Result<Program, InstallationError> {
    let text = file::text(file)?;
    let name = file.display().to_string();
    if file::is_yaml(file) {
        return of_compose(file, &text);
    }
    let ending = file.extension().or(file.file_name()).and_then(|ending| ending.to_str());
    if ending.is_some_and(|ending| ["env", ".env"].contains(&ending)) {
        return of_variables(file, &text);
    }
    Ok(Program::file(name, text))
}

/// In `services.….environment`, as a mapping or as a list.
fn of_compose(file: &Path, text: &str) -> Result<Program, InstallationError> {
    let document = yaml::document(file, text)?;
    let services = document.root.get("services").map(|services| &services.value);
    let Some(Value::Map(services)) = services else {
        return Err(InstallationError::file(file, "has no `services`"));
    };
    for service in services.pairs.values() {
        if let Some((node, text)) = service.get("environment").and_then(in_environment) {
            // A dollar sign is written twice.
            let first_line = node.place.line;
            let text = text.replace("$$", "$");
            return Ok(Program { name: file.display().to_string(), text, first_line });
        }
    }
    Err(InstallationError::file(file, format!("has no service with the variable {VARIABLE}")))
}

fn in_environment(environment: &Node) -> Option<(&Node, String)> {
    match &environment.value {
        Value::Map(_) => {
            let node = environment.get(VARIABLE)?;
            match &node.value {
                Value::Text(text) => Some((node, text.clone())),
                _ => None,
            }
        }
        Value::List(list) => list.iter().find_map(|node| match &node.value {
            Value::Text(text) => {
                let (name, value) = text.split_once('=')?;
                (name == VARIABLE).then(|| (node, value.to_owned()))
            }
            _ => None,
        }),
        _ => None,
    }
}

/// A line `GITLAB_OMNIBUS_CONFIG=…` of an env file, with or without quotes, which may span several lines.
fn of_variables(file: &Path, text: &str) -> Result<Program, InstallationError> {
    let mut line = 1;
    let mut rest = text;
    loop {
        let (this, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let assigned = this.trim_start();
        let assigned = assigned.strip_prefix("export ").unwrap_or(assigned);
        if let Some(value) = assigned.strip_prefix(VARIABLE).and_then(|value| value.strip_prefix('=')) {
            let from =
                value.len() + if after.is_empty() && !rest.contains('\n') { 0 } else { after.len() + 1 };
            let value = rest.get(rest.len() - from..).unwrap_or(value);
            let text = unquoted(value);
            return Ok(Program { name: file.display().to_string(), text, first_line: line });
        }
        if after.is_empty() {
            return Err(InstallationError::file(file, format!("does not set {VARIABLE}")));
        }
        rest = after;
        line += 1;
    }
}

/// The value at the beginning of a text: in quotes up to the closing one, else up to the end of the line.
fn unquoted(value: &str) -> String {
    let quote = value.chars().next().filter(|first| ['"', '\''].contains(first));
    let Some(quote) = quote else {
        return value.lines().next().unwrap_or_default().to_owned();
    };
    let mut text = String::new();
    let mut characters = value.chars().skip(1);
    while let Some(next) = characters.next() {
        match next {
            '\\' if quote == '"' => match characters.next() {
                Some('n') => text.push('\n'),
                Some(escaped @ ('"' | '\\' | '$')) => text.push(escaped),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
            next if next == quote => break,
            next => text.push(next),
        }
    }
    text
}
