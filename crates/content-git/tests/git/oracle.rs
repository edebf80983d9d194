//! Random single faults in repositories of all shapes, judged by us and by git.
//!
//! `STOCKTAKE_FUZZ_CASES` sets how many are planted, `STOCKTAKE_FUZZ_SEED` which.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stocktake_testbed::{GitFormat, GitRepository, git_command, git_reads_reftables};

use crate::support::{Fixture, Seen, checksum, files, inspect, overwrite, piece};

/// Faults planted by default: enough for each kind in each shape, within the time of a test.
const FAULTS: usize = 320;

/// Where we say more than git does: the file with the fault, and what we say then. `docs/git-storage.md` has the reasons.
const MORE_THAN_GIT: [(&str, &str); 13] = [
    // Git makes these anew, and reads them only when it needs them.
    (".rev", ".rev: "),
    (".bitmap", ".bitmap: "),
    (".mtimes", ".mtimes: "),
    ("multi-pack-index", "multi-pack-index: "),
    ("objects/info/commit-graph", "objects/info/commit-graph"),
    // Git takes damaged tables for shorter ones, and compares no peeled tag with its object.
    ("reftable/", "reftable/"),
    ("reftable/", ": its object "),
    // Without it git takes a repository for one without packed refs.
    ("packed-refs", "packed-refs: "),
    ("packed-refs", ": its object "),
    // Git goes on, with another meaning.
    ("HEAD", "HEAD: "),
    ("config", "config: "),
    ("commondir", "commondir: "),
    // Git looks only for what it needs.
    (".pack", ".idx: "),
];

/// Small numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound.max(1)
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Commits in packs and loose, deltas, annotated tags, refs in files and packed.
fn fill(fixture: &Fixture, path: &str, format: GitFormat) -> GitRepository {
    let repository = fixture.fill(path, format);
    repository.git(&["repack", "-q", "-d"]).unwrap();
    repository.import("loose", 2, 6).unwrap();
    repository
}

fn clone(fixture: &Fixture, from: &GitRepository, to: &str, arguments: &[&str]) {
    let mut command = git_command();
    command.args(["clone", "-q", "--bare"]).args(arguments);
    command.arg(format!("file://{}", from.path().display())).arg(fixture.root.join(to));
    assert!(command.status().unwrap().success());
}

/// The repositories in which faults are planted.
fn shapes(fixture: &Fixture) -> Vec<String> {
    let format = |sha256, reftable| GitFormat { sha256, reftable };
    let plain = fill(fixture, "plain.git", format(false, false));
    plain.git(&["config", "uploadpack.allowFilter", "true"]).unwrap();
    fill(fixture, "sha256.git", format(true, false));
    let full = fill(fixture, "full.git", format(false, false));
    full.git(&["repack", "-q", "--write-bitmap-index", "-a", "-d"]).unwrap();
    full.git(&["commit-graph", "write", "--reachable"]).unwrap();
    full.import("more", 40, 9).unwrap();
    full.git(&["multi-pack-index", "write"]).unwrap();
    let many = fill(fixture, "many.git", format(false, false));
    let id = many.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
    many.update_refs((0..300).map(|number| (format!("refs/merge-requests/{number}/head"), id.clone())))
        .unwrap();
    many.git(&["pack-refs", "--all"]).unwrap();
    clone(fixture, &plain, "shallow.git", &["--depth=3", "--no-single-branch"]);
    clone(fixture, &plain, "partial.git", &["--filter=blob:none"]);
    let fork = fill(fixture, "fork.git", format(false, false));
    fork.git(&["repack", "-q", "-a", "-d"]).unwrap();
    fork.git(&["config", "core.logAllRefUpdates", "true"]).unwrap();
    fs::create_dir_all(fork.path().join("objects/info")).unwrap();
    fs::write(fork.path().join("objects/info/alternates"), "../../plain.git/objects\n").unwrap();
    fork.git(&["repack", "-q", "-a", "-d", "-l"]).unwrap();
    fork.import("own", 3, 12).unwrap();
    let worktree = fill(fixture, "worktree.git", format(false, false));
    add_worktree(fixture, &worktree);
    let mut names = vec!["worktree", "plain", "sha256", "full", "many", "shallow", "partial", "fork"];
    if git_reads_reftables() {
        fill(fixture, "reftable.git", format(false, true));
        fill(fixture, "both.git", format(true, true));
        names.extend(["reftable", "both"]);
    }
    names.into_iter().map(str::to_owned).collect()
}

/// A worktree at a commit that no ref reaches, with a staged file that no commit has.
fn add_worktree(fixture: &Fixture, repository: &GitRepository) {
    let parent = repository.git(&["rev-parse", "main"]).unwrap().trim().to_owned();
    let commit =
        repository.git(&["commit-tree", "-m", "detached", "-p", &parent, "packed~1^{tree}"]).unwrap();
    let path = fixture.outer.path().join("worktree");
    let path = path.to_str().unwrap();
    repository.git(&["worktree", "add", "-q", "--detach", path, commit.trim()]).unwrap();
    fs::write(format!("{path}/staged"), "staged").unwrap();
    assert!(git_command().args(["-C", path, "add", "staged"]).status().unwrap().success());
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The files that are judged by us or by git.
fn judged_files(repository: &Path) -> Vec<String> {
    let mut found = files(repository);
    found.retain(|name| {
        let unread = ["description", "packed-refs.lock", "objects/info/packs", "info/refs", "FETCH_HEAD"];
        !unread.contains(&name.as_str())
            && !name.ends_with("/ORIG_HEAD")
            && !name.starts_with("hooks/")
            && !name.ends_with(".promisor")
    });
    found
}

/// Plants a fault; returns the file and what was done.
fn plant(repository: &Path, random: &mut Random) -> (String, String) {
    let found = judged_files(repository);
    // As likely in a folder of few files as in one of many.
    let mut by_folder = BTreeMap::<&str, Vec<&String>>::new();
    for name in &found {
        let folder = match name.split_once('/') {
            Some(("objects", rest)) => {
                if rest.starts_with("pack") {
                    "pack"
                } else {
                    "loose"
                }
            }
            Some((folder, _)) => folder,
            None => "",
        };
        by_folder.entry(folder).or_default().push(name);
    }
    let folders: Vec<_> = by_folder.values().collect();
    let in_folder = folders[random.below(folders.len())];
    let name = in_folder[random.below(in_folder.len())].clone();
    let file = repository.join(&name);
    let mut content = fs::read(&file).unwrap();
    let place = random.below(content.len());
    let what = match random.below(10) {
        0 => {
            fs::remove_file(&file).unwrap();
            return (name, "removed".to_owned());
        }
        1 => {
            content.truncate(place);
            format!("cut to {place} bytes")
        }
        2 => {
            let end = (place + 1 + random.below(64)).min(content.len());
            content[place..end].fill(0);
            format!("zeros from {place} to {end}")
        }
        3 if name.starts_with("objects/pack/pack-") => {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            for name in files(&repository.join("objects/pack")) {
                if name.starts_with(stem) {
                    fs::remove_file(repository.join("objects/pack").join(name)).unwrap();
                }
            }
            return (name, "removed with all files of its pack".to_owned());
        }
        _ => {
            let bit = random.below(8);
            if let Some(byte) = content.get_mut(place) {
                *byte ^= 1 << bit;
            }
            format!("bit {bit} of byte {place} flipped")
        }
    };
    overwrite(&file, &content);
    (name, what)
}

/// What git says: whether everything is good, and the refs.
fn ask_git(path: &Path) -> (Result<(), String>, Vec<u8>) {
    let repository = GitRepository::at(path);
    let run = |arguments: &[&str]| {
        let output = repository.command().env("GIT_NO_LAZY_FETCH", "1").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), output.stdout, said)
    };
    let (shown, refs, said) = run(&["show-ref", "--head"]);
    let mut verdict = if matches!(shown, Some(0 | 1)) { Ok(()) } else { Err(said) };
    for arguments in [
        &["fsck", "--full", "--strict"][..],
        &["rev-list", "--objects", "--all", "--quiet", "--missing=allow-promisor"],
    ] {
        let (code, _, said) = run(arguments);
        if code != Some(0) && verdict.is_ok() {
            verdict = Err(format!("{}: {}", arguments[0], said.trim()));
        }
    }
    (verdict, refs)
}

/// Asks git about all of them, two at a time.
fn ask_git_about(paths: &[std::path::PathBuf]) -> Vec<(Result<(), String>, Vec<u8>)> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { return };
                    let answer = ask_git(path);
                    answers.lock().unwrap().insert(index, answer);
                }
            });
        }
    });
    answers.into_inner().unwrap().into_values().collect()
}

/// What is wrong with our verdict, if git gives another one.
fn difference(seen: &Seen, file: &str, git: &Result<(), String>, refs: &[u8]) -> Option<&'static str> {
    match (seen, git) {
        (Err(_), Err(_)) => None,
        (Ok(seen), Ok(())) => (seen.stored.digests.sha256 != Some(checksum(refs)))
            .then_some("another checksum than git's refs have"),
        (Ok(_), Err(_)) => Some("missed"),
        (Err(error), Ok(())) => {
            let said = error.to_string();
            let is_explained =
                MORE_THAN_GIT.iter().any(|(name, what)| file.contains(name) && said.contains(what));
            (!is_explained).then_some("a false alarm")
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_that_git_finds_is_found_and_nothing_else() {
    let fixture = Fixture::with(|settings| settings.readers = std::num::NonZeroUsize::new(32).unwrap());
    let shapes = shapes(&fixture);
    for shape in &shapes {
        let path = format!("{shape}.git");
        let (verdict, refs) = ask_git(&fixture.root.join(&path));
        assert_eq!(verdict, Ok(()), "{shape}");
        let seen = fixture.see(&path).await.unwrap_or_else(|error| panic!("{shape}: {error}"));
        assert_eq!(seen.stored.digests.sha256, Some(checksum(&refs)), "{shape}");
    }
    let mut random = Random(u64::try_from(number("STOCKTAKE_FUZZ_SEED", 1)).unwrap() * 0x9e37_79b9 + 1);
    let count = number("STOCKTAKE_FUZZ_CASES", FAULTS);
    let (mut differences, mut found, mut more) = (Vec::new(), 0, 0);
    for begin in (0..count).step_by(FAULTS) {
        let mut planted = Vec::new();
        for index in begin..count.min(begin + FAULTS) {
            let shape = &shapes[index % shapes.len()];
            let path = format!("fault-{index}.git");
            copy(&fixture.root.join(format!("{shape}.git")), &fixture.root.join(&path));
            let (file, what) = plant(&fixture.root.join(&path), &mut random);
            planted.push((path, format!("{shape}: {file}: {what}"), file));
        }
        let paths: Vec<_> = planted.iter().map(|(path, ..)| fixture.root.join(path)).collect();
        let pieces = planted.iter().map(|(path, ..)| piece(path)).collect();
        let seen = inspect(&fixture.store, pieces).await;
        let git = tokio::task::block_in_place(|| ask_git_about(&paths));
        for ((seen, (git, refs)), (_, what, file)) in seen.iter().zip(&git).zip(&planted) {
            found += usize::from(seen.is_err() && git.is_err());
            more += usize::from(seen.is_err() && git.is_ok());
            if let Some(difference) = difference(seen, file, git, refs) {
                let ours = seen.as_ref().err().map(ToString::to_string);
                differences.push(format!("{difference}: {what}\n  ours: {ours:?}\n  git: {git:?}"));
            }
        }
        for path in paths {
            fs::remove_dir_all(path).unwrap();
        }
    }
    println!("{count} faults: {found} found by both, {more} by us alone, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
