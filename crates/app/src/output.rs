//! Results on standard output, everything else on standard error.
//!
//! What is printed is a [`Text`], each line of which is [`Quoted`] when it is made, or JSON: so a name from outside can
//! neither make a line nor command a terminal.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, BufRead as _, BufReader, ErrorKind, IsTerminal as _, Read as _, Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use serde_json::Value;
use stocktake_domain::Quoted;
use tempfile::SpooledTempFile;

use crate::columns::{broken, width};
use crate::escape::escaped_json;
use crate::{logging, terminal};

/// Bytes of a [`Spool`] that stay in memory; the rest goes to a temporary file.
const SPOOL: usize = 1 << 20;

/// Whether results are coloured.
static IS_COLOURED: AtomicBool = AtomicBool::new(false);

/// Prints results in colours from now on.
pub(crate) fn be_coloured() {
    IS_COLOURED.store(true, Ordering::Relaxed);
}

/// What ends a colour.
const PLAIN: &str = "\u{1b}[0m";

/// A colour of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Yellow,
    Green,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Red => "\u{1b}[31m",
            Self::Yellow => "\u{1b}[33m",
            Self::Green => "\u{1b}[32m",
        }
    }
}

/// A word in colour.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Where it begins, in bytes, and how long it is.
    at: usize,
    length: usize,
    colour: Colour,
}

/// Whole lines to be printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    lines: String,
    /// In their order.
    marks: Vec<Mark>,
    /// Whether its lines mean something to a program, so that none is broken for a terminal.
    is_verbatim: bool,
}

impl Text {
    /// One line.
    pub(crate) fn of(line: impl Display) -> Self {
        let mut text = Self::default();
        text.line(line);
        text
    }

    /// The lines of a text that is the program's own.
    pub(crate) fn of_lines(lines: &str) -> Self {
        let mut text = Self::default();
        lines.lines().for_each(|line| text.line(line));
        text
    }

    /// The columns of the widest line.
    pub(crate) fn width(&self) -> usize {
        self.lines.lines().map(width).max().unwrap_or(0)
    }

    /// Rows in columns; the columns from `right` on are aligned to the right.
    pub(crate) fn table(rows: &[Vec<String>], right: usize) -> Self {
        let quoted = |row: &Vec<String>| row.iter().map(|cell| Quoted(cell).to_string()).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = rows.iter().map(quoted).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let mut text = Self::default();
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, widest))| {
                let room = " ".repeat(widest.saturating_sub(width(cell)));
                if column >= right { format!("{room}{cell}") } else { format!("{cell}{room}") }
            });
            text.line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        text
    }

    /// A JSON document, over several lines.
    pub(crate) fn json(document: &Value) -> Self {
        let lines = format!("{}\n", escaped_json(&format!("{document:#}")));
        Self { lines, marks: Vec::new(), is_verbatim: true }
    }

    /// The same with lines that are never broken, however narrow the terminal: they mean something to a program.
    pub(crate) fn verbatim(self) -> Self {
        Self { is_verbatim: true, ..self }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.lines, "{}", Quoted(&line.to_string()));
    }

    /// Adds the lines of another text.
    pub(crate) fn append(&mut self, other: Self) {
        let before = self.lines.len();
        self.lines.push_str(&other.lines);
        self.marks.extend(other.marks.into_iter().map(|mark| Mark { at: before + mark.at, ..mark }));
    }

    /// Adds a line whose first word, which is the program's own, has a colour.
    pub(crate) fn coloured_line(&mut self, line: impl Display, colour: Colour) {
        let at = self.lines.len();
        self.line(line);
        let length = self.lines.get(at..).and_then(|line| line.find(char::is_whitespace)).unwrap_or(0);
        self.marks.push(Mark { at, length, colour });
    }

    /// The text as it is printed on a terminal of so many columns, or elsewhere.
    fn shown(&self, is_coloured: bool, columns: Option<usize>) -> Cow<'_, str> {
        // A space becomes a line break, so that the marks stay where they are.
        let lines = match columns.filter(|_| !self.is_verbatim) {
            Some(columns) => broken(&self.lines, columns),
            None => Cow::Borrowed(self.lines.as_str()),
        };
        if !is_coloured || self.marks.is_empty() {
            return lines;
        }
        let (mut shown, mut done) = (String::new(), 0);
        for Mark { at, length, colour } in &self.marks {
            let (before, word) = (lines.get(done..*at), lines.get(*at..at + length));
            shown.push_str(before.unwrap_or_default());
            shown.push_str(colour.code());
            shown.push_str(word.unwrap_or_default());
            shown.push_str(PLAIN);
            done = at + length;
        }
        shown.push_str(lines.get(done..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Fails if standard output was closed when the program was started: Rust has put `/dev/null` in its place then, for reading
/// and writing, which no shell does.
pub(crate) fn check_is_open() -> anyhow::Result<()> {
    let flags = rustix::fs::fcntl_getfl(rustix::stdio::stdout()).context("standard output is closed")?;
    let is = rustix::fs::fstat(rustix::stdio::stdout())?;
    let is_null = rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == is.st_rdev);
    if is_null && flags.contains(rustix::fs::OFlags::RDWR) {
        anyhow::bail!("standard output is closed, so nobody would read what is printed");
    }
    Ok(())
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

/// Prints a result. A reader that has gone away (`| head`) is no error, so that the exit status stays true.
pub(crate) fn print(text: &Text) -> anyhow::Result<()> {
    let columns = terminal::size().map(|size| size.columns);
    let shown = text.shown(IS_COLOURED.load(Ordering::Relaxed), columns);
    passing_over_a_reader_that_has_gone(write_out(shown.as_bytes()))
}

/// Prints a piece of a JSON document.
pub(crate) fn print_json(piece: &str) -> anyhow::Result<()> {
    passing_over_a_reader_that_has_gone(write_out(escaped_json(piece).as_bytes()))
}

/// Prints a script that the program itself has made.
pub(crate) fn print_script(script: &[u8]) -> anyhow::Result<()> {
    passing_over_a_reader_that_has_gone(write_out(script))
}

/// Prints a result of one line.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    print(&Text::of(line))
}

/// Prints what must reach somebody.
pub(crate) fn hand_over(text: &Text) -> anyhow::Result<()> {
    write_out(text.lines.as_bytes()).context("the result cannot be written")
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

fn passing_over_a_reader_that_has_gone(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("the result cannot be written")
        }
        _ => Ok(()),
    }
}

/// Says something besides the result, in one line. If nobody can hear it, there is nobody to tell.
pub(crate) fn say(line: &str) {
    say_text(&Text::of(line));
}

/// The same in several lines.
pub(crate) fn say_text(text: &Text) {
    logging::say(&text.shown(false, terminal::columns_of_errors()));
}

/// Says something besides the result to a program.
pub(crate) fn say_json(value: &Value) {
    logging::say(&format!("{}\n", escaped_json(&value.to_string())));
}

/// Says why the program could not do what was asked.
pub(crate) fn complain(sentence: &str) {
    say(&format!("stocktake: {sentence}"));
}

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal whether something is to be done. No answer, and any but yes, is no.
pub(crate) fn ask(question: &str) -> anyhow::Result<bool> {
    let mut err = io::stderr().lock();
    write!(err, "{} [y/N] ", Quoted(question)).and_then(|()| err.flush()).context("nobody can be asked")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("the answer cannot be read")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

const LOST: &str = "the lines to be printed cannot be kept";

/// Lines that are printed only once it is known that they hold, however many they are.
pub(crate) struct Spool {
    file: SpooledTempFile,
    error: Option<io::Error>,
}

impl Spool {
    /// No lines.
    pub(crate) fn new() -> Self {
        Self { file: SpooledTempFile::new(SPOOL), error: None }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.add(&Text::of(line));
    }

    /// Adds a line whose first word, which is the program's own, has a colour.
    pub(crate) fn coloured_line(&mut self, line: &str, colour: Colour) {
        let mut text = Text::default();
        text.coloured_line(line, colour);
        self.add(&text);
    }

    fn add(&mut self, text: &Text) {
        let shown = text.shown(IS_COLOURED.load(Ordering::Relaxed), None);
        if let Err(error) = self.file.write_all(shown.as_bytes()) {
            self.error.get_or_insert(error);
        }
    }

    /// Prints what all of these hold, a JSON value in each line, as the elements of an array.
    pub(crate) fn print_array(
        before: &str,
        spools: impl IntoIterator<Item = Self>,
        behind: &str,
    ) -> anyhow::Result<()> {
        let mut piece = before.to_owned();
        let mut separator = "\n    ";
        for spool in spools {
            for line in spool.lines()? {
                piece.push_str(separator);
                piece.push_str(&line?);
                separator = ",\n    ";
                if piece.len() > SPOOL {
                    print_json(&piece)?;
                    piece.clear();
                }
            }
        }
        print_json(&format!("{piece}\n  {behind}"))
    }

    /// All lines, one after the other.
    pub(crate) fn lines(mut self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<String>>> {
        self.rewind()?;
        Ok(BufReader::new(self.file).lines().map(|line| line.context(LOST)))
    }

    fn rewind(&mut self) -> anyhow::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error).context(LOST);
        }
        self.file.rewind().context(LOST)
    }

    /// Prints all lines.
    pub(crate) fn print(mut self) -> anyhow::Result<()> {
        self.rewind()?;
        let mut buffer = vec![0; SPOOL];
        loop {
            let length = self.file.read(&mut buffer).context(LOST)?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else { return Ok(()) };
            passing_over_a_reader_that_has_gone(write_out(piece))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["model", "n"], ["a", "10"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(Text::table(&rows, 1).lines, "model   n\na      10\n");
        assert_eq!(Text::table(&rows, 2).lines, "model  n\na      10\n");
        // What is shown in two columns takes two.
        let rows = [["写真", "n"], ["a", "10"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(Text::table(&rows, 1).lines, "写真   n\na     10\n");
    }

    #[test]
    fn a_name_makes_no_line() {
        let name = "a\nchecked 0\u{1b}[2J".to_owned();
        let mut text = Text::table(&[vec![name.clone(), "b".to_owned()]], 1);
        text.line(&name);
        assert_eq!(text.lines, "a\\nchecked 0\\u{1b}[2J  b\na\\nchecked 0\\u{1b}[2J\n");
    }

    #[test]
    fn only_the_first_word_of_a_line_is_coloured() {
        let mut text = Text::of("first");
        text.coloured_line("ALTERED  a file \u{1b}[2J", Colour::Red);
        text.line("last");
        assert_eq!(text.shown(false, None), "first\nALTERED  a file \\u{1b}[2J\nlast\n");
        let coloured = "first\n\u{1b}[31mALTERED\u{1b}[0m  a file \\u{1b}[2J\nlast\n";
        assert_eq!(text.shown(true, None), coloured);
        let mut both = Text::of("before");
        both.append(text);
        assert_eq!(both.shown(true, None), format!("before\n{coloured}"));
    }

    #[test]
    fn what_a_program_reads_is_not_broken() {
        let mut text = Text::default();
        text.coloured_line("ALTERED  one two three", Colour::Red);
        assert_eq!(text.shown(true, Some(12)), "\u{1b}[31mALTERED\u{1b}[0m  one\ntwo three\n");
        assert_eq!(text.verbatim().shown(false, Some(12)), "ALTERED  one two three\n");
        let json = Text::json(&json!({ "a": "one two three" }));
        assert_eq!(json.shown(false, Some(5)), json.lines);
    }

    #[test]
    fn json_says_the_same_in_other_letters() {
        let value = json!({ "path": "a\n\u{202e}\u{9b}\u{7f}\u{1b}ä" });
        let text = Text::json(&value).lines;
        assert_eq!(text, "{\n  \"path\": \"a\\n\\u202e\\u009b\\u007f\\u001bä\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
