//! A libFuzzer program for the target that the variable `STOCKTAKE_FUZZ_TARGET` names.
#![no_main]
#![expect(clippy::expect_used, reason = "without a target there is nothing to run")]

use std::panic::{set_hook, take_hook};
use std::sync::LazyLock;

use stocktake_fuzz::{TARGET, Target};
use stocktake_gitlab_config::is_parsing_ruby;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    // libFuzzer's hook ends the program at any panic, also at those that are caught and told.
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if !is_parsing_ruby() {
            hook(panic);
        }
    }));
    let name = std::env::var(TARGET).expect("STOCKTAKE_FUZZ_TARGET names a target");
    Target::named(&name).expect("STOCKTAKE_FUZZ_TARGET names one of the targets")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (CHOSEN.run)(input));
