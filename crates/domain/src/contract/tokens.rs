//! The suite of the port [`Tokens`](crate::ports::Tokens).

pub mod access;
