//! `GET /console/models/:model`: the records of a data type, filtered and page by page; `POST …/recalculate` has all that
//! match read again.

mod filter;

use std::rc::Rc;

use maud::{Markup, html};
use stocktake_domain::ports::{Page as RecordPage, PageRequest, SortLimit, SortedPage, SortedPageRequest};
use stocktake_domain::{Model, NewJob, Record, Timestamp};
use stocktake_web::{in_state, step};

use crate::error::ConsoleError;
use crate::figures::{age, ago, counted, number, size, until};
use crate::frame::{Section, head};
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::shown::{path, text};
use crate::tables::{self, optional};
use crate::visit::Visit;
use crate::words::{advice, badge, short_failure, word};
use filter::{Filter, Sort};

/// How many records are on a page.
const PER_PAGE: u32 = 50;

/// How far records are counted that match more than a state.
const MAX_COUNTED: u64 = 10_000;

/// The address of a record's page.
pub(crate) fn record_address(record: &Record) -> Address {
    Address::console().below("models").below(record.model).below(&record.key)
}

/// The model in the path.
pub(crate) fn model_of(visit: &Visit) -> Result<Model, ConsoleError> {
    visit.part("model").parse().map_err(|_| ConsoleError::NotFound)
}

/// `GET /console/models/:model`.
pub(crate) async fn page(visit: Rc<Visit>) -> PageResult {
    let model = model_of(&visit)?;
    let fields = visit.query();
    let filter = Filter::read(&fields)?;
    let matches = Matches::count(&visit, model, &filter).await?;
    let list = List::read(&visit, model, &filter, &matches).await?;
    let records = &list.page;
    let storages = step("catalogue.storages", visit.console.catalogue.storages()).await?;
    let storages = storages.into_iter().filter(|(of, _)| *of == model).map(|(_, storage)| storage);
    let storages: Vec<_> = storages.collect();
    let base = filter.address(model);
    let first = html! {
        nav class="crumbs" aria-label="Breadcrumb" { ol { li { a href="/console" { "Overview" } } } }
        h1 { (model) }
        p class="lede" { (matches.sentence()) }
    };
    let main = html! {
        (head(&first, visit.now, &base.to_string()))
        (shown(fields.get("notice")))
        (filter.form(model, &storages))
        @if visit.may_act() && matches.number > 0 { (confirmation(&visit, model, &filter, &matches)) }
        @if records.records.is_empty() {
            p { "No record matches." }
        } @else {
            @if list.sort != filter.sort { (too_many(filter.sort)) }
            (table(&records.records, list.sort, visit.now))
            (pager(&list, &base))
        }
    };
    Ok(Page::new(model.name(), Section::Overview, main).into())
}

/// `POST /console/models/:model/recalculate`: a job over everything that matches the filter.
pub(crate) async fn recalculate(visit: Rc<Visit>, form: Fields) -> PageResult {
    let model = model_of(&visit)?;
    let filter = Filter::read(&form)?;
    let requested_by = visit.identity.username.clone();
    let request = NewJob { model, selection: filter.selection, requested_by };
    let job = step("jobs.enqueue", visit.console.jobs.enqueue(&request)).await?;
    let (id, caller) = (job.id.0, &visit.identity.username);
    tracing::info!(
        job.id = id,
        job.model = model.name(),
        token.owner = caller,
        "job {id} enqueued in the console by {caller}"
    );
    Ok(Answer::Redirect(crate::jobs::address().with("notice", Some(Notice::Queued.name()))))
}

/// A page of records, and how it is sorted.
struct List {
    page: RecordPage,
    sort: Sort,
}

impl List {
    /// The page that is asked for; by identifier if too many match for another order.
    async fn read(
        visit: &Visit,
        model: Model,
        filter: &Filter,
        matches: &Matches,
    ) -> Result<Self, ConsoleError> {
        let catalogue = &visit.console.catalogue;
        let (sort, sorted_at_most) = (filter.sort, SortLimit::PAGE);
        let (selection, start) = (filter.selection.clone(), filter.start.clone());
        let (order, limit) = (sort.order, PER_PAGE);
        if let Some(field) = sort.field.filter(|_| matches.number <= u64::from(sorted_at_most.records())) {
            let request = SortedPageRequest { model, selection, field, order, start, limit, sorted_at_most };
            let found = step("catalogue.sorted_page", catalogue.sorted_page(&request)).await?;
            if let SortedPage::Page(page) = found {
                return Ok(Self { page, sort });
            }
        }
        let sort = if sort.field.is_some() { Sort::default() } else { sort };
        let (selection, start) = (filter.selection.clone(), filter.start_by_key());
        let request = PageRequest { model, selection, order: sort.order, start, limit };
        let page = step("catalogue.page", catalogue.page(&request)).await?;
        Ok(Self { page, sort })
    }
}

/// Why the records are not sorted as asked for.
fn too_many(sort: Sort) -> Markup {
    let most = number(SortLimit::PAGE.records().into());
    html! {
        p class="note" role="status" {
            "More than " (most) " records match: narrow the filter to sort them by " (sort.subject()) ". They are shown by identifier."
        }
    }
}

/// How many records match, of how many.
struct Matches {
    number: u64,
    /// There are more.
    is_least: bool,
    all: u64,
}

impl Matches {
    async fn count(visit: &Visit, model: Model, filter: &Filter) -> Result<Self, ConsoleError> {
        let snapshot = visit.console.summary.get().await?;
        let summary = snapshot.models.iter().find(|summary| summary.model == model);
        let all = summary.map_or(0, |summary| summary.states.iter().map(|(_, count)| count).sum());
        if filter.selection.keys.is_none() && filter.selection.filter.is_empty() {
            let state = filter.selection.state;
            let number = state.map_or(all, |state| summary.map_or(0, |summary| in_state(summary, state)));
            return Ok(Self { number, is_least: false, all });
        }
        let count = visit.console.catalogue.count(model, &filter.selection, MAX_COUNTED);
        let number = step("catalogue.count", count).await?;
        Ok(Self { number, is_least: number == MAX_COUNTED, all })
    }

    fn sentence(&self) -> String {
        let least = if self.is_least { "At least " } else { "" };
        if self.number == self.all {
            return format!("{}.", counted(self.all, "record"));
        }
        let match_ = if self.number == 1 { "matches" } else { "match" };
        format!("{least}{} of {} {match_}.", number(self.number), counted(self.all, "record"))
    }
}

fn confirmation(visit: &Visit, model: Model, filter: &Filter, matches: &Matches) -> Markup {
    let many = counted(matches.number, "record");
    let least = if matches.is_least { "at least " } else { "" };
    let action = Address::console().below("models").below(model).below("recalculate");
    html! {
        details class="confirm" {
            summary { "Recalculate " (least) (many) "…" }
            form class="stack" method="post" action=(action) {
                (visit.form_value())
                (filter.hidden())
                p {
                    "The content of " (least) (many) " of " (model)
                    @if let Some(state) = filter.selection.state { " in the state " (word(state)) }
                    @if !filter.selection.filter.is_empty() { ", " (text(&filter.selection.filter.to_string())) "," }
                    " is read again in the background. Which records match is decided when the job comes to them; a job can be cancelled."
                }
                p { button type="submit" { "Recalculate " (least) (many) } }
            }
        }
    }
}

fn table(records: &[Record], sort: Sort, now: Timestamp) -> Markup {
    let has_owner = records.iter().any(|record| record.owner.is_some());
    let has_size = records.iter().any(|record| record.file_size.is_some());
    let has_failure = records.iter().any(|record| record.status.last_failure().is_some());
    let columns = [
        (true, "Record", ""),
        (true, "State", "flag"),
        (true, "Content", "all"),
        (has_owner, "Owner", ""),
        (has_size, "Size", "n"),
        (true, "Last check", ""),
        (has_failure, "Next retry", ""),
        (has_failure, "What to do", "all"),
    ];
    let columns: Vec<_> = columns
        .into_iter()
        .filter(|(is_there, ..)| *is_there)
        .map(|(_, name, class)| (name, class))
        .collect();
    let rows = html! { @for record in records { (row(record, [has_owner, has_size, has_failure], now)) } };
    html! {
        section class="stack" aria-label="Matches" data-rows="records" {
            (tables::table("cards", &format!("Records, by {}", sort.words().to_lowercase()), &columns, &rows))
        }
    }
}

fn row(record: &Record, [has_owner, has_size, has_failure]: [bool; 3], now: Timestamp) -> Markup {
    let failure = record.status.last_failure();
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { a href=(record_address(record)) { (record.key) } }
            td class="flag" role="cell" { (badge(record.state())) }
            td class="all" role="cell" {
                p { (path(&record.location.path)) }
                p class="soft" { "in " (text(&record.location.storage)) }
                @if let Some(failure) = failure { p class="bad" { (short_failure(failure)) } }
                @if let Some(since) = record.history().failing_since() { p class="soft" { "Failing for " (age(since, now)) } }
            }
            @if has_owner { (optional(record.owner.as_deref().map(text).as_ref(), "Owner", "")) }
            @if has_size { (optional(record.file_size.map(size).as_ref(), "Size", "n")) }
            (optional(record.history().last_checksum_at().map(|at| ago(at, now)).as_ref(), "Last check", ""))
            @if has_failure {
                (optional(record.status.retry_at().map(|at| until(at, now)).as_ref(), "Next retry", ""))
                @match failure {
                    Some(failure) => td class="all" role="cell" { (advice(failure)) },
                    None => td class="all none" role="cell" {},
                }
            }
        }
    }
}

fn pager(list: &List, base: &Address) -> Markup {
    let List { page, sort } = list;
    let to = |name, record: &Record| {
        let value = sort.field.and_then(|field| field.value(record));
        base.clone().with(name, Some(&record.key)).with("value", value)
    };
    let previous = page.records.first().filter(|_| page.has_previous).map(|record| to("before", record));
    let next = page.records.last().filter(|_| page.has_next).map(|record| to("after", record));
    html! {
        @if previous.is_some() || next.is_some() {
            nav class="row spread" aria-label="Pages" {
                span { @if let Some(previous) = previous { a class="button" rel="prev" href=(previous) { "Previous page" } } }
                span { @if let Some(next) = next { a class="button" rel="next" href=(next) { "Next page" } } }
            }
        }
    }
}
