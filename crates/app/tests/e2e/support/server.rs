//! A service that runs until it is told to stop.

use std::cell::OnceCell;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::Installation;

const ANNOUNCEMENT: &str = "listening on ";

/// A running `serve` or `worker`; killed if the test ends without stopping it.
pub(crate) struct Service {
    child: Child,
    announced: Receiver<String>,
    address: OnceCell<String>,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Installation {
    /// Starts a service.
    pub(crate) fn start(&self, words: &[&str]) -> Service {
        Self::spawn(self.command(words))
    }

    /// Starts a service on a host whose clock is so much ahead, for example `+9h`.
    pub(crate) fn start_at(&self, offset: &str, words: &[&str]) -> Service {
        Self::spawn(self.command_at(offset, words))
    }

    /// Starts a service in a shell, after what the script does.
    pub(crate) fn start_in_shell(&self, script: &str, words: &[&str]) -> Service {
        Self::spawn(self.in_shell(script, words))
    }

    fn spawn(mut command: Command) -> Service {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, announced) = channel();
        let log = std::thread::spawn(move || {
            let lines = stderr.lines().map_while(Result::ok).inspect(|line| {
                if let Some((_, rest)) = line.split_once(ANNOUNCEMENT) {
                    let address: String = rest.chars().take_while(|c| !matches!(c, '"' | ' ')).collect();
                    let _ = sender.send(address);
                }
            });
            lines.collect()
        });
        Service { child, announced, address: OnceCell::new(), log: Some(log) }
    }
}

impl Service {
    /// The address that `serve` says it listens on.
    pub(crate) fn address(&self) -> String {
        let wait = || self.announced.recv().expect("the service says where it listens");
        self.address.get_or_init(wait).clone()
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the service runs");
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("the service ends");
        let log = self.log.take().expect("not waited for before").join().expect("a log");
        (status, log)
    }

    /// Stops it as a service manager does; it must end well, which it does within 10 seconds only.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (status, log) = self.wait();
        assert!(status.success(), "{status}: {log:#?}");
        log
    }

    /// Kills it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the service runs");
        let _ = self.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing to do for one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
