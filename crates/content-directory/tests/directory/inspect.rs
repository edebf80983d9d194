//! The observations of files below a folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use stocktake_domain::contract::Recorder;
use stocktake_domain::ports::{ContentStore, Inspection, Watch};
use stocktake_domain::{Algorithms, ContentError, DigestRule, KeyData, Measure, Model};

use crate::support::{BOTH, Fixture, MD5, SHA256, content, inspect, observation, pieces, store, unreadable};

/// Sizes around those from which on files are streamed, and around the size of a buffer.
const SIZES: [usize; 14] = [
    0, 1, 63, 4096, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 524_288, 1_000_000, 1_048_577,
    5_000_001,
];

#[tokio::test]
async fn files_of_all_sizes_are_seen_as_they_are() {
    let fixture = Fixture::new();
    let mut asked = Vec::new();
    let mut expected = Vec::new();
    for size in SIZES {
        let path = format!("folder/{size}");
        fixture.write(&path, &content(size));
        for algorithms in [SHA256, MD5, BOTH, Algorithms::default()] {
            asked.push(Inspection::new(Model::Uploads, &path, algorithms));
            expected.push(Ok(observation(&content(size), algorithms)));
        }
    }
    let recorder = Recorder::new(asked.len());
    let watch = Arc::new(Watch::default());
    fixture.store.inspect(asked, watch.clone(), recorder.clone()).await;
    assert_eq!(recorder.all(), expected);
    assert_eq!(watch.bytes(), 4 * SIZES.iter().sum::<usize>() as u64);
}

#[tokio::test]
async fn recorded_and_stored_bytes_are_both_observed() {
    let fixture = Fixture::new();
    // GitLab's own example of a CI secure file.
    let stored = hex::decode("000102030405060708090a0b7fd5ba51ff9cdfb76ba9e22e63b4f07e6fcb220a79").unwrap();
    fixture.write("secure", &stored);
    fixture.write("short", &stored[..20]);
    let of = |path: &str, rule: DigestRule| Inspection {
        rule,
        ..Inspection::new(Model::CiSecureFiles, path, SHA256)
    };
    let key = |text: &str| DigestRule::SecureFile(KeyData(text.repeat(64)));
    let asked = vec![
        of("secure", key("ab")),
        of("secure", key("cd")),
        of("short", key("ab")),
        of("secure", DigestRule::TerraformState(1)),
    ];
    let recorder = Recorder::new(asked.len());
    fixture.store.inspect(asked, Arc::default(), recorder.clone()).await;
    let seen = recorder.all();
    let good = seen[0].as_ref().unwrap();
    assert_eq!(good.stored, observation(&stored, SHA256).stored);
    let shown = good.stored.digests.sha256.map(hex::encode);
    // The checksum of the file in GitLab Geo.
    assert_eq!(shown.as_deref(), Some("eae7da9acc94821e932b7ddc51b5b7b3568ced7a14b96a9f6f78d502d76a55db"));
    let plain = Measure { size: Some(5), ..observation(b"hello", SHA256).stored };
    assert_eq!(good.recorded.as_deref(), Some(&Ok(plain)));
    let refused = |index: usize| seen[index].as_ref().unwrap().recorded().unwrap_err().to_owned();
    assert!(refused(1).contains("the key is wrong"));
    assert!(refused(2).contains("too short"));
    assert!(matches!(&seen[3], Err(ContentError::Unreadable(reason)) if reason.contains("db_key_base")));
}

#[tokio::test]
async fn an_empty_call_returns_at_once() {
    assert_eq!(Fixture::new().inspect(&[]).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_with_few_readers() {
    let fixture = Arc::new(Fixture::with(3, None));
    let paths: Vec<_> = (0..200).map(|number| format!("{}/{number}", number % 7)).collect();
    for (number, path) in paths.iter().enumerate() {
        fixture.write(path, &content(number * 97));
    }
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..8 {
        let (fixture, paths) = (fixture.clone(), paths.clone());
        calls.spawn(async move {
            let asked: Vec<_> = paths.iter().skip(call).map(String::as_str).collect();
            for (number, seen) in (call..).zip(fixture.inspect(&asked).await) {
                assert_eq!(seen, Ok(observation(&content(number * 97), SHA256)));
            }
        });
    }
    calls.join_all().await;
}

#[tokio::test]
async fn links_inside_are_followed_and_those_that_lead_outside_refused() {
    let fixture = Fixture::new();
    fixture.write("a/file", b"good");
    fs::write(fixture.outer.path().join("secret"), "secret").unwrap();
    let secret = fixture.outer.path().join("secret");
    for (link, target) in
        [("inside", Path::new("a/file")), ("outside", Path::new("../secret")), ("absolute", &secret)]
    {
        symlink(target, fixture.root.join(link)).unwrap();
    }
    let seen = fixture.inspect(&["inside", "a/file", "outside", "absolute"]).await;
    let good = Ok(observation(b"good", SHA256));
    assert_eq!(seen[..2], [good.clone(), good]);
    for (seen, path) in seen[2..].iter().zip(["outside", "absolute"]) {
        let reason = format!("the path leaves its storage through a link: {path}");
        assert_eq!(*seen, Err(ContentError::Invalid(reason)));
    }
}

#[tokio::test]
async fn paths_that_cannot_name_a_file_in_the_storage_are_invalid() {
    let fixture = Fixture::new();
    fixture.write("a", b"good");
    let absolute = fixture.root.join("a");
    let paths = ["", "..", "../root/a", "x/../a", absolute.to_str().unwrap(), "a\0b", ".", "a/", "/"];
    for (path, seen) in paths.into_iter().zip(fixture.inspect(&paths).await) {
        assert!(matches!(seen, Err(ContentError::Invalid(_))), "{path:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_missing_file_is_reported_with_its_whole_path() {
    let fixture = Fixture::new();
    fixture.write("file", b"");
    symlink("nowhere", fixture.root.join("dangling")).unwrap();
    let paths = ["none", "no/folder", "dangling", "file/below"];
    for (path, seen) in paths.into_iter().zip(fixture.inspect(&paths).await) {
        let at = fixture.root.join(path).to_str().unwrap().to_owned();
        assert_eq!(seen, Err(ContentError::MissingFile { at }));
    }
}

#[tokio::test]
async fn only_regular_files_are_read_and_nothing_blocks() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.root.join("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(fixture.root.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(fixture.root.join("socket")).unwrap();
    symlink("fifo", fixture.root.join("link")).unwrap();
    for seen in fixture.inspect(&["folder", "fifo", "socket", "link"]).await {
        assert_eq!(seen, unreadable("not a regular file"));
    }
    for seen in inspect(&store(Path::new("/dev"), 1, None), &["null", "zero", "tty"]).await {
        assert_eq!(seen, unreadable("not a regular file"));
    }
}

#[tokio::test]
async fn an_error_of_the_system_is_reported() {
    let processes = store(Path::new("/proc/self"), 1, None);
    // The first page of memory can never be read.
    assert_eq!(inspect(&processes, &["mem"]).await, [unreadable("Input/output error (os error 5)")]);
    let long = "x".repeat(256);
    let seen = Fixture::new().inspect(&[&long]).await;
    assert_eq!(seen, [unreadable("File name too long (os error 36)")]);
}

/// Files of another user: one that may be read, and one that may not. The superuser may read all files, so the test
/// runs itself again as another user.
#[tokio::test]
async fn other_users_files() {
    const ROOT: &str = "STOCKTAKE_TEST_OTHER_USERS_ROOT";
    if let Ok(root) = std::env::var(ROOT) {
        let seen = inspect(&store(Path::new(&root), 1, None), &["open", "closed", "folder/file"]).await;
        let denied = unreadable("Permission denied (os error 13)");
        assert_eq!(seen, [Ok(observation(b"good", SHA256)), denied.clone(), denied]);
        return;
    }
    let fixture = Fixture::new();
    for path in ["open", "closed", "folder/file"] {
        fixture.write(path, b"good");
    }
    for (path, mode) in [("..", 0o755), ("open", 0o444), ("closed", 0), ("folder", 0)] {
        set_mode(&fixture.root.join(path), mode);
    }
    let program = fixture.outer.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut again = Command::new(&program);
    again.args(["--exact", "inspect::other_users_files"]).env(ROOT, &fixture.root).current_dir("/");
    if is_superuser(&program) {
        use std::os::unix::process::CommandExt;
        again.uid(65_534).gid(65_534);
    }
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    set_mode(&fixture.root.join("folder"), 0o755);
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_superuser(own_file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(own_file).unwrap().uid() == 0
}

#[tokio::test]
async fn files_of_a_missing_storage_are_not_judged_until_it_is_back() {
    let fixture = Fixture::new();
    fixture.write("file", b"good");
    let away = fixture.outer.path().join("away");
    fs::rename(&fixture.root, &away).unwrap();
    let root = fixture.root.to_str().unwrap();
    let not_judged = |reason: &str| Err(ContentError::storage(format!("storage root {root}{reason}")));
    let gone = not_judged(" does not exist");
    assert_eq!(fixture.inspect(&["file", "none"]).await, [gone.clone(), gone]);
    fs::write(&fixture.root, "a file").unwrap();
    let no_folder = not_judged(": Not a directory (os error 20)");
    assert_eq!(fixture.inspect(&["file"]).await, [no_folder]);
    fs::remove_file(&fixture.root).unwrap();
    fs::rename(&away, &fixture.root).unwrap();
    assert_eq!(fixture.inspect(&["file"]).await, [Ok(observation(b"good", SHA256))]);
}

/// Waits until the reader has started; the limit makes it wait after its first bytes.
async fn once_reading(watch: &Watch, already: u64) {
    while watch.bytes() <= already {
        tokio::task::yield_now().await;
    }
}

/// The content of a file that is streamed.
static LARGE: [u8; 200_000] = [7; 200_000];

/// A store so slow that a large file is not read to its end within a test.
fn slow() -> Fixture {
    Fixture::with(2, Some(8 * 1024))
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_read_again() {
    let fixture = slow();
    fixture.write("file", &LARGE);
    let (watch, recorder) = (Arc::new(Watch::default()), Recorder::new(1));
    let reading = fixture.store.inspect(pieces(&["file"], SHA256), watch.clone(), recorder.clone());
    let changing = async {
        once_reading(&watch, 0).await;
        fixture.write("file", b"new");
    };
    tokio::join!(reading, changing);
    assert_eq!(recorder.all(), [Ok(observation(b"new", SHA256))]);
}

#[tokio::test]
async fn a_file_that_goes_on_changing_is_unreadable() {
    let fixture = slow();
    fixture.write("file", &LARGE);
    let file = fixture.root.join("file");
    let (watch, recorder) = (Arc::new(Watch::default()), Recorder::new(1));
    let reading = fixture.store.inspect(pieces(&["file"], SHA256), watch.clone(), recorder.clone());
    let changing = async {
        loop {
            once_reading(&watch, watch.bytes()).await;
            fs::File::options().write(true).open(&file).unwrap().write_all(b"x").unwrap();
        }
    };
    tokio::select! {
        () = reading => {}
        () = changing => {}
    }
    assert_eq!(recorder.all(), [unreadable("changed while being read")]);
}

#[tokio::test]
async fn a_file_that_is_longer_than_its_size_is_unreadable() {
    let seen = inspect(&store(Path::new("/proc/self"), 1, None), &["status"]).await;
    assert_eq!(seen, [unreadable("changed while being read")]);
}

#[tokio::test]
async fn a_limit_does_not_change_the_observations() {
    let fixture = Fixture::with(4, Some(4_000_000));
    let mut expected = Vec::new();
    let paths = ["1", "70000", "300000", "600000", "5"];
    for path in paths {
        let content = content(path.parse().unwrap());
        fixture.write(path, &content);
        expected.push(Ok(observation(&content, SHA256)));
    }
    assert_eq!(fixture.inspect(&paths).await, expected);
}

#[tokio::test]
async fn a_cancelled_call_reports_all_files_as_cancelled() {
    let fixture = slow();
    fixture.write("file", &LARGE);
    let paths = ["file"; 100];
    let (watch, recorder) = (Arc::new(Watch::default()), Recorder::new(paths.len()));
    let reading = fixture.store.inspect(pieces(&paths, SHA256), watch.clone(), recorder.clone());
    let cancelling = async {
        once_reading(&watch, 0).await;
        watch.cancel();
    };
    tokio::join!(reading, cancelling);
    assert_eq!(recorder.all(), vec![Err(ContentError::CANCELLED); paths.len()]);
    // Cancelled before it began, with free readers.
    let recorder = Recorder::new(paths.len());
    fixture.store.inspect(pieces(&paths, SHA256), watch, recorder.clone()).await;
    assert_eq!(recorder.all(), vec![Err(ContentError::CANCELLED); paths.len()]);
}

#[tokio::test]
async fn a_dropped_call_frees_the_readers() {
    let fixture = slow();
    fixture.write("large", &LARGE);
    fixture.write("small", b"good");
    let (watch, recorder) = (Arc::new(Watch::default()), Recorder::new(4));
    let reading = fixture.store.inspect(pieces(&["large"; 4], SHA256), watch.clone(), recorder);
    tokio::select! {
        () = reading => unreachable!("the limit allows no end"),
        () = once_reading(&watch, 0) => {}
    }
    assert_eq!(fixture.inspect(&["small"]).await, [Ok(observation(b"good", SHA256))]);
}
