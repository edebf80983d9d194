//! What changed in a folder: `stocktake check`, compared with chkbit and rclone on the same files.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use stocktake_testbed::write_numbered;

use super::measure::{median, number, run};
use super::{Options, Row};
use crate::machine;
use crate::project::Project;

/// The files, all of this size.
const FILES: usize = 100_000;
const BYTES: u64 = 4 << 10;

/// A program that makes a baseline, and later compares with it.
struct Program<'a> {
    name: &'static str,
    /// Removes the baseline.
    forget: Box<dyn Fn() -> Command + 'a>,
    first: Box<dyn Fn() -> Command + 'a>,
    later: Box<dyn Fn() -> Command + 'a>,
    /// The seconds of the first run and of later ones.
    seconds: [Vec<f64>; 2],
}

/// Measures both runs of all three.
pub(super) fn measure(
    project: &Project,
    binary: &Path,
    folder: &Path,
    options: &Options,
) -> anyhow::Result<Vec<Row>> {
    machine::program("rclone", "rclone")?;
    let python = machine::python(project, &project.root.join("xtask/bench/requirements.txt"))?;
    println!("Writing {FILES} files …");
    let root = folder.join("check");
    write_numbered(&root, FILES, BYTES)?;
    let chkbit = python.join("bin/chkbit");
    let mut programs = programs(binary, &chkbit, folder);
    for round in 1..=options.rounds {
        for program in &mut programs {
            run(&mut (program.forget)())?;
            let measured = [run(&mut (program.first)())?, run(&mut (program.later)())?];
            for (seconds, run) in program.seconds.iter_mut().zip(&measured) {
                seconds.push(run.seconds);
            }
            let [first, later] = measured.map(|run| run.seconds);
            println!("round {round} of {}: {first:.2} s, then {later:.2} s", program.name);
        }
    }
    std::fs::remove_dir_all(&root)?;
    let medians = programs
        .iter()
        .map(|program| (program.name, program.seconds.each_ref().map(|seconds| median(seconds))));
    let medians: Vec<_> = medians.collect();
    ensure!(
        medians.iter().flat_map(|(_, seconds)| seconds).all(|seconds| *seconds > 0.0),
        "no time was measured"
    );
    let Some(((_, ours), others)) = medians.split_first() else { return Ok(Vec::new()) };
    let rows = others.iter().flat_map(|(name, theirs)| {
        ["first run", "later run"].iter().zip(ours.iter().zip(theirs)).map(move |(what, (ours, theirs))| {
            Row {
                what: format!("check of {FILES} files of 4 KiB, {what}, vs. {name}"),
                figures: format!("{:.0}/s to {:.0}/s", number(FILES) / ours, number(FILES) / theirs),
                ratio: theirs / ours,
                target: Some((1.0, 2.0)),
            }
        })
    });
    Ok(rows.collect())
}

/// Ours first.
fn programs<'a>(binary: &'a Path, chkbit: &'a Path, folder: &'a Path) -> [Program<'a>; 3] {
    let shell = move |script: &'static str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder).env("HOME", folder);
        command.env("STOCKTAKE", binary).env("CHKBIT", chkbit).env_remove("XDG_STATE_HOME");
        command
    };
    let program = |name, forget, first, later| Program {
        name,
        forget: Box::new(move || shell(forget)),
        first: Box::new(move || shell(first)),
        later: Box::new(move || shell(later)),
        seconds: Default::default(),
    };
    [
        program("stocktake", "rm -rf .local", "\"$STOCKTAKE\" check check", "\"$STOCKTAKE\" check check"),
        program(
            "chkbit",
            // It has an index in each folder, which would be a file of the folder for the others.
            "rm -rf chkbit && cp -al check chkbit",
            "\"$CHKBIT\" -u -q -w 2 chkbit",
            "\"$CHKBIT\" -q -w 2 chkbit",
        ),
        program(
            "rclone",
            "rm -f sums",
            "rclone hashsum sha256 check --checkers 2 --output-file sums",
            "rclone hashsum sha256 check --checkers 2 --checkfile sums",
        ),
    ]
}
