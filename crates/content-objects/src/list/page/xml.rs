//! Walks over an XML document.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use stocktake_content::num::narrow;

use super::NO_XML;

/// An element that has ended.
pub(crate) struct Element<'a> {
    /// The local names from the root element to this one.
    pub(crate) path: &'a [&'a [u8]],
    /// Its text, without that of its children.
    pub(crate) text: String,
    /// Whether it has the attribute `Encoded="true"`.
    pub(crate) is_encoded: bool,
}

/// Calls `take` with each element that ends; fails if the document is no XML, or `take` fails.
pub(crate) fn walk(
    xml: &[u8],
    mut take: impl FnMut(Element<'_>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut reader = Reader::from_reader(xml);
    // Parts of the document, so that a name costs no allocation: a page has thousands of elements.
    let mut open: Vec<&[u8]> = Vec::new();
    let mut encoded: Vec<bool> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| NO_XML)? {
            Event::Start(start) => {
                // What was read of the tag ends before the angle bracket.
                let end = narrow(reader.buffer_position()).saturating_sub(1);
                let begin = end.saturating_sub(start.len());
                let name = xml.get(begin..).and_then(|tag| tag.get(..start.name().as_ref().len()));
                let name = name.ok_or(NO_XML)?;
                open.push(name.rsplit(|byte| *byte == b':').next().unwrap_or(name));
                encoded.push(is_encoded(&start));
                text.clear();
            }
            Event::Text(part) => text.push_str(&part.decode().map_err(|_| NO_XML)?),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)?),
            Event::End(_) => {
                let is_encoded = encoded.pop().unwrap_or_default();
                take(Element { path: &open, text: std::mem::take(&mut text), is_encoded })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tags() {
        let xml = b"<?xml version=\"1.0\"?>\n<a:Root xmlns:a=\"x\">\n <One  b=\"c\" >1</One><a:Two>2<Three/></a:Two></a:Root>";
        let mut seen = Vec::new();
        let walked = walk(xml, |element| {
            let path: Vec<_> = element.path.iter().map(|name| String::from_utf8_lossy(name)).collect();
            seen.push(format!("{} {}", path.join("/"), element.text.trim()));
            Ok(())
        });
        assert_eq!(walked, Ok(()));
        assert_eq!(seen, ["Root/One 1", "Root/Two 2", "Root "]);
    }
}
