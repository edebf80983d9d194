//! Forms as `multipart/form-data`, of which only the names and values of the fields are used.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;

use crate::parameters::{Parameters, TooManyNames};

/// The boundary in a content type.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    multer::parse_boundary(content_type).ok().filter(|boundary| !boundary.is_empty())
}

/// The fields of a form; `None` if it is not one.
pub(super) async fn parse(boundary: &str, body: Bytes) -> Option<Result<Parameters, TooManyNames>> {
    let mut form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let mut parameters = Parameters::default();
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        let value = field.bytes().await.ok()?;
        let added = parameters.add(&name, String::from_utf8_lossy(&value).into_owned());
        if let Err(error) = added {
            return Some(Err(error));
        }
    }
    Some(Ok(parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fields(boundary: &str, body: &'static str) -> Option<Parameters> {
        parse(boundary, Bytes::from_static(body.as_bytes())).await.map(Result::unwrap)
    }

    #[actix_web::test]
    async fn fields_are_read_as_from_any_form() {
        let body = "preamble\r\n--x y\r\ncontent-disposition: form-data; name=\"identifiers[]\"\r\n\r\n1\r\n--x y \r\n\
                    Content-Type: text/plain\r\nContent-Disposition: form-data; name=identifiers[]\r\n\r\n2\r\n\
                    --x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\nc\r\n--x y--\r\n";
        let boundary = boundary("multipart/form-data; charset=utf-8; Boundary=\"x y\"").unwrap();
        let parameters = fields(&boundary, body).await.unwrap();
        assert_eq!(
            parameters,
            Parameters::from_urlencoded(b"identifiers[]=1&identifiers[]=2&a=b%0D%0Ac").unwrap()
        );
    }

    #[actix_web::test]
    async fn what_has_no_end_or_no_name_is_no_form() {
        assert_eq!(boundary("multipart/form-data; boundary="), None);
        assert_eq!(boundary("multipart/form-data"), None);
        for body in [
            "",
            "a=b",
            "--b\r\n\r\n1\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1",
        ] {
            assert_eq!(fields("b", body).await, None, "{body}");
        }
        assert_eq!(fields("b", "--b--").await, Some(Parameters::default()));
    }
}
