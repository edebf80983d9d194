//! The line that tells how far it is, as wide as there is room.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};
use stocktake_domain::format_duration;

use super::window::Window;

/// What a piece costs besides its bytes, in bytes that could be read meanwhile: opening a file, recording a result.
const PER_PIECE: u64 = 16 << 10;

/// The widest and the narrowest bar.
const BAR: (usize, usize) = (30, 10);

/// How much there is in all, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) pieces: Option<u64>,
    pub(super) bytes: Option<u64>,
}

/// What is shown.
#[derive(Debug)]
pub(super) struct Shown {
    what: &'static str,
    pub(super) totals: Totals,
    pub(super) done: u64,
    pub(super) bytes: Option<u64>,
    pub(super) failures: u64,
    /// What it waits for.
    pub(super) note: Option<String>,
}

impl Shown {
    pub(super) fn new(what: &'static str, totals: Totals) -> Self {
        Self { what, totals, done: 0, bytes: None, failures: 0, note: None }
    }

    /// At most so many columns: what does not fit is left out, the least important first.
    pub(super) fn line(&self, window: &Window, columns: usize) -> String {
        let mut line = String::new();
        for part in self.parts(window) {
            let separator = if line.is_empty() { 0 } else { 2 };
            if line.chars().count() + separator + part.chars().count() > columns {
                break;
            }
            if separator > 0 {
                line.push_str(", ");
            }
            line.push_str(&part);
        }
        match self.permille() {
            Some(permille) => with_bar(&line, permille, columns),
            None => line,
        }
    }

    /// All that is shown, for a program.
    pub(super) fn json(&self, window: &Window) -> Value {
        let left = window.lately().and_then(|(done, bytes, span)| self.left(done, bytes, span));
        json!({
            "progress": {
                "what": self.what,
                "done": self.done,
                "total": self.totals.pieces.map(|total| total.max(self.done)),
                "bytes": self.bytes,
                "total_bytes": self.totals.bytes,
                "failures": self.failures,
                "seconds_left": left.filter(|_| self.note.is_none()).map(|left| left.as_secs()),
                "waiting_for": self.note,
            },
        })
    }

    /// The most important first.
    fn parts(&self, window: &Window) -> Vec<String> {
        let of = self.totals.pieces.map(|total| format!(" of {}", HumanCount(total.max(self.done))));
        let mut parts = vec![format!("{}{} {}", HumanCount(self.done), of.unwrap_or_default(), self.what)];
        if self.failures > 0 {
            parts.push(format!("{} failed", HumanCount(self.failures)));
        }
        if let Some(note) = &self.note {
            // Nothing gets on meanwhile, so that no speed is worth its room.
            parts.push(note.clone());
            return parts;
        }
        let Some((done, bytes, span)) = window.lately() else { return parts };
        parts.extend(self.left(done, bytes, span).map(|left| format!("{} left", format_duration(left))));
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = |count: u64| count.saturating_mul(1_000) / millis;
        parts.extend(self.bytes.map(|_| format!("{}/s", HumanBytes(per_second(bytes)))));
        parts.push(format!("{}/s", HumanCount(per_second(done))));
        parts
    }

    /// Work in bytes: those of this many pieces, and what each costs besides.
    fn work(&self, pieces: u64, bytes: u64) -> u128 {
        // Without a total of bytes, pieces are all that is known of what is left.
        let bytes = if self.totals.bytes.is_some() { bytes } else { 0 };
        u128::from(bytes) + u128::from(pieces) * u128::from(PER_PIECE)
    }

    /// What is done and what there is in all; `None` if that is not known.
    fn progress(&self) -> Option<(u128, u128)> {
        let (pieces, bytes) = (self.totals.pieces, self.totals.bytes);
        let (done, read) = (self.done, self.bytes.unwrap_or(0));
        let (done, all) = match (pieces, bytes) {
            (None, None) => return None,
            // Of a stream, whose pieces nobody has counted.
            (None, Some(bytes)) => (u128::from(read), u128::from(bytes)),
            (Some(pieces), bytes) => {
                let bytes = bytes.unwrap_or(0).max(read);
                (self.work(done, read), self.work(pieces.max(done), bytes))
            }
        };
        Some((done, all)).filter(|(_, all)| *all > 0)
    }

    /// How much is done, of a thousand.
    fn permille(&self) -> Option<usize> {
        let (done, all) = self.progress()?;
        usize::try_from(done.min(all) * 1_000 / all).ok()
    }

    /// How long the rest takes at the speed of this span.
    fn left(&self, pieces: u64, bytes: u64, span: Duration) -> Option<Duration> {
        let (done, all) = self.progress()?;
        let lately = if self.totals.pieces.is_none() { u128::from(bytes) } else { self.work(pieces, bytes) };
        let rest = all.saturating_sub(done);
        let millis = (lately > 0).then(|| rest * span.as_millis() / lately)?;
        Some(Duration::from_secs(u64::try_from(millis / 1_000).ok()?))
    }
}

/// The line with a share and, if there is room, a bar before it.
fn with_bar(line: &str, permille: usize, columns: usize) -> String {
    let share = format!("{:>3}% {line}", permille / 10);
    let room = columns.saturating_sub(share.chars().count() + 3).min(BAR.0);
    if room < BAR.1 {
        return if share.chars().count() <= columns { share } else { line.to_owned() };
    }
    let filled = room * permille / 1_000;
    let head = if filled < room { ">" } else { "" };
    let bar = format!("{}{head}", "=".repeat(filled));
    format!("[{bar:room$}] {share}")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// After 10 seconds at the same speed.
    fn shown(totals: Totals, done: u64, bytes: u64, failures: u64) -> (Shown, Window) {
        let began = Instant::now();
        let mut window = Window::new(began);
        window.add(began + Duration::from_secs(10), done, bytes);
        (Shown { done, bytes: Some(bytes), failures, ..Shown::new("records", totals) }, window)
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let totals = Totals { pieces: Some(50_000), bytes: None };
        let (shown, window) = shown(totals, 12_500, 120 << 20, 3);
        for (columns, line) in [
            (20, "12,500 of 50,000 records"),
            (24, "12,500 of 50,000 records"),
            (39, " 25% 12,500 of 50,000 records, 3 failed"),
            (79, " 25% 12,500 of 50,000 records, 3 failed, 30s left, 12.00 MiB/s, 1,250/s"),
            (
                199,
                "[=======>                      ]  25% 12,500 of 50,000 records, 3 failed, 30s left, 12.00 MiB/s, 1,250/s",
            ),
        ] {
            let found = shown.line(&window, columns);
            assert!(found.chars().count() <= columns, "{columns}: {found}");
            if columns > 20 {
                assert_eq!(found, line, "{columns}");
            }
        }
    }

    #[test]
    fn what_it_waits_for_is_in_the_place_of_speed() {
        let totals = Totals { pieces: Some(50_000), bytes: None };
        let (mut shown, window) = shown(totals, 12_500, 120 << 20, 0);
        shown.note = Some("waits for storage main".to_owned());
        assert_eq!(shown.line(&window, 60), " 25% 12,500 of 50,000 records, waits for storage main");
        assert_eq!(shown.line(&window, 30), " 25% 12,500 of 50,000 records");
    }

    #[test]
    fn the_time_left_follows_the_bytes() {
        // Nine of ten records are small, and the tenth is almost everything.
        let totals = Totals { pieces: Some(10), bytes: Some(10_000_000_000) };
        let (shown, window) = shown(totals, 9, 100_000_000, 0);
        let line = shown.line(&window, 100);
        assert!(line.contains("  1% 9 of 10 records, 16m"), "{line}");
        // Of a stream only the bytes are known.
        let totals = Totals { pieces: None, bytes: Some(400) };
        let (shown, window) = super::tests::shown(totals, 7, 100, 0);
        assert!(
            shown.line(&window, 100).contains(" 25% 7 records, 30s left"),
            "{}",
            shown.line(&window, 100)
        );
    }

    #[test]
    fn a_program_is_told_the_numbers() {
        let totals = Totals { pieces: Some(50_000), bytes: None };
        let (mut shown, window) = shown(totals, 12_500, 120 << 20, 3);
        let mut told = shown.json(&window)["progress"].take();
        assert_eq!((told["done"].take(), told["total"].take()), (12_500.into(), 50_000.into()));
        assert_eq!((told["failures"].take(), told["seconds_left"].take()), (3.into(), 30.into()));
        shown.note = Some("storage main".to_owned());
        let told = shown.json(&window)["progress"].take();
        assert_eq!((&told["waiting_for"], &told["seconds_left"]), (&"storage main".into(), &Value::Null));
    }

    #[test]
    fn nothing_is_known_at_first() {
        let shown = Shown::new("files", Totals::default());
        assert_eq!(shown.line(&Window::new(Instant::now()), 80), "0 files");
    }
}
