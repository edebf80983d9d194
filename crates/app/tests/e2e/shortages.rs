//! What the process lacks is never a finding, and is told in one sentence.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Api, Database, Finished, Installation, eventually};

/// Starts `serve` with this standard error; a client for it.
fn serve_with_log(installation: &Installation, log: impl Into<Stdio>) -> (Child, Api) {
    let token = installation.token(&["test", "--admin"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = installation.command(&["serve", "--listen", &free]);
    let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let reachable = || std::net::TcpStream::connect(&free).ok();
    eventually("the service listens", reachable);
    (child, Api::new(&format!("http://{free}"), Some(&token)))
}

/// Stops it; it ends well and in time.
fn stop(mut child: Child) {
    let begin = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success() && begin.elapsed() < Duration::from_secs(10), "{status}, {:?}", begin.elapsed());
}

#[test]
fn a_service_goes_on_when_its_log_cannot_be_written() {
    let installation = Installation::new(Database::Sqlite);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (child, api) = serve_with_log(&installation, full);
    assert_eq!(api.count("uploads", "pending"), 0);
    let metrics = api.get("/metrics").text;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("stocktake_log_lines_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() >= 2, "{dropped:?}");
    stop(child);
}

#[test]
fn a_service_ends_in_time_though_nobody_reads_its_log() {
    let installation = Installation::new(Database::Sqlite);
    let (reader, writer) = std::io::pipe().unwrap();
    // Not one byte more fits into the pipe.
    let writer = OwnedFd::from(writer);
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let mut filling = File::from(writer.try_clone().unwrap());
    while filling.write(&[b'x'; 1]).is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    let (child, api) = serve_with_log(&installation, writer);
    for _ in 0..20 {
        assert_eq!(api.count("uploads", "pending"), 0);
    }
    stop(child);
    drop(reader);
}

#[test]
fn a_result_that_nobody_reads_ends_a_command_quietly() {
    let installation = Installation::new(Database::Sqlite);
    installation.import_files("uploads", &installation.files(20));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = installation.command(&["export", "--state", "pending"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let finished = Finished::from(output);
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
}

/// Runs a command after a shell has set limits.
fn limited(installation: &Installation, limits: &str, words: &[&str]) -> Finished {
    installation.in_shell(limits, words).output().unwrap().into()
}

#[test]
fn too_few_descriptors_are_no_finding() {
    let storage = "root = \"{root}\"\nbytes_per_second = \"20MB\"\n";
    let storages = [0, 1, 2, 3, 4, 5, 6, 7].map(|number| format!("[storages.s{number}]\n{storage}")).concat();
    let installation = Installation::with(Database::Sqlite, &storages);
    let lines: Vec<String> = (0..400)
        .map(|key| {
            let line = installation.file(&format!("{key}"), key, 100_000).line(key.cast_signed());
            line.replace("\"main\"", &format!("\"s{}\"", key % 8))
        })
        .collect();
    installation.import("uploads", &lines).success();
    // The soft limit is raised; the hard one leaves room for a few readers.
    limited(&installation, "ulimit -Sn 50; ulimit -Hn 100", &["verify"]).success();
    let failed = installation.run(&["export"]).success();
    assert_eq!(failed.lines().count(), 1, "{failed}");
}

#[test]
fn too_little_memory_is_one_sentence() {
    let installation = Installation::new(Database::Sqlite);
    let sentence = limited(&installation, "ulimit -v 150000", &["verify"]).refusal();
    assert!(sentence.contains("150000 KiB of memory (ulimit -v)"), "{sentence}");
}
