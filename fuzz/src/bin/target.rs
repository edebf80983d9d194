//! A libFuzzer program for the target that the variable `STOCKTAKE_FUZZ_TARGET` names.
#![no_main]
#![expect(clippy::expect_used, reason = "without a target there is nothing to run")]

use std::sync::LazyLock;

use stocktake_fuzz::{TARGET, Target};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var(TARGET).expect("STOCKTAKE_FUZZ_TARGET names a target");
    Target::named(&name).expect("STOCKTAKE_FUZZ_TARGET names one of the targets")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (CHOSEN.run)(input));
