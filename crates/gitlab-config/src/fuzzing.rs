//! Entry points for the fuzz targets, each with what must hold for any input.

use std::path::Path;

use crate::{ruby, yaml};

/// A `gitlab.rb`.
///
/// # Panics
///
/// If the program can neither be followed nor refused.
pub fn ruby(input: &[u8]) {
    let program = ruby::Program::file("gitlab.rb".to_owned(), String::from_utf8_lossy(input).into_owned());
    let load = |_: &str| Err("there are no other files".to_owned());
    if let Err(refused) = ruby::document(&[program], &load) {
        assert_ne!(refused.why, ruby::FAILED);
    }
}

/// A `gitlab.yml`, or another configuration file in YAML.
pub fn yaml(input: &[u8]) {
    let _: Result<_, _> = yaml::document(Path::new("gitlab.yml"), &String::from_utf8_lossy(input));
}
