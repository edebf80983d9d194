//! Which records are wanted, as the address or a form says it.

use maud::{Markup, html};
use stocktake_domain::ports::{PageStart, SortField, SortOrder, SortPosition, SortedStart};
use stocktake_domain::{FailureKind, Model, RecordFilter, RecordKey, Selection, State, Timestamp};

use crate::error::ConsoleError;
use crate::query::{Address, Fields};
use crate::words::{kind_of, kind_word, word};

/// The most identifiers that one filter names.
const MAX_KEYS: usize = 1_000;

/// The fields that say which records, as they stand in the address; and where the next are.
const FIELDS: [&str; 8] =
    ["state", "kind", "storage", "text", "owner", "identifiers", "checked_after", "checked_before"];

/// Which records, in which order, from where on.
pub(super) struct Filter {
    /// What was asked for, of [`FIELDS`] those that say something.
    fields: Vec<(&'static str, String)>,
    pub(super) selection: Selection,
    pub(super) sort: Sort,
    pub(super) start: Start,
}

/// Where a page begins, and in which list: one that could not be sorted goes on by identifier, whatever matches meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// In the list that is sorted by this.
    Sorted(SortField, SortedStart),
    /// In the list by identifier.
    ByIdentifier(PageStart),
}

impl Start {
    /// The field of an address that names the list of the place in it, if that is not sorted as was asked for.
    pub(super) const LIST: &str = "by";
    const BY_IDENTIFIER: &str = "identifier";

    fn read(fields: &Fields, sort: Sort) -> Result<Self, ConsoleError> {
        let value = fields.get("value").map(value).transpose()?;
        let by_identifier = match fields.get(Self::LIST) {
            None => sort.field.is_none(),
            Some(Self::BY_IDENTIFIER) => true,
            Some(other) => {
                return Err(ConsoleError::BadRequest(format!("{other:?} is no list that a place is in")));
            }
        };
        let at = |name| fields.get(name).map(key).transpose();
        let start = match (at("after")?, at("before")?) {
            (Some(key), _) => PageStart::After(key),
            (None, Some(key)) => PageStart::Before(key),
            (None, None) => PageStart::First,
        };
        let Some(field) = sort.field.filter(|_| !by_identifier) else { return Ok(Self::ByIdentifier(start)) };
        let start = match start {
            PageStart::After(key) => SortedStart::After(SortPosition { value, key }),
            PageStart::Before(key) => SortedStart::Before(SortPosition { value, key }),
            PageStart::First | PageStart::Offset(_) => SortedStart::First,
        };
        Ok(Self::Sorted(field, start))
    }
}

/// What a list is sorted by: a value, or the identifier alone; and the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sort {
    pub(super) field: Option<SortField>,
    pub(super) order: SortOrder,
}

impl Sort {
    /// All of them with their name in an address and what people read; the first one goes without saying.
    const CHOICES: [(Self, &'static str, &'static str); 8] = {
        use SortOrder::{Ascending, Descending};
        const fn by(field: SortField, order: SortOrder) -> Sort {
            Sort { field: Some(field), order }
        }
        [
            (Self { field: None, order: Ascending }, "asc", "Identifier, smallest first"),
            (Self { field: None, order: Descending }, "desc", "Identifier, largest first"),
            (by(SortField::LastCheck, Ascending), "checked_asc", "Last check, oldest first"),
            (by(SortField::LastCheck, Descending), "checked_desc", "Last check, newest first"),
            (by(SortField::Size, Descending), "size_desc", "Size, largest first"),
            (by(SortField::Size, Ascending), "size_asc", "Size, smallest first"),
            (by(SortField::FirstFailure, Ascending), "failing_asc", "First failure, oldest first"),
            (by(SortField::FirstFailure, Descending), "failing_desc", "First failure, newest first"),
        ]
    };

    fn read(name: Option<&str>) -> Result<Self, ConsoleError> {
        let Some(name) = name else { return Ok(Self::default()) };
        let found = Self::CHOICES.into_iter().find(|(_, known, _)| *known == name);
        found.map(|(sort, ..)| sort).ok_or_else(|| {
            let names = Self::CHOICES.map(|(_, known, _)| known).join(", ");
            ConsoleError::BadRequest(format!("{name:?} is no order; there are {names}"))
        })
    }

    fn choice(self) -> (&'static str, &'static str) {
        let found = Self::CHOICES.into_iter().find(|(sort, ..)| *sort == self);
        found.map(|(_, name, words)| (name, words)).unwrap_or_default()
    }

    /// What people read: `Size, largest first`.
    pub(super) fn words(self) -> &'static str {
        self.choice().1
    }

    /// The words alone for what is sorted by: `size`.
    pub(super) fn subject(self) -> &'static str {
        match self.field {
            None => "identifier",
            Some(SortField::LastCheck) => "last check",
            Some(SortField::Size) => "size",
            Some(SortField::FirstFailure) => "first failure",
        }
    }
}

impl Filter {
    /// From the address or a form; an error says what is wrong.
    pub(super) fn read(fields: &Fields) -> Result<Self, ConsoleError> {
        let own = FIELDS.into_iter().filter_map(|name| Some((name, fields.get(name)?.to_owned())));
        let own: Vec<_> = own.collect();
        if let Some((name, _)) = own.iter().find(|(_, value)| value.contains('\0')) {
            return Err(ConsoleError::BadRequest(format!("{name} contains a NUL character")));
        }
        let state = fields.get("state").map(str::parse::<State>).transpose();
        let state = state.map_err(|error| ConsoleError::BadRequest(error.to_string()))?;
        let keys = fields.get("identifiers").map(keys).transpose()?.filter(|keys| !keys.is_empty());
        let filter = RecordFilter {
            kinds: fields.get("kind").map(kind_of).transpose()?.into_iter().collect(),
            storages: fields.get("storage").map(str::to_owned).into_iter().collect(),
            path: None,
            text: fields.get("text").map(str::to_owned),
            owner: fields.get("owner").map(str::to_owned),
            since: fields.get("checked_after").map(day).transpose()?,
            before: fields.get("checked_before").map(day).transpose()?,
        };
        let sort = Sort::read(fields.get("sort"))?;
        let start = Start::read(fields, sort)?;
        Ok(Self { fields: own, selection: Selection { state, keys, filter }, sort, start })
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The address of the first page.
    pub(super) fn address(&self, model: Model) -> Address {
        let plain = Address::console().below("models").below(model);
        let address =
            self.fields.iter().fold(plain, |address, (name, value)| address.with(name, Some(value)));
        address.with("sort", (self.sort != Sort::default()).then_some(self.sort.choice().0))
    }

    /// The address of a page at a place of the list by identifier.
    pub(super) fn address_at(&self, model: Model, place: &PageStart) -> Address {
        let list = self.sort.field.map(|_| Start::BY_IDENTIFIER);
        let address = self.address(model).with(Start::LIST, list);
        match place {
            PageStart::After(key) => address.with("after", Some(key)),
            PageStart::Before(key) => address.with("before", Some(key)),
            PageStart::First | PageStart::Offset(_) => address,
        }
    }

    /// The fields of another form about the same records.
    pub(super) fn hidden(&self) -> Markup {
        html! { @for (name, value) in &self.fields { input type="hidden" name=(name) value=(value); } }
    }

    /// The form that asks for other records, which lie in these storages.
    pub(super) fn form(&self, model: Model, storages: &[String]) -> Markup {
        let plain = Address::console().below("models").below(model);
        let set = self.fields.len();
        html! {
            form class="stack" method="get" action=(plain) role="search" aria-label="Filter records" {
                div class="fields" {
                    div { label for="f-state" { "State" } select id="f-state" name="state" { (state_choices(self.selection.state)) } }
                    div { label for="f-kind" { "Kind of failure" } select id="f-kind" name="kind" { (self.kind_choices()) } }
                    div class="broad" { label for="f-storage" { "Storage" } select id="f-storage" name="storage" { (self.storage_choices(storages)) } }
                    div class="broad" { (self.field("text", "f-text", "Path or text contains")) }
                    div class="broad ended" {
                        div {
                            label for="f-sort" { "Sort by" }
                            select id="f-sort" name="sort" {
                                @for (sort, name, words) in Sort::CHOICES { option value=(name) selected[sort == self.sort] { (words) } }
                            }
                        }
                        button type="submit" class="primary" { "Filter" }
                    }
                }
                div class="row spread" {
                    details open[self.has_more()] {
                        summary { "More filters" }
                        div class="fields" {
                            div { (self.field("owner", "f-owner", "Owner")) }
                            div class="broad" { (self.field("identifiers", "f-ids", "Identifiers, separated by commas")) }
                            div { (self.date("checked_after", "f-after", "Checked after")) }
                            div { (self.date("checked_before", "f-before", "Checked before")) }
                        }
                    }
                    @if set > 0 {
                        p { a href=(plain) { @if set == 1 { "Clear the filter" } @else { "Clear " (set) " filters" } } }
                    }
                }
            }
        }
    }

    /// Whether one of the fields says something that are folded away at first.
    fn has_more(&self) -> bool {
        ["owner", "identifiers", "checked_after", "checked_before"]
            .into_iter()
            .any(|name| self.value(name).is_some())
    }

    fn field(&self, name: &str, id: &str, label: &str) -> Markup {
        html! {
            label for=(id) { (label) }
            input type="text" id=(id) name=(name) value=(self.value(name).unwrap_or_default());
        }
    }

    fn date(&self, name: &str, id: &str, label: &str) -> Markup {
        html! {
            label for=(id) { (label) }
            input type="date" id=(id) name=(name) value=(self.value(name).unwrap_or_default());
        }
    }

    fn kind_choices(&self) -> Markup {
        let chosen = self.selection.filter.kinds.first();
        html! {
            option value="" selected[chosen.is_none()] { "Any" }
            @for kind in FailureKind::ALL {
                option value=(kind.name()) selected[chosen == Some(&kind)] { (kind_word(kind)) }
            }
        }
    }

    /// The storages of the model's records, and the one that is asked for even if it is none of them.
    fn storage_choices(&self, storages: &[String]) -> Markup {
        let chosen = self.value("storage");
        let other = chosen.filter(|chosen| !storages.iter().any(|storage| storage == chosen));
        html! {
            option value="" selected[chosen.is_none()] { "Any" }
            @for storage in storages.iter().map(String::as_str).chain(other) {
                option value=(storage) selected[chosen == Some(storage)] { (storage) }
            }
        }
    }
}

/// When a day begins, as UTC has it.
fn day(text: &str) -> Result<Timestamp, ConsoleError> {
    let wrong = || ConsoleError::BadRequest(format!("{text:?} is no day such as 2026-11-30"));
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).ok_or_else(wrong)
}

fn value(text: &str) -> Result<i64, ConsoleError> {
    text.parse()
        .map_err(|_| ConsoleError::BadRequest(format!("{text:?} is no value that records are sorted by")))
}

fn key(text: &str) -> Result<RecordKey, ConsoleError> {
    text.parse().map_err(|error| ConsoleError::BadRequest(format!("{text:?} is no identifier: {error}")))
}

fn keys(text: &str) -> Result<Vec<RecordKey>, ConsoleError> {
    let texts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|text| !text.is_empty());
    let keys = texts.take(MAX_KEYS + 1).map(key).collect::<Result<Vec<_>, _>>()?;
    if keys.len() > MAX_KEYS {
        return Err(ConsoleError::BadRequest(format!("a filter may name {MAX_KEYS} identifiers at most")));
    }
    Ok(keys)
}

/// The states, as the choices of a filter.
fn state_choices(chosen: Option<State>) -> Markup {
    html! {
        option value="" selected[chosen.is_none()] { "Any" }
        @for state in State::ALL { option value=(state) selected[chosen == Some(state)] { (word(state)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Filter, ConsoleError> {
        Filter::read(&Fields::parse(query.as_bytes()))
    }

    #[test]
    fn the_address_of_a_filter_is_read_back() {
        for query in [
            "",
            "?state=failed",
            "?state=failed&identifiers=1%2CNSAxMDA%3D&sort=desc",
            "?sort=checked_asc",
            "?sort=checked_desc",
            "?state=failed&sort=size_asc",
            "?sort=size_desc",
            "?sort=failing_asc",
            "?sort=failing_desc",
            "?kind=timed_out&storage=a%20b&text=%3Cx%3E&owner=g%2Fp&checked_after=2026-11-01&checked_before=2026-11-30",
        ] {
            let filter = read(query.trim_start_matches('?')).unwrap();
            assert_eq!(filter.address(Model::Uploads).to_string(), format!("/console/models/uploads{query}"));
        }
        let place = |value| SortPosition { value, key: RecordKey::integer(5) };
        let key = RecordKey::integer(5);
        let start = |query| read(query).unwrap().start;
        assert_eq!(start("after=5&value=7"), Start::ByIdentifier(PageStart::After(key.clone())));
        let sorted = |start| Start::Sorted(SortField::Size, start);
        assert_eq!(start("sort=size_asc&after=5"), sorted(SortedStart::After(place(None))));
        assert_eq!(start("sort=size_asc&before=5&value=-7"), sorted(SortedStart::Before(place(Some(-7)))));
        assert_eq!(start("sort=size_asc"), sorted(SortedStart::First));
        let before = PageStart::Before(key);
        assert_eq!(start("sort=size_asc&by=identifier&before=5"), Start::ByIdentifier(before.clone()));
        let address = read("text=a&sort=size_asc").unwrap().address_at(Model::Uploads, &before).to_string();
        assert_eq!(address, "/console/models/uploads?text=a&sort=size_asc&by=identifier&before=5");
        let address = read("text=a").unwrap().address_at(Model::Uploads, &before).to_string();
        assert_eq!(address, "/console/models/uploads?text=a&before=5");
        assert_eq!(read("identifiers=,+,").unwrap().selection, Selection::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for query in [
            "state=x",
            "kind=lost",
            "identifiers=1,x!",
            "checked_after=yesterday",
            "checked_before=2026-11-31",
            "text=a%00",
            "sort=size",
            "sort=size_asc&after=5&value=much",
            "after=!",
            "by=size",
        ] {
            assert!(matches!(read(query), Err(ConsoleError::BadRequest(_))), "{query}");
        }
        let many = format!("identifiers={}", "1,".repeat(MAX_KEYS + 1));
        assert!(matches!(read(&many), Err(ConsoleError::BadRequest(_))));
    }
}
