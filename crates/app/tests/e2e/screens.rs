//! What commands show, on terminals of several widths, on a dumb one and in a pipe.
//!
//! The screens are files in `tests/screens`; `UPDATE_SNAPSHOTS=1` writes them anew, and the difference is then to be read.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

/// Where the output goes.
#[derive(Clone, Copy)]
enum Screen {
    /// A terminal of so many columns, of the kind that `TERM` names.
    Terminal(u16, &'static str),
    Pipe,
}

const SCREENS: [(&str, Screen); 5] = [
    ("40 columns", Screen::Terminal(40, "xterm")),
    ("80 columns", Screen::Terminal(80, "xterm")),
    ("200 columns", Screen::Terminal(200, "xterm")),
    ("a dumb terminal", Screen::Terminal(80, "dumb")),
    ("a pipe", Screen::Pipe),
];

impl Screen {
    /// What is shown of a command, and how it ended.
    fn show(self, folder: &Path, words: &[&str]) -> (String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        command.args(words).current_dir(folder).env_clear().env("HOME", folder.join("home"));
        command.stdin(Stdio::null());
        let Self::Terminal(columns, kind) = self else {
            let output = command.output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            return (String::from_utf8(text).unwrap(), output.status.code().unwrap());
        };
        let (terminal, end) = terminal(columns);
        let mut child = command.env("TERM", kind).stdout(end()).stderr(end()).spawn().unwrap();
        // The ends that this process has would keep the terminal open.
        drop(command);
        let mut shown = Vec::new();
        match File::from(terminal).read_to_end(&mut shown) {
            // So ends a terminal that nobody has open any more.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {}
            ended => drop(ended.unwrap()),
        }
        let text = String::from_utf8(shown).unwrap().replace("\r\n", "\n");
        (text, child.wait().unwrap().code().unwrap())
    }
}

/// A terminal of so many columns, and what opens it for a program.
pub(crate) fn terminal(columns: u16) -> (OwnedFd, impl Fn() -> File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    resize(&terminal, columns);
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let name = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
    let open = move || OpenOptions::new().read(true).write(true).open(&name).unwrap();
    (terminal, open)
}

fn resize(terminal: &OwnedFd, columns: u16) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// The words of a command, and what happens before it.
type Step<'a> = (&'a [&'a str], &'a dyn Fn(&Path));

/// Shows the commands one after the other on each screen, and compares with the file.
fn compare(name: &str, prepare: impl Fn(&Path), steps: &[Step<'_>]) {
    let mut found = String::new();
    for (title, screen) in SCREENS {
        // Its name is as long on every machine, as lines are broken by their length.
        let folder = TempDir::new_in("/tmp").unwrap();
        prepare(folder.path());
        let _ = writeln!(found, "=== {title} ===");
        for (words, act) in steps {
            act(folder.path());
            let (text, status) = screen.show(folder.path(), words);
            let text = without_times(&without_hash(
                &text.replace(&folder.path().display().to_string(), "/tmp/here"),
            ));
            let _ = write!(found, "$ stocktake {}\n{text}[{status}]\n", words.join(" "));
        }
        found.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &found).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, found, "run it with UPDATE_SNAPSHOTS=1 and read what changed");
}

/// The text without what the name of a baseline has of the folder's path.
fn without_hash(text: &str) -> String {
    let mut parts = text.split("/check-");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| format!("{text}/check-0123456789abcdef{}", &part[16..]))
}

/// The text without how long a verification took, and how long ago something was within this test.
fn without_times(text: &str) -> String {
    let line = |line: &str| match (line.starts_with("checked "), line.split_once(", in ")) {
        (true, Some((before, behind))) => {
            format!("{before}, in 9ms: {}\n", behind.split_once(": ").map_or("", |(_, rest)| rest))
        }
        _ => match line.strip_suffix(" ago").and_then(|line| line.rsplit_once(char::is_numeric)) {
            Some((before, " second" | " seconds" | " minute" | " minutes")) => {
                format!("{} just now\n", before.trim_end_matches(|c: char| c.is_numeric() || c == ' '))
            }
            _ => match line.strip_suffix("just now") {
                Some(before) => format!("{} just now\n", before.trim_end()),
                None => format!("{line}\n"),
            },
        },
    };
    let mut lines = text.lines();
    let mut shown = String::new();
    while let Some(first) = lines.next() {
        let mut whole = first.to_owned();
        // Where such a line is broken depends on how long it took.
        while whole.starts_with("checked ") && !whole.contains("failed") {
            whole = format!("{whole} {}", lines.next().unwrap());
        }
        shown.push_str(&line(&whole));
    }
    shown
}

const NOTHING: &dyn Fn(&Path) = &|_| ();

/// Writes a file that was last changed in this year.
fn write_in(year: u64, path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    let changed = std::time::UNIX_EPOCH + std::time::Duration::from_secs((year - 1970) * 31_557_600);
    File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
}

/// What an administrator sees from the first scan to the last finding.
#[test]
fn findings() {
    let prepare = |folder: &Path| {
        fs::create_dir_all(folder.join("files/a folder/with\u{202e}marks")).unwrap();
        for name in ["a folder/letter.odt", "a folder/with\u{202e}marks/写真写真写真.jpg", "b", "c", "d"]
        {
            write_in(2020, &folder.join("files").join(name), name);
        }
    };
    // Nothing was good before, and nothing is written before the test, so that no date of today is on a screen.
    let change = |folder: &Path| {
        let files = folder.join("files");
        write_in(2100, &files.join("a folder/letter.odt"), "longer than it was before");
        write_in(2100, &files.join("a folder/with\u{202e}marks/写真写真写真.jpg"), "shorter");
        fs::remove_file(files.join("b")).unwrap();
        fs::remove_file(files.join("c")).unwrap();
        assert!(Command::new("mkfifo").arg(files.join("c")).status().unwrap().success());
    };
    let scan: &[&str] = &["scan", "uploads", "main", "-q"];
    compare(
        "findings",
        prepare,
        &[
            (&["init", "files"], NOTHING),
            (&["status"], NOTHING),
            (scan, NOTHING),
            (&["status"], NOTHING),
            (scan, &change),
            (&["verify", "-q"], NOTHING),
            (&["status"], NOTHING),
            (&["accept", "--kind", "missing", "--yes", "-q"], NOTHING),
            (&["status"], NOTHING),
        ],
    );
}

#[test]
fn overview_and_mistakes() {
    compare(
        "overview",
        |_| (),
        &[
            (&[], NOTHING),
            (&["verfy"], NOTHING),
            (&["verify", "upload"], NOTHING),
            (&["scan", "uploads", "main"], NOTHING),
            (&["migrate", "--help"], NOTHING),
        ],
    );
}

#[test]
fn first_steps() {
    let prepare = |folder: &Path| {
        fs::create_dir(folder.join("files")).unwrap();
        fs::write(folder.join("files/a"), "content").unwrap();
    };
    let init: &[&str] = &["init", "files"];
    compare(
        "first-steps",
        prepare,
        &[(&["doctor"], NOTHING), (init, NOTHING), (init, NOTHING), (&["doctor"], NOTHING)],
    );
}

#[test]
fn a_check() {
    let prepare = |folder: &Path| {
        for (path, text) in [("files/a", "content"), ("files/b", "more"), ("files/c", "other")] {
            fs::create_dir_all(folder.join("files")).unwrap();
            fs::write(folder.join(path), text).unwrap();
        }
    };
    let change = |folder: &Path| {
        fs::remove_file(folder.join("files/a")).unwrap();
        fs::rename(folder.join("files/b"), folder.join("files/with a name\u{202e}")).unwrap();
        fs::write(folder.join("files/c"), "changed").unwrap();
    };
    compare("check", prepare, &[(&["check", "files", "-q"], NOTHING), (&["check", "files", "-q"], &change)]);
}

#[test]
fn progress_fits_the_terminal_and_follows_its_size() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("files")).unwrap();
    fs::write(folder.path().join("files/small"), "x").unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        command
            .args(words)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .env("TERM", "xterm");
        command
    };
    assert!(run(&["check", "files", "-q"]).stdout(Stdio::null()).status().unwrap().success());
    // Much to read, and nothing on the disk.
    File::create(folder.path().join("files/large")).unwrap().set_len(1 << 40).unwrap();
    let (terminal, end) = terminal(30);
    let mut command = run(&["check", "files"]);
    let mut child = command.stdout(end()).stderr(end()).spawn().unwrap();
    drop(command);
    let mut screen = File::from(terminal.try_clone().unwrap());
    let mut shown = String::new();
    let mut read_until = |is_enough: &dyn Fn(&str) -> bool| {
        shown.clear();
        let mut buffer = [0; 4096];
        while !is_enough(&shown) {
            let count = screen.read(&mut buffer).unwrap();
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        shown.clone()
    };
    let narrow = read_until(&|shown| shown.matches(" of 1 files").count() > 12);
    // What is in a row is between two returns of the cursor.
    let widest = |shown: &str| {
        shown.split(['\r', '\u{1b}']).map(|row| row.trim_start_matches("[2K").trim_end().len()).max()
    };
    assert!(widest(&narrow).unwrap() < 30, "{narrow:?}");
    resize(&terminal, 100);
    let wide = read_until(&|shown| shown.contains("iB/s"));
    assert!((30..100).contains(&widest(&wide).unwrap()), "{wide:?}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
