//! Lines on their way to a destination that may be full, gone or stuck.

use std::io::{ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most bytes that wait to be written.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// How long to wait for a destination that is to be asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines that wait for the one thread that writes them. A line that does not fit any more, or cannot be written, is
/// dropped and counted.
#[derive(Debug, Default)]
pub(super) struct LineQueue {
    state: Mutex<State>,
    added: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Whether somebody waited in vain for the lines to be written, and nothing has been written since.
    is_stuck: bool,
    dropped: u64,
    told: u64,
}

impl LineQueue {
    /// Adds a line, which ends with a line break. Never waits for the destination.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MOST_WAITING {
            state.drop_lines(1);
        } else {
            state.waiting.extend_from_slice(line);
            self.added.notify_one();
        }
    }

    /// How many lines have been dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until all lines are written, or dropped, but not longer than this; not at all while the destination is
    /// known to be stuck.
    pub(super) fn flush(&self, longest: Duration) {
        let until = Instant::now() + longest;
        let mut state = self.lock();
        while !state.is_stuck && (state.is_writing || !state.waiting.is_empty()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.is_stuck = true;
                return;
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Writes the lines as they come, for ever. Once some could be written again, `tell` gets the number of those that
    /// have been dropped since it was last called.
    pub(super) fn write_to(&self, mut destination: impl Write, tell: impl Fn(u64)) {
        loop {
            let lines = self.take();
            let left = write_what_can_be(&mut destination, &lines);
            if let Some(dropped) = self.written(left) {
                tell(dropped);
            }
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state = self.added.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        std::mem::take(&mut state.waiting)
    }

    /// Accounts for what has been taken, of which this was left; the number of dropped lines, if it is to be told now.
    fn written(&self, left: &[u8]) -> Option<u64> {
        let mut state = self.lock();
        state.is_writing = false;
        state.is_stuck = false;
        self.written.notify_all();
        if !left.is_empty() {
            state.drop_lines(left.split(|byte| *byte == b'\n').skip(1).count());
            return None;
        }
        let untold = state.dropped - state.told;
        state.told = state.dropped;
        (untold > 0).then_some(untold)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_lines(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.dropped += count;
        metrics::counter!(super::DROPPED).increment(count);
    }
}

/// Writes all of it, unless an error prevents that; returns what is left.
fn write_what_can_be<'a>(destination: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match destination.write(bytes) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever started us has made the pipe one that does not wait.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Ok(_) | Err(_) => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
