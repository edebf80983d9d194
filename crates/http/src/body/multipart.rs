//! Forms as `multipart/form-data`, of which only the plain fields matter here.

use crate::parameters::Parameters;

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let value = attribute(content_type, "boundary")?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// The fields of a form; `None` if it is not one.
pub(super) fn parse(boundary: &str, body: &[u8]) -> Option<Parameters> {
    // With a line break in front, the first boundary looks like all others.
    let text = format!("\r\n{}", String::from_utf8_lossy(body));
    let delimiter = format!("\r\n--{boundary}");
    let mut parameters = Parameters::default();
    for part in text.split(&delimiter).skip(1) {
        if part.starts_with("--") {
            return Some(parameters);
        }
        let (head, value) = part.trim_start_matches([' ', '\t']).split_once("\r\n\r\n")?;
        let disposition = head.split("\r\n").find(|line| {
            line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
        })?;
        parameters.add(attribute(disposition, "name")?, value.to_owned());
    }
    None
}

/// The value of an attribute behind a header's value, without its quotes.
fn attribute<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|attribute| {
        let (found, value) = attribute.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_from_any_form() {
        let body = "preamble\r\n--x y\r\ncontent-disposition: form-data; name=\"identifiers[]\"\r\n\r\n1\r\n--x y \r\n\
                    Content-Type: text/plain\r\nContent-Disposition: form-data; name=identifiers[]\r\n\r\n2\r\n\
                    --x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\nc\r\n--x y--\r\n";
        let boundary = boundary("multipart/form-data; charset=utf-8; Boundary=\"x y\"").unwrap();
        let parameters = parse(&boundary, body.as_bytes()).unwrap();
        assert_eq!(parameters, Parameters::from_urlencoded(b"identifiers[]=1&identifiers[]=2&a=b%0D%0Ac"));
    }

    #[test]
    fn what_has_no_end_or_no_name_is_no_form() {
        assert_eq!(boundary("multipart/form-data; boundary="), None);
        assert_eq!(boundary("multipart/form-data"), None);
        for body in [
            "",
            "a=b",
            "--b\r\n\r\n1\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1",
        ] {
            assert_eq!(parse("b", body.as_bytes()), None, "{body}");
        }
        assert_eq!(parse("b", b"--b--"), Some(Parameters::default()));
    }
}
