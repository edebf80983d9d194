//! How fast it went lately.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What counts for the speed.
const LENGTH: Duration = Duration::from_secs(30);

/// The least time between two points.
const STEP: Duration = Duration::from_millis(500);

/// The shortest span from which a speed follows.
const SHORTEST: Duration = Duration::from_secs(1);

/// A moment, and how much was done then.
#[derive(Debug, Clone, Copy)]
struct Point {
    at: Instant,
    done: u64,
    bytes: u64,
}

/// The last half minute.
#[derive(Debug)]
pub(super) struct Window {
    points: VecDeque<Point>,
    last: Point,
    /// When something was last done.
    moved: Instant,
}

impl Window {
    pub(super) fn new(began: Instant) -> Self {
        let point = Point { at: began, done: 0, bytes: 0 };
        Self { points: VecDeque::from([point]), last: point, moved: began }
    }

    /// So much is done now.
    pub(super) fn add(&mut self, at: Instant, done: u64, bytes: u64) {
        if (done, bytes) != (self.last.done, self.last.bytes) {
            self.moved = at;
        }
        self.last = Point { at, done, bytes };
        if self.points.back().is_none_or(|point| at.duration_since(point.at) >= STEP) {
            self.points.push_back(self.last);
        }
        // One point stays that is older, so that the window is whole.
        while self.points.get(1).is_some_and(|point| at.duration_since(point.at) >= LENGTH) {
            self.points.pop_front();
        }
    }

    /// Nothing could be done since something last was: that time says nothing of the speed, and is left out.
    pub(super) fn wait(&mut self, at: Instant) {
        let waited = at.duration_since(self.moved);
        self.points.retain(|point| point.at <= self.moved);
        for point in &mut self.points {
            point.at += waited;
        }
        (self.moved, self.last.at) = (at, at);
    }

    /// Pieces and bytes done within the window, and its length; `None` while that is too short to say anything.
    pub(super) fn lately(&self) -> Option<(u64, u64, Duration)> {
        let first = self.points.front()?;
        let span = self.last.at.duration_since(first.at);
        let done = (self.last.done.saturating_sub(first.done), self.last.bytes.saturating_sub(first.bytes));
        (span >= SHORTEST).then_some((done.0, done.1, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_half_minute_counts() {
        let began = Instant::now();
        let mut window = Window::new(began);
        assert_eq!(window.lately(), None);
        for second in 1..=100 {
            // A thousand a second for a minute, and then one.
            let done = if second <= 60 { second * 1_000 } else { 60_000 + second - 60 };
            window.add(began + Duration::from_secs(second), done, done * 10);
        }
        assert_eq!(window.lately(), Some((30, 300, LENGTH)));
        assert!(window.points.len() <= 62, "{}", window.points.len());
    }

    #[test]
    fn time_waited_does_not_count() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut window = Window::new(began);
        for second in 1..=10 {
            window.add(at(second), second * 100, 0);
        }
        // An hour in which something was waited for, noticed after three seconds.
        for second in 11..=13 {
            window.add(at(second), 1_000, 0);
        }
        for second in 14..3_600 {
            window.add(at(second), 1_000, 0);
            window.wait(at(second));
        }
        for second in 3_600..3_610 {
            window.add(at(second), 1_000 + (second - 3_599) * 100, 0);
        }
        assert_eq!(window.lately(), Some((2_000, 0, Duration::from_secs(20))));
    }
}
