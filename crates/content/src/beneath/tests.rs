//! Tests of both ways to open beneath a folder.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{RenameFlags, mknodat, renameat_with};
use tempfile::TempDir;

use super::*;

const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

type Open = fn(&Root, &str, Links) -> Result<OwnedFd, Errno>;

/// Both ways, which must agree.
const WAYS: [(&str, Open); 2] = [
    ("kernel", |root, path, links| root.open_at(path, READ, links)),
    ("resolver", |root, path, links| Resolver::new(root.handle.as_fd(), path.as_bytes(), links).open(READ)),
];

/// A storage with a file in it, and a secret outside it.
fn storage() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    fs::create_dir(outer.path().join("secrets")).unwrap();
    fs::write(outer.path().join("secrets/file"), "secret").unwrap();
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("file"), "good").unwrap();
    fs::write(root.join("a/b/file"), "good").unwrap();
    (outer, root)
}

/// Both ways to look at what is there without opening it for reading.
const LOOKS: [(&str, Open); 2] = [
    ("kernel", |root, path, links| root.open_at(path, OFlags::PATH, links)),
    ("resolver", |root, path, links| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Resolver::new(root.handle.as_fd(), path.as_bytes(), links).open(flags)
    }),
];

fn read(opened: OwnedFd) -> String {
    let mut text = String::new();
    fs::File::from(opened).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn this_machine_tests_both_ways() {
    assert!(has_openat2(), "the kernel here cannot resolve beneath a folder");
}

#[test]
fn a_link_is_read_wherever_it_leads() {
    let (_outer, root) = storage();
    symlink("refs/heads/x", root.join("a/link")).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("a", root.join("folder")).unwrap();
    symlink("..", root.join("out")).unwrap();
    let root = Root::open(&root).unwrap();
    for (path, target) in [
        ("a/link", "refs/heads/x"),
        ("link", "/etc/passwd"),
        ("folder/link", "refs/heads/x"),
        ("folder", "a"),
    ] {
        assert_eq!(root.read_link(path), Ok(Some(target.as_bytes().to_vec())), "{path}");
    }
    for path in ["file", "a", "none", "none/link", "file/link"] {
        assert_eq!(root.read_link(path), Ok(None), "{path}");
    }
    assert_eq!(root.read_link("out/link"), Err(OUTSIDE));
}

#[test]
fn everything_inside_can_be_opened_through_links() {
    let (_outer, root) = storage();
    for (link, target) in [
        ("to_file", "file"),
        ("to_folder", "a"),
        ("a/up", "../file"),
        ("a/b/far_up", "../../a/b/../../file"),
        ("a/to_b", "b/."),
        ("chain", "a/up"),
        ("roundabout", "./a//b/../b/file"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let root = Root::open(&root).unwrap();
    for (way, open) in WAYS {
        for path in [
            "file",
            "./file",
            "a//b/./file",
            "to_file",
            "to_folder/b/file",
            "a/up",
            "a/b/far_up",
            "a/to_b/file",
            "chain",
            "roundabout",
        ] {
            assert_eq!(open(&root, path, Links::Follow).map(read), Ok("good".to_owned()), "{way}: {path}");
        }
    }
}

#[test]
fn nothing_outside_opens() {
    let (outer, root) = storage();
    symlink("../secret", root.join("up")).unwrap();
    symlink("a/../../secret", root.join("deep")).unwrap();
    symlink("../secrets", root.join("folder")).unwrap();
    symlink("../root/file", root.join("out_and_back")).unwrap();
    symlink(outer.path().join("secret"), root.join("absolute")).unwrap();
    symlink(root.join("file"), root.join("absolute_inside")).unwrap();
    symlink("..", root.join("parent")).unwrap();
    symlink("up", root.join("chain")).unwrap();
    let root = Root::open(&root).unwrap();
    for (way, open) in WAYS {
        for path in [
            "up",
            "deep",
            "folder/file",
            "out_and_back",
            "absolute",
            "absolute_inside",
            "parent/secret",
            "parent",
            "chain",
            "../secret",
            "a/../../secret",
        ] {
            assert_eq!(open(&root, path, Links::Follow).unwrap_err(), OUTSIDE, "{way}: {path}");
        }
    }
}

#[test]
fn a_look_without_reading_follows_links_as_well() {
    let (_outer, root_path) = storage();
    symlink("file", root_path.join("link")).unwrap();
    symlink("../secret", root_path.join("up")).unwrap();
    let inode = fs::metadata(root_path.join("file")).unwrap().ino();
    let root = Root::open(&root_path).unwrap();
    for (way, look) in LOOKS {
        let seen = look(&root, "link", Links::Follow).and_then(fstat).unwrap();
        assert_eq!(seen.st_ino, inode, "{way}");
        assert_eq!(look(&root, "link", Links::Refuse).unwrap_err(), Errno::LOOP, "{way}");
        assert_eq!(look(&root, "up", Links::Follow).unwrap_err(), OUTSIDE, "{way}");
    }
}

#[test]
fn only_regular_files_are_opened_to_be_read() {
    let (_outer, root_path) = storage();
    symlink("file", root_path.join("link")).unwrap();
    symlink("../secret", root_path.join("up")).unwrap();
    let fifo = root_path.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(root_path.join("socket")).unwrap();
    // A writer that waits for a reader notices if the FIFO is opened, even for a moment.
    let writer =
        fs::OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).clone();
    let root = Root::open(&root_path).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        let waiting = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(writer.open(&fifo).is_err(), "the FIFO was opened for reading");
            }
        });
        for _ in 0..1_000 {
            for path in ["fifo", "socket", "a"] {
                assert_eq!(root.open_to_read(path).unwrap_err(), NOT_REGULAR, "{path}");
            }
        }
        stop.store(true, Ordering::Relaxed);
        waiting.join().unwrap();
    });
    for path in ["file", "link"] {
        let file = root.open_to_read(path).unwrap();
        assert_eq!((file.size(), read(file.handle).as_str()), (4, "good"), "{path}");
    }
    assert_eq!(root.open_to_read("up").unwrap_err(), OUTSIDE);
    assert_eq!(root.open_to_read("none").unwrap_err(), Errno::NOENT);
}

#[test]
fn files_of_a_folder_that_is_open_are_those_that_are_there() {
    let (outer, root_path) = storage();
    let folder = root_path.join("many");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("one"), "one").unwrap();
    fs::write(folder.join("two"), "two").unwrap();
    mknodat(CWD, folder.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    symlink("one", folder.join("link")).unwrap();
    symlink("../../secret", folder.join("up")).unwrap();
    symlink(outer.path(), root_path.join("outside")).unwrap();
    let root = Root::open(&root_path).unwrap();
    let content = |path: &str| root.open_to_read(path).map(|file| read(file.handle));
    for (path, expected) in [("many/one", "one"), ("many/two", "two"), ("many/link", "one"), ("file", "good")]
    {
        assert_eq!(content(path).unwrap(), expected, "{path}");
    }
    for (path, expected) in [
        ("many/fifo", NOT_REGULAR),
        ("many/up", OUTSIDE),
        ("many/none", Errno::NOENT),
        ("many/one/x", Errno::NOTDIR),
        ("outside/secret", OUTSIDE),
        ("many/../../secret", OUTSIDE),
    ] {
        assert_eq!(content(path).unwrap_err(), expected, "{path}");
    }
    // Another folder takes its place: what the old one does not have is found in the new one.
    content("many/one").unwrap();
    fs::rename(&folder, root_path.join("former")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("three"), "three").unwrap();
    assert_eq!(content("many/three").unwrap(), "three");
}

#[test]
fn magic_links_lead_nowhere() {
    let root = Root::open(std::path::Path::new("/proc/self")).unwrap();
    for (way, open) in WAYS {
        for path in ["root/etc/passwd", "cwd/Cargo.toml", "exe"] {
            let error = open(&root, path, Links::Follow).unwrap_err();
            assert!(matches!(error, OUTSIDE | Errno::LOOP), "{way}: {path}: {error}");
        }
    }
}

#[test]
fn the_same_errors_either_way() {
    let (_outer, root) = storage();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("round", root.join("round")).unwrap();
    symlink("file/x", root.join("through_file")).unwrap();
    symlink("a", root.join("link")).unwrap();
    let root = Root::open(&root).unwrap();
    let long = "x".repeat(256);
    for (way, open) in WAYS {
        for (path, links, expected) in [
            ("none", Links::Follow, Errno::NOENT),
            ("a/none/file", Links::Follow, Errno::NOENT),
            ("dangling", Links::Follow, Errno::NOENT),
            ("round", Links::Follow, Errno::LOOP),
            ("file/x", Links::Follow, Errno::NOTDIR),
            ("file/.", Links::Follow, Errno::NOTDIR),
            ("through_file", Links::Follow, Errno::NOTDIR),
            (&long, Links::Follow, Errno::NAMETOOLONG),
            ("link", Links::Refuse, Errno::LOOP),
            ("link/b/file", Links::Refuse, Errno::LOOP),
        ] {
            assert_eq!(open(&root, path, links).unwrap_err(), expected, "{way}: {path}");
        }
        assert_eq!(open(&root, "a/b/file", Links::Refuse).map(read), Ok("good".to_owned()), "{way}");
    }
}

/// Lets the other thread end, even when an assertion fails.
struct StopOnDrop<'flag>(&'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges two names as fast as possible, while both ways read one of them.
fn read_while_swapping(one: &str, other: &str, path: &str) {
    let (_outer, root_path) = storage();
    symlink("../secret", root_path.join("evil")).unwrap();
    symlink("../secrets", root_path.join("evil_folder")).unwrap();
    fs::create_dir(root_path.join("folder")).unwrap();
    fs::write(root_path.join("folder/file"), "good").unwrap();
    let root = Root::open(&root_path).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| {
            let handle = fs::File::open(&root_path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                renameat_with(&handle, one, &handle, other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for (way, open) in WAYS {
            let (mut good, mut refused) = (0, 0);
            // Until both have been seen, and often.
            while good < 200 || refused < 200 {
                match open(&root, path, Links::Follow) {
                    Ok(opened) => {
                        assert_eq!(read(opened), "good", "{way}");
                        good += 1;
                    }
                    Err(error) => {
                        assert!(matches!(error, OUTSIDE | Errno::NOTDIR), "{way}: {error}");
                        refused += 1;
                    }
                }
            }
        }
    });
}

#[test]
fn a_link_swapped_in_at_the_last_moment_leads_nowhere() {
    read_while_swapping("file", "evil", "file");
}

#[test]
fn a_folder_swapped_for_a_link_leads_nowhere() {
    read_while_swapping("folder", "evil_folder", "folder/file");
}

#[test]
fn a_root_that_was_replaced_is_noticed() {
    let (outer, path) = storage();
    let root = Root::open(&path).unwrap();
    assert!(root.is_still_at(&path));
    fs::rename(&path, outer.path().join("moved")).unwrap();
    assert!(!root.is_still_at(&path));
    fs::create_dir(&path).unwrap();
    assert!(!root.is_still_at(&path));
    assert_eq!(Root::open(&path.join("none")).unwrap_err(), Errno::NOENT);
}
