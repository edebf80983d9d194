//! The state of a record and why, in words.

use maud::{Markup, html};
use stocktake_domain::{Failure, FailureCause, Record, Status};

use crate::figures::moment;
use crate::icons::{Shape, icon};
use crate::words::{advice, failure_text, kind_word};

/// What is to be said first of a record.
pub(super) fn note(record: &Record) -> Markup {
    match &record.status {
        Status::Failed(verification) => wrong(record, &verification.stage().failure),
        Status::Succeeded(_) => plain(Shape::Succeeded, &good(record)),
        Status::Pending(_) => plain(Shape::Pending, &waiting(record, "Pending. It waits to be read.")),
        Status::Started(_) => plain(Shape::Started, &waiting(record, "Started. It is being read.")),
        Status::Disabled(_) => {
            plain(Shape::Disabled, &html! { "Disabled. It is switched off and never read." })
        }
    }
}

fn plain(shape: Shape, sentence: &Markup) -> Markup {
    html! { div class="note" { (icon(shape, "")) p { (sentence) } } }
}

fn wrong(record: &Record, failure: &Failure) -> Markup {
    html! {
        div class="note wrong" {
            (icon(Shape::Failed, "bad"))
            div {
                p {
                    strong class="bad" { "Failed: " (kind_word(failure.kind()).to_lowercase()) "." }
                    " " (meaning(failure))
                    @if let Some(good) = record.history().baseline() { " It was last good on " (moment(good.at)) "." }
                }
                p { (failure_text(failure)) }
                p { (advice(failure)) }
            }
        }
    }
}

fn meaning(failure: &Failure) -> &'static str {
    match failure.cause() {
        FailureCause::MissingFile { .. } => "There is no content at its place.",
        FailureCause::MissingRepository => "There is no repository at its place.",
        FailureCause::MissingPart { .. } => "Something that the content needs is not there.",
        FailureCause::ChecksumMismatch { .. } => {
            "The content is not what was stored: its digest is another one."
        }
        FailureCause::SizeMismatch { .. } => "The content is not what was stored: its size is another one.",
        FailureCause::ContentChanged { .. } => "The content is not what it was when it was last good.",
        FailureCause::Altered { .. } => "Something within the content is not what was stored.",
        FailureCause::Unreadable { .. } => "The content cannot be read.",
        FailureCause::Invalid { .. } => "The record names no place that can hold content.",
        FailureCause::DamagedRow { .. } => {
            "What the content is to be compared with is damaged in the catalogue."
        }
        FailureCause::TimedOut { .. } => "Reading it took longer than it may.",
    }
}

fn good(record: &Record) -> Markup {
    let reference = record.reference();
    html! {
        "Succeeded. "
        @if record.accepted {
            "The content is what an administrator took for good."
        } @else if reference.expected.is_some() {
            "The content has the digest that was recorded when it was stored."
        } @else if reference.size.is_some() {
            "The content has the size that was recorded when it was stored; no digest was."
        } @else if record.mutable || record.model.is_mutable() {
            "The content can be read and is sound. It may rightly change."
        } @else {
            "The content can be read. Nothing was recorded to compare it with; from now on it is compared with this checksum."
        }
        @if record.matches_source() == Some(false) { " It does not agree with the checksum of GitLab’s own verification." }
    }
}

fn waiting(record: &Record, sentence: &str) -> Markup {
    html! {
        (sentence)
        @if let Some(failure) = record.status.last_failure() { " The last attempt failed. " span class="bad" { (failure_text(failure)) } }
    }
}
