//! The suite of the port [`Jobs`](crate::ports::Jobs).

pub mod bulk;
