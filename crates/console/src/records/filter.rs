//! Which records are wanted, as the address or a form says it.

use maud::{Markup, html};
use stocktake_domain::ports::{PageStart, SortOrder};
use stocktake_domain::{Model, RecordKey, Selection, State};

use crate::error::ConsoleError;
use crate::query::{Address, Fields};
use crate::words::word;

/// The most identifiers that one filter names.
const MAX_KEYS: usize = 1_000;

/// Which records, in which order, from where on.
pub(super) struct Filter {
    pub(super) selection: Selection,
    pub(super) order: SortOrder,
    pub(super) start: PageStart,
}

impl Filter {
    /// From the address or a form; an error says what is wrong.
    pub(super) fn read(fields: &Fields) -> Result<Self, ConsoleError> {
        let state = fields.get("state").map(str::parse::<State>).transpose();
        let state = state.map_err(|error| ConsoleError::BadRequest(error.to_string()))?;
        let keys = fields.get("identifiers").map(keys).transpose()?.filter(|keys| !keys.is_empty());
        let order = match fields.get("sort") {
            None | Some("asc") => SortOrder::Ascending,
            Some("desc") => SortOrder::Descending,
            Some(other) => {
                return Err(ConsoleError::BadRequest(format!("{other:?} is no order: asc or desc")));
            }
        };
        let start = match (fields.get("after"), fields.get("before")) {
            (Some(after), _) => PageStart::After(key(after)?),
            (None, Some(before)) => PageStart::Before(key(before)?),
            (None, None) => PageStart::First,
        };
        Ok(Self { selection: Selection { state, keys, ..Selection::default() }, order, start })
    }

    fn identifiers(&self) -> Option<String> {
        let keys = self.selection.keys.as_ref()?;
        Some(keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }

    fn sort(&self) -> Option<&'static str> {
        (self.order == SortOrder::Descending).then_some("desc")
    }

    /// The address of the first page.
    pub(super) fn address(&self, model: Model) -> Address {
        let address = Address::console().below("models").below(model).with("state", self.selection.state);
        address.with("identifiers", self.identifiers()).with("sort", self.sort())
    }

    /// The fields of another form about the same records.
    pub(super) fn hidden(&self) -> Markup {
        html! {
            @if let Some(state) = self.selection.state { input type="hidden" name="state" value=(state); }
            @if let Some(keys) = self.identifiers() { input type="hidden" name="identifiers" value=(keys); }
        }
    }

    /// The form that asks for other records.
    pub(super) fn form(&self, model: Model) -> Markup {
        let plain = Address::console().below("models").below(model);
        let set = usize::from(self.selection.state.is_some()) + usize::from(self.selection.keys.is_some());
        html! {
            form class="stack" method="get" action=(plain) role="search" aria-label="Filter records" {
                div class="fields" {
                    div { label for="f-state" { "State" } select id="f-state" name="state" { (state_choices(self.selection.state)) } }
                    div class="broad" {
                        label for="f-ids" { "Identifiers, separated by commas" }
                        input type="text" id="f-ids" name="identifiers" value=(self.identifiers().unwrap_or_default());
                    }
                    div class="broad" {
                        label for="f-sort" { "Sort by" }
                        select id="f-sort" name="sort" {
                            option value="asc" { "Identifier, smallest first" }
                            option value="desc" selected[self.order == SortOrder::Descending] { "Identifier, largest first" }
                        }
                    }
                    div { button type="submit" class="primary" { "Filter" } }
                }
                @if set > 0 {
                    p { a href=(plain) { @if set == 1 { "Clear the filter" } @else { "Clear " (set) " filters" } } }
                }
            }
        }
    }
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
        for query in ["", "?state=failed", "?state=failed&identifiers=1%2CNSAxMDA%3D&sort=desc"] {
            let filter = read(query.trim_start_matches('?')).unwrap();
            assert_eq!(filter.address(Model::Uploads).to_string(), format!("/console/models/uploads{query}"));
        }
        assert_eq!(read("after=5").unwrap().start, PageStart::After(RecordKey::integer(5)));
        assert_eq!(read("before=5").unwrap().start, PageStart::Before(RecordKey::integer(5)));
        assert_eq!(read("identifiers=,+,").unwrap().selection, Selection::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for query in ["state=x", "identifiers=1,x!", "sort=size", "after=!"] {
            assert!(matches!(read(query), Err(ConsoleError::BadRequest(_))), "{query}");
        }
        let many = format!("identifiers={}", "1,".repeat(MAX_KEYS + 1));
        assert!(matches!(read(&many), Err(ConsoleError::BadRequest(_))));
    }
}
