//! Logs on standard error: text on a terminal, JSON otherwise. No task ever waits for the log, or fails because of it.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _, Write};
use std::panic::{PanicHookInfo, set_hook};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::settings::Log;

use queue::LineQueue;

/// Tells about its threads at every start and stop, which is nobody's business, unless asked for by name.
const CHATTY: &str = "actix_server";

/// How long a command waits at most for what it has said to be written.
const FLUSH: Duration = Duration::from_millis(500);

/// Lines that could not be written, in `/metrics`.
const DROPPED: &str = "stocktake_log_lines_dropped_total";

/// The lines for standard error, once a thread writes them.
static LINES: OnceLock<LineQueue> = OnceLock::new();

/// Starts logging. A command that is no service speaks up for warnings only, unless a level was asked for.
pub(crate) fn start(log: &Log, is_service: bool) -> anyhow::Result<()> {
    let level = if log.is_default && !is_service { "warn" } else { &log.level };
    let quiet = if level.contains(CHATTY) { String::new() } else { format!(",{CHATTY}=warn") };
    let filter = EnvFilter::new(format!("{level}{quiet}"));
    let lines = LINES.get_or_init(LineQueue::default);
    let write = || lines.write_to(io::stderr(), tell_dropped);
    thread::Builder::new().name("log".to_owned()).spawn(write).context("the system cannot start a thread")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    if io::stderr().is_terminal() {
        builder.with_writer(move || LineWriter(lines)).init();
    } else {
        builder.json().flatten_event(true).with_writer(move || LineWriter(lines)).init();
    }
    set_hook(Box::new(log_panic));
    Ok(())
}

/// Describes the metric that is recorded here.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(DROPPED, "Lines of the log that could not be written.");
    metrics::counter!(DROPPED).absolute(LINES.get().map_or(0, LineQueue::dropped));
}

/// Writes a line to standard error, behind what has been logged so far.
pub(crate) fn say(line: &str) {
    match LINES.get() {
        Some(lines) => {
            lines.push(format!("{line}\n").as_bytes());
            flush();
        }
        // If nobody can hear it, there is nobody to tell.
        None => drop(writeln!(io::stderr().lock(), "{line}")),
    }
}

/// Waits a moment for what has been logged to be written.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH);
    }
}

fn tell_dropped(count: u64) {
    tracing::warn!(lines.dropped = count, "{count} lines of the log could not be written, and are lost");
}

/// Standard error may be stuck, so that the panic is logged like everything else.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = panic.to_string().replace('\n', " ");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(panic.backtrace = %backtrace, "{text}");
    } else {
        tracing::error!("{text}");
    }
    // Nobody else does when the main thread panics.
    flush();
}

/// Puts what is written at once into the queue as one line.
struct LineWriter(&'static LineQueue);

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
