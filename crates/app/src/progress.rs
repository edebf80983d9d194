//! How far a long command is, on standard error: one line that is redrawn on a terminal, and otherwise a plain line every
//! few seconds.
//!
//! Whoever works only says how far it is; a thread shows it, so that a line is also redrawn or repeated while nothing gets on.

mod line;
mod models;
mod window;

use std::io::{self, IsTerminal as _, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stocktake_worker::{Progress, Stats};

use crate::{document, output};

pub(crate) use models::ModelMeters;

use line::{Shown, Totals};
use window::Window;

/// How often the line on a terminal is redrawn.
const REDRAWN: Duration = Duration::from_millis(200);

/// How often a plain line is said.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The width of a plain line.
const PLAIN_COLUMNS: usize = 200;

/// Whether nothing is to be shown.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Shows no progress from now on.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether the plain lines are for a program.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Shows progress as JSON from now on, where it is not drawn on a terminal.
pub(crate) fn be_for_a_program() {
    AS_JSON.store(true, Ordering::Relaxed);
}

/// Whether standard error is a terminal that can be redrawn.
pub(crate) fn is_live() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    stderr().is_terminal() && !is_dumb
}

/// The line on the terminal, while one is drawn.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn drawn() -> MutexGuard<'static, Option<ProgressBar>> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error beside the line: what is written takes its place, and it is drawn again below.
pub(crate) struct BesideTheLine;

impl Write for BesideTheLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bar = drawn().clone();
        match bar {
            Some(bar) => bar.suspend(|| stderr().write(bytes)),
            None => stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// Counts pieces of work, against totals where they are known.
pub(crate) struct Meter {
    shared: Arc<Shared>,
    began: Instant,
    /// The thread that shows it ends when this is dropped.
    ended: Mutex<Option<Sender<()>>>,
}

struct Shared {
    state: Mutex<State>,
    bar: Option<ProgressBar>,
}

struct State {
    shown: Shown,
    window: Window,
    last_line: Instant,
}

impl Meter {
    /// Starts to count `what` (a plural).
    pub(crate) fn start(what: &'static str, total: Option<u64>) -> Self {
        let began = Instant::now();
        let is_quiet = QUIET.load(Ordering::Relaxed);
        let bar = (!is_quiet && is_live()).then(bar);
        let shown = Shown::new(what, Totals { pieces: total, bytes: None });
        let state = Mutex::new(State { shown, window: Window::new(began), last_line: began });
        drawn().clone_from(&bar);
        let shared = Arc::new(Shared { state, bar });
        let (ended, end) = channel();
        if !is_quiet {
            let shared = Arc::clone(&shared);
            let show = move || {
                while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(REDRAWN) {
                    shared.show(Instant::now());
                }
            };
            // Without a thread there is nothing to be seen, and all else goes on.
            let _ = thread::Builder::new().name("progress".to_owned()).spawn(show);
        }
        Self { shared, began, ended: Mutex::new(Some(ended)) }
    }

    /// What the totals are, once they are known; bytes count for the time left.
    pub(crate) fn set_totals(&self, pieces: Option<u64>, bytes: Option<u64>) {
        self.state().shown.totals = Totals { pieces, bytes };
    }

    /// So many are done, and so many bytes were read for them.
    pub(crate) fn set(&self, done: u64, bytes: Option<u64>) {
        let shown = &mut self.state().shown;
        (shown.done, shown.bytes) = (done, bytes);
    }

    /// So many of those that are done are not as they should be.
    pub(crate) fn set_failures(&self, failures: u64) {
        self.state().shown.failures = failures;
    }

    /// How many are done.
    pub(crate) fn done(&self) -> u64 {
        self.state().shown.done
    }

    /// What it waits for, which is shown behind how far it is; nothing ends that.
    pub(crate) fn set_note(&self, note: Option<String>) {
        self.state().shown.note = note;
    }

    /// Clears the line away.
    pub(crate) fn finish(&self) {
        drop(self.ended.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(bar) = &self.shared.bar {
            bar.finish_and_clear();
            drawn().take();
        }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn show(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { shown, window, last_line } = &mut *state;
        window.add(now, shown.done, shown.bytes.unwrap_or(0));
        if shown.note.is_some() {
            window.wait(now);
        }
        match &self.bar {
            Some(bar) => {
                // The size is asked for each time, since a terminal may be resized.
                let columns =
                    rustix::termios::tcgetwinsize(stderr()).map_or(80, |size| usize::from(size.ws_col));
                bar.set_message(shown.line(window, columns.saturating_sub(1)));
                bar.tick();
            }
            None if now.duration_since(*last_line) >= PLAIN_EVERY => {
                *last_line = now;
                if AS_JSON.load(Ordering::Relaxed) {
                    output::say_json(&document::with_version(shown.json(window)));
                } else {
                    output::say(&shown.line(window, PLAIN_COLUMNS));
                }
            }
            None => {}
        }
    }
}

impl Progress for Meter {
    fn advanced(&self, done: &Stats) {
        self.set(done.records(), Some(done.bytes));
        self.set_failures(done.failures());
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}
