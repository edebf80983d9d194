//! How much the terminal shows.

use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

use crate::output;

/// Columns and lines of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    pub(crate) columns: usize,
    pub(crate) lines: usize,
}

/// The size of the terminal that results go to; `None` if they go elsewhere, or to one that does not tell its size.
pub(crate) fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(output::terminal()?).ok()?;
    let (columns, lines) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && lines > 0).then_some(TerminalSize { columns, lines })
}

/// The columns of that terminal; without one, as many as are `usual`.
pub(crate) fn columns(usual: usize) -> usize {
    size().map_or(usual, |size| size.columns)
}

/// The columns of the terminal that standard error goes to; `None` if it goes elsewhere.
pub(crate) fn columns_of_errors() -> Option<usize> {
    let err = io::stderr();
    let size = err.is_terminal().then(|| tcgetwinsize(err)).and_then(Result::ok)?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
