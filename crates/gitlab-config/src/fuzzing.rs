//! Entry points for the fuzz targets, each with what must hold for any input.

use std::path::Path;

use crate::{ruby, yaml};

/// A `gitlab.rb`.
pub fn ruby(input: &[u8]) {
    let _: crate::node::Document = ruby::document(&String::from_utf8_lossy(input));
}

/// A `gitlab.yml`, or another configuration file in YAML.
pub fn yaml(input: &[u8]) {
    let _: Result<_, _> = yaml::document(Path::new("gitlab.yml"), &String::from_utf8_lossy(input));
}
