//! Performance, as ratios to public tools that do comparable work on the same machine in the same run.

mod bulk;
mod check;
mod console;
mod files;
mod fuzz;
mod import;
mod list;
mod measure;
mod reports;
mod scale;
mod stores;
mod sync;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::machine;
use crate::project::{Profile, Project, run as run_command};

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these parts; without any, all except `stores`, `scale`, `fuzz` and `faults`
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Number of small files (4 KiB each)
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    small: usize,
    /// Number of large files (1 MiB each)
    #[arg(long, value_name = "NUMBER", default_value_t = 2_000)]
    large: usize,
    /// Number of records in the list API, of lines of the import, and of rows in each table of the GitLab [default: 1000000; of
    /// `scale`: 20000000]
    #[arg(long, value_name = "NUMBER")]
    rows: Option<u64>,
    /// Number of repetitions, whose median is reported
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
    /// Duration of each measurement of the list API
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    seconds: u32,
    /// Number of cases of the random test on each database, of connections of that of the HTTP server, and of faults
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    cases: u32,
    /// Duration of each fuzz target
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    fuzz_seconds: u32,
    /// Repeat the cases of an earlier run of the random test
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Where to write the files, which are removed at the end [default: the temporary folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Options {
    /// The number of records of a part that can be filled by the program.
    fn rows(&self) -> u64 {
        self.rows.unwrap_or(1_000_000)
    }
}

/// A part that can be run separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Verify files, compared with openssl, and from the disk with sha256sum; the memory that large ones take
    Files,
    /// What changed in a folder, compared with chkbit and rclone
    Check,
    /// Pages of the list API, compared with pgbench
    List,
    /// The first import into PostgreSQL, compared with COPY FROM into a table without an index
    Import,
    /// A recalculation in bulk, compared with one record, an idle service and the bare UPDATE
    Bulk,
    /// Pages of the console, compared with the API's keyset page
    Console,
    /// The first sync of a GitLab, compared with COPY, and the load of an idle one, which takes six minutes
    Sync,
    /// Judging records by an inventory of their store, compared with gzip and wc
    Reports,
    /// Many records of several data types on PostgreSQL: pages, re-verification without growth, the summary, and the deletion of
    /// a data type
    Scale,
    /// Faults planted in a real radosgw of Ceph, and metadata by lists beside a request for each object
    Stores,
    /// The crates' own benchmarks
    Crates,
    /// The random tests of the databases and of the HTTP server, with more cases than the gate has, and the fuzz targets
    Fuzz,
    /// Random faults in git repositories, more than the gate has, judged by us and by git
    Faults,
}

/// One line of the table.
struct Row {
    what: String,
    /// Both figures, for people to read.
    figures: String,
    ratio: f64,
    /// The ratio that must be reached now, and the one that is aimed at.
    target: Option<(f64, f64)>,
}

/// The crates' own benchmarks: package, benchmark, arguments.
const CRATES: [(&str, &str, &[&str]); 9] = [
    ("stocktake-lanes", "lanes", &["--megabytes", "600"]),
    ("stocktake-content-directory", "inspect", &[]),
    ("stocktake-diesel-storage", "queue", &[]),
    ("stocktake-content-git", "repositories", &["--count", "1000"]),
    ("stocktake-content-git", "connectivity", &[]),
    ("stocktake-content-objects", "read", &[]),
    ("stocktake-content-objects", "metadata", &[]),
    ("stocktake-content-registry", "read", &[]),
    ("stocktake-source-gitlab", "read", &["--rows", "1000000"]),
];

/// Runs the parts and prints the table.
pub(crate) fn run(project: &Project, options: &Options) -> anyhow::Result<()> {
    let chosen = |part| match options.parts.as_slice() {
        [] => !matches!(part, Part::Stores | Part::Scale | Part::Fuzz | Part::Faults),
        parts => parts.contains(&part),
    };
    let mut rows = Vec::new();
    let compared = [
        Part::Files,
        Part::Check,
        Part::List,
        Part::Import,
        Part::Bulk,
        Part::Console,
        Part::Sync,
        Part::Reports,
        Part::Scale,
    ];
    if compared.into_iter().any(chosen) {
        rows = compare(project, options, chosen)?;
    }
    if chosen(Part::Stores) {
        rows.push(stores::measure(project)?);
    }
    if chosen(Part::Crates) {
        machine::object_servers(project)?;
        for (package, bench, arguments) in CRATES {
            let words = ["bench", "--locked", "--package", package, "--bench", bench, "--"];
            run_command(project.cargo(&words).args(arguments))?;
        }
    }
    if chosen(Part::Fuzz) {
        fuzz::measure(project, options)?;
    }
    if chosen(Part::Faults) {
        fuzz::plant_faults(project, options)?;
    }
    print(&rows);
    Ok(())
}

/// Measures the chosen parts that are compared with a public tool.
fn compare(project: &Project, options: &Options, chosen: impl Fn(Part) -> bool) -> anyhow::Result<Vec<Row>> {
    let binary = project.build(Profile::Release)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix("stocktake-bench-");
    let folder = match &options.folder {
        Some(parent) => builder.tempdir_in(parent).with_context(|| parent.display().to_string())?,
        None => builder.tempdir()?,
    };
    let mut rows = Vec::new();
    if chosen(Part::Files) {
        rows.extend(files::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Check) {
        rows.extend(check::measure(project, &binary, folder.path(), options)?);
    }
    if chosen(Part::List) {
        rows.extend(list::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Import) {
        rows.extend(import::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Bulk) {
        rows.extend(bulk::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Console) {
        rows.extend(console::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Sync) {
        rows.extend(sync::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Reports) {
        rows.extend(reports::measure(&binary, folder.path(), options)?);
    }
    if chosen(Part::Scale) {
        rows.extend(scale::measure(project, &binary, folder.path(), options)?);
    }
    Ok(rows)
}

fn print(rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    println!("\n{:<58} {:<46} {:>6}  {:>6} {:>6}", "what", "figures", "ratio", "target", "later");
    for Row { what, figures, ratio, target } in rows {
        let (now, later) =
            target.map_or_else(Default::default, |(now, later)| (format!("{now}"), format!("{later}")));
        println!("{what:<58} {figures:<46} {ratio:>6.2}  {now:>6} {later:>6}");
    }
}
