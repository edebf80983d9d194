//! A position in a Ruby program.

/// The position. It is cheap to copy, for looking ahead.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    /// Where the program continues after this line, if its here-documents have already been read.
    resume: Option<usize>,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1, resume: None }
    }

    /// The line, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the next.
    pub(super) fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// The character before this place.
    pub(super) fn last(&self) -> Option<char> {
        self.text.get(..self.at).and_then(|before| before.chars().next_back())
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
            if let Some(resume) = self.resume.take() {
                self.jump(resume);
            }
        }
        Some(next)
    }

    /// Moves past a text without line breaks, if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// A name or a keyword, if one begins here.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        if !rest.starts_with(is_word_start) {
            return None;
        }
        let end = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end)
    }

    /// Skips spaces and tabs.
    pub(super) fn spaces(&mut self) {
        let rest = self.rest();
        let end = rest.find(|next| !matches!(next, ' ' | '\t' | '\r'));
        self.at += end.unwrap_or(rest.len());
    }

    /// Skips spaces, line breaks and comments.
    pub(super) fn blanks(&mut self) {
        loop {
            self.spaces();
            if self.rest().starts_with("=begin") && self.is_line_start() {
                self.block_comment();
            } else if self.peek() == Some('#') {
                self.comment();
            } else if self.peek() == Some('\n') || self.rest().starts_with("\\\n") {
                self.bump();
            } else {
                return;
            }
        }
    }

    /// Skips the rest of the line, without its line break.
    pub(super) fn comment(&mut self) {
        let rest = self.rest();
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// Moves to the end of the program.
    pub(super) fn finish(&mut self) {
        self.resume = None;
        self.jump(self.text.len());
    }

    /// Whether the program ends here: at the end of the text or at `__END__`.
    pub(super) fn is_at_end(&self) -> bool {
        let rest = self.rest();
        let data = rest.strip_prefix("__END__").filter(|_| self.is_line_start());
        rest.is_empty() || data.is_some_and(|data| data.is_empty() || data.starts_with(['\n', '\r']))
    }

    /// The lines of a here-document that begins in this line, up to the one for which `is_end` is true.
    pub(super) fn document(&mut self, is_end: impl Fn(&str) -> bool) -> Vec<&'t str> {
        let after_line = || self.rest().find('\n').map(|end| self.at + end + 1);
        let mut at = self.resume.or_else(after_line).unwrap_or(self.text.len());
        let mut lines = Vec::new();
        for line in self.text.get(at..).unwrap_or_default().split_inclusive('\n') {
            at += line.len();
            if is_end(line) {
                break;
            }
            lines.push(line);
        }
        self.resume = Some(at);
        lines
    }

    fn is_line_start(&self) -> bool {
        matches!(self.last(), None | Some('\n'))
    }

    fn block_comment(&mut self) {
        while !self.rest().is_empty() {
            let is_end = self.rest().starts_with("=end");
            self.comment();
            self.bump();
            if is_end {
                return;
            }
        }
    }

    fn jump(&mut self, to: usize) {
        let passed = self.text.get(self.at..to).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.at = to;
    }
}

pub(super) fn is_word_start(next: char) -> bool {
    next == '_' || next.is_alphabetic()
}

pub(super) fn is_word(next: char) -> bool {
    next == '_' || next.is_alphanumeric()
}
