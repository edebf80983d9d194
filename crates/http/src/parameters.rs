//! Request parameters as they come in, from a query string, a form or a JSON object, before their
//! values are checked.

use std::collections::HashMap;

use actix_web::HttpRequest;
use serde_json::{Map, Value};
use stocktake_web::pairs;

use crate::error::ApiError;

/// The parameters that are lists, so that repeating one adds to it; of any other the last one wins.
const LISTS: [&str; 1] = ["identifiers"];

/// A parameter as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    /// A single text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Of a type that no parameter has, such as an object.
    Wrong,
}

/// The most names that one source may have.
const MAX_NAMES: usize = 4_096;

/// More than [`MAX_NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyNames;

impl From<TooManyNames> for ApiError {
    fn from(_: TooManyNames) -> Self {
        Self::BadRequest(format!("a request may have at most {MAX_NAMES} parameters"))
    }
}

/// All parameters of one source. A JSON `null` counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(HashMap<String, Raw>);

impl Parameters {
    /// From the query string of a request.
    pub(crate) fn of_query(request: &HttpRequest) -> Result<Self, TooManyNames> {
        Self::from_urlencoded(request.query_string().as_bytes())
    }

    /// From a query string or a form.
    pub(crate) fn from_urlencoded(text: &[u8]) -> Result<Self, TooManyNames> {
        let mut parameters = Self::default();
        for (name, value) in pairs(text) {
            parameters.add(&name, value.into_owned())?;
        }
        Ok(parameters)
    }

    /// From a JSON object.
    pub(crate) fn from_json(object: Map<String, Value>) -> Result<Self, TooManyNames> {
        if object.len() > MAX_NAMES {
            return Err(TooManyNames);
        }
        let raw = |name: &str, value: Value| match value {
            Value::Null => None,
            Value::String(text) if LISTS.contains(&name) => Some(Raw::List(vec![text])),
            Value::String(text) => Some(Raw::Text(text)),
            Value::Array(elements) => Some(list(&elements)),
            Value::Number(_) if LISTS.contains(&name) => Some(list(&[value])),
            Value::Number(_) | Value::Bool(_) | Value::Object(_) => Some(Raw::Wrong),
        };
        let entries = object.into_iter().filter_map(|(name, value)| {
            let raw = raw(&name, value)?;
            Some((name, raw))
        });
        Ok(Self(entries.collect()))
    }

    /// These parameters, and those of `other` that are not among them.
    #[must_use]
    pub(crate) fn or(mut self, other: Self) -> Self {
        for (name, raw) in other.0 {
            self.0.entry(name).or_insert(raw);
        }
        self
    }

    /// The parameter of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Raw> {
        self.0.get(name)
    }

    /// Adds `name=value`, where the name may end in `[]` or `[0]` as an element of a list.
    pub(crate) fn add(&mut self, name: &str, value: String) -> Result<(), TooManyNames> {
        let (base, brackets) = name.find('[').map_or((name, ""), |at| name.split_at(at));
        let index = brackets.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_element = index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()));
        if brackets.is_empty() && !LISTS.contains(&base) {
            return self.set(base, Raw::Text(value));
        }
        if !brackets.is_empty() && !is_element {
            return self.set(base, Raw::Wrong);
        }
        match self.0.get_mut(base) {
            Some(Raw::List(values)) => values.push(value),
            Some(Raw::Wrong) => (),
            _ => return self.set(base, Raw::List(vec![value])),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, raw: Raw) -> Result<(), TooManyNames> {
        self.0.insert(name.to_owned(), raw);
        if self.0.len() > MAX_NAMES { Err(TooManyNames) } else { Ok(()) }
    }
}

/// A JSON list of numbers and texts. `null` counts as an empty element, any other type makes it wrong.
fn list(elements: &[Value]) -> Raw {
    let text = |element: &Value| match element {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().filter(|value| value.fract() == 0.0).map(|value| format!("{value:.0}"))
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    elements.iter().map(text).collect::<Option<Vec<_>>>().map_or(Raw::Wrong, Raw::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str, name: &str) -> Option<Raw> {
        Parameters::from_urlencoded(text.as_bytes()).unwrap().get(name).cloned()
    }

    fn json(text: &str, name: &str) -> Option<Raw> {
        Parameters::from_json(serde_json::from_str(text).unwrap()).unwrap().get(name).cloned()
    }

    fn texts(values: &[&str]) -> Raw {
        Raw::List(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn all_forms_of_a_list_mean_the_same() {
        let same = Some(texts(&["1", "2"]));
        for text in [
            "identifiers[]=1&identifiers[]=2",
            "identifiers%5B%5D=1&identifiers%5b%5d=2",
            "identifiers=1&identifiers=2",
            "identifiers[0]=1&identifiers[1]=2",
            "identifiers=1&identifiers[]=2",
        ] {
            assert_eq!(query(text, "identifiers"), same, "{text}");
        }
        assert_eq!(query("identifiers=1,2", "identifiers"), Some(texts(&["1,2"])));
        assert_eq!(json(r#"{"identifiers":[1,"2"]}"#, "identifiers"), same);
    }

    #[test]
    fn the_last_of_a_repeated_single_parameter_wins() {
        assert_eq!(query("page=1&page=2", "page"), Some(Raw::Text("2".to_owned())));
    }

    #[test]
    fn wrong_types_are_kept_as_such() {
        assert_eq!(query("identifiers[a]=1&identifiers[]=2", "identifiers"), Some(Raw::Wrong));
        assert_eq!(query("identifiers[]=2&identifiers[", "identifiers"), Some(Raw::Wrong));
        assert_eq!(query("page[]=1", "page"), Some(texts(&["1"])));
        for text in [r#"{"identifiers":{"a":1}}"#, r#"{"identifiers":[true]}"#, r#"{"identifiers":[1.5]}"#] {
            assert_eq!(json(text, "identifiers"), Some(Raw::Wrong), "{text}");
        }
        assert_eq!(json(r#"{"checksum_state":5}"#, "checksum_state"), Some(Raw::Wrong));
    }

    #[test]
    fn json_numbers_keep_their_value_and_null_is_nothing() {
        assert_eq!(
            json(r#"{"identifiers":[9223372036854775807,-1,2.0,1e20,null]}"#, "identifiers"),
            Some(texts(&["9223372036854775807", "-1", "2", "100000000000000000000", ""]))
        );
        assert_eq!(json(r#"{"identifiers":7}"#, "identifiers"), Some(texts(&["7"])));
        assert_eq!(json(r#"{"identifiers":null}"#, "identifiers"), None);
    }

    #[test]
    fn one_source_goes_before_another() {
        let body = Parameters::from_urlencoded(b"a=1").unwrap();
        let both = body.or(Parameters::from_urlencoded(b"a=2&b=3").unwrap());
        assert_eq!(both.get("a"), Some(&Raw::Text("1".to_owned())));
        assert_eq!(both.get("b"), Some(&Raw::Text("3".to_owned())));
    }
    #[test]
    fn names_are_counted_and_values_are_not() {
        let form = |count: usize| (0..count).map(|at| format!("n{at}=1")).collect::<Vec<_>>().join("&");
        assert!(Parameters::from_urlencoded(form(MAX_NAMES).as_bytes()).is_ok());
        assert_eq!(Parameters::from_urlencoded(form(MAX_NAMES + 1).as_bytes()), Err(TooManyNames));
        let object = |count: usize| (0..count).map(|at| (format!("n{at}"), Value::Null)).collect();
        assert!(Parameters::from_json(object(MAX_NAMES)).is_ok());
        assert_eq!(Parameters::from_json(object(MAX_NAMES + 1)), Err(TooManyNames));
        let elements = "identifiers[]=1&".repeat(MAX_NAMES + 1);
        assert!(Parameters::from_urlencoded(elements.as_bytes()).is_ok());
    }
}
