//! A foreign program that serves on loopback as long as its owner lives.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context as _, bail};

/// Runs the program until the pipe it reads is closed. The kernel closes the pipe when the owner ends, so
/// this also works after `kill -9`. The signals of a terminal do not reach it.
const SCRIPT: &str = r#"
trap '' INT HUP TERM
"$@" 2>&1 </dev/null &
program=$!
# A program that ends by itself closes its end of the log, which tells its owner.
exec >/dev/null
while read -r line; do :; done
kill -KILL "$program"
wait
"#;

/// A running program. It ends when this is dropped, or when this process ends in any way.
#[derive(Debug)]
pub(crate) struct Service {
    reaper: Child,
}

impl Service {
    /// Starts the program, and waits until it logs its address, which comes behind `announced`. What else it logs is
    /// thrown away.
    pub(crate) fn start(command: &Command, announced: &str) -> anyhow::Result<(Self, SocketAddr)> {
        let mut reaper = Command::new("sh");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => reaper.env(name, value),
                None => reaper.env_remove(name),
            };
        }
        let reaper = reaper
            .args(["-c", SCRIPT, "stocktake-service-reaper"])
            .arg(command.get_program())
            .args(command.get_args())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `sh`")?;
        let mut service = Self { reaper };
        let address = service.address_from_log(announced);
        let address = address.with_context(|| command.get_program().display().to_string())?;
        Ok((service, address))
    }

    fn address_from_log(&mut self, announced: &str) -> anyhow::Result<SocketAddr> {
        let mut lines = BufReader::new(self.reaper.stdout.take().context("no pipe")?).lines();
        let mut log = String::new();
        for line in &mut lines {
            let line = line?;
            if let Some((_, rest)) = line.split_once(announced) {
                let rest = rest.strip_prefix("http://").unwrap_or(rest);
                let address: String =
                    rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
                let address = address.parse().with_context(|| format!("no address in {line:?}"))?;
                // Else the program would wait for room in the pipe.
                thread::Builder::new().name("service-log".to_owned()).spawn(move || lines.for_each(drop))?;
                return Ok(address);
            }
            writeln!(log, "{line}")?;
        }
        bail!("it does not start: {log}")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        // It cannot be told from here that a reaper failed.
        let _ = self.reaper.wait();
    }
}
