//! A private cluster stops with the process that started it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A process that runs a cluster, and the address of its server.
fn owner() -> (Child, String) {
    let mut owner =
        Command::new(env!("CARGO_BIN_EXE_xtask")).arg("postgres").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (_, address) = line.trim().rsplit_once('@').unwrap();
    (owner, address.to_owned())
}

/// Returns when nothing listens at the address any longer.
fn wait_until_closed(address: &str) {
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_owner_leaves_no_server() {
    let (mut owner, address) = owner();
    assert!(TcpStream::connect(&address).is_ok());
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until_closed(&address);
}

#[test]
fn an_owner_that_is_terminated_exits_successfully() {
    let (mut owner, address) = owner();
    Command::new("sh").args(["-c", &format!("kill -TERM {}", owner.id())]).status().unwrap();
    assert!(owner.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err());
}
