//! Logs on standard error: text on a terminal, JSON otherwise, and of a command in the foreground, unless a level was asked
//! for, the sentences alone. No task ever waits for the log, or fails because of it.
//! Names from outside are quoted.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::panic::{PanicHookInfo, set_hook};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use stocktake_domain::Quoted;
use stocktake_gitlab_config::is_parsing_ruby;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{self, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::escape::escaped_json;
use crate::settings::Log;

use queue::LineQueue;

/// Tells about its threads at every start and stop, which is nobody's business, unless asked for by name.
const CHATTY: &str = "actix_server";

/// What a command in the foreground logs unless a level was asked for. What keeps a storage from being read `verify` itself
/// says.
const FOREGROUND: &str = "warn,stocktake_worker::probing=error";

/// How long a command waits at most for what it has said to be written.
const FLUSH: Duration = Duration::from_millis(500);

/// Lines that could not be written, in `/metrics`.
const DROPPED: &str = "stocktake_log_lines_dropped_total";

/// The lines for standard error, once a thread writes them.
static LINES: OnceLock<LineQueue> = OnceLock::new();

/// What is logged, which can be changed.
pub(crate) struct Level {
    is_service: bool,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Level {
    /// Logs from now on what this section says.
    pub(crate) fn set(&self, log: &Log) {
        // It fails only when nothing is logged any more.
        let _ = self.filter.reload(filter(log, self.is_service));
    }
}

/// Starts logging to a destination that is standard error. A command that is no service speaks up for warnings only, unless
/// a level was asked for.
pub(crate) fn start(
    log: &Log,
    is_service: bool,
    is_coloured: bool,
    destination: impl Write + Send + 'static,
) -> anyhow::Result<Level> {
    let lines = LINES.get_or_init(LineQueue::default);
    let write = move || lines.write_to(destination, tell_dropped);
    thread::Builder::new().name("log".to_owned()).spawn(write).context("the system cannot start a thread")?;
    let (reloadable, handle) = reload::Layer::new(filter(log, is_service));
    let registry = tracing_subscriber::registry().with(reloadable);
    if !is_service && log.is_default {
        let sentences = layer().event_format(Sentences).log_internal_errors(false);
        registry.with(sentences.with_writer(move || LineWriter(lines))).init();
    } else if io::stderr().is_terminal() {
        let text = layer().fmt_fields(quoted_fields()).with_ansi(is_coloured).log_internal_errors(false);
        registry.with(text.with_writer(move || LineWriter(lines))).init();
    } else {
        let json = layer().json().flatten_event(true).log_internal_errors(false);
        registry.with(json.with_writer(move || JsonLineWriter(lines))).init();
    }
    Ok(Level { is_service, filter: handle })
}

fn filter(log: &Log, is_service: bool) -> EnvFilter {
    let level = if log.is_default && !is_service { FOREGROUND } else { &log.level };
    let quiet = if level.contains(CHATTY) { String::new() } else { format!(",{CHATTY}=warn") };
    EnvFilter::new(format!("{level}{quiet}"))
}

/// The fields of a line of text, in which names from outside can make no line.
fn quoted_fields() -> impl for<'writer> FormatFields<'writer> {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let shown = format!("{value:?}");
        let shown = Quoted(&shown);
        if field.name() == "message" { write!(writer, "{shown}") } else { write!(writer, "{field}={shown}") }
    };
    format::debug_fn(field).delimited(" ")
}

/// What a command in the foreground has to say, to people: the message alone, as it says everything else.
struct Sentences;

impl<S, N> FormatEvent<S, N> for Sentences
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message::default();
        event.record(&mut message);
        writeln!(writer, "stocktake: {}", Quoted(&message.0))
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Describes the metric that is recorded here.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(DROPPED, "Lines of the log that could not be written.");
    metrics::counter!(DROPPED).absolute(LINES.get().map_or(0, LineQueue::dropped));
}

/// Writes whole lines to standard error, behind what has been logged so far.
pub(crate) fn say(text: &str) {
    match LINES.get() {
        Some(lines) => {
            lines.push(text.as_bytes());
            flush();
        }
        // If nobody can hear it, there is nobody to tell.
        None => drop(io::stderr().lock().write_all(text.as_bytes())),
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

/// From now on a panic is one line, of the log as soon as there is one.
pub(crate) fn catch_panics() {
    set_hook(Box::new(log_panic));
}

/// Standard error may be stuck, so that the panic is logged like everything else.
fn log_panic(panic: &PanicHookInfo<'_>) {
    if is_parsing_ruby() {
        return;
    }
    let text = panic.to_string().replace('\n', " ");
    if LINES.get().is_none() {
        say(&format!("stocktake: {}\n", Quoted(&text)));
        return;
    }
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

/// The same for lines of JSON.
struct JsonLineWriter(&'static LineQueue);

impl Write for JsonLineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(escaped_json(&String::from_utf8_lossy(line)).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
