//! `GET /console/models/:model`: the records of a data type, filtered and page by page; `POST …/recalculate` has all that
//! match read again.

mod filter;

use std::rc::Rc;

use futures_util::{TryFutureExt as _, try_join};
use maud::{Markup, html};
use stocktake_domain::ports::{
    Beyond, CountLimit, Counted, CountedTo, Page as RecordPage, PageRequest, PageStart, ScanLimit, SortField,
    SortLimit, SortedPage, SortedPageRequest, SortedStart,
};
use stocktake_domain::{Model, NewJob, Record, Timestamp};
use stocktake_web::{in_state, step};

use crate::error::ConsoleError;
use crate::figures::{age, ago, counted, number, size, until};
use crate::frame::{Section, head};
use crate::notice::{Notice, shown};
use crate::query::{Address, Fields};
use crate::response::{Answer, Page, PageResult};
use crate::shown::path;
use crate::tables::{self, optional};
use crate::visit::Visit;
use crate::words::{advice, badge, short_failure, word};
use filter::{Filter, Sort, Start};

/// How many records are on a page.
const PER_PAGE: u32 = 50;

/// How far matches are counted of which no counts are kept.
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
    let storages = step("catalogue.storages", visit.console.catalogue.storages()).err_into();
    let ((list, kept), storages) = try_join!(List::read(&visit, model, &filter), storages)?;
    let matches = Matches::count(&visit, model, &filter, kept, &list).await?;
    let (records, searched) = (&list.page, searched(&list.page, &filter));
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
        @if visit.may_act() && matches.may_be() { (confirmation(&visit, model, &filter, &matches)) }
        @if let Some(why) = list.unsorted { (unsorted(why, &filter, &base)) }
        @if let Some(note) = &searched { (note) }
        @if !records.records.is_empty() {
            (table(&records.records, list.sort, visit.now))
        } @else if searched.is_none() {
            p { @if matches.all == 0 { "The catalogue has no record of this data type." } @else { "No record matches." } }
        }
        (pager(&list, model, &filter))
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
    /// Why it is not sorted as was asked for.
    unsorted: Option<Unsorted>,
}

/// Why records are shown by identifier though another order was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsorted {
    /// Too many match.
    TooMany,
    /// Too many would have to be looked at to know which match.
    NotSearched,
    /// The page goes on with such a list.
    GoesOn,
}

impl List {
    /// The page that is asked for, and what the kept counts say of what matches.
    async fn read(visit: &Visit, model: Model, filter: &Filter) -> Result<(Self, Kept), ConsoleError> {
        let kept = Kept::read(visit, model, filter);
        match &filter.start {
            Start::ByIdentifier(start) => {
                let unsorted = filter.sort.field.map(|_| Unsorted::GoesOn);
                try_join!(Self::by_identifier(visit, model, filter, start.clone(), unsorted), kept)
            }
            Start::Sorted(field, start) => {
                let kept = kept.await?;
                let list = Self::sorted(visit, model, filter, (*field, start.clone()), &kept).await?;
                Ok((list, kept))
            }
        }
    }

    /// The page by this field; the first one by identifier if so many cannot be sorted.
    async fn sorted(
        visit: &Visit,
        model: Model,
        filter: &Filter,
        (field, start): (SortField, SortedStart),
        kept: &Kept,
    ) -> Result<Self, ConsoleError> {
        if kept.matches.is_some_and(|matches| matches > SortLimit::PAGE.records().into()) {
            let unsorted = Some(Unsorted::TooMany);
            return Self::by_identifier(visit, model, filter, PageStart::First, unsorted).await;
        }
        let request = SortedPageRequest {
            model,
            selection: filter.selection.clone(),
            field,
            order: filter.sort.order,
            start,
            limit: PER_PAGE,
            sorted_at_most: SortLimit::PAGE,
            scan_at_most: ScanLimit::PAGE,
        };
        let found = step("catalogue.sorted_page", visit.console.catalogue.sorted_page(&request)).await?;
        let unsorted = match found {
            SortedPage::Page(page) => return Ok(Self { page, sort: filter.sort, unsorted: None }),
            SortedPage::TooMany => Unsorted::TooMany,
            SortedPage::NotSearched => Unsorted::NotSearched,
        };
        // The place was one in another list.
        Self::by_identifier(visit, model, filter, PageStart::First, Some(unsorted)).await
    }

    /// How many match, if the page is the first one and shows it.
    fn counted(&self, filter: &Filter) -> Option<Counted> {
        let is_first = match &filter.start {
            Start::Sorted(_, start) => *start == SortedStart::First || self.unsorted.is_some(),
            Start::ByIdentifier(start) => *start == PageStart::First,
        };
        let to = match self.page.next {
            _ if !is_first => return None,
            Beyond::Matches => return None,
            Beyond::NotSearched(_) => CountedTo::ScanLimit,
            Beyond::Nothing => CountedTo::End,
        };
        Some(Counted { matches: u64::try_from(self.page.records.len()).unwrap_or(u64::MAX), to })
    }

    async fn by_identifier(
        visit: &Visit,
        model: Model,
        filter: &Filter,
        start: PageStart,
        unsorted: Option<Unsorted>,
    ) -> Result<Self, ConsoleError> {
        let sort = if filter.sort.field.is_some() { Sort::default() } else { filter.sort };
        let request = PageRequest {
            model,
            selection: filter.selection.clone(),
            order: sort.order,
            start,
            limit: PER_PAGE,
            scan_at_most: ScanLimit::PAGE,
        };
        let page = step("catalogue.page", visit.console.catalogue.page(&request)).await?;
        Ok(Self { page, sort, unsorted })
    }
}

/// Why the records are not sorted as asked for.
fn unsorted(why: Unsorted, filter: &Filter, base: &Address) -> Markup {
    let (subject, scanned) = (filter.sort.subject(), scanned(filter));
    html! {
        div class="note" role="status" { p {
            @match why {
                Unsorted::TooMany => {
                    "More than " (number(SortLimit::PAGE.records().into())) " records match: narrow the filter to sort them by " (subject)
                    ". They are shown by identifier."
                }
                Unsorted::NotSearched => {
                    "Only the first " (number(scanned)) " records are looked at for this filter, and there are more: \
                     add a state, a kind of failure or a storage to sort what matches by " (subject) ". It is shown by identifier."
                }
                Unsorted::GoesOn => {
                    "These pages are by identifier, as the first one was. "
                    a href=(base) { "Sort by " (subject) }
                }
            }
        } }
    }
}

/// How many records are looked at for a page or a number, at most.
fn scanned(filter: &Filter) -> u64 {
    ScanLimit::PAGE.records_for(&filter.selection).into()
}

/// How far records were looked at, if the page was not filled and that was not to the end.
fn searched(page: &RecordPage, filter: &Filter) -> Option<Markup> {
    let (ahead, rest) = match &filter.start {
        Start::ByIdentifier(PageStart::Before(_)) => (&page.previous, "before it"),
        _ => (&page.next, "behind it"),
    };
    let Beyond::NotSearched(key) = ahead else { return None };
    let many = number(scanned(filter));
    Some(html! {
        div class="note" role="status" { p {
            (many) " records were looked at, as far as identifier " (key) ". More may match " (rest) "."
        } }
    })
}

/// What the kept counts say.
struct Kept {
    /// All records of the model.
    all: u64,
    /// Those that match, of a filter of which counts are kept.
    matches: Option<u64>,
}

impl Kept {
    async fn read(visit: &Visit, model: Model, filter: &Filter) -> Result<Self, ConsoleError> {
        let (selection, snapshot) = (&filter.selection, visit.console.summary.get().await?);
        let summary = snapshot.models.iter().find(|summary| summary.model == model);
        let all = summary.map_or(0, |summary| summary.states.iter().map(|(_, count)| count).sum());
        let in_state = |state| summary.map_or(0, |summary| in_state(summary, state));
        let matches = if !selection.is_counted() {
            None
        } else if selection.filter.is_empty() {
            Some(selection.state.map_or(all, in_state))
        } else {
            let count = visit.console.catalogue.count(model, selection, CountLimit::page(MAX_COUNTED));
            Some(step("catalogue.count", count).await?.matches)
        };
        Ok(Self { all, matches })
    }
}

/// How many records match, of how many.
struct Matches {
    counted: Counted,
    /// How many records are looked at to count them, at most.
    scanned: u64,
    all: u64,
}

impl Matches {
    async fn count(
        visit: &Visit,
        model: Model,
        filter: &Filter,
        kept: Kept,
        list: &List,
    ) -> Result<Self, ConsoleError> {
        let (Kept { all, matches }, scanned) = (kept, scanned(filter));
        let matches = matches.map(|matches| Counted { matches, to: CountedTo::End });
        if let Some(counted) = matches.or_else(|| list.counted(filter)) {
            return Ok(Self { counted, scanned, all });
        }
        let count = visit.console.catalogue.count(model, &filter.selection, CountLimit::page(MAX_COUNTED));
        Ok(Self { counted: step("catalogue.count", count).await?, scanned, all })
    }

    /// Whether there may be any.
    fn may_be(&self) -> bool {
        self.counted.matches > 0 || self.counted.to != CountedTo::End
    }

    /// How many match, as words of a sentence: `at least 10,000 records`.
    fn many(&self) -> String {
        let many = counted(self.counted.matches, "record");
        match (self.counted.to, self.counted.matches) {
            (CountedTo::End, _) => many,
            (_, 0) => "all matching records".to_owned(),
            _ => format!("at least {many}"),
        }
    }

    fn sentence(&self) -> String {
        let Counted { matches, to } = self.counted;
        let (found, all) = (number(matches), counted(self.all, "record"));
        let match_ = if matches == 1 { "matches" } else { "match" };
        let first = number(self.scanned);
        match to {
            CountedTo::End if matches == self.all => format!("{all}."),
            CountedTo::End => format!("{found} of {all} {match_}."),
            CountedTo::MatchLimit => format!("At least {found} of {all} {match_}."),
            CountedTo::ScanLimit if matches == 0 => {
                format!("None of the first {first} looked at matches; there are {all}.")
            }
            CountedTo::ScanLimit => {
                format!("At least {found} of {all} {match_}, found among the first {first} looked at.")
            }
        }
    }
}

fn confirmation(visit: &Visit, model: Model, filter: &Filter, matches: &Matches) -> Markup {
    let many = matches.many();
    let action = Address::console().below("models").below(model).below("recalculate");
    html! {
        details class="confirm" {
            summary { "Recalculate " (many) "…" }
            form class="stack" method="post" action=(action) {
                (visit.form_value())
                (filter.hidden())
                p {
                    "The content of " (many) " of " (model)
                    @if let Some(state) = filter.selection.state { " in the state " (word(state)) }
                    @if !filter.selection.filter.is_empty() { ", " (filter.selection.filter.to_string()) "," }
                    " is read again in the background. Which records match is decided when the job comes to them; a job can be cancelled."
                }
                p { button type="submit" { "Recalculate " (many) } }
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
                p class="soft" { "in " (record.location.storage) }
                @if let Some(failure) = failure { p class="bad" { (short_failure(failure)) } }
                @if let Some(since) = record.history().failing_since() { p class="soft" { "Failing for " (age(since, now)) } }
            }
            @if has_owner { (optional(record.owner.as_ref().map(|owner| html! { (owner) }).as_ref(), "Owner", "")) }
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

/// The addresses of the pages before and after this one.
fn neighbours(List { page, sort, .. }: &List, model: Model, filter: &Filter) -> [Option<Address>; 2] {
    let Some(field) = sort.field else {
        let to = |place: PageStart| filter.address_at(model, &place);
        return [page.before().map(to), page.after().map(to)];
    };
    let to = |name, record: &Record| {
        filter.address(model).with(name, Some(&record.key)).with("value", field.value(record))
    };
    let first = page.records.first().filter(|_| page.previous != Beyond::Nothing);
    let outermost = page.records.last().filter(|_| page.next != Beyond::Nothing);
    [first.map(|record| to("before", record)), outermost.map(|record| to("after", record))]
}

fn pager(list: &List, model: Model, filter: &Filter) -> Markup {
    let (page, [previous, next]) = (&list.page, neighbours(list, model, filter));
    let is_searched = |beyond: &Beyond| !matches!(beyond, Beyond::NotSearched(_));
    let back = if is_searched(&page.previous) { "Previous page" } else { "Look further back" };
    let on = if is_searched(&page.next) { "Next page" } else { "Look further" };
    html! {
        @if previous.is_some() || next.is_some() {
            nav class="row spread" aria-label="Pages" {
                span { @if let Some(previous) = previous { a class="button" rel="prev" href=(previous) { (back) } } }
                span { @if let Some(next) = next { a class="button" rel="next" href=(next) { (on) } } }
            }
        }
    }
}
