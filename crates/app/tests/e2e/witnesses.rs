//! A storage, or a part of it, that is not what it was though its root opens: no record fails, and what is wrong is told. What
//! is really lost is told at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Database, Finished, Installation, StoredFile, line};

const SOON: &str = "[verification]\ngive_up_after = \"1s\"";

/// The program in a mount namespace of its own, in which this was done before.
const IN_OWN_MOUNTS: &str = "exec unshare --mount sh -ec \"$SETUP\"'; exec \"$0\" \"$@\"' \"$0\" \"$@\"";

/// The program on a host of another name.
const ON_ANOTHER_HOST: &str =
    "exec unshare --uts sh -ec 'hostname another-host; exec \"$0\" \"$@\"' \"$0\" \"$@\"";

fn with_files(database: Database, count: u64) -> Installation {
    let installation = Installation::with(database, SOON);
    installation.import_files("uploads", &installation.files(count));
    installation.run(&["verify"]).success();
    installation
}

fn in_shell(installation: &Installation, script: &str, words: &[&str]) -> Finished {
    installation.in_shell(script, words).output().unwrap().into()
}

fn in_own_mounts(installation: &Installation, setup: &str, words: &[&str]) -> Finished {
    let mut command = installation.in_shell(IN_OWN_MOUNTS, words);
    command.env("SETUP", setup).output().unwrap().into()
}

/// No record was found to be bad, and this is told of the storage.
fn assert_closed(found: &Finished, told: &str) {
    assert_eq!(found.code, 2, "{found:?}");
    assert!(found.stdout.contains(told), "{told}: {found:?}");
    assert!(!found.stdout.contains("MISSING") && !found.stdout.contains("UNREADABLE"), "{found:?}");
}

fn status(installation: &Installation) -> Value {
    serde_json::from_str(&installation.run(&["status", "--json"]).stdout).unwrap()
}

fn failed(installation: &Installation) -> Value {
    status(installation)["models"][0]["states"]["failed"].clone()
}

/// So many records are missing, and nothing else is wrong.
fn assert_missing(installation: &Installation, words: &[&str], missing: u64) {
    let found = installation.run(&[&["verify", "--json"], words].concat());
    assert_eq!(found.code, 1, "{found:?}");
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report["checked"]["failures"]["missing"], missing, "{found:?}");
    assert_eq!(report["failed"], missing, "{found:?}");
    assert_eq!(report["closed_storages"], serde_json::json!([]), "{found:?}");
}

on_both_databases! {
    /// Nothing is known there of the root: it is an empty folder, or one with a file that says what should be mounted.
    fn another_host_on_which_the_volume_is_not_mounted(database) {
        let installation = with_files(database, 30);
        let (root, away) = (installation.path(""), installation.folder().join("away"));
        fs::rename(&root, &away).unwrap();
        fs::create_dir(&root).unwrap();
        let told = "cannot be read: none of 22 of its records seen before can be found (storages.main.root, ";
        for placeholder in [false, true] {
            if placeholder {
                fs::write(root.join("NOT_MOUNTED"), "").unwrap();
            }
            // Nothing is due; all is; a few are.
            for words in [&["verify"][..], &["verify", "--all"], &["verify", "uploads", "--identifiers", "3,4"]] {
                let found = in_shell(&installation, ON_ANOTHER_HOST, words);
                assert_closed(&found, told);
                assert!(found.stdout.contains("). Is another volume mounted? "), "{found:?}");
                assert_eq!(failed(&installation), 0, "{words:?}");
            }
        }
        assert!(installation.run(&["status"]).ended(1).contains("seen before can be found"));
        fs::remove_dir_all(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        let found = in_shell(&installation, ON_ANOTHER_HOST, &["verify", "--all"]);
        found.success();
        assert_eq!(status(&installation)["conditions"], serde_json::json!([]));
        // Who knows better says so.
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir(&root).unwrap();
        let found = in_shell(&installation, ON_ANOTHER_HOST, &["verify", "--all", "--believe-missing"]);
        assert_eq!((found.code, failed(&installation)), (1, 30.into()), "{found:?}");
    }

    /// What was read without a digest is still known to have been there when its source tells one.
    fn another_volume_after_an_import_of_digests(database) {
        let installation = Installation::with(database, SOON);
        let files = installation.files(30);
        let lines: Vec<String> = (1..).zip(&files).map(|(key, file)| line(key, &file.path, "")).collect();
        installation.import("uploads", &lines).success();
        installation.run(&["verify"]).success();
        installation.import_files("uploads", &files);
        let (root, away) = (installation.path(""), installation.folder().join("away"));
        fs::rename(&root, &away).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("NOT_MOUNTED"), "").unwrap();
        let found = in_shell(&installation, ON_ANOTHER_HOST, &["verify"]);
        assert_closed(&found, "none of 22 of its records seen before can be found");
        assert_eq!(failed(&installation), 0);
        fs::remove_dir_all(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        in_shell(&installation, ON_ANOTHER_HOST, &["verify"]).success();
    }

    /// What a scan listed is known to be another storage than what is there when the disk is away.
    fn a_disk_that_is_gone_before_anything_was_read(database) {
        let installation = Installation::with(database, SOON);
        installation.files(12);
        installation.run(&["scan", "uploads", "main"]).success();
        let (root, away) = (installation.path(""), installation.folder().join("away"));
        fs::rename(&root, &away).unwrap();
        fs::create_dir(&root).unwrap();
        let found = installation.run(&["verify"]);
        assert_closed(&found, "Storage main is another one than before: ");
        assert_eq!(failed(&installation), 0);
        fs::remove_dir_all(&root).unwrap();
        fs::rename(&away, &root).unwrap();
        installation.run(&["verify"]).success();
    }

    fn most_of_a_storage_is_lost_only_if_an_administrator_says_so(database) {
        let installation = with_files(database, 60);
        for number in 1..=36 {
            fs::remove_file(installation.path(&format!("{:02}/file-{number:04}.bin", number % 7))).unwrap();
        }
        let told = "of 22 of its records seen before can be found (storages.main.root, ";
        for words in [&["verify", "--all"][..], &["verify"], &["verify", "--all"]] {
            let found = installation.run(words);
            assert_closed(&found, told);
            assert!(found.stdout.contains("If that is right: stocktake verify --believe-missing"), "{found:?}");
            let scanned = installation.run(&["scan", "uploads", "main"]);
            assert!(scanned.code == 2 && scanned.stderr.contains(told), "{scanned:?}");
            assert_eq!(failed(&installation), 0, "{words:?}");
            // Also where nothing was due.
            assert!(installation.run(&["status"]).ended(1).contains(told), "{words:?}");
        }
        assert_missing(&installation, &["--believe-missing"], 36);
        installation.run(&["verify"]).ended(1);
    }

    /// What was altered was there too.
    fn another_volume_after_digests_that_were_wrong(database) {
        let installation = Installation::with(database, SOON);
        let files = installation.files(30);
        let wrong = |(key, file): (i64, &StoredFile)| line(key, &file.path, r#","expected_checksum":"md5:00000000000000000000000000000000""#);
        installation.import("uploads", &(1..).zip(&files).map(wrong).collect::<Vec<_>>()).success();
        installation.run(&["verify"]).ended(1);
        let (root, away) = (installation.path(""), installation.folder().join("away"));
        let is_kept = |what: &str| {
            fs::rename(&root, &away).unwrap();
            fs::create_dir(&root).unwrap();
            fs::write(root.join("NOT_MOUNTED"), "").unwrap();
            // What was found before stands.
            let found = in_shell(&installation, ON_ANOTHER_HOST, &["verify", "--all"]).ended(1);
            assert!(found.contains("none of 22 of its records seen before can be found"), "{what}: {found}");
            assert!(found.contains("ALTERED") && !found.contains("MISSING"), "{what}: {found}");
            fs::remove_dir_all(&root).unwrap();
            fs::rename(&away, &root).unwrap();
        };
        is_kept("altered");
        installation.import_files("uploads", &files);
        is_kept("recorded anew");
        in_shell(&installation, ON_ANOTHER_HOST, &["verify", "--all"]).success();
    }

    fn what_is_really_lost_is_told_at_once(database) {
        for (files, lost) in [(1, 1), (3, 3), (10, 10), (100, 5), (100, 15)] {
            let installation = with_files(database, files);
            // One folder of seven, where they are many.
            for number in 0..lost {
                let number = if lost == 15 { number * 7 + 1 } else { number + 1 };
                let folder = number % 7;
                fs::remove_file(installation.path(&format!("{folder:02}/file-{number:04}.bin"))).unwrap();
            }
            assert_missing(&installation, &["--all"], lost);
        }
    }
}

/// A user with no rights on what others keep for themselves.
const USER: &str = "54322";

#[test]
fn rights_that_are_gone_for_everything() {
    let installation = with_files(Database::Sqlite, 30);
    let script = format!(
        "cp \"$2\" program && chown -R {USER} . && shift 2 && \
         exec setpriv --reuid {USER} --regid {USER} --clear-groups ./program \"$@\""
    );
    let verify = || in_shell(&installation, &script, &["verify", "--all"]);
    verify().success();
    let set = |mode| {
        for number in 0..7 {
            let folder = installation.path(&format!("{number:02}"));
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o000);
    let found = verify();
    assert_closed(&found, "22 of 22 of its records seen before cannot be read: Permission denied");
    assert_eq!(failed(&installation), 0);
    set(0o755);
    verify().success();
    // Of one folder alone, its files are told.
    fs::set_permissions(installation.path("03"), fs::Permissions::from_mode(0o000)).unwrap();
    let found = verify();
    assert_eq!((found.code, failed(&installation)), (1, 4.into()), "{found:?}");
}

/// A device whose end is not there any more answers with I/O errors.
#[test]
fn a_device_that_answers_with_errors() {
    let installation = Installation::with(Database::Sqlite, SOON);
    let (image, root) = (installation.folder().join("image"), installation.path(""));
    let mount = format!("mount -o loop {} {}", image.display(), root.display());
    let make = format!("truncate -s 64M {0} && mkfs.ext4 -q -b 4096 {0} && {mount}", image.display());
    let fill = "head -c 30000000 /dev/zero >main/filler; for i in $(seq 30); do head -c 4000 /dev/urandom >main/$i; done";
    let lines = (1..=30).map(|number| crate::support::line(number, &number.to_string(), ""));
    installation.import("uploads", &lines.collect::<Vec<_>>()).success();
    in_own_mounts(&installation, &format!("{make} && {fill}"), &["verify"]).success();
    let cut = format!("{mount}; truncate -s 30M {}", image.display());
    let found = in_own_mounts(&installation, &cut, &["verify", "--all"]);
    assert_closed(&found, " of its records seen before cannot be read: Input/output error");
    assert_eq!(failed(&installation), 0);
}

#[test]
fn a_disk_below_the_root_that_is_not_mounted() {
    let installation = Installation::with(Database::Sqlite, SOON);
    let disk = installation.folder().join("disk");
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(installation.path("own folder/sub")).unwrap();
    let mut lines = Vec::new();
    for number in 1..=40_u64 {
        let name = if number <= 20 { "own folder/" } else { "own folder/sub/" };
        let file = installation.file(&format!("{name}{number}"), number, 100);
        lines.push(file.line(i64::try_from(number).unwrap()));
        if number > 20 {
            fs::rename(installation.path(&file.path), disk.join(number.to_string())).unwrap();
        }
    }
    installation.import("uploads", &lines).success();
    let mount =
        format!("mount --bind '{}' '{}'", disk.display(), installation.path("own folder/sub").display());
    in_own_mounts(&installation, &mount, &["verify"]).success();
    // What lies elsewhere is judged, also what is lost there.
    fs::remove_file(installation.path("own folder/7")).unwrap();
    for script in ["true", ON_ANOTHER_HOST] {
        let found = in_shell(&installation, script, &["verify", "--all"]);
        assert_eq!((found.code, failed(&installation)), (1, 1.into()), "{found:?}");
        let told =
            "Storage main: its folder own folder/sub cannot be read: what was mounted there is not any more";
        assert!(found.stdout.contains(told) && found.stdout.contains(" 20 records were left"), "{found:?}");
    }
    // With nothing due, and mounted again.
    fs::write(installation.path("own folder/7"), "").unwrap();
    let found = installation.run(&["verify"]);
    assert!(found.stdout.contains("its folder own folder/sub cannot be read"), "{found:?}");
    fs::remove_file(disk.join("30")).unwrap();
    let found = in_own_mounts(&installation, &mount, &["verify", "--json"]);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report["checked"]["failures"]["missing"], 1, "{found:?}");
    assert_eq!(report["closed_storages"], serde_json::json!([]), "{found:?}");
    // Older copies in the folder below are none of it.
    for number in 21..=40 {
        fs::write(installation.path(&format!("own folder/sub/{number}")), "older").unwrap();
    }
    let found = installation.run(&["verify", "--all", "--json"]);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report["checked"]["failures"], serde_json::json!({ "altered": 1 }), "{found:?}");
    assert!(found.stdout.contains("its folder own folder/sub cannot be read"), "{found:?}");
    // Moved into the volume of the root, it need not be mounted any more.
    for entry in fs::read_dir(&disk).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), installation.path("own folder/sub").join(entry.file_name())).unwrap();
    }
    let found = installation.run(&["verify", "--all"]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(!found.stdout.contains("Storage main"), "{found:?}");
    fs::remove_file(installation.path("own folder/sub/31")).unwrap();
    let found = installation.run(&["verify", "uploads", "--identifiers", "31"]);
    assert_eq!(found.code, 1, "{found:?}");
}

/// Gives a file system a key; with `make`, a folder is encrypted with it from now on.
const FSCRYPT: &str = r#"
import fcntl, os, struct, sys
mount, folder, what = sys.argv[1:]
ADD_KEY, SET_POLICY = 0xC0506617, 0x800C6613
root = os.open(mount, os.O_RDONLY)
key = bytearray(struct.pack("<II32sI36x", 2, 0, b"", 64) + bytes(range(64)))
fcntl.ioctl(root, ADD_KEY, key)
identifier = bytes(key[8:24])
if what == "make":
    policy = bytearray(struct.pack("<BBBB4x16s", 2, 1, 4, 2, identifier))
    fcntl.ioctl(os.open(folder, os.O_RDONLY), SET_POLICY, policy)
"#;

#[test]
fn a_folder_that_is_encrypted_and_locked() {
    let installation = Installation::with(Database::Sqlite, SOON);
    fs::write(installation.folder().join("fscrypt.py"), FSCRYPT).unwrap();
    let mount = "mount -o loop image main";
    let make = "truncate -s 32M image && mkfs.ext4 -q -O encrypt image && mount -o loop image main && mkdir main/private \
                && python3 fscrypt.py main main/private make && mkdir main/private/deep && echo open >main/open && \
                for i in $(seq 20); do echo $i >main/private/deep/$i; done";
    let lines = (1..=20).map(|number| crate::support::line(number, &format!("private/deep/{number}"), ""));
    let lines = lines.chain([crate::support::line(21, "open", "")]);
    installation.import("uploads", &lines.collect::<Vec<_>>()).success();
    in_own_mounts(&installation, make, &["verify"]).success();
    // Mounted anew, the key is not there.
    let found = in_own_mounts(&installation, mount, &["verify", "--all"]);
    assert_closed(&found, "Storage main: its folder private is encrypted, and the key is not there");
    assert!(found.stdout.contains("1 good") && found.stdout.contains(" 20 records were left"), "{found:?}");
    // With the key again, what is not there is missing.
    let unlock = format!("{mount} && python3 fscrypt.py main main/private unlock && rm main/private/deep/7");
    let found = in_own_mounts(&installation, &unlock, &["verify"]);
    assert_eq!((found.code, failed(&installation)), (1, 1.into()), "{found:?}");
    assert_eq!(status(&installation)["conditions"], serde_json::json!([]));
}
