//! What is said about the command line itself: the overview of the commands, and mistakes.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};
use stocktake_domain::{Model, State};

use crate::args::Arguments;
use crate::output::{self, Text};
use crate::{COULD_NOT_RUN, suggest};

/// What the commands are for. One that is in no group is shown at the end.
const GROUPS: [(&str, &[&str]); 6] = [
    ("One folder, without any configuration", &["check"]),
    ("Set up", &["init", "config", "doctor", "migrate", "completions"]),
    ("Fill the catalogue", &["scan", "import", "sync"]),
    ("Look at the content", &["verify", "status", "export", "show", "accept", "orphans"]),
    ("Serve the API", &["serve", "worker", "token", "jobs"]),
    ("Other", &["models", "grants", "version", "help"]),
];

/// What to do first.
const FIRST: &str = "For the first time:
  stocktake check FOLDER                 what changed in a folder; needs no configuration
  stocktake init FOLDER                  a configuration, then: stocktake scan uploads main
  stocktake verify                       reads everything that is due, and says what is wrong
";

/// The command line, whose help shows the commands in groups.
pub(crate) fn command() -> Command {
    let command = Arguments::command();
    let overview = overview(&command);
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}\nOptions:\n{{options}}");
    command.help_template(template)
}

/// The commands in their groups, each with what it does in a line.
fn overview(command: &Command) -> String {
    let mut groups: Vec<(&str, Vec<&Command>)> = Vec::new();
    for (title, names) in GROUPS {
        let found = names.iter().filter_map(|name| command.find_subcommand(name));
        groups.push((title, found.collect()));
    }
    let mut text = String::new();
    for (title, commands) in groups.iter().filter(|(_, commands)| !commands.is_empty()) {
        text.push_str(title);
        text.push_str(":\n");
        for command in commands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {:<12} {about}\n", command.get_name()));
        }
        text.push('\n');
    }
    text
}

/// Shows what there is to somebody who named no command.
pub(crate) fn introduce() -> ExitCode {
    let command = Arguments::command();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let more = "Each command explains itself: stocktake COMMAND --help\n";
    let text = format!("{about}\n\n{}{FIRST}\n{more}", overview(&command));
    let _ = output::print(&Text::of_lines(&text));
    ExitCode::SUCCESS
}

/// What clap has to say: help and version on standard output, mistakes as one sentence.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = output::print(&Text::of_lines(&error.render().to_string()));
        return ExitCode::SUCCESS;
    }
    output::complain(&format!("{} (try --help)", sentence(error)));
    ExitCode::from(COULD_NOT_RUN)
}

fn sentence(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let command = Arguments::command();
            // The error does not say of which command it is one; those of `token` are looked at too.
            let parent = std::env::args().find_map(|word| command.find_subcommand(word)).unwrap_or(&command);
            suggest::unknown("command", word, &names(parent))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let command = Arguments::command();
            let parent = std::env::args().find_map(|word| command.find_subcommand(word));
            let names = parent.map(|parent| names(parent).join(", ")).unwrap_or_default();
            format!("a command is missing: {names}")
        }
        ErrorKind::UnknownArgument => {
            let word = text(ContextKind::InvalidArg).unwrap_or_default();
            match text(ContextKind::SuggestedArg) {
                Some(known) => format!("there is no option {word:?}; did you mean {known:?}?"),
                None => format!("there is no option or argument {word:?} here"),
            }
        }
        ErrorKind::ValueValidation => {
            let (argument, word) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
            let known: Option<(&str, Vec<&str>)> = match argument.unwrap_or_default() {
                argument if argument.contains("MODEL") => {
                    Some(("model", Model::ALL.map(Model::name).to_vec()))
                }
                argument if argument.contains("STATE") => {
                    Some(("state", State::ALL.map(State::name).to_vec()))
                }
                _ => None,
            };
            match (known, word) {
                (Some((what, names)), Some(word)) => suggest::unknown(what, word, &names),
                _ => paragraph(error),
            }
        }
        _ => paragraph(error),
    }
}

fn names(command: &Command) -> Vec<&str> {
    command.get_subcommands().map(Command::get_name).collect()
}

/// The first paragraph of what clap says, in one line.
fn paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = Arguments::command();
        for name in names(&command) {
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&name));
            assert_eq!(groups.count(), 1, "{name}");
        }
        let help = super::command().render_long_help().to_string();
        assert!(help.contains("\nLook at the content:\n  verify"), "{help}");
    }
}
