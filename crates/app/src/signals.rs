//! The signals that a process is sent.
//!
//! They are waited for in a thread of its own, so that they are heard whatever the other threads do; and a process that
//! was told to end does so in time, whatever it hangs in.

use std::fs;
use std::future::pending;
use std::process::exit;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status after a signal, as a shell reports an interrupted program.
pub(crate) const INTERRUPTED: u8 = 130;

/// How long after a signal the process ends, come what may.
pub(crate) const LAST_MOMENT: Duration = Duration::from_millis(9_900);

/// The signal for a file that has reached the limit on its size (`ulimit -f`), on Linux.
const SIGXFSZ: i32 = 25;

/// The stack of the thread that waits for them, which also reads the configuration again.
const STACK_BYTES: usize = 1024 * 1024;

/// What SIGHUP means to a command.
pub(crate) enum Hangup {
    /// The terminal has gone: the same as the other signals.
    Interrupts,
    /// This is to be done.
    Calls(Box<dyn Fn() + Send>),
}

/// Cancels the token on the first SIGTERM or SIGINT; the process ends at once on the second, and otherwise at the
/// [`LAST_MOMENT`].
pub(crate) fn listen(stop: CancellationToken, hangup: Hangup) -> anyhow::Result<()> {
    let (ready, is_ready) = sync_channel(1);
    let listener = move || {
        let begun = runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let signals = runtime.block_on(async { Signals::catch(&hangup) })?;
            Ok((runtime, signals))
        });
        match begun {
            Ok((runtime, signals)) => {
                // Whoever started the thread waits for this.
                let _ = ready.send(Ok(()));
                runtime.block_on(signals.heed(&stop, &hangup));
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).stack_size(STACK_BYTES);
    thread.spawn(listener).context("the system cannot start a thread")?;
    is_ready.recv().context("signals cannot be caught")?.context("signals cannot be caught")
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// `None` if whoever started the command had it ignored, as `nohup` does.
    hangup: Option<Signal>,
}

impl Signals {
    /// Within a runtime.
    fn catch(hangup: &Hangup) -> std::io::Result<Self> {
        // A file that reaches the limit on its size is then an error of the write, and not the end of the process.
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
        let is_left_alone = matches!(hangup, Hangup::Interrupts) && is_hangup_ignored();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if is_left_alone { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    async fn heed(mut self, stop: &CancellationToken, hangup: &Hangup) {
        self.first(hangup).await;
        stop.cancel();
        tracing::info!("stopping; a second signal stops at once");
        let _ = tokio::time::timeout(LAST_MOMENT, self.first(hangup)).await;
        exit(i32::from(INTERRUPTED));
    }

    /// Returns at a signal to end.
    async fn first(&mut self, hangup: &Hangup) {
        let Self { terminate, interrupt, hangup: hangups } = self;
        loop {
            let hung_up = async {
                match hangups.as_mut() {
                    Some(signal) => signal.recv().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hung_up => match hangup {
                    Hangup::Interrupts => return,
                    Hangup::Calls(action) => action(),
                },
            }
        }
    }
}

/// Whether the process was started with SIGHUP ignored.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The bit of a signal is its number less one.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
