//! The style sheet, the script and the mark, under names that change with their content, so that browsers may keep them.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, Resource, web};
use sha2::{Digest as _, Sha256};

/// A file that pages need.
pub(crate) struct Asset {
    /// Where it is, below `/console`.
    route: String,
    kind: &'static str,
    content: &'static str,
}

/// The style sheet.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_str!("../assets/console.css"))
});

/// What makes the pages quicker to use; they work without it.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("../assets/console.js"))
});

/// The mark: a tally of five.
pub(crate) static MARK: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("mark", "svg", "image/svg+xml", include_str!("../assets/mark.svg")));

impl Asset {
    fn new(name: &str, extension: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = hex::encode(Sha256::digest(content));
        let digest = digest.get(..12).unwrap_or_default();
        Self { route: format!("/assets/{name}-{digest}.{extension}"), kind, content }
    }

    /// The path that pages name.
    pub(crate) fn path(&self) -> String {
        format!("/console{}", self.route)
    }

    /// Answers for it.
    pub(crate) fn resource(&'static self) -> Resource {
        let answer = move || async {
            HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, self.kind))
                .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
                .body(self.content)
        };
        web::resource(self.route.as_str()).route(web::get().to(answer)).route(web::head().to(answer))
    }
}
