//! What every command answers in every situation: its exit status, and the sentence that says why. One table to read.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid, kill_process};

use crate::support::{Database, Finished, Installation, StoredFile, eventually, line};

/// The user that nothing belongs to.
const NOBODY: u32 = 65_534;

/// What a command finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// There is no database.
    NoCatalogue,
    /// There is one, without a record.
    Empty,
    /// Records 1 to 3 are good.
    NothingDue,
    /// Records 1 to 3 were never read.
    Unread,
    /// Records 1 to 3 are switched off.
    SwitchedOff,
    /// Records 1 to 3 are good, and 4 is new.
    PartlyDue,
    /// Record 1 is altered, 2 is missing, 3 is good; all were read again since.
    Failures,
    /// Records 1 to 3 were good, the file of 2 is gone, and a pipe is in the place of that of 3.
    Gone,
    /// Records 1 to 3 were good, and the root of the storage is not there.
    Unmounted,
    /// The same of records 4 to 6 in another storage, and the file of record 1 was changed since it was good.
    PartlyUnmounted,
    /// Records 1 to 6 and one of another model are good, and a verification found that the root of the storage of 4 to 6 is not there.
    OneClosed,
    /// Records 1 to 3 were good, and an empty folder is in the place of the root, as where a disk is not mounted.
    Replaced,
    /// Records 1 to 3 are due, and the user stops the command while it reads.
    Interrupted,
    /// Records 1 to 3 are good, and nothing can be written.
    FullDisk,
    /// Records 1 to 3 were good, and the file of 1 and a folder cannot be read.
    NoRights,
}

use Situation::*;

/// The situation, the command, its exit status, and a piece of what it says.
const TABLE: &[(Situation, &str, i32, &str)] = &[
    (NoCatalogue, "verify", 2, "nothing to verify: there is no catalogue at "),
    (NoCatalogue, "status", 2, "there is no catalogue at "),
    (NoCatalogue, "export", 2, "there is no catalogue at "),
    (NoCatalogue, "show uploads 1", 2, "there is no catalogue at "),
    (NoCatalogue, "jobs", 2, "there is no catalogue at "),
    (NoCatalogue, "accept uploads 1 --yes", 2, "there is no catalogue at "),
    (NoCatalogue, "models", 0, "20 models without records"),
    (NoCatalogue, "doctor", 0, "Nothing is wrong; "),
    (NoCatalogue, "scan uploads main", 0, "Storage main is empty."),
    (Empty, "verify", 2, "nothing to verify: the catalogue at "),
    (Empty, "verify --all", 2, "nothing to verify: the catalogue at "),
    (Empty, "verify --dry-run", 2, "nothing to verify: the catalogue at "),
    (Empty, "status", 2, "There are no records: stocktake import or stocktake scan adds some."),
    (Empty, "status --storage main", 2, "no record matches the filters"),
    (Empty, "export", 0, "model_name,record_identifier,"),
    (Empty, "show uploads 1", 2, "uploads has no record 1"),
    (Empty, "show a/path", 2, "no record has the path \"a/path\""),
    (Empty, "models", 0, "20 models without records"),
    (Empty, "jobs", 0, "There are no bulk jobs."),
    (Empty, "jobs cancel 1", 2, "there is no job 1"),
    (Empty, "accept uploads 1 --yes", 2, "uploads 1 was not accepted: there is no such record"),
    (Empty, "accept --kind altered --yes", 2, "nothing to accept: no record that was found altered matches"),
    (Empty, "accept --undo uploads 1", 2, "there is no such record"),
    (Empty, "import uploads /dev/null", 2, "nothing was imported from /dev/null: there was no line"),
    (Empty, "import uploads -", 2, "nothing was imported from -: there was no line"),
    (Empty, "import uploads - --json", 2, "nothing was imported from -: there was no line"),
    (Empty, "sync", 2, "no GitLab is configured"),
    (Empty, "sync --check", 2, "no GitLab is configured"),
    (Empty, "sync uploads --check", 2, "cannot be used with"),
    (Empty, "orphans", 2, "no GitLab is configured"),
    (Empty, "doctor", 0, "Nothing is wrong; "),
    (Empty, "check main", 2, "is empty: there is nothing to check. Is it mounted?"),
    (NothingDue, "verify", 0, "Nothing was due: all 3 records were read within 90 days"),
    (NothingDue, "verify --all", 0, "All is well: all 3 records were read within 90 days"),
    (NothingDue, "verify --path nowhere", 2, "nothing to verify: no record of any model matches the filters"),
    (NothingDue, "verify --storage main --json", 0, "All 3 records read now are good."),
    (
        NothingDue,
        "verify --older-than 30d",
        0,
        "Nothing is that old: no record that is meant was last read longer than 30 ",
    ),
    (NothingDue, "verify --older-than 30d --path nowhere", 2, "no record of any model matches the filters"),
    (NothingDue, "status --older-than 30d", 0, "Nothing is that old: "),
    (NothingDue, "status --older-than 30d --path nowhere", 2, "no record matches the filters"),
    (NothingDue, "verify --dry-run", 0, "Would read nothing: no record is due."),
    (NothingDue, "status", 0, "All is well: all 3 records"),
    (NothingDue, "scan uploads main", 0, "The catalogue knew all 3 files of storage main."),
    (NothingDue, "scan uploads elsewhere", 2, "there is no storage \"elsewhere\""),
    (NothingDue, "accept uploads 1 --yes", 2, "it was not found altered; --force accepts it"),
    (NothingDue, "accept uploads 1", 2, "there is no terminal to ask on"),
    (NothingDue, "accept --undo uploads 1", 2, "its content is not an accepted one"),
    (NothingDue, "show uploads 1", 0, "Nothing. To read it now: stocktake verify uploads --identifiers 1"),
    (NothingDue, "models", 0, "uploads"),
    (Unread, "status", 2, "No record needs attention so far: 0 of 3 are good, 3 are still to be read."),
    (Unread, "status --json", 2, "0 of 3 are good"),
    (Unread, "status --older-than 1d", 2, "0 of 3 are good"),
    (Unread, "verify", 0, "All is well: all 3 records"),
    (SwitchedOff, "status", 2, "No record is looked at: all 3 records are switched off."),
    (SwitchedOff, "status --json", 2, "all 3 records are switched off."),
    (SwitchedOff, "verify", 2, "nothing to verify: all records of any model are disabled"),
    (SwitchedOff, "verify --all", 2, "nothing to verify: all records of any model are disabled"),
    (SwitchedOff, "export", 0, "model_name,record_identifier,"),
    (PartlyDue, "verify --dry-run", 0, "Would read 1 record, "),
    (PartlyDue, "status", 0, "No record needs attention so far: 3 of 4 are good, 1 is still to be read."),
    (PartlyDue, "verify", 0, "All is well: all 4 records"),
    (PartlyDue, "verify --all --stop-after 0s", 2, "are still due, and stocktake verify goes on with them."),
    (PartlyDue, "show uploads 4", 0, "It waits to be read: stocktake verify uploads"),
    (Failures, "verify", 1, "2 of 3 records need attention: 1 altered, 1 missing."),
    (Failures, "verify --all", 1, "2 of 3 records need attention: 1 altered, 1 missing."),
    (Failures, "verify --identifiers 3 uploads", 0, "The only record read now is good."),
    (Failures, "verify --kind missing", 1, "1 of 1 record needs attention: 1 missing."),
    (Failures, "status", 1, "2 of 3 records need attention: 1 altered, 1 missing."),
    (Failures, "status --json", 1, "2 of 3 records need attention: 1 altered, 1 missing."),
    (Failures, "status --kind altered", 1, "1 of 1 record needs attention: 1 altered."),
    (Failures, "status", 1, "ALTERED main:f1 (uploads 1)"),
    (Failures, "status", 1, "MISSING main:f2 (uploads 2) nothing there"),
    (Failures, "status", 1, "Changed on purpose: stocktake accept uploads 1"),
    (Failures, "export --kind altered", 0, "uploads,1,altered,"),
    (Failures, "scan uploads main", 1, "Storage main needs attention: 1 record of uploads lost its file."),
    (Failures, "show uploads 1", 0, "Changed on purpose: stocktake accept uploads 1."),
    (
        Failures,
        "show uploads 2",
        0,
        "Deleted on purpose: stocktake accept uploads 2. If not, restore it from a backup",
    ),
    (Failures, "accept uploads 2 --yes", 0, "1 record was retired: "),
    (Failures, "accept --kind missing --yes", 0, "1 record was retired: "),
    (Failures, "accept uploads 2", 2, "there is no terminal to ask on"),
    (Failures, "accept uploads 1 --yes", 0, "Accepted 1 record as shown on the right."),
    (Failures, "accept uploads 1 1 --yes", 0, "Accepted 1 record as shown on the right. To take it back: "),
    (
        Failures,
        "accept uploads 1 --dry-run",
        0,
        "Would accept 1 record as shown on the right; nothing was changed.",
    ),
    (
        Failures,
        "accept uploads 1 3 --yes",
        2,
        "Accepted 1 record as shown on the right. 1 record was not accepted.",
    ),
    (
        Gone,
        "scan uploads main",
        1,
        "Storage main needs attention: 1 record of uploads lost its file, 1 record of uploads has something else than a \
         file in its place.",
    ),
    (Gone, "scan uploads main --json", 1, "\"what\":\"pipe\""),
    (Gone, "verify --all", 1, "2 of 3 records need attention: 1 unreadable, 1 missing."),
    (Failures, "accept --undo --kind altered --yes", 2, "nothing to take back: no accepted record matches"),
    (Failures, "accept --undo --kind altered", 2, "there is no terminal to ask on"),
    (Empty, "version --json", 0, "\"revision\""),
    (Empty, "init --json", 2, "is there already; it was left as it is"),
    (Empty, "grants reader --json", 0, "GRANT SELECT"),
    (Unmounted, "verify", 2, "Nothing was due, but not every storage can be read."),
    (Unmounted, "verify --all", 2, "Its 3 records were left as they were."),
    (Unmounted, "verify --identifiers 1 uploads", 2, "Its 1 record was left as it was."),
    (Unmounted, "status", 0, "All is well: all 3 records"),
    (Unmounted, "scan uploads main", 2, "the scan of \"main\" was given up, nothing was added"),
    (Unmounted, "accept uploads 1 --yes --force", 2, "does not exist"),
    (Unmounted, "doctor", 1, "1 of 5 checks is wrong."),
    (Unmounted, "check main", 2, "cannot be looked at"),
    // Something wrong counts more than something that could not be looked at.
    (PartlyUnmounted, "verify --all", 1, "1 of 6 records needs attention: 1 altered."),
    (PartlyUnmounted, "verify --all --storage main", 1, "1 of 3 records needs attention: 1 altered."),
    (
        PartlyUnmounted,
        "verify --all --storage other",
        2,
        "No record failed, but not all were read: 3 could not be read now",
    ),
    (PartlyUnmounted, "verify --identifiers 2 uploads", 0, "The only record read now is good."),
    (
        OneClosed,
        "status",
        1,
        "No record needs attention, but storage other cannot be read now: all 7 records were read",
    ),
    (OneClosed, "status --json", 1, "but storage other cannot be read now: "),
    (OneClosed, "status --storage other", 1, "but storage other cannot be read now: all 3 records"),
    (OneClosed, "status --storage main", 0, "All is well: all 4 records were read"),
    (OneClosed, "verify lfs_objects", 0, "Nothing was due: "),
    (Replaced, "verify", 2, "Storage main is another one than before"),
    (Replaced, "verify --all", 2, "Its 3 records were left as they were."),
    (Replaced, "scan uploads main", 2, "Storage main is another one than before"),
    (Replaced, "scan uploads main --believe-missing", 1, "3 records of uploads lost their files."),
    (Replaced, "accept uploads 1 --yes --force", 2, "is another one than before"),
    (Replaced, "doctor", 1, "storage main: is another one than before: its root is another folder"),
    (Interrupted, "verify", 130, "Interrupted: 3 are still due, and stocktake verify goes on with them."),
    (Interrupted, "verify", 130, "interrupted after 0 of 3 records; what was not finished is still due"),
    (Interrupted, "import uploads -", 130, "interrupted"),
    (FullDisk, "verify", 2, "nothing can be written there"),
    (FullDisk, "status", 2, "nothing can be written there"),
    (FullDisk, "scan lfs_objects main", 2, "nothing can be written there"),
    (FullDisk, "import uploads /dev/null", 2, "nothing can be written there"),
    (FullDisk, "accept uploads 1 --yes --force", 2, "nothing can be written there"),
    (FullDisk, "show uploads 1", 2, "nothing can be written there"),
    (FullDisk, "doctor", 1, "wrong"),
    (NoRights, "verify --all", 1, "1 of 3 records needs attention: 1 unreadable."),
    (NoRights, "scan uploads main", 1, "1 file or folder could not be looked at."),
    (NoRights, "accept uploads 1 --yes --force", 2, "Permission denied"),
    (NoRights, "export", 0, "model_name,record_identifier,"),
];

/// An installation in this situation.
fn installation(situation: Situation) -> Installation {
    let slow = if situation == Interrupted {
        "[storages.main]\nroot = \"{root}\"\nbytes_per_second = \"1KB\"\n"
    } else {
        ""
    };
    let other = if matches!(situation, PartlyUnmounted | OneClosed) {
        "[storages.other]\nroot = \"{root}/../other\"\n"
    } else {
        ""
    };
    let more = format!("{slow}{other}[verification]\ngive_up_after = \"1s\"\n");
    let installation = Installation::with(Database::Sqlite, &more);
    match situation {
        NoCatalogue => return installation,
        Empty => {
            installation.run(&["migrate"]).success();
            return installation;
        }
        _ => {}
    }
    let size = if situation == Interrupted { 1_000_000 } else { 1_000 };
    let files: Vec<_> = (1..=3).map(|seed| installation.file(&format!("f{seed}"), seed, size)).collect();
    import(&installation, situation, &files);
    if !matches!(situation, Interrupted | Unread | SwitchedOff) {
        installation.run(&["verify"]).success();
    }
    change(&installation, situation, size);
    installation
}

/// The records of these files.
fn import(installation: &Installation, situation: Situation, files: &[StoredFile]) {
    if situation == SwitchedOff {
        let off = |key: i64, file: &StoredFile| line(key, &file.path, ",\"disabled\":true");
        installation
            .import("uploads", &(1..).zip(files).map(|(key, file)| off(key, file)).collect::<Vec<_>>())
            .success();
    } else {
        installation.import_files("uploads", files);
    }
    if matches!(situation, PartlyUnmounted | OneClosed) {
        std::fs::create_dir(installation.folder().join("other")).unwrap();
        let copy = |(key, file): (i64, &StoredFile)| {
            std::fs::copy(
                installation.path(&file.path),
                installation.folder().join("other").join(&file.path),
            )
            .unwrap();
            file.line(key).replace("\"main\"", "\"other\"")
        };
        installation.import("uploads", &(4..).zip(files).map(copy).collect::<Vec<_>>()).success();
    }
}

/// What happens after they were read.
fn change(installation: &Installation, situation: Situation, size: u64) {
    match situation {
        Gone => {
            for file in ["f2", "f3"] {
                std::fs::remove_file(installation.path(file)).unwrap();
            }
            assert!(Command::new("mkfifo").arg(installation.path("f3")).status().unwrap().success());
        }
        PartlyUnmounted => {
            installation.file("f1", 9, size);
            std::fs::rename(installation.folder().join("other"), installation.folder().join("away")).unwrap();
        }
        OneClosed => {
            installation.import("lfs_objects", &[installation.file("f4", 4, size).line(1)]).success();
            installation.run(&["verify", "lfs_objects"]).success();
            std::fs::rename(installation.folder().join("other"), installation.folder().join("away")).unwrap();
            assert_eq!(installation.run(&["verify"]).code, 2);
        }
        PartlyDue => {
            let new = installation.file("f4", 4, size);
            installation.import("uploads", &[new.line(4)]).success();
        }
        Failures => {
            installation.file("f1", 9, size);
            std::fs::remove_file(installation.path("f2")).unwrap();
            assert_eq!(installation.run(&["verify", "--all"]).code, 1);
        }
        Unmounted => {
            std::fs::rename(installation.path(""), installation.folder().join("away")).unwrap();
        }
        Replaced => {
            std::fs::rename(installation.path(""), installation.folder().join("away")).unwrap();
            std::fs::create_dir(installation.path("")).unwrap();
        }
        NoRights => {
            installation.file("closed/file", 5, size);
            take_rights(installation);
        }
        _ => {}
    }
}

/// Lets the file of record 1 and a folder be nobody's to read; for root, for whom rights do not count, the rest becomes
/// that of the user as whom the commands run.
fn take_rights(installation: &Installation) {
    let close = |path: &str| {
        std::fs::set_permissions(installation.path(path), std::fs::Permissions::from_mode(0o000)).unwrap();
    };
    if getuid().is_root() {
        let all = Command::new("chown").arg("-R").arg(NOBODY.to_string()).arg(installation.folder()).status();
        assert!(all.unwrap().success());
        for path in ["f1", "closed"] {
            chown(installation.path(path), Some(0), None).unwrap();
        }
    }
    close("f1");
    close("closed");
}

fn run(installation: &Installation, situation: Situation, words: &[&str]) -> Finished {
    match situation {
        Interrupted => interrupted(installation, words),
        // The signal that says so would end it.
        FullDisk => installation.in_shell("trap '' XFSZ; ulimit -f 1", words).output().unwrap().into(),
        NoRights if getuid().is_root() => {
            let command = installation.command(words);
            let mut as_nobody = Command::new("setpriv");
            let user = NOBODY.to_string();
            as_nobody.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
            as_nobody.arg(command.get_program()).args(command.get_args()).current_dir(installation.folder());
            as_nobody.output().unwrap().into()
        }
        _ => installation.run(words),
    }
}

/// Stops the command once it has begun: a verification when it holds the records, an import when it waits for more lines.
fn interrupted(installation: &Installation, words: &[&str]) -> Finished {
    let mut command = installation.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // As long as this is open, more lines may come.
    let stdin = child.stdin.take();
    if words.starts_with(&["verify"]) {
        eventually("the records are being read", || {
            let status: serde_json::Value =
                serde_json::from_str(&installation.run(&["status", "--json"]).stdout).unwrap();
            (status["models"][0]["states"]["started"] == 3).then_some(())
        });
    } else {
        std::thread::sleep(Duration::from_secs(1));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = child.wait_with_output().unwrap().into();
    drop(stdin);
    finished
}

#[test]
fn every_command_answers_in_every_situation() {
    let mut wrong = Vec::new();
    for (situation, command, code, sentence) in TABLE {
        let installation = installation(*situation);
        let words: Vec<&str> = command.split(' ').collect();
        let finished = run(&installation, *situation, &words);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        let is_said = said.split_whitespace().collect::<Vec<_>>().join(" ").contains(sentence.trim());
        if finished.code != *code || !is_said || said.contains("panicked") {
            wrong.push(format!("{situation:?}: {command}: {finished:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
