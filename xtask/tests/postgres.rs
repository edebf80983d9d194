//! A private cluster goes with the process that started it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A process that runs a cluster, and the address of its server.
fn owner() -> (Child, String) {
    let mut owner =
        Command::new(env!("CARGO_BIN_EXE_xtask")).arg("postgres").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let (_, address) = said.trim().rsplit_once('@').unwrap();
    (owner, address.to_owned())
}

/// Returns when nobody listens there any more.
fn wait_for_the_end(address: &str) {
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
    wait_for_the_end(&address);
}

#[test]
fn an_owner_told_to_stop_ends_well() {
    let (mut owner, address) = owner();
    Command::new("sh").args(["-c", &format!("kill -TERM {}", owner.id())]).status().unwrap();
    assert!(owner.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err());
}
