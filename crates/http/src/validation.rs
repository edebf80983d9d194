//! From raw parameters to checked values. All wrong parameters of a request are named at once, in the order
//! in which they were asked for.

use stocktake_domain::{KeyError, Model, RecordKey, Selection, State};

use crate::error::{ApiError, BadParameter, ParamError};
use crate::parameters::{Parameters, Raw};

/// Checks the parameters of one request.
pub(crate) struct Checker<'a> {
    parameters: &'a Parameters,
    bad: Vec<BadParameter>,
}

impl<'a> Checker<'a> {
    /// A checker of these parameters.
    pub(crate) fn new(parameters: &'a Parameters) -> Self {
        Self { parameters, bad: Vec::new() }
    }

    /// The model of this name, from the path.
    pub(crate) fn model(&mut self, name: &str) -> Option<Model> {
        self.value("model_name", name.parse().ok())
    }

    /// One of several values, each given by its name. A blank text is none of them.
    pub(crate) fn choice<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        self.value(name, parse(text))
    }

    /// An integer of at least 1; blank is absent. One too large to be held counts as the largest.
    pub(crate) fn positive(&mut self, name: &'static str) -> Option<u64> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        if !RecordKey::looks_like_integer(text) {
            self.bad.push((name, ParamError::Type));
            return None;
        }
        let value = if text.starts_with('-') { 0 } else { text.parse().unwrap_or(u64::MAX) };
        self.value(name, Some(value).filter(|value| *value > 0))
    }

    /// A text; blank is absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        match self.parameters.get(name)? {
            Raw::Text(text) => Some(text),
            Raw::List(_) | Raw::Wrong => {
                self.bad.push((name, ParamError::Type));
                None
            }
        }
    }

    /// The elements of the list `identifiers` that are not blank, however they were written.
    pub(crate) fn identifiers(&mut self) -> Vec<&'a str> {
        match self.parameters.get("identifiers") {
            None => Vec::new(),
            Some(Raw::List(texts)) => {
                let elements = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
                elements.filter(|element| !element.is_empty()).collect()
            }
            Some(Raw::Text(_) | Raw::Wrong) => {
                self.bad.push(("identifiers", ParamError::Type));
                Vec::new()
            }
        }
    }

    /// Records a parameter that the caller itself found wrong.
    pub(crate) fn refuse(&mut self, name: &'static str, fault: ParamError) {
        self.bad.push((name, fault));
    }

    /// The value that was made of the parameters, if none of them is wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.bad.is_empty() => Ok(value),
            _ => Err(ApiError::Parameters(self.bad)),
        }
    }

    fn value<T>(&mut self, name: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.bad.push((name, ParamError::Value));
        }
        value
    }
}

/// A model with the records of it that a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The model.
    pub(crate) model: Model,
    /// Which records; `None` if no record can match.
    pub(crate) selection: Option<Selection>,
}

impl Target {
    /// Of a state and of identifiers as texts.
    pub(crate) fn new(model: Model, state: Option<State>, identifiers: &[&str]) -> Result<Self, ApiError> {
        let keys = keys(identifiers)?;
        let selection = match keys {
            Some(keys) if keys.is_empty() => None,
            keys => Some(Selection { state, keys, ..Selection::default() }),
        };
        Ok(Self { model, selection })
    }
}

/// The keys of a filter, sorted and each once; `None` if there is no filter. Identifiers that no record can
/// have are left out, so that the list may be empty.
fn keys(identifiers: &[&str]) -> Result<Option<Vec<RecordKey>>, ApiError> {
    if identifiers.is_empty() {
        return Ok(None);
    }
    let integers = identifiers.iter().filter(|text| RecordKey::looks_like_integer(text)).count();
    if integers != 0 && integers != identifiers.len() {
        return Err(ApiError::BadRequest(KeyError::InvalidBase64.to_string()));
    }
    let mut keys = Vec::with_capacity(identifiers.len());
    for text in identifiers {
        match text.parse() {
            Ok(key) => keys.push(key),
            Err(KeyError::Unknowable) => (),
            Err(error) => return Err(ApiError::identifier(error, text)),
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(identifiers: &[&str]) -> Result<Option<Selection>, String> {
        Target::new(Model::Uploads, None, identifiers)
            .map(|target| target.selection)
            .map_err(|error| error.to_string())
    }

    fn key(parts: &[i64]) -> RecordKey {
        RecordKey::from_parts(parts.to_vec()).unwrap()
    }

    #[test]
    fn keys_are_sorted_and_unique() {
        let keys = target(&["10", "9", "10"]).unwrap().unwrap().keys;
        assert_eq!(keys, Some(vec![key(&[9]), key(&[10])]));
        assert_eq!(target(&["NSAxMDA="]).unwrap().unwrap().keys, Some(vec![key(&[5, 100])]));
        assert_eq!(target(&[]).unwrap(), Some(Selection::default()));
    }

    #[test]
    fn impossible_identifiers_match_nothing() {
        assert_eq!(target(&["99999999999999999999"]).unwrap(), None);
        assert_eq!(target(&["99999999999999999999", "1"]).unwrap().unwrap().keys, Some(vec![key(&[1])]));
        assert_eq!(target(&["YSBi"]).unwrap(), None);
    }

    #[test]
    fn bad_identifiers_have_errors_of_their_own() {
        assert_eq!(target(&["1", "!"]), Err("bad request: invalid base64".to_owned()));
        assert_eq!(target(&["abcd"]), Err("bad request: Invalid composite key format".to_owned()));
        assert_eq!(target(&["1", "NSAxMDA="]), Err("bad request: invalid base64".to_owned()));
        assert!(target(&["99999999999999999999", "NSAxMDA="]).is_err());
    }

    #[test]
    fn blanks_are_dropped_from_lists() {
        let parameters = Parameters::from_urlencoded(b"identifiers=,1,+,2&identifiers[]=").unwrap();
        assert_eq!(Checker::new(&parameters).identifiers(), ["1", "2"]);
    }

    #[test]
    fn integers_are_checked_for_type_then_value() {
        let check = |text: &str| {
            let parameters = Parameters::from_urlencoded(text.as_bytes()).unwrap();
            let mut checker = Checker::new(&parameters);
            let value = checker.positive("page");
            (value, checker.bad)
        };
        assert_eq!(check(""), (None, vec![]));
        assert_eq!(check("page="), (None, vec![]));
        assert_eq!(check("page=007"), (Some(7), vec![]));
        assert_eq!(check("page=99999999999999999999"), (Some(u64::MAX), vec![]));
        for text in ["page=0", "page=-1", "page=-99999999999999999999"] {
            assert_eq!(check(text), (None, vec![("page", ParamError::Value)]), "{text}");
        }
        for text in ["page=abc", "page=1.5", "page=+1", "page=%FF", "page[]=1", "page=0x1"] {
            assert_eq!(check(text), (None, vec![("page", ParamError::Type)]), "{text}");
        }
    }
}
