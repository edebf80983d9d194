//! Rows of `records`, and of what is written into them.

use std::sync::LazyLock;

use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
use stocktake_domain::ports::Outcome;
use stocktake_domain::{
    Baseline, DigestRule, Disabled, Failed, Failure, FailureTimes, History, Location, Pending, Record,
    RecordKey, RowPart, SourceRecord, Status, Succeeded, Timestamp, Verification,
};

use super::check_value::check_value;
use super::codes::{DISABLED, FAILED, PENDING, SUCCEEDED, failure_kind_code, model_of};
use super::failure::{failure_cause, failure_of};
use super::seen::Seen;
use super::values::{digest_bytes, digest_of, storable, storable_size, unsigned};
use crate::columns::{Row, columns, list_of, select_list};
use crate::encryption::{Encryption, RuleOf};
use crate::error::DbError;
use crate::key;

columns! {
    /// What a source says of a record. A column added here is read, written, staged, compared and covered by the check
    /// value without further work, if it is NULL in the rows there are. No `Debug`: the rule may hold a key.
    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct SourceColumns {
        storage: Text,
        path: Text,
        created_at: Nullable<BigInt>,
        file_size: Nullable<BigInt>,
        expected: Nullable<Binary>,
        rule: Nullable<Text>,
        mutable: Bool,
        owner: Nullable<Text>,
        source_checksum: Nullable<Binary>,
        content_changed_at: Nullable<BigInt>,
    }
}

columns! {
    /// What an attempt leaves in a record.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct ResultColumns {
        state: SmallInt,
        attempt: BigInt,
        failed_at: Nullable<BigInt>,
        /// When the first attempt since the last good one failed. NULL in a row of a version that did not keep it.
        failing_since: Nullable<BigInt>,
        retry_count: Integer,
        retry_at: Nullable<BigInt>,
        failure_kind: Nullable<SmallInt>,
        failure_cause: Nullable<Text>,
        matches_source: Nullable<Bool>,
    }
}

columns! {
    /// Our own last good checksum, and its time.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub(crate) struct OwnColumns {
        baseline: Nullable<Binary>,
        baseline_at: Nullable<BigInt>,
    }
}

columns! {
    /// The same with its check value, which is NULL in a row of a version that had none.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub(crate) struct BaselineColumns {
        baseline_check: Nullable<Integer>,
        ..own: OwnColumns,
    }
}

columns! {
    /// A row of `records`.
    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct RecordRow in "records" (model, key) {
        model: SmallInt,
        key: Binary,
        accepted: Bool,
        from_source: Bool,
        due_at: Nullable<BigInt>,
        /// The check value of `source` and `accepted`; NULL in a row of a version that had none.
        recorded_check: Nullable<Integer>,
        /// The time of our own last good checksum before it was forgotten, because the source said another one.
        former_baseline_at: Nullable<BigInt>,
        /// The number of the last mark that the record answers.
        answers: BigInt,
        ..source: SourceColumns,
        ..result: ResultColumns,
        ..baseline: BaselineColumns,
    }
}

columns! {
    /// An entry of an import or a sync, as the temporary table of an import keeps it.
    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct StagedRow in "staged" (key) {
        key: Binary,
        disabled: Bool,
        /// Where the entry's source has it.
        number: BigInt,
        /// The number of a later entry with the key that says something else.
        conflict: Nullable<BigInt>,
        /// The check value of `source` in a record that is new.
        recorded_check: Integer,
        ..source: SourceColumns,
    }
}

columns! {
    /// What a result of an attempt writes into the record with this key, which is due no more. A result without a baseline
    /// leaves the one that there is.
    #[derive(Debug, Clone)]
    pub(crate) struct ResultRow {
        key: Binary,
        ..result: ResultColumns,
        ..baseline: BaselineColumns,
    }
}

/// The columns of a record `r`.
pub(crate) static RECORD: LazyLock<String> = LazyLock::new(|| select_list::<RecordRow>("r"));

/// Their SQL types.
pub(crate) type RecordSql = <RecordRow as Row>::SqlType;

/// The columns of a staged entry `s`.
pub(crate) static STAGED: LazyLock<String> = LazyLock::new(|| select_list::<StagedRow>("s"));

/// What becomes of an entry whose key is staged already: it leaves its number there if it says something else.
pub(crate) static ON_STAGED_KEY: LazyLock<String> = LazyLock::new(|| {
    let mut said = StagedRow::columns();
    said.retain(|column| !["key", "number", "conflict"].contains(&column.name));
    let of = |source: &str| list_of(&said, |column| format!("{source}.{}", column.name));
    format!(
        " ON CONFLICT (key) DO UPDATE SET conflict = excluded.number \
         WHERE staged.conflict IS NULL AND ({}) IS DISTINCT FROM ({})",
        of("staged"),
        of("excluded"),
    )
});

/// Their SQL types.
pub(crate) type StagedSql = <StagedRow as Row>::SqlType;

impl RecordRow {
    /// The record as it is seen.
    pub(crate) fn into_record(self, seen: Seen, encryption: &Encryption) -> Result<Record, DbError> {
        let status = self.status(seen)?;
        let SourceColumns { storage, path, rule, .. } = self.source;
        let of = RuleOf { model: self.model, key: &self.key };
        let rule = rule.map_or(Ok(DigestRule::Stored), |kept| encryption.rule(&kept, of))?;
        Ok(Record {
            model: model_of(self.model)?,
            key: key::decode(&self.key)?,
            created_at: self.source.created_at.map(Timestamp::from_millis),
            file_size: self.source.file_size.map(|size| unsigned(size, "file_size")).transpose()?,
            location: Location { storage, path },
            expected: self.source.expected.as_deref().map(digest_of).transpose()?,
            rule,
            mutable: self.source.mutable,
            accepted: self.accepted,
            owner: self.source.owner,
            source_checksum: self.source.source_checksum.as_deref().map(digest_of).transpose()?,
            status,
        })
    }

    /// The status of the record as it is seen.
    pub(crate) fn status(&self, seen: Seen) -> Result<Status, DbError> {
        let status = self.stored_status(seen.is_started() && !seen.is_marked())?;
        if !seen.is_marked() {
            return Ok(status);
        }
        let pending = status.expire();
        Ok(if seen.is_started() { Status::Started(pending.claim()) } else { Status::Pending(pending) })
    }

    /// The status that the row has. `started`: some lease holds the record.
    fn stored_status(&self, started: bool) -> Result<Status, DbError> {
        let history = self.result.history(self.baseline.own.get()?)?;
        Ok(match self.result.state {
            PENDING => {
                let last_failure = self.result.failure_cause.as_deref().map(failure_of).transpose()?;
                let pending = Verification::restore(history, Pending { last_failure });
                if started { Status::Started(pending.claim()) } else { Status::Pending(pending) }
            }
            SUCCEEDED => {
                let stage = Succeeded { matches_source: self.result.matches_source };
                Status::Succeeded(Verification::restore(history, stage))
            }
            DISABLED => Status::Disabled(Verification::restore(history, Disabled)),
            FAILED => self.failed(history, started)?,
            other => return Err(DbError::data(format!("state {other} is unknown"))),
        })
    }

    /// Puts a status in place of the one the row has. `due_at` is when a pending record became due; a failed
    /// one keeps its own.
    pub(crate) fn set_status(&mut self, status: &Status, due_at: i64) -> Result<(), DbError> {
        let kept_due = self.due_at.take();
        let history = status.history();
        self.result = match status {
            Status::Pending(verification) => {
                self.due_at = Some(due_at);
                ResultColumns::new(PENDING, history).with_failure(verification.stage().last_failure.as_ref())
            }
            Status::Succeeded(verification) => ResultColumns::succeeded(verification),
            Status::Disabled(_) => ResultColumns::new(DISABLED, history),
            Status::Failed(verification) => {
                self.due_at = kept_due;
                ResultColumns::failed(verification)
            }
            Status::Started(_) => return Err(DbError::data("'started' cannot be stored")),
        };
        Ok(())
    }

    /// Whether a mark with this number makes it pending: see [`crate::marks`].
    pub(crate) fn is_marked(&self, number: i64) -> bool {
        self.result.state == SUCCEEDED && self.answers < number
    }

    /// What the record is from now on answers the mark with this number.
    pub(crate) fn answer(&mut self, number: i64) {
        self.answers = self.answers.max(number);
    }

    /// Whether it is switched off.
    pub(crate) fn is_off(&self) -> bool {
        self.result.state == DISABLED
    }

    /// The same with a new check value of what was recorded, and one of the baseline if there was none.
    pub(crate) fn sealed(mut self) -> Self {
        self.recorded_check = Some(self.recorded_check());
        if self.baseline.baseline_check.is_none() {
            self.baseline.seal(self.model, &self.key);
        }
        self
    }

    /// The same with its rule in the form in which it would be kept now. One that is damaged stays as it is.
    pub(crate) fn renewed(mut self, encryption: &Encryption) -> Result<Self, DbError> {
        let Some(kept) = &self.source.rule else { return Ok(self) };
        match encryption.renewed(kept, RuleOf { model: self.model, key: &self.key })? {
            Some(rule) if !self.is_damaged(RowPart::Recorded) => {
                self.source.rule = Some(rule);
                Ok(self.sealed())
            }
            _ => Ok(self),
        }
    }

    fn recorded_check(&self) -> i32 {
        check_value(self.model, &self.key, &self.source, self.accepted)
    }

    /// Whether a part is not what was written there, as far as it has a check value.
    pub(crate) fn is_damaged(&self, part: RowPart) -> bool {
        match part {
            RowPart::Recorded => self.recorded_check.is_some_and(|kept| kept != self.recorded_check()),
            RowPart::Baseline => {
                let kept = self.baseline.baseline_check;
                kept.is_some_and(|kept| kept != self.baseline.own.check(self.model, &self.key))
            }
        }
    }

    /// Puts a baseline in place of the one the row has, as yet without a check value.
    pub(crate) fn set_baseline(&mut self, baseline: Option<Baseline>) {
        self.baseline = BaselineColumns::unsealed(baseline);
    }

    /// Leaves of a part that is damaged nothing that decides a verdict.
    pub(crate) fn forget(&mut self, part: RowPart) {
        match part {
            RowPart::Recorded => {
                let source = &mut self.source;
                (source.created_at, source.file_size, source.expected) = (None, None, None);
                (source.rule, source.source_checksum) = (None, None);
            }
            RowPart::Baseline => self.baseline = BaselineColumns::default(),
        }
    }

    fn failed(&self, history: History, started: bool) -> Result<Status, DbError> {
        let (Some(cause), Some(retry_at)) = (&self.result.failure_cause, self.result.retry_at) else {
            return Err(DbError::data("a failed record without its failure"));
        };
        let retry_at = Timestamp::from_millis(retry_at);
        let stage = Failed { failure: failure_of(cause)?, retry_at };
        let verification = Verification::restore(history, stage);
        if !started {
            return Ok(Status::Failed(verification));
        }
        // A failed record is due only from its retry time on, so that it was not claimed before.
        let claimed = verification.claim(retry_at).map_err(|early| DbError::data(early.to_string()))?;
        Ok(Status::Started(claimed))
    }
}

impl ResultColumns {
    /// A state with nothing but its history.
    fn new(state: i16, history: &History) -> Self {
        Self {
            state,
            attempt: i64::try_from(history.attempt).unwrap_or(i64::MAX),
            failed_at: history.failed_at().map(Timestamp::millis),
            failing_since: history.failing_since().map(Timestamp::millis),
            retry_count: i32::try_from(history.retry_count).unwrap_or(i32::MAX),
            retry_at: None,
            failure_kind: None,
            failure_cause: None,
            matches_source: None,
        }
    }

    fn succeeded(verification: &Verification<Succeeded>) -> Self {
        let matches_source = verification.stage().matches_source;
        Self { matches_source, ..Self::new(SUCCEEDED, verification.history()) }
    }

    fn failed(verification: &Verification<Failed>) -> Self {
        let Failed { failure, retry_at } = verification.stage();
        let failed = Self::new(FAILED, verification.history()).with_failure(Some(failure));
        Self { retry_at: Some(retry_at.millis()), ..failed }
    }

    /// The same with the failure with which the last attempt ended.
    fn with_failure(mut self, failure: Option<&Failure>) -> Self {
        self.set_failure(failure);
        self
    }

    /// Takes this for the failure with which the last attempt ended.
    pub(crate) fn set_failure(&mut self, failure: Option<&Failure>) {
        self.failure_kind = failure.map(|failure| failure_kind_code(failure.kind()));
        self.failure_cause = failure.map(failure_cause);
    }

    fn failures(&self) -> Option<FailureTimes> {
        let last = Timestamp::from_millis(self.failed_at?);
        let first = self.failing_since.map_or(last, Timestamp::from_millis);
        Some(FailureTimes { first, last })
    }

    fn history(&self, baseline: Option<Baseline>) -> Result<History, DbError> {
        Ok(History {
            attempt: unsigned(self.attempt, "attempt")?,
            retry_count: u32::try_from(self.retry_count)
                .map_err(|_| DbError::data(format!("retry_count {} is negative", self.retry_count)))?,
            baseline,
            failures: self.failures(),
        })
    }
}

impl ResultRow {
    /// What the outcome of an attempt writes.
    pub(crate) fn new(key: &RecordKey, outcome: &Outcome) -> Self {
        let (result, baseline) = match outcome {
            Outcome::Succeeded(verification) => {
                let baseline = verification.history().baseline;
                (ResultColumns::succeeded(verification), BaselineColumns::unsealed(baseline))
            }
            Outcome::Failed(verification) => {
                (ResultColumns::failed(verification), BaselineColumns::default())
            }
        };
        Self { key: key::encode(key), result, baseline }
    }
}

impl StagedRow {
    /// The row of an entry of a model that has this number.
    pub(crate) fn new(
        model: i16,
        number: u64,
        entry: &SourceRecord,
        encryption: &Encryption,
    ) -> Result<Self, DbError> {
        let key = key::encode(&entry.key);
        let source = SourceColumns::new(entry, RuleOf { model, key: &key }, encryption);
        let source = source.map_err(|error| DbError::data(format!("record {}: {error}", entry.key)))?;
        let number = storable_size(number, "the number of an entry")?;
        let recorded_check = check_value(model, &key, &source, false);
        Ok(Self { key, disabled: entry.disabled, number, conflict: None, recorded_check, source })
    }

    /// The same of the record that has this key instead.
    pub(crate) fn moved_to(
        mut self,
        model: i16,
        key: Vec<u8>,
        encryption: &Encryption,
    ) -> Result<Self, DbError> {
        if let Some(kept) = &self.source.rule {
            // What is encrypted is encrypted for its key.
            let rule = encryption.rule(kept, RuleOf { model, key: &self.key })?;
            self.source.rule = encryption.kept(&rule, RuleOf { model, key: &key })?;
        }
        let recorded_check = check_value(model, &key, &self.source, false);
        Ok(Self { key, recorded_check, ..self })
    }

    /// Whether both say the same of one record.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        (&self.key, self.disabled, &self.source) == (&other.key, other.disabled, &other.source)
    }

    /// The row of a record that is new to the catalogue. `from_source`: it is known to be the source's.
    pub(crate) fn into_new_record(self, model: i16, from_source: bool, due_at: i64) -> RecordRow {
        let state = if self.disabled { DISABLED } else { PENDING };
        RecordRow {
            model,
            key: self.key,
            accepted: false,
            from_source,
            due_at: (!self.disabled).then_some(due_at),
            recorded_check: Some(self.recorded_check),
            former_baseline_at: None,
            answers: 0,
            source: self.source,
            result: ResultColumns::new(state, &History::default()),
            baseline: BaselineColumns::default(),
        }
    }
}

impl OwnColumns {
    /// The checksum that they are of.
    pub(crate) fn get(&self) -> Result<Option<Baseline>, DbError> {
        let (Some(digest), Some(at)) = (&self.baseline, self.baseline_at) else { return Ok(None) };
        Ok(Some(Baseline { digest: digest_of(digest)?, at: Timestamp::from_millis(at) }))
    }

    fn check(&self, model: i16, key: &[u8]) -> i32 {
        check_value(model, key, self, false)
    }
}

impl BaselineColumns {
    /// The columns of a baseline, as yet without a check value.
    fn unsealed(baseline: Option<Baseline>) -> Self {
        let own = OwnColumns {
            baseline: baseline.map(|baseline| digest_bytes(baseline.digest)),
            baseline_at: baseline.map(|baseline| baseline.at.millis()),
        };
        Self { baseline_check: None, own }
    }

    /// Gives a baseline, if there is one, a new check value.
    pub(crate) fn seal(&mut self, model: i16, key: &[u8]) {
        self.baseline_check = self.own.baseline.is_some().then(|| self.own.check(model, key));
    }
}

impl SourceColumns {
    fn new(entry: &SourceRecord, of: RuleOf<'_>, encryption: &Encryption) -> Result<Self, DbError> {
        Ok(Self {
            storage: storable(&entry.location.storage, "storage")?,
            path: storable(&entry.location.path, "path")?,
            created_at: entry.created_at.map(Timestamp::millis),
            file_size: entry.file_size.map(|size| storable_size(size, "file_size")).transpose()?,
            expected: entry.expected.map(digest_bytes),
            rule: encryption.kept(&entry.rule, of)?,
            mutable: entry.mutable,
            owner: entry.owner.as_deref().map(|owner| storable(owner, "owner")).transpose()?,
            source_checksum: entry.source_checksum.map(digest_bytes),
            content_changed_at: entry.content_changed_at.map(Timestamp::millis),
        })
    }
}
