//! Figures of a checkout's Rust code, by which two checkouts can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::code::{Circle, Sources, circles, imports, survey};

/// A function whose body has more lines is listed.
const LONG_FUNCTION: usize = 40;

/// A file with fewer lines is listed.
const SHORT_FILE: usize = 40;

/// Folders of a crate that hold tests only.
const TEST_FOLDERS: [&str; 2] = ["benches", "tests"];

/// The lengths in lines of some files and functions, each with its location.
#[derive(Debug, Default)]
struct Lengths {
    files: Vec<(usize, String)>,
    functions: Vec<(usize, String)>,
}

/// The figures of one crate, tests included.
#[derive(Debug, Default)]
struct CrateFigures {
    files: usize,
    lines: usize,
    circles: Vec<Circle>,
}

/// The figures of a checkout.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Of the files in `src`, and of their functions outside of test modules.
    sources: Lengths,
    /// Of the files for tests only, and of the functions in test modules.
    tests: Lengths,
    undocumented_public: usize,
    undocumented_in_crate: usize,
    /// By folder.
    crates: BTreeMap<PathBuf, CrateFigures>,
}

impl Figures {
    /// Measures parsed files.
    pub(super) fn measure(sources: &Sources) -> anyhow::Result<Self> {
        let mut this = Self::default();
        let mut test_files = BTreeSet::new();
        for krate in sources.crates()? {
            test_files.extend(krate.test_files().map(Path::to_owned));
            let figures = this.crates.entry(krate.folder().to_owned()).or_default();
            figures.circles.extend(circles(&imports(&krate)));
        }
        for (path, file) in &sources.files {
            let folder = this.crates.iter_mut().find(|(folder, _)| path.starts_with(folder));
            if let Some((_, figures)) = folder {
                figures.files += 1;
                figures.lines += file.lines;
            }
            let is_test = is_in_test_folder(path) || test_files.contains(path);
            let survey = survey(&file.tree, is_test);
            this.undocumented_public += survey.undocumented_public;
            this.undocumented_in_crate += survey.undocumented_in_crate;
            this.lengths(is_test).files.push((file.lines, path.display().to_string()));
            for function in survey.functions {
                let place = format!("{}:{} {}", path.display(), function.line, function.name);
                this.lengths(function.is_test).functions.push((function.body, place));
            }
        }
        Ok(this)
    }

    fn lengths(&mut self, is_test: bool) -> &mut Lengths {
        if is_test { &mut self.tests } else { &mut self.sources }
    }

    /// A line of the table: a figure of the sources, of the tests and of both.
    fn line(&self, f: &mut fmt::Formatter<'_>, name: &str, figure: fn(&[&Lengths]) -> usize) -> fmt::Result {
        let of = |lengths: &[&Lengths]| figure(lengths);
        let (sources, tests) = (of(&[&self.sources]), of(&[&self.tests]));
        writeln!(f, "{name:<34} {sources:>8} {tests:>8} {:>8}", of(&[&self.sources, &self.tests]))
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>8} {:>8} {:>8}", "", "sources", "tests", "total")?;
        self.line(f, "files", |of| files(of).count())?;
        self.line(f, "lines", |of| files(of).map(|(lines, _)| lines).sum())?;
        self.line(f, "lines of a file, median", |of| percentile(50, files(of)))?;
        self.line(f, "lines of a file, 90th percentile", |of| percentile(90, files(of)))?;
        self.line(f, "functions", |of| functions(of).count())?;
        self.line(f, "lines of a function, median", |of| percentile(50, functions(of)))?;
        self.line(f, "lines of a function, 90th percentile", |of| percentile(90, functions(of)))?;
        self.line(f, "functions over 40 lines", |of| {
            functions(of).filter(|function| is_long(function)).count()
        })?;
        self.line(f, "files under 40 lines", |of| files(of).filter(|file| is_short(file)).count())?;
        writeln!(f, "{:<34} {:>8}", "public items without docs", self.undocumented_public)?;
        writeln!(f, "{:<34} {:>8}", "pub(…) items without docs", self.undocumented_in_crate)?;
        let circles = self.crates.values().map(|figures| figures.circles.len()).sum::<usize>();
        writeln!(f, "{:<34} {circles:>8}", "import circles")
    }

    fn crates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<34} {:>8} {:>8} {:>8}", "crate", "files", "lines", "circles")?;
        for (folder, figures) in &self.crates {
            let CrateFigures { files, lines, circles } = figures;
            writeln!(f, "{:<34} {files:>8} {lines:>8} {:>8}", folder.display(), circles.len())?;
        }
        Ok(())
    }

    fn circles(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (folder, figures) in &self.crates {
            for Circle { files, .. } in &figures.circles {
                writeln!(f, "\nimport circle of {} files in {}:", files.len(), folder.display())?;
                files.iter().try_for_each(|file| writeln!(f, "    {}", file.display()))?;
            }
        }
        Ok(())
    }
}

/// Prints the tables, then the lists. The order depends on the code only.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f)?;
        self.crates(f)?;
        self.circles(f)?;
        let both = [&self.sources, &self.tests];
        list(f, "functions over 40 lines", functions(&both).filter(|function| is_long(function)))?;
        list(f, "files under 40 lines", files(&both).filter(|file| is_short(file)))
    }
}

fn files<'a>(of: &'a [&Lengths]) -> impl Iterator<Item = &'a (usize, String)> {
    of.iter().flat_map(|lengths| &lengths.files)
}

fn functions<'a>(of: &'a [&Lengths]) -> impl Iterator<Item = &'a (usize, String)> {
    of.iter().flat_map(|lengths| &lengths.functions)
}

fn is_long((lines, _): &(usize, String)) -> bool {
    *lines > LONG_FUNCTION
}

fn is_short((lines, _): &(usize, String)) -> bool {
    *lines < SHORT_FILE
}

/// The entries by their lengths, with a heading if there are any.
fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    entries: impl Iterator<Item = &'a (usize, String)>,
) -> fmt::Result {
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    if !entries.is_empty() {
        writeln!(f, "\n{heading}:")?;
    }
    entries.iter().try_for_each(|(lines, place)| writeln!(f, "{lines:>8}  {place}"))
}

/// The nearest-rank percentile of the lengths, 0 if there are none.
fn percentile<'a>(percent: usize, lengths: impl Iterator<Item = &'a (usize, String)>) -> usize {
    let mut sorted: Vec<usize> = lengths.map(|(lines, _)| *lines).collect();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Whether the file is in the folder `tests` or `benches` of a crate.
fn is_in_test_folder(path: &Path) -> bool {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let in_source = path.components().any(|component| component.as_os_str() == "src");
    !in_source
        && folders.into_iter().any(|folder| TEST_FOLDERS.iter().any(|name| folder.as_os_str() == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let lengths: Vec<_> = (1..=10).map(|lines| (lines, String::new())).collect();
        assert_eq!(percentile(50, lengths.iter()), 5);
        assert_eq!(percentile(90, lengths.iter()), 9);
        assert_eq!(percentile(90, lengths.iter().take(1)), 1);
        assert_eq!(percentile(50, [].iter()), 0);
    }

    #[test]
    fn sources_and_tests_are_measured_apart() {
        let long = format!("fn long() {{\n{}}}\n", "x();\n".repeat(LONG_FUNCTION + 1));
        let files = [
            (
                "crates/a/src/lib.rs",
                "mod b;\nmod c;\n#[cfg(test)]\nmod testing;\n#[cfg(test)]\nmod tests { fn f() {} }\n",
            ),
            ("crates/a/src/b.rs", "use crate::c::C;\npub struct B;\n"),
            ("crates/a/src/c.rs", "use crate::b::B;\npub(crate) struct C;\n"),
            ("crates/a/src/testing.rs", "pub fn helper() {}\n"),
            ("crates/a/tests/it/main.rs", &long),
        ];
        let figures = Figures::measure(&Sources::parse(&files).unwrap()).unwrap().to_string();
        let words = |start: &str| {
            let line = figures.lines().find_map(|line| line.strip_prefix(start)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words("files  "), ["3", "2", "5"]);
        assert_eq!(words("lines  "), ["10", "44", "54"]);
        assert_eq!(words("functions  "), ["0", "3", "3"]);
        assert_eq!(words("functions over 40 lines  "), ["0", "1", "1"]);
        assert_eq!(words("files under 40 lines  "), ["3", "1", "4"]);
        assert_eq!(words("public items without docs"), ["1"]);
        assert_eq!(words("pub(…) items without docs"), ["1"]);
        assert_eq!(words("crates/a "), ["5", "54", "1"]);
        assert_eq!(words("import circle of 2 files in "), ["crates/a:"]);
        assert!(figures.ends_with("       6  crates/a/src/lib.rs\n"), "{figures}");
        assert!(figures.contains("      41  crates/a/tests/it/main.rs:1 long\n"), "{figures}");
    }
}
