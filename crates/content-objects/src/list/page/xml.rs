//! Walks over an XML document.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::NO_XML;

/// An element that has ended.
pub(super) struct Element<'a> {
    /// The local names from the root element to this one.
    pub(super) path: &'a [&'a [u8]],
    /// Its text, without that of its children.
    pub(super) text: String,
    /// Whether it has the attribute `Encoded="true"`.
    pub(super) is_encoded: bool,
}

/// Calls `take` with each element that ends; fails if the document is no XML, or `take` fails.
pub(super) fn walk(
    xml: &[u8],
    mut take: impl FnMut(Element<'_>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut reader = Reader::from_reader(xml);
    let mut open: Vec<(Vec<u8>, bool)> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| NO_XML)? {
            Event::Start(start) => {
                open.push((start.local_name().as_ref().to_owned(), is_encoded(&start)));
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|_| NO_XML)?),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::End(_) => {
                let path: Vec<&[u8]> = open.iter().map(|(name, _)| name.as_slice()).collect();
                let is_encoded = open.last().is_some_and(|(_, is_encoded)| *is_encoded);
                take(Element { path: &path, text: std::mem::take(&mut text), is_encoded })?;
                open.pop();
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn is_encoded(start: &BytesStart<'_>) -> bool {
    start.try_get_attribute("Encoded").ok().flatten().is_some_and(|value| &*value.value == b"true")
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, &'static str> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| NO_XML)? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|_| NO_XML)?;
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.map(str::to_owned).ok_or("it has an unknown reference")
}
