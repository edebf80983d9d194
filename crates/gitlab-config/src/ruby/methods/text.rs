//! Methods of texts, and of paths.

use super::arguments::{Call, whole};
use crate::ruby::interpreter::{Flow, Interpreter, LONGEST_TEXT};
use crate::ruby::object::{Item, Object, Shared};

/// Methods that change their receiver, beside those with an exclamation mark.
pub(super) const CHANGING: [&str; 10] = [
    "<<",
    "concat",
    "replace",
    "insert",
    "prepend",
    "clear",
    "[]=",
    "setbyte",
    "force_encoding",
    "append_as_bytes",
];

impl Interpreter<'_> {
    /// A method of a text.
    pub(super) fn of_text(&mut self, text: &Shared<String>, call: &Call<'_>) -> Result<Option<Object>, Flow> {
        let own = text.borrow().value.clone();
        self.work(own.len() / 16)?;
        if call.block.is_some() && call.name != "each_line" {
            return Ok(None);
        }
        if let Some(changed) = changed(&own, call) {
            if changed.len() > LONGEST_TEXT {
                return Ok(None);
            }
            text.borrow_mut().value = changed;
            return Ok(Some(Object::Text(text.clone())));
        }
        let value = match call.arguments {
            [] => plain(&own, call.name),
            [_] => with_one(&own, call),
            [from, to] => with_two(&own, call.name, &from.value, &to.value),
            _ => None,
        };
        if let Some(list) = list(&own, call) {
            let place = self.place(call.node.expression());
            let items: Vec<Item> =
                list.into_iter().map(|part| Item { value: Object::text(part), place }).collect();
            if let (Some(block), "each_line") = (call.block, call.name) {
                for item in items {
                    self.call_block(call.node, block, vec![item])?;
                }
                return Ok(Some(Object::Text(text.clone())));
            }
            return Ok(Some(Object::list(items)));
        }
        Ok(value)
    }
}

/// What a changing method makes of it.
fn changed(own: &str, call: &Call<'_>) -> Option<String> {
    let of_one = |other: String| match call.name {
        "<<" | "concat" => Some(format!("{own}{other}")),
        "prepend" => Some(format!("{other}{own}")),
        "replace" => Some(other),
        _ => None,
    };
    match (call.name, call.arguments) {
        ("<<" | "concat" | "prepend" | "replace", [_]) => of_one(call.only_text()?),
        ("clear", []) => Some(String::new()),
        // Those that return `nil` if they change nothing are not followed.
        _ => None,
    }
}

/// A method without arguments.
fn plain(own: &str, name: &str) -> Option<Object> {
    let is_ascii = own.is_ascii();
    let space = |next: char| next == '\0' || next.is_ascii_whitespace() || next == '\u{b}';
    Some(match name {
        "to_str" | "+@" | "-@" => Object::text(own),
        "to_sym" | "intern" => Object::Symbol(own.into()),
        "strip" => Object::text(own.trim_start_matches(space).trim_end_matches(space)),
        "lstrip" => Object::text(own.trim_start_matches(space)),
        "rstrip" => Object::text(own.trim_end_matches(space)),
        "chomp" => {
            Object::text(own.strip_suffix("\r\n").or_else(|| own.strip_suffix(['\n', '\r'])).unwrap_or(own))
        }
        "chop" if !own.ends_with("\r\n") => {
            let mut text = own.to_owned();
            text.pop();
            Object::text(text)
        }
        "downcase" if is_ascii => Object::text(own.to_ascii_lowercase()),
        "upcase" if is_ascii => Object::text(own.to_ascii_uppercase()),
        "capitalize" if is_ascii => {
            let (first, rest) = own.split_at_checked(1).unwrap_or((own, ""));
            Object::text(first.to_ascii_uppercase() + &rest.to_ascii_lowercase())
        }
        "swapcase" if is_ascii => Object::text(
            own.chars()
                .map(|next| {
                    if next.is_ascii_uppercase() {
                        next.to_ascii_lowercase()
                    } else {
                        next.to_ascii_uppercase()
                    }
                })
                .collect::<String>(),
        ),
        "reverse" => Object::text(own.chars().rev().collect::<String>()),
        "length" | "size" => whole(own.chars().count()),
        "bytesize" => whole(own.len()),
        "empty?" => Object::Flag(own.is_empty()),
        "to_i" => return leading_number(own).map(Object::Whole),
        _ => return None,
    })
}

/// The number at the beginning of a text, else 0.
fn leading_number(own: &str) -> Option<i64> {
    let own = own.trim_start();
    if own.contains('_') {
        return None;
    }
    let (sign, digits) = match own.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, own.strip_prefix('+').unwrap_or(own)),
    };
    let end = digits.find(|next: char| !next.is_ascii_digit()).unwrap_or(digits.len());
    let digits = digits.get(..end).filter(|digits| !digits.is_empty()).unwrap_or("0");
    digits.parse::<i64>().ok()?.checked_mul(sign)
}

/// A method with one argument.
fn with_one(own: &str, call: &Call<'_>) -> Option<Object> {
    if let Some(number) = call.only_whole() {
        return match call.name {
            "*" => {
                let times = usize::try_from(number).ok()?;
                let length = own.len().checked_mul(times).filter(|length| *length <= LONGEST_TEXT)?;
                (length <= LONGEST_TEXT).then(|| Object::text(own.repeat(times)))
            }
            "[]" | "slice" => {
                let count = i64::try_from(own.chars().count()).ok()?;
                let at = if number < 0 { number + count } else { number };
                let at = usize::try_from(at).ok();
                let found = at.and_then(|at| own.chars().nth(at));
                Some(found.map_or(Object::Nil, |next| Object::text(next.to_string())))
            }
            _ => None,
        };
    }
    if let ("%", Some(argument)) = (call.name, call.only()) {
        let values = match argument {
            Object::List(_) => argument.as_list()?.into_iter().map(|item| item.value).collect(),
            Object::Table(_) | Object::Unknown(_) => return None,
            single => vec![single.clone()],
        };
        return formatted(own, &values).map(Object::text);
    }
    let other = call.only_text()?;
    Some(match call.name {
        "+" => {
            if own.len() + other.len() > LONGEST_TEXT {
                return None;
            }
            Object::text(format!("{own}{other}"))
        }
        "start_with?" => Object::Flag(own.starts_with(&other)),
        "end_with?" => Object::Flag(own.ends_with(&other)),
        "include?" => Object::Flag(own.contains(&other)),
        "chomp" if !other.is_empty() && other != "\n" => {
            Object::text(own.strip_suffix(&other).unwrap_or(own))
        }
        "delete_prefix" => Object::text(own.strip_prefix(&other).unwrap_or(own)),
        "delete_suffix" => Object::text(own.strip_suffix(&other).unwrap_or(own)),
        "[]" | "slice" => {
            if own.contains(&other) {
                Object::text(other)
            } else {
                Object::Nil
            }
        }
        "<" => Object::Flag(own < other.as_str()),
        ">" => Object::Flag(own > other.as_str()),
        "<=" => Object::Flag(own <= other.as_str()),
        ">=" => Object::Flag(own >= other.as_str()),
        "casecmp?" if own.is_ascii() && other.is_ascii() => Object::Flag(own.eq_ignore_ascii_case(&other)),
        _ => return None,
    })
}

/// A method with two arguments.
fn with_two(own: &str, name: &str, from: &Object, to: &Object) -> Option<Object> {
    if let (Object::Whole(from), Object::Whole(length), "[]" | "slice") = (from, to, name) {
        let from = usize::try_from(*from).ok()?;
        let length = usize::try_from(*length).ok()?;
        let count = own.chars().count();
        return Some(if from > count {
            Object::Nil
        } else {
            Object::text(own.chars().skip(from).take(length).collect::<String>())
        });
    }
    let (from, to) = (from.as_text()?, to.as_text()?);
    // References to what was matched are not followed.
    if to.contains('\\') || from.is_empty() {
        return None;
    }
    let is_plain = |set: &str| !set.contains(['^', '-', '\\']);
    match name {
        "sub" => Some(Object::text(own.replacen(&from, &to, 1))),
        "gsub" if own.len().saturating_mul(to.len().max(1)) <= LONGEST_TEXT => {
            Some(Object::text(own.replace(&from, &to)))
        }
        "tr" if is_plain(&from) && is_plain(&to) => {
            let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
            let last = to.last().copied();
            let changed = own.chars().filter_map(|next| match from.iter().position(|of| *of == next) {
                Some(at) => to.get(at).copied().or(last),
                None => Some(next),
            });
            Some(Object::text(changed.collect::<String>()))
        }
        _ => None,
    }
}

/// The methods that make a list of it.
fn list(own: &str, call: &Call<'_>) -> Option<Vec<String>> {
    let texts = |parts: Vec<&str>| parts.into_iter().map(ToOwned::to_owned).collect();
    match (call.name, call.arguments) {
        ("split", []) => Some(texts(own.split_ascii_whitespace().collect())),
        ("split", [_]) => {
            let by = call.only_text()?;
            let mut parts: Vec<&str> = match by.as_str() {
                "" => return None,
                " " => own.split_ascii_whitespace().collect(),
                by => own.split(by).collect(),
            };
            while parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
            Some(texts(parts))
        }
        ("lines" | "each_line", []) => Some(texts(own.split_inclusive('\n').collect())),
        ("chars", []) => Some(own.chars().map(String::from).collect()),
        _ => None,
    }
}

/// `format` with the directives `%s` and `%d`, without anything between.
fn formatted(format: &str, values: &[Object]) -> Option<String> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((before, directive)) = rest.split_once('%') {
        text.push_str(before);
        let mut characters = directive.chars();
        match characters.next()? {
            '%' => text.push('%'),
            's' => text.push_str(&values.next()?.to_text()?),
            'd' => match values.next()? {
                Object::Whole(number) => text.push_str(&number.to_string()),
                _ => return None,
            },
            _ => return None,
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    (text.len() <= LONGEST_TEXT).then_some(text)
}

/// What `File.join` makes of texts.
pub(super) fn join_paths(parts: &[String]) -> String {
    let mut path = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at == 0 {
            path.push_str(part);
            continue;
        }
        match (path.ends_with('/'), part.starts_with('/')) {
            (true, true) => {
                path.truncate(path.trim_end_matches('/').len());
                path.push_str(part);
            }
            (false, false) => {
                path.push('/');
                path.push_str(part);
            }
            _ => path.push_str(part),
        }
    }
    path
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && !path.is_empty() {
        return "/".to_owned();
    }
    trimmed.rsplit('/').next().unwrap_or_default().to_owned()
}

/// All but the last part of a path.
pub(super) fn folder_name(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((before, _)) if !before.trim_end_matches('/').is_empty() => {
            before.trim_end_matches('/').to_owned()
        }
        None if !path.starts_with('/') => ".".to_owned(),
        _ => "/".to_owned(),
    }
}

/// An absolute path without `.`, `..` and repeated slashes; `None` for another one, which depends on the process.
pub(super) fn absolute(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}
