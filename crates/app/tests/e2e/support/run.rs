//! Running a command to its end.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Installation;

/// When something that is waited for is taken for never happening.
const NEVER: Duration = Duration::from_secs(120);

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until there is a value.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(began.elapsed() < NEVER, "never happened: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Its standard output, if it ended well.
    pub(crate) fn success(self) -> String {
        self.ended(0)
    }

    /// Its standard output, if it ended with this status.
    pub(crate) fn ended(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stdout
    }

    /// The one sentence it gave up with, without the program's name.
    pub(crate) fn refusal(self) -> String {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let mut lines = self.stderr.lines();
        let sentence = lines.next().and_then(|line| line.strip_prefix("stocktake: "));
        let sentence = sentence.unwrap_or_else(|| panic!("no sentence: {self:?}")).to_owned();
        assert_eq!(lines.next(), None, "more than one sentence: {self:?}");
        sentence
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// The program as somebody calls it who has given it nothing but these variables.
pub(crate) fn bare(folder: &Path, words: &[&str], variables: &[(&str, &Path)]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
    command.args(words).current_dir(folder).env_clear().envs(variables.iter().copied());
    Finished::from(command.output().expect("the program runs"))
}

impl Installation {
    /// The program with this installation's configuration, in its folder, and nothing of the environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        // Whoever runs the tests may have SIGHUP ignored, as `nohup` does, which is inherited.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP").arg(env!("CARGO_BIN_EXE_stocktake"));
        let inherited =
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STOCKTAKE"));
        inherited.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.args(words).arg("--config").arg(self.config_file()).current_dir(self.folder());
        command.stdin(Stdio::null());
        command
    }

    /// The same in a shell, in place of it after what the script does.
    pub(crate) fn in_shell(&self, script: &str, words: &[&str]) -> Command {
        let command = self.command(words);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{script}; exec \"$0\" \"$@\"")).arg(command.get_program());
        shell.args(command.get_args()).current_dir(self.folder());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    }

    /// The same on a host whose clock is so much ahead, for example `+9h`; time goes by as it does.
    pub(crate) fn command_at(&self, offset: &str, words: &[&str]) -> Command {
        // The program `faketime` would stand between the test and the service; its library is what counts.
        let library = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let library = library.expect("faketime is installed").stdout;
        let mut command = self.command(words);
        command.env("LD_PRELOAD", String::from_utf8(library).expect("UTF-8").trim());
        command.env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    /// Runs a command to its end on a host whose clock is so much ahead.
    pub(crate) fn run_at(&self, offset: &str, words: &[&str]) -> Finished {
        self.command_at(offset, words).output().expect("faketime runs").into()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        self.command(words).output().expect("the program runs").into()
    }

    /// Runs a command to its end with this on its standard input.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &str) -> Finished {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        // The program may end before it has read everything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("the program ends").into()
    }
}
