//! What a comparison with a public command measures, and how it reads its own command line.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken is no measurement")]

use std::fmt::Debug;
use std::fs;
use std::str::FromStr;
use std::time::Instant;

/// The time that some work took, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// By the clock.
    pub elapsed: f64,
    /// Of this process and its children. Unlike the elapsed time, it hardly depends on other load of the machine.
    pub processor: f64,
}

impl Cost {
    /// What this work costs.
    ///
    /// # Panics
    ///
    /// If `/proc` cannot be read.
    pub fn of(work: impl FnOnce()) -> Self {
        let (begin, processor) = (Instant::now(), processor_seconds());
        work();
        Self { elapsed: begin.elapsed().as_secs_f64(), processor: processor_seconds() - processor }
    }

    /// The median of each part.
    ///
    /// # Panics
    ///
    /// If there are no costs.
    #[must_use]
    pub fn median(costs: &[Self]) -> Self {
        let median = |part: fn(&Self) -> f64| {
            let mut values: Vec<_> = costs.iter().map(part).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap()
        };
        Self { elapsed: median(|cost| cost.elapsed), processor: median(|cost| cost.processor) }
    }
}

/// The processor time that this process and its children have used; the kernel counts it in hundredths.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the program's name, fields 12 to 15 are the user and system time of the process and its children.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The number that follows this argument on the command line.
///
/// # Panics
///
/// If what follows is not a number.
#[must_use]
pub fn bench_argument<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(default, |number| number.parse().unwrap())
}
