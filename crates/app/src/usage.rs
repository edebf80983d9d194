//! What is said about the command line itself: the overview of the commands, and mistakes.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};
use stocktake_domain::{FailureKind, Model, State};

use crate::args::Arguments;
use crate::columns::width;
use crate::output::{self, Text};
use crate::{COULD_NOT_RUN, suggest, terminal};

/// What the commands are for. One that is in no group is shown at the end.
const GROUPS: [(&str, &[&str]); 6] = [
    ("One folder, without any configuration", &["check"]),
    ("Set up", &["init", "config", "doctor", "migrate", "completions"]),
    ("Fill the catalogue", &["scan", "import", "sync"]),
    (
        "Look at the content",
        &["verify", "import-report", "status", "show", "export", "accept", "models", "jobs", "orphans"],
    ),
    ("Serve the API", &["serve", "worker", "token"]),
    ("Other", &["grants", "version", "help"]),
];

/// What to do first.
const FIRST: [(&str, &str); 3] = [
    ("stocktake check FOLDER", "what changed in a folder; needs no configuration"),
    ("stocktake init FOLDER", "writes a configuration; then: stocktake scan uploads main"),
    ("stocktake verify", "reads everything that is due, and says what is wrong"),
];

/// The width of a line where there is no terminal.
const USUAL_COLUMNS: usize = 100;

/// The width below which a description has lines of its own, and the least that is left for one.
const NARROW: usize = 60;
const NARROWEST: usize = 20;

/// Where the descriptions begin.
const MARGIN: usize = 17;

/// The command line, whose help shows the commands in groups.
pub(crate) fn command() -> Command {
    let command = Arguments::command();
    let overview = overview(&command, terminal::columns(USUAL_COLUMNS));
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}\nOptions:\n{{options}}");
    command.help_template(template)
}

/// The words of a text in lines of at most so many columns behind a margin, which the first line has already.
pub(crate) fn wrapped(text: &str, margin: usize, columns: usize) -> String {
    let room = columns.saturating_sub(margin).max(NARROWEST);
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split_whitespace() {
        let width = width(word);
        if used > 0 && used + 1 + width > room {
            lines.push('\n');
            lines.push_str(&" ".repeat(margin));
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += width;
    }
    lines
}

/// The commands in their groups, each with what it does.
fn overview(command: &Command, columns: usize) -> String {
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
            let (margin, gap) =
                if columns < NARROW { (4, "\n    ".to_owned()) } else { (MARGIN, String::new()) };
            let about = wrapped(&about, margin, columns);
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:<1$}{gap}{about}", format!("  {}", command.get_name()), MARGIN);
        }
        text.push('\n');
    }
    text
}

/// Shows what there is to somebody who named no command.
pub(crate) fn introduce() -> ExitCode {
    let command = Arguments::command();
    let columns = terminal::columns(USUAL_COLUMNS);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let about = wrapped(&about, 0, columns);
    let first = FIRST.map(|(command, about)| {
        let margin = if columns < NARROW { 4 } else { 34 };
        let gap = if columns < NARROW { "\n    " } else { "" };
        format!("  {command:<31} {gap}{}\n", wrapped(about, margin, columns))
    });
    let more = wrapped("Each command explains itself: stocktake COMMAND --help", 0, columns);
    let first = first.concat();
    let text = format!("{about}\n\n{}For the first time:\n{first}\n{more}", overview(&command, columns));
    // A line ends with its last letter.
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
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
            suggest::unknown("command", word, &names(named(&command).unwrap_or(&command)))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let command = Arguments::command();
            let names = named(&command).map(|parent| names(parent).join(", ")).unwrap_or_default();
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
                argument if argument.contains("KIND") => {
                    Some(("kind of failure", FailureKind::ALL.map(FailureKind::name).to_vec()))
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

/// The first command that the words of the command line name.
fn named(command: &Command) -> Option<&Command> {
    std::env::args_os().skip(1).find_map(|word| command.find_subcommand(word))
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

    /// The page of the commands, from what they say of themselves.
    fn page() -> String {
        let mut page = "# Commands\n\nGenerated from the program's own help by `UPDATE_SNAPSHOTS=1 cargo test -p stocktake usage`.\n"
            .to_owned();
        let mut command = Arguments::command().term_width(100);
        command.build();
        let global: Vec<_> =
            command.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
        section(&mut page, &command, &[]);
        for (title, names) in GROUPS {
            for name in names.iter().filter(|name| **name != "help") {
                let Some(command) = command.find_subcommand(name) else { continue };
                let _ = write!(page, "\n<!-- {title} -->");
                let hidden: Vec<_> = global.iter().map(clap::Arg::get_id).collect();
                section(&mut page, command, &hidden);
                for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                    section(&mut page, sub, &hidden);
                }
            }
        }
        page
    }

    /// What a command does, and its arguments but those that every command has.
    fn section(page: &mut String, command: &Command, hidden: &[&clap::Id]) {
        let mut command = command.clone();
        let name = command.get_bin_name().unwrap_or("stocktake").to_owned();
        let about =
            command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        let usage = command.render_usage().to_string();
        let _ =
            write!(page, "\n## {name}\n\n{about}\n\n```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
        let arguments = command.get_arguments().filter(|argument| {
            !hidden.contains(&argument.get_id()) && !matches!(argument.get_id().as_str(), "help" | "version")
        });
        for (number, argument) in arguments.enumerate() {
            let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
            let help = help.unwrap_or_default().replace('\n', " ");
            let before = if number == 0 { "\n" } else { "" };
            let _ = writeln!(page, "{before}- `{}`: {help}", argument.to_string().replace('`', ""));
        }
        if let Some(example) = command.get_after_help() {
            let example = example.to_string();
            let (title, lines) = example.split_once('\n').unwrap_or_default();
            let _ = write!(page, "\n{title}\n\n```sh\n");
            lines.lines().for_each(|line| {
                let _ = writeln!(page, "{}", line.strip_prefix("  ").unwrap_or(line));
            });
            page.push_str("```\n");
        }
    }

    #[test]
    fn the_page_of_the_commands_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
        let page = page();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(file, &page).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert_eq!(written, page, "run it with UPDATE_SNAPSHOTS=1 and read what changed");
    }

    #[test]
    fn words_are_wrapped_behind_the_margin() {
        assert_eq!(wrapped("one two three four five six", 3, 23), "one two three four\n   five six");
    }

    #[test]
    fn every_command_is_in_one_group_and_every_name_is_a_command() {
        let mut command = Arguments::command();
        command.build();
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let mut known = names(&command);
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
        let help = super::command().render_long_help().to_string();
        assert!(help.contains("\nLook at the content:\n  verify"), "{help}");
    }
}
