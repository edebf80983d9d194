//! `check`: from a folder to what changed in it, without a configuration.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, bare, eventually};

/// A folder with files, and a home.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        for (path, text) in [("a", "one"), ("b/c", "two"), ("b/d", "three"), ("e", "four"), ("empty", "")] {
            this.write(path, text);
        }
        this
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("files")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    /// Other content of the same size, and nothing that says so.
    fn damage(&self, path: &str, text: &str) {
        let before = fs::metadata(self.path(path)).unwrap();
        assert_eq!(before.len(), u64::try_from(text.len()).unwrap());
        self.write(path, text);
        let file = File::options().write(true).open(self.path(path)).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
    }

    /// Where this folder is mounted at `files/disk`.
    fn check_mounted(&self, disk: &Path, words: &[&str]) -> Finished {
        let script = "exec unshare --mount sh -ec 'mount --bind \"$DISK\" files/disk; exec \"$0\" \"$@\"' \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_stocktake"), "check", "files"]).args(words);
        command.env("HOME", self.0.path().join("home")).env("DISK", disk);
        command.current_dir(self.0.path()).output().unwrap().into()
    }

    fn check(&self, words: &[&str]) -> Finished {
        let words: Vec<&str> = ["check", "files"].iter().chain(words).copied().collect();
        bare(self.0.path(), &words, &[("HOME", &self.0.path().join("home"))])
    }

    /// Stops a check when it reads, and returns what it says then.
    fn interrupt_reading(&self) -> String {
        let state = self.0.path().join("home/.local/state/stocktake");
        let files = || fs::read_dir(&state).into_iter().flatten().flatten().map(|entry| entry.path());
        let is = |path: &PathBuf, extension: &str| path.extension() == Some(OsStr::new(extension));
        let had = files().any(|path| is(&path, "part"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        let child = command
            .args(["check", "files"])
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path().join("home"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What an earlier one has written has another name once this one writes.
        eventually("it reads", || {
            let is_taken_up = !had || files().any(|path| is(&path, "interrupted"));
            (is_taken_up && files().any(|path| is(&path, "part"))).then_some(())
        });
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        String::from_utf8(output.stderr).unwrap()
    }

    /// A file beside the baseline.
    fn state(&self, extension: &str) -> PathBuf {
        let folder = self.0.path().join("home/.local/state/stocktake");
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let lock = files.find(|path| path.extension() == Some(OsStr::new("lock"))).unwrap();
        lock.with_extension(extension)
    }
}

#[test]
fn what_was_mounted_is_not_removed() {
    let folder = Folder::new();
    fs::create_dir(folder.path("disk")).unwrap();
    let disk = tempfile::tempdir().unwrap();
    for name in ["x", "y"] {
        fs::write(disk.path().join(name), name).unwrap();
    }
    folder.check_mounted(disk.path(), &[]).success();
    // Twice, as what is told is told again.
    for _ in 0..2 {
        let found = folder.check(&[]);
        let lines: Vec<&str> = found.stdout.lines().collect();
        assert_eq!(found.code, 1, "{found:?}");
        assert_eq!(
            lines[0],
            "!  disk: what was mounted here is not any more; its files were left as they were"
        );
        assert!(lines[1].starts_with("2 of 7 files need attention: 2 unreadable."), "{found:?}");
    }
    // What lies in the folder below is none of it, whether it has the same names or not.
    for (name, text) in [("x", "old"), ("z", "old")] {
        folder.write(&format!("disk/{name}"), text);
    }
    let found = folder.check(&[]);
    let line = "2 of 7 files need attention: 2 unreadable. Changed besides: nothing.";
    assert!(found.ended(1).contains(line));
    // Content that is the same is what it was.
    for name in ["x", "y"] {
        folder.write(&format!("disk/{name}"), name);
    }
    folder.check(&[]).success();
    for name in ["x", "y", "z"] {
        fs::remove_file(folder.path(&format!("disk/{name}"))).unwrap();
    }
    folder.check(&["--accept"]).success();
    folder.check_mounted(disk.path(), &["--accept"]).success();
    fs::remove_file(disk.path().join("x")).unwrap();
    let found = folder.check_mounted(disk.path(), &[]);
    assert_eq!((found.code, found.stdout.lines().next()), (1, Some("R  disk/x")), "{found:?}");
    folder.check(&["--accept"]).success();
    assert!(folder.check(&[]).success().starts_with("All 5 files "));
}

#[test]
fn what_changed_is_told_with_a_verdict() {
    let folder = Folder::new();
    let first = folder.check(&[]).success();
    assert!(first.starts_with("Made a baseline of 5 files (15 B): "), "{first}");
    assert!(first.ends_with("What changes from now on: stocktake check files\n"), "{first}");
    let same = folder.check(&[]).success();
    assert!(same.starts_with("All 5 files (15 B) are good; changed in the last "), "{same}");
    assert_eq!(same.lines().count(), 1);

    folder.damage("a", "eno");
    folder.write("b/c", "two and more");
    fs::remove_file(folder.path("b/d")).unwrap();
    fs::rename(folder.path("e"), folder.path("f")).unwrap();
    folder.write("g", "new");
    let found = folder.check(&[]);
    assert_eq!(found.code, 1, "{found:?}");
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines[..5], ["D  a", "R  b/d", "R  e -> f", "M  b/c", "A  g"]);
    assert_eq!(
        lines[5],
        "2 of 5 files need attention: 1 damaged, 1 removed. Changed besides: 1 modified, 1 added, 1 renamed."
    );
    assert!(lines[6].ends_with("or accepted: stocktake check files --accept"), "{}", lines[6]);

    // What needs attention is told again, the rest is in the baseline.
    let found = folder.check(&["--json"]);
    assert_eq!(found.code, 1, "{found:?}");
    let document: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["counts"]["damaged"], 1);
    let changes: Vec<_> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["change"], &change["path"]))
        .collect();
    assert_eq!(serde_json::json!(changes), serde_json::json!([["damaged", "a"], ["removed", "b/d"]]));

    // Restored from a backup, one is good again; the other is accepted.
    folder.damage("a", "one");
    let found = folder.check(&[]);
    assert_eq!((found.code, found.stdout.lines().next()), (1, Some("R  b/d")), "{found:?}");
    let accepted = folder.check(&["--accept"]).success();
    assert!(accepted.contains("Everything that could be read is the new baseline."), "{accepted}");
    assert!(folder.check(&[]).success().starts_with("All 5 files "));
}

#[test]
fn a_new_time_alone_is_no_change_and_later_damage_is_seen() {
    let folder = Folder::new();
    folder.check(&[]).success();
    let file = File::options().write(true).open(folder.path("a")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000)).unwrap();
    assert!(folder.check(&[]).success().contains("nothing."));
    folder.damage("a", "eno");
    assert_eq!(folder.check(&[]).stdout.lines().next(), Some("D  a"));
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_no_removal() {
    let folder = Folder::new();
    folder.check(&[]).success();
    let elsewhere = folder.0.path().join("elsewhere");
    fs::rename(folder.root(), &elsewhere).unwrap();
    assert!(folder.check(&[]).refusal().contains("is it mounted?"));
    fs::create_dir(folder.root()).unwrap();
    let sentence = folder.check(&[]).refusal();
    assert!(
        sentence.contains("is empty, and had 5 files") && sentence.contains("is it mounted?"),
        "{sentence}"
    );
    fs::remove_dir(folder.root()).unwrap();
    fs::rename(elsewhere, folder.root()).unwrap();
    assert!(folder.check(&[]).success().starts_with("All 5 files "));
    fs::remove_dir_all(folder.root()).unwrap();
    fs::write(folder.root(), "").unwrap();
    assert_eq!(folder.check(&[]).refusal(), "files is not a folder");
}

#[test]
fn many_removed_files_are_told_with_a_question() {
    let folder = Folder::new();
    for number in 0..20 {
        folder.write(&format!("many/{number:02}"), &number.to_string());
    }
    folder.check(&[]).success();
    fs::remove_dir_all(folder.path("many")).unwrap();
    let found = folder.check(&[]);
    assert_eq!(found.code, 1);
    assert!(
        found.stdout.contains("\nMore than half of the files are gone: is everything mounted?\n"),
        "{found:?}"
    );
}

#[test]
fn names_that_are_no_text_make_no_line() {
    let folder = Folder::new();
    fs::write(folder.root().join(OsStr::from_bytes(b"\xff\n\x1b")), "x").unwrap();
    folder.check(&[]).success();
    fs::write(folder.root().join(OsStr::from_bytes(b"\xff\n\x1b")), "yy").unwrap();
    let found = folder.check(&[]).success();
    assert_eq!(found.lines().next(), Some("M  \\xff\\n\\u{1b}"), "{found}");
    fs::write(folder.root().join(OsStr::from_bytes(b"\xff\n\x1b")), "zzz").unwrap();
    let document: Value = serde_json::from_str(&folder.check(&["--json"]).success()).unwrap();
    assert_eq!(document["changes"][0]["path"], "\\xff\n\u{1b}");
}

#[test]
fn the_baselines_are_no_files_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let run = || bare(folder.path(), &["check", "."], &[("HOME", folder.path())]).success();
    assert!(run().starts_with("Made a baseline of 1 file ("));
    assert!(run().starts_with("The only file (1 B) is good; "));
}

#[test]
fn what_an_interrupted_run_has_read_is_not_read_again() {
    let folder = Folder::new();
    folder.check(&[]).success();
    // As if the first run had been interrupted at its end, in the middle of a line.
    let baseline = fs::read_to_string(folder.state("ndjson")).unwrap();
    let (begin, _) = baseline.trim_end().rsplit_once('\n').unwrap();
    fs::write(folder.state("part"), format!("{begin}\n{{\"path\":\"g")).unwrap();
    fs::remove_file(folder.state("ndjson")).unwrap();
    folder.damage("a", "eno");
    let interrupted = fs::read(folder.state("part")).unwrap();
    let first = folder.check(&[]).success();
    assert!(first.starts_with("Made a baseline of 5 files"), "{first}");
    let told = first.lines().last().unwrap();
    assert!(told.starts_with("5 files were read by a run that began "), "{first}");
    assert!(
        told.ends_with(" and was interrupted, and not again now. To read everything: stocktake check files"),
        "{first}"
    );
    assert_eq!(folder.check(&[]).stdout.lines().next(), Some("D  a"));
    folder.damage("a", "one");
    folder.check(&[]).success();

    // The next verdict too says of what it is an older one, for programs as well.
    fs::write(folder.state("part"), interrupted).unwrap();
    folder.damage("b/c", "owt");
    let document = super::documents::document("check", &folder.check(&["--json"]));
    assert_eq!(document["read_before"]["files"], 5);
    let found = folder.check(&[]);
    assert_eq!(found.stdout.lines().next(), Some("D  b/c"), "{found:?}");
    assert!(!found.stdout.contains("interrupted"), "{found:?}");
    let document = super::documents::document("check", &folder.check(&["--json"]));
    assert_eq!(document["read_before"], Value::Null);
}

/// However often what was read is taken up, it is as old as it is.
#[test]
fn what_is_taken_up_twice_counts_from_when_it_was_read() {
    let folder = Folder::new();
    folder.check(&[]).success();
    let baseline = fs::read_to_string(folder.state("ndjson")).unwrap();
    let (header, entries) = baseline.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(header).unwrap();
    let begun = header["begun"].as_i64().unwrap() - 6 * 86_400_000;
    header["begun"] = begun.into();
    fs::write(folder.state("part"), format!("{header}\n{}\n", entries.lines().next().unwrap())).unwrap();
    File::create(folder.path("large")).unwrap().set_len(64 << 30).unwrap();
    let text = folder.interrupt_reading();
    // A week is not over, of which six days are.
    assert!(text.trim_end().ends_with(" when the same command goes on within 23 hours"), "{text}");
    let part = fs::read_to_string(folder.state("part")).unwrap();
    let header: Value = serde_json::from_str(part.lines().next().unwrap()).unwrap();
    assert_eq!(header["begun"], begun);
}

#[test]
fn an_interrupted_run_says_so() {
    let folder = Folder::new();
    // Much to read, and nothing on the disk.
    File::create(folder.path("large")).unwrap().set_len(64 << 30).unwrap();
    let text = folder.interrupt_reading();
    assert!(text.starts_with("stocktake: interrupted after 0 files"), "{text}");
    assert!(text.trim_end().ends_with(" when the same command goes on within 7 days"), "{text}");
}

#[test]
fn a_damaged_baseline_is_no_judge() {
    let folder = Folder::new();
    folder.check(&[]).success();
    let file = folder.state("ndjson");
    let text = fs::read_to_string(&file).unwrap();
    for damaged in
        [text.replace("\"size\":3", "\"size\":4"), text[..text.len() / 2].to_owned(), "x".to_owned()]
    {
        fs::write(&file, damaged).unwrap();
        let found = folder.check(&[]);
        assert!(found.refusal().contains(" is damaged ("));
    }
}
