//! States and failures in words.

use maud::{Markup, html};
use stocktake_domain::{Failure, FailureCause, FailureKind, RowPart, State};

use crate::error::ConsoleError;
use crate::icons::{Shape, icon};

/// A state, as a shape and a word.
pub(crate) fn badge(state: State) -> Markup {
    let word = word(state);
    html! { span class=(format!("state {state}")) { (icon(Shape::of(state), "")) (word) } }
}

/// The same of a state that no record is in, in which colour would mean nothing.
pub(crate) fn faint(state: State) -> Markup {
    html! { span class="state soft" { (icon(Shape::of(state), "")) (word(state)) } }
}

/// What a state is called.
pub(crate) const fn word(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::Started => "Started",
        State::Succeeded => "Succeeded",
        State::Failed => "Failed",
        State::Disabled => "Disabled",
    }
}

/// What a kind of failure is called.
pub(crate) const fn kind_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Missing => "Missing",
        FailureKind::Altered => "Altered",
        FailureKind::Unreadable => "Unreadable",
        FailureKind::Invalid => "Invalid",
        FailureKind::TimedOut => "Timed out",
    }
}

/// The kind of failure of this name.
pub(crate) fn kind_of(name: &str) -> Result<FailureKind, ConsoleError> {
    let found = FailureKind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| ConsoleError::BadRequest(format!("{name:?} is no kind of failure")))
}

/// What is wrong: the kind, and the text of the API without what it always begins with.
pub(crate) fn failure_text(failure: &Failure) -> Markup {
    let whole = failure.text();
    let short = whole.strip_prefix("Error during verification: ").unwrap_or(&whole);
    html! { (kind_word(failure.kind())) ": " (short) }
}

/// The same in few words, for lists, where the path stands beside it.
pub(crate) fn short_failure(failure: &Failure) -> Markup {
    let kind = kind_word(failure.kind());
    match failure.cause() {
        FailureCause::MissingFile { .. } => html! { (kind) ": the file does not exist" },
        FailureCause::ChecksumMismatch { .. } => html! { (kind) ": the digest is not the recorded one" },
        FailureCause::ContentChanged { .. } => html! { (kind) ": the content is not what it was" },
        _ => failure_text(failure),
    }
}

/// What an administrator can do about it.
pub(crate) fn advice(failure: &Failure) -> &'static str {
    if let FailureCause::DamagedRow { part } = failure.cause() {
        return match part {
            RowPart::Recorded => "Import or sync it again, then recalculate.",
            RowPart::Baseline => "Look at the content, and accept it if it is good.",
        };
    }
    if let FailureCause::MissingPart { .. } = failure.cause() {
        return "Put what it lacks back from any copy of it, then recalculate.";
    }
    match failure.kind() {
        FailureKind::Missing => "Restore it from a backup, then recalculate.",
        FailureKind::Altered => "Restore it from a backup and recalculate, or accept the content as it is.",
        FailureKind::Unreadable => "Mend what keeps it from being read, then recalculate.",
        FailureKind::Invalid => "Correct the record where it comes from.",
        FailureKind::TimedOut => "It is tried again by itself. If that does not help, look at the storage.",
    }
}
