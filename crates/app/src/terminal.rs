//! Whether there is a terminal, and how much it shows.

use rustix::stdio::{stderr, stdout};
use rustix::termios::{isatty, tcgetwinsize};

/// Columns and lines of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    pub(crate) columns: usize,
    pub(crate) lines: usize,
}

/// Whether results go to a terminal.
pub(crate) fn has_results() -> bool {
    isatty(stdout())
}

/// Whether they go to one that is not dumb.
pub(crate) fn is_live() -> bool {
    has_results() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// The size of the terminal that results go to; `None` if they go elsewhere, or to one that does not tell its size.
pub(crate) fn size() -> Option<TerminalSize> {
    let size = has_results().then(|| tcgetwinsize(stdout())).and_then(Result::ok)?;
    let (columns, lines) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && lines > 0).then_some(TerminalSize { columns, lines })
}

/// The columns of that terminal; without one, as many as are `usual`.
pub(crate) fn columns(usual: usize) -> usize {
    size().map_or(usual, |size| size.columns)
}

/// The columns of the terminal that standard error goes to; `None` if it goes elsewhere.
pub(crate) fn columns_of_errors() -> Option<usize> {
    let size = isatty(stderr()).then(|| tcgetwinsize(stderr())).and_then(Result::ok)?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
