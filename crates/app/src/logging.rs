//! Logs on standard error: text on a terminal, JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::settings::Log;

/// Tells about its threads at every start and stop, which is nobody's business, unless asked for by name.
const CHATTY: &str = "actix_server";

/// Starts logging. A command that is no service speaks up for warnings only, unless a level was asked for.
pub(crate) fn start(log: &Log, is_service: bool) {
    let level = if log.is_default && !is_service { "warn" } else { &log.level };
    let quiet = if level.contains(CHATTY) { String::new() } else { format!(",{CHATTY}=warn") };
    let filter = EnvFilter::new(format!("{level}{quiet}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
