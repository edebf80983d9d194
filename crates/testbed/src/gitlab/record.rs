//! One row of a model, and what is to be made of it.

use super::content::{Content, Shape, sha256};

/// When all rows were made, as SQL has it: to the microsecond.
pub(super) const CREATED: &str = "'2025-02-05 11:27:10.173456+00'";

/// The same as it is read: to the millisecond.
pub(super) const CREATED_AT: &str = "2025-02-05T11:27:10.173Z";

/// What a verification of the content finds, once a [`super::GitlabFixture`] has laid it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitlabOutcome {
    /// The content is what it was when it was stored.
    Succeeded,
    /// It ends `failed`.
    Failed {
        /// The kind of failure: `missing`, `altered`, `unreadable` or `invalid`.
        kind: &'static str,
        /// What the text of the failure contains; as a rule all of it.
        text: String,
    },
    /// It is never verified.
    Disabled,
}

/// What the text of a failure begins with.
pub(super) const FAILED: &str = "Error during verification: ";

/// Stands in the text of a failure for the whole path or key of what is missing.
pub(super) const AT: &str = "{at}";

/// The project that most belongs to.
pub(super) const PLANNER: &str = "flights/Planner";

/// Why what has no file cannot be found.
pub(super) const NO_FILE: &str = "File is not checksummable - file does not exist at: (path unavailable)";

/// One row, and the record that it is to become.
#[derive(Debug, Clone)]
pub struct GitlabRecord {
    /// The model, for example `uploads`.
    pub model: &'static str,
    /// The identifier.
    pub id: i64,
    /// `created_at`, RFC 3339.
    pub created_at: Option<&'static str>,
    /// `file_size`.
    pub file_size: Option<u64>,
    /// The storage's name; `-` if it is not known.
    pub storage: String,
    /// The path within it; `-` if it is not known.
    pub path: String,
    /// `<algorithm>:<hex>`.
    pub expected: Option<String>,
    /// The rule in its text form.
    pub rule: Option<String>,
    /// The content may change, though the model's does not as a rule.
    pub mutable: bool,
    /// Never checksummed.
    pub disabled: bool,
    /// The full path of the project or group.
    pub owner: Option<&'static str>,
    /// What GitLab's own verification recorded, as it is shown; `None` if that is no checksum.
    pub source_checksum: Option<String>,
    /// When GitLab says that the content was last changed, RFC 3339.
    pub content_changed_at: Option<&'static str>,
    /// What becomes of it in a [`super::GitlabFixture`].
    pub outcome: GitlabOutcome,
    /// The checksum that is shown if it succeeds: of the stored bytes, of the refs, of the tags. Known only of what a
    /// [`super::GitlabFixture`] has laid out.
    pub checksum: Option<String>,
    /// Whether the content agrees with [`GitlabRecord::source_checksum`]; `None` if there is nothing to compare. Known only of
    /// what a [`super::GitlabFixture`] has laid out.
    pub matches_source: Option<bool>,
    /// What is laid out.
    pub(super) content: Content,
    /// The statements that make the row.
    pub(super) insert: String,
    newer: bool,
    /// What is different in GitLab 16.11.
    older: Vec<fn(&mut Self)>,
}

impl GitlabRecord {
    /// A row of a table, of these columns and values besides the id; at an unknown place.
    pub(super) fn new(model: &'static str, id: i64, table: &str, columns: &str, values: &str) -> Self {
        let key = match table {
            "group_wiki_repositories" => "group_id",
            "snippet_repositories" => "snippet_id",
            _ => "id",
        };
        Self {
            model,
            id,
            created_at: Some(CREATED_AT),
            file_size: None,
            storage: "-".to_owned(),
            path: "-".to_owned(),
            expected: None,
            rule: None,
            mutable: false,
            disabled: false,
            owner: None,
            source_checksum: None,
            content_changed_at: None,
            outcome: GitlabOutcome::Succeeded,
            checksum: None,
            matches_source: None,
            content: Content::Nothing,
            insert: format!("INSERT INTO {table} ({key}, {columns}) VALUES ({id}, {values})"),
            newer: false,
            older: Vec::new(),
        }
    }

    /// Lies there.
    pub(super) fn at(mut self, storage: &str, path: impl Into<String>) -> Self {
        (self.storage, self.path) = (storage.to_owned(), path.into());
        self
    }

    /// Shows this size.
    pub(super) fn size(mut self, bytes: usize) -> Self {
        self.file_size = u64::try_from(bytes).ok();
        self
    }

    /// Is compared with this digest.
    pub(super) fn digest(mut self, tagged: impl Into<String>) -> Self {
        self.expected = Some(tagged.into());
        self
    }

    /// Is read by this rule.
    pub(super) fn rule(mut self, text: impl Into<String>) -> Self {
        self.rule = Some(text.into());
        self
    }

    /// Cannot be found, for this reason.
    pub(super) fn lost(self, why: &str) -> Self {
        self.rule(format!("unresolved:{why}")).fails("invalid", why)
    }

    /// Ends failed.
    pub(super) fn fails(mut self, kind: &'static str, text: &str) -> Self {
        self.outcome = GitlabOutcome::Failed { kind, text: format!("{FAILED}{text}") };
        self
    }

    /// Is this.
    pub(super) fn holds(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Is a file or an object of these bytes.
    pub(super) fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.holds(Content::Bytes(bytes.into()))
    }

    /// Is a git repository like this.
    pub(super) fn git(self, shape: Shape) -> Self {
        self.holds(Content::Repository(shape))
    }

    /// Belongs to this project or group.
    pub(super) fn of(mut self, owner: &'static str) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Belongs to nobody that is known.
    pub(super) fn unowned(mut self) -> Self {
        self.owner = None;
        self
    }

    /// Has no time.
    pub(super) fn undated(mut self) -> Self {
        self.created_at = None;
        self
    }

    /// Was last changed then, if that is known.
    pub(super) fn touched(mut self, at: Option<&'static str>) -> Self {
        self.content_changed_at = at;
        self
    }

    /// May change.
    pub(super) fn mutable(mut self) -> Self {
        self.mutable = true;
        self
    }

    /// Is not checksummed.
    pub(super) fn disabled(mut self) -> Self {
        (self.disabled, self.outcome) = (true, GitlabOutcome::Disabled);
        self
    }

    /// Other rows that belong to it.
    pub(super) fn with(mut self, statement: &str) -> Self {
        self.insert = format!("{}; {statement}", self.insert);
        self
    }

    /// GitLab's verification has this in its table of states: a number, and the text in its column of
    /// bytes, which is NULL if there is none.
    pub(super) fn state(self, table: &str, key: &str, state: i16, checksum: &str) -> Self {
        let id = self.id;
        self.with(&format!(
            "INSERT INTO {table} ({key}, verification_state, verification_checksum) \
             VALUES ({id}, {state}, nullif('{checksum}', '')::bytea)"
        ))
    }

    /// Its checksum by GitLab is shown.
    pub(super) fn source_checksum(mut self, text: impl Into<String>) -> Self {
        self.source_checksum = Some(text.into());
        self
    }

    /// GitLab 16.11 does not have it.
    pub(super) fn newer(mut self) -> Self {
        self.newer = true;
        self
    }

    /// In GitLab 16.11 it is another.
    pub(super) fn older(mut self, change: fn(&mut Self)) -> Self {
        self.older.push(change);
        self
    }

    /// As it is in GitLab 16.11, if it is there at all.
    pub(super) fn in_older(mut self) -> Option<Self> {
        for change in std::mem::take(&mut self.older) {
            change(&mut self);
        }
        (!self.newer).then_some(self)
    }
}

/// The folder of an id: its SHA-256 behind its first four digits.
pub(super) fn hashed(id: u32) -> String {
    let digits = sha256(id.to_string());
    format!("{}/{}/{digits}", &digits[..2], &digits[2..4])
}
